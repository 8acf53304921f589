/**
 * Which logs to ask a node for. Of a range each contract's own, so that nothing is sent that nobody takes; of
 * one block all in one request, since a block's are few: what nobody takes is dropped here.
 */
import type { Height, Hex } from "../domain/ids.ts";
import type { LogFilter, TopicArgs } from "./chain-source.ts";
import type { ContractSpec } from "./chain-spec.ts";
import { isMade } from "./factory-children.ts";
import { isBetween } from "./log-router.ts";

/** Logs of one kind, for heights of both bounds inclusive; no end: undefined. */
export interface LogWant {
	readonly startBlock: Height;
	readonly endBlock: Height | undefined;
	/** Undefined: of whichever contract. */
	readonly addresses: readonly Hex[] | undefined;
	readonly topics: readonly Hex[];
	readonly args: TopicArgs;
}

export interface RangeQuery {
	readonly from: Height;
	readonly to: Height;
	readonly filter: LogFilter;
}

/** Events of the contracts whose addresses are known, and those of factories that tell addresses. */
export function plainWants(contracts: readonly ContractSpec[]): readonly LogWant[] {
	return contracts.flatMap((contract) => {
		if (!isMade(contract)) return eventWants(contract, [...contract.addresses]);
		const { startBlock, addresses, topic } = contract.factory;
		const { endBlock } = contract;
		return [{ startBlock, endBlock, addresses: [...addresses], topics: [topic], args: [] }];
	});
}

/** Events of a contract at `addresses`; undefined: wherever. */
export function eventWants(
	{ startBlock, endBlock, events }: ContractSpec,
	addresses: readonly Hex[] | undefined,
): readonly LogWant[] {
	const place = { startBlock, endBlock, addresses };
	const unconditional = events.filter(({ filters }) => filters.some(asksForNothing));
	const conditional = events.filter(({ filters }) => !filters.some(asksForNothing));
	const topics = [...new Set(unconditional.map(({ topic }) => topic))];
	return [
		...(topics.length === 0 ? [] : [{ ...place, topics, args: [] }]),
		...conditional.flatMap(({ topic, filters }) =>
			filters.map((args) => ({ ...place, topics: [topic], args })),
		),
	];
}

function asksForNothing(filter: TopicArgs): boolean {
	return filter.every((values) => values === undefined);
}

/** One query for all wants of the same topics over the same heights. Both bounds inclusive. */
export function rangeQueries(
	wants: readonly LogWant[],
	range: { readonly from: Height; readonly to: Height },
): readonly RangeQuery[] {
	const queries = new Map<string, RangeQuery>();
	for (const { startBlock, endBlock, addresses, topics, args } of wants) {
		if (addresses?.length === 0) continue;
		const from = startBlock > range.from ? startBlock : range.from;
		const to = endBlock !== undefined && endBlock < range.to ? endBlock : range.to;
		if (from > to) continue;
		const key = JSON.stringify([
			`${from}`,
			`${to}`,
			topics.toSorted(),
			args.map((each) => each ?? null),
		]);
		const same = queries.get(key);
		const all = same === undefined ? addresses : union(same.filter.addresses, addresses);
		queries.set(key, { from, to, filter: { addresses: all, topics, args } });
	}
	return [...queries.values()];
}

/** Everything that is wanted of one block; undefined: nothing. */
export function blockFilter(wants: readonly LogWant[], height: Height): LogFilter | undefined {
	const here = wants.filter((want) => isBetween(height, want) && want.addresses?.length !== 0);
	const [first, ...others] = here;
	if (first === undefined) return undefined;
	const { addresses, topics, args } = first;
	if (others.length === 0) return { addresses, topics, args };
	return {
		addresses: here.map((want) => want.addresses).reduce(union),
		topics: [...new Set(here.flatMap((want) => want.topics))],
	};
}

function union(
	a: readonly Hex[] | undefined,
	b: readonly Hex[] | undefined,
): readonly Hex[] | undefined {
	return a === undefined || b === undefined ? undefined : [...new Set([...a, ...b])];
}
