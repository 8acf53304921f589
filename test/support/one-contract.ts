/** A contract of a test's own, as a chain's file would give it: its events by topic, at one address. */
import type { Hex } from "../../src/domain/ids.ts";
import type { ContractSpec, EventHandler } from "../../src/follower/chain-spec.ts";

export function oneContract(
	address: Hex,
	handlers: ReadonlyMap<Hex, EventHandler>,
	namespace: string,
): ContractSpec {
	return {
		name: "Node",
		startBlock: 0n,
		endBlock: undefined,
		addresses: new Set([address]),
		factory: undefined,
		events: [...handlers].map(([topic, handler], order) => ({
			topic,
			filters: [[]],
			handler,
			order,
		})),
		namespaces: [namespace],
	};
}
