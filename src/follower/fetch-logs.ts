/**
 * The logs of a range or of single blocks that the chain's handlers take, in order, each once. What factories
 * made among these blocks is asked for as well, from the block on that made it.
 */
import { isDeepStrictEqual } from "node:util";
import { lower } from "../chain/height.ts";
import type { BlockHeader, ChainBlock, ChainLog } from "../domain/block.ts";
import type { Height, Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { mapBounded } from "./bounded.ts";
import type { ChainSource, LogFilter, RangeLogs } from "./chain-source.ts";
import type { ContractSpec } from "./chain-spec.ts";
import { isMade, type KnownChildren, type MadeContract } from "./factory-children.ts";
import { blockFilter, eventWants, type LogWant, plainWants, rangeQueries } from "./log-queries.ts";
import { routerOf, type Taker } from "./log-router.ts";

/** Requests for logs under way at once: enough to hide a round trip, few enough for public nodes. */
const LOG_REQUESTS = 16;
/** Queries of one range under way at once: each is many requests where the node takes small ranges. */
const RANGE_QUERIES = 4;

export interface LogContext {
	readonly contracts: readonly ContractSpec[];
	readonly children: KnownChildren;
}

/** What a factory made that nobody knew of. */
interface Found {
	readonly contract: MadeContract;
	readonly address: Hex;
	readonly height: Height;
}

/** Of both bounds inclusive. Logs and blocks belong together, see ChainSource; blocks may be more. */
export async function fetchRangeLogs(
	source: Pick<ChainSource, "logsOfRange">,
	range: { readonly from: Height; readonly to: Height },
	context: LogContext,
): Promise<RangeLogs> {
	const ask = async (wants: readonly LogWant[], from: Height): Promise<readonly RangeLogs[]> =>
		mapBounded(rangeQueries(wants, { from, to: range.to }), RANGE_QUERIES, ({ filter, ...part }) =>
			source.logsOfRange(part, filter),
		);
	const known = await ask(await wantsOf(context), range.from);
	const made = await findMade(
		known.flatMap(({ logs }) => logs),
		context,
	);
	const from = made.map(({ height }) => height).reduce(lower, range.to);
	const answers = [...known, ...(await ask(wantsOfMade(made), from))];
	const blocks = new Map<Hex, ChainBlock>();
	for (const block of answers.flatMap((answer) => answer.blocks)) blocks.set(block.hash, block);
	const logs = await taken(
		answers.map((answer) => answer.logs),
		context,
	);
	const named = new Set(logs.map((log) => log.blockHash));
	return {
		logs,
		blocks: [...blocks.values()].filter(({ hash }) => named.has(hash)).sort(byNumber),
	};
}

/** Of each header's block, in the order of the headers, which follow one another. */
export async function fetchBlockLogs<Header extends Pick<BlockHeader, "number">>(
	headers: readonly Header[],
	context: LogContext,
	ask: (headers: readonly Header[], filter: LogFilter) => Promise<readonly (readonly ChainLog[])[]>,
): Promise<readonly (readonly ChainLog[])[]> {
	const askAll = async (wants: (height: Height) => readonly LogWant[]) => {
		const runs = alike(headers, ({ number }) => blockFilter(wants(number), number));
		const answers = await mapBounded(runs, RANGE_QUERIES, async (run) =>
			run.filter === undefined ? run.headers.map(() => []) : await ask(run.headers, run.filter),
		);
		return answers.flat();
	};
	const plain = await wantsOf(context);
	const known = await askAll(() => plain);
	const made = await findMade(known.flat(), context);
	const more =
		made.length === 0
			? []
			: await askAll((height) => wantsOfMade(made.filter((each) => each.height <= height)));
	return mapBounded(headers, LOG_REQUESTS, (_, index) =>
		taken([known[index] ?? [], more[index] ?? []], context),
	);
}

interface Run<Header> {
	readonly headers: Header[];
	readonly filter: LogFilter | undefined;
}

/** Neighbours of which the same is wanted, which change where a contract begins or ends. */
function alike<Header>(
	headers: readonly Header[],
	filterOf: (header: Header) => LogFilter | undefined,
): readonly Run<Header>[] {
	const runs: Run<Header>[] = [];
	for (const header of headers) {
		const filter = filterOf(header);
		const run = runs.at(-1);
		if (run !== undefined && isDeepStrictEqual(run.filter, filter)) run.headers.push(header);
		else runs.push({ headers: [header], filter });
	}
	return runs;
}

async function wantsOf({ contracts, children }: LogContext): Promise<readonly LogWant[]> {
	const wants = [...plainWants(contracts)];
	for (const contract of contracts.filter(isMade)) {
		for (const want of eventWants(contract, await children.asked(contract))) wants.push(want);
	}
	return wants;
}

/** Those that were not asked for by their address or by topics alone. */
async function findMade(
	logs: readonly ChainLog[],
	{ contracts, children }: LogContext,
): Promise<readonly Found[]> {
	const router = routerOf(contracts);
	const made: Found[] = [];
	const byTopics = new Set<ContractSpec>();
	for (const contract of contracts.filter(isMade)) {
		if ((await children.asked(contract)) === undefined) byTopics.add(contract);
	}
	for (const log of logs) {
		for (const contract of router.madeBy(log)) {
			const address = contract.factory.childOf(log);
			if (address === undefined || (await children.has(contract, address))) continue;
			children.found(contract, address);
			if (!byTopics.has(contract)) made.push({ contract, address, height: log.blockNumber });
		}
	}
	return made;
}

function wantsOfMade(made: readonly Found[]): readonly LogWant[] {
	const byContract = new Map<MadeContract, Hex[]>();
	for (const { contract, address } of made) {
		byContract.set(contract, [...(byContract.get(contract) ?? []), address]);
	}
	return [...byContract].flatMap(([contract, addresses]) =>
		eventWants(contract, addresses.length > LIMITS.factoryListedChildren ? undefined : addresses),
	);
}

/** In order and each once, without those that nobody takes. Each answer is in order by itself. */
async function taken(
	answers: readonly (readonly ChainLog[])[],
	{ contracts, children }: LogContext,
): Promise<readonly ChainLog[]> {
	const router = routerOf(contracts);
	const logs: ChainLog[] = [];
	for (const log of inOneOrder(answers.filter((answer) => answer.length > 0))) {
		const takers = router.takersOf(log);
		// Most logs are of contracts that the file names: nothing is waited for then.
		const isPlain =
			takers.some(({ contract }) => !isMade(contract)) || router.madeBy(log).length > 0;
		if (isPlain || (await isOfMade(log, takers, children))) logs.push(log);
	}
	return logs;
}

async function isOfMade(
	log: ChainLog,
	takers: readonly Taker[],
	children: KnownChildren,
): Promise<boolean> {
	for (const { contract } of takers) {
		if (isMade(contract) && (await children.has(contract, log.address))) return true;
	}
	return false;
}

function inOneOrder(answers: readonly (readonly ChainLog[])[]): readonly ChainLog[] {
	const [only, ...others] = answers;
	if (only === undefined || others.length === 0) return only ?? [];
	const byPlace = new Map<string, ChainLog>();
	for (const log of answers.flat()) byPlace.set(`${log.blockHash}:${log.logIndex}`, log);
	return [...byPlace.values()].sort(inOrder);
}

function inOrder(a: ChainLog, b: ChainLog): number {
	if (a.blockNumber !== b.blockNumber) return a.blockNumber < b.blockNumber ? -1 : 1;
	return a.logIndex - b.logIndex;
}

function byNumber(a: ChainBlock, b: ChainBlock): number {
	return a.number < b.number ? -1 : 1;
}
