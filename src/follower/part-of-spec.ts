/** A chain's handlers without those whose names are not wanted; nothing else is another. */
import type { ChainSpec, ContractSpec } from "./chain-spec.ts";

export function partOfSpec(spec: ChainSpec, names: ReadonlySet<string>): ChainSpec {
	const contracts = spec.contracts.flatMap((contract): readonly ContractSpec[] => {
		const events = contract.events.filter(({ handler }) => names.has(handler.name));
		return events.length === 0 ? [] : [{ ...contract, events }];
	});
	return {
		...spec,
		contracts,
		intervals: spec.intervals.filter(({ name }) => names.has(name)),
	};
}
