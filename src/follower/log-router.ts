/** Who takes a log: the chain's contracts by event signature. Whether a factory made its contract is not known here. */
import type { ChainLog } from "../domain/block.ts";
import type { Height, Hex } from "../domain/ids.ts";
import type { ContractSpec, EventSpec } from "./chain-spec.ts";
import { isMade, type MadeContract } from "./factory-children.ts";
import { takesArgs } from "./log-filter.ts";

export interface Taker {
	readonly contract: ContractSpec;
	readonly event: EventSpec;
}

const routers = new WeakMap<readonly ContractSpec[], LogRouter>();

/** Made once for each list of contracts. */
export function routerOf(contracts: readonly ContractSpec[]): LogRouter {
	const known = routers.get(contracts);
	if (known !== undefined) return known;
	const router = new LogRouter(contracts);
	routers.set(contracts, router);
	return router;
}

export class LogRouter {
	readonly #takers = new Map<Hex, Taker[]>();
	readonly #makers = new Map<Hex, MadeContract[]>();

	constructor(contracts: readonly ContractSpec[]) {
		for (const contract of contracts) {
			for (const event of contract.events) push(this.#takers, event.topic, { contract, event });
			if (isMade(contract)) push(this.#makers, contract.factory.topic, contract);
		}
		for (const takers of this.#takers.values()) {
			takers.sort((a, b) => a.event.order - b.event.order);
		}
	}

	/** In the order in which they run. Of a factory's contract only topics and height were looked at. */
	takersOf(log: ChainLog): readonly Taker[] {
		const [topic, ...args] = log.topics;
		const takers = topic === undefined ? undefined : this.#takers.get(topic);
		if (takers === undefined) return [];
		return takers.filter(
			({ contract, event }) =>
				(isMade(contract) || contract.addresses.has(log.address)) &&
				isBetween(log.blockNumber, contract) &&
				event.filters.some((filter) => takesArgs(filter, args)),
		);
	}

	/** Contracts whose factory says in this log that it made one. */
	madeBy(log: ChainLog): readonly MadeContract[] {
		const [topic] = log.topics;
		const makers = topic === undefined ? undefined : this.#makers.get(topic);
		if (makers === undefined) return [];
		return makers.filter(
			({ factory, endBlock }) =>
				factory.addresses.has(log.address) &&
				isBetween(log.blockNumber, { startBlock: factory.startBlock, endBlock }),
		);
	}
}

/** Both bounds inclusive. */
export function isBetween(
	height: Height,
	{ startBlock, endBlock }: { readonly startBlock: Height; readonly endBlock: Height | undefined },
): boolean {
	return height >= startBlock && (endBlock === undefined || height <= endBlock);
}

function push<Item>(lists: Map<Hex, Item[]>, key: Hex, item: Item): void {
	const list = lists.get(key) ?? [];
	list.push(item);
	lists.set(key, list);
}
