/**
 * Takes finalized blocks in wide groups: logs by range, headers only where they are needed. One group
 * is one commit with one entry in the log, since the blocks give its operations again.
 *
 * Logs come with the headers of their blocks, held against them (see ChainSource); a group whose headers do
 * not fit together is of two forks. Below finality that is a fault of the node, and it is asked for again.
 */
import { lower } from "../chain/height.ts";
import type { ChainBlock, ChainLog } from "../domain/block.ts";
import { RetryableError } from "../domain/errors.ts";
import type { Height, MemoryKey } from "../domain/ids.ts";
import type { HandlerVersion } from "../rollback/branch-deriver.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import type { OpenOperation } from "../writer/writer-store.ts";
import type { BlockCalls } from "./block-calls.ts";
import { mapBounded } from "./bounded.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { deriveBlock, headerOnly } from "./derive.ts";
import { KnownChildren } from "./factory-children.ts";
import { fetchRangeLogs } from "./fetch-logs.ts";
import { type FoundAnchors, findAnchors } from "./find-anchors.ts";
import { committed } from "./handler-cache.ts";
import { HandlerState } from "./handler-state.ts";
import { heightsOfTimes } from "./time-heights.ts";

/** Look-ups of anchors under way at once. */
const ANCHOR_REQUESTS = 16;

export interface BackfillRange {
	/** Both inclusive. */
	readonly from: Height;
	readonly to: Height;
}

/** What a range takes of the node. Nothing is derived yet. */
export interface FetchedRange {
	/** Ascending: the first and the last of the range, and those in which something may be derived. */
	readonly blocks: readonly ChainBlock[];
	/** In order; of blocks without any there is none. */
	readonly logs: ReadonlyMap<Height, readonly ChainLog[]>;
	readonly anchors: FoundAnchors;
}

export interface FetchContext {
	readonly spec: ChainSpec;
	readonly source: ChainSource;
	/** Of the state below the range, with what was found by fetches of ranges between the two. */
	readonly children: KnownChildren;
	readonly suspended: readonly OpenOperation[];
	/** Block times in seconds at which something ends: their blocks are among those that come. */
	readonly times?: readonly bigint[] | undefined;
}

export interface DeriveRangeContext {
	readonly spec: ChainSpec;
	readonly calls: BlockCalls;
	/** The state below the range. */
	readonly read: (key: MemoryKey) => Promise<HandlerVersion | undefined>;
}

/** Fetches a range and derives it; the first block must stand on `parentHash` when that is given. */
export async function deriveRange(
	range: BackfillRange & { readonly parentHash: string | undefined },
	context: Omit<FetchContext, "children"> & DeriveRangeContext,
): Promise<readonly DerivedBlock[]> {
	const children = childrenKnownTo(context.read);
	const fetched = await fetchRange(range, { ...context, children });
	assertStandsOn(fetched, range.parentHash);
	return deriveFetched(fetched, context);
}

/** What factories made, as the state that `read` answers knows it. */
export function childrenKnownTo(read: DeriveRangeContext["read"]): KnownChildren {
	return new KnownChildren(async (key) => committed(await read(key)));
}

/** Asks the node for everything that the range's blocks are derived from, but for contracts' answers. */
export async function fetchRange(
	range: BackfillRange,
	{ spec, source, children, suspended, times }: FetchContext,
): Promise<FetchedRange> {
	const { contracts } = spec;
	const { logs, blocks: withLogs } = await fetchRangeLogs(source, range, { contracts, children });
	const heights = new Set([
		range.from,
		...(await heightsOfTimes(source, range, times ?? [])),
		...logs.map((log) => log.blockNumber),
		...(await heightsOfAnchors({ source, suspended }, range)),
		...heightsOfIntervals(spec, range),
		range.to,
	]);
	const ascending = [...heights].sort((a, b) => (a < b ? -1 : 1));
	const blocks = await headersOf(source, withLogs, ascending);
	const anchors = await findAnchors(source, blocks, suspended);
	return { blocks, logs: groupLogs(logs, blocks), anchors };
}

/** Throws `RetryableError("rpc_failed")` when the first block stands on another; undefined: on any. */
export function assertStandsOn({ blocks }: FetchedRange, parentHash: string | undefined): void {
	const [first] = blocks;
	if (parentHash === undefined || first?.parentHash === parentHash) return;
	throw inconsistent(`block ${first?.number} does not stand on ${parentHash}`);
}

/** Runs the handlers over what was fetched. */
export async function deriveFetched(
	{ blocks, logs, anchors }: FetchedRange,
	{ spec, calls, read }: DeriveRangeContext,
): Promise<readonly DerivedBlock[]> {
	const state = new HandlerState(spec.namespaces, async (key) => committed(await read(key)));
	const derived: DerivedBlock[] = [];
	for (const block of blocks) {
		const header = headerOnly(block);
		const here = { header, logs: logs.get(block.number) ?? [] };
		derived.push({
			header,
			operations: await deriveBlock(spec, here, { state, calls }),
			anchors: anchors.get(block.number) ?? new Map(),
		});
	}
	return derived;
}

function heightsOfIntervals(
	{ intervals }: ChainSpec,
	{ from, to }: BackfillRange,
): readonly Height[] {
	return intervals.flatMap(({ interval, startBlock, endBlock }) => {
		const last = endBlock === undefined ? to : lower(endBlock, to);
		const passed = from <= startBlock ? 0n : (from - startBlock + interval - 1n) / interval;
		const heights: Height[] = [];
		for (let at = startBlock + passed * interval; at <= last; at += interval) heights.push(at);
		return heights;
	});
}

/** Blocks at `heights`; those that came with their logs are not asked for again. */
async function headersOf(
	source: ChainSource,
	known: readonly ChainBlock[],
	heights: readonly Height[],
): Promise<readonly ChainBlock[]> {
	const blocks = new Map(known.map((block) => [block.number, block]));
	const missing = heights.filter((height) => !blocks.has(height));
	for (const block of await source.blocksByNumber(missing)) {
		if (block !== undefined) blocks.set(block.number, block);
	}
	return heights.map((height) => {
		const block = blocks.get(height);
		if (block === undefined) throw inconsistent(`the node has no block ${height}`);
		return block;
	});
}

/** Heights in the range at which suspended operations' transactions were mined. */
async function heightsOfAnchors(
	context: { readonly source: ChainSource; readonly suspended: readonly OpenOperation[] },
	range: BackfillRange,
): Promise<readonly Height[]> {
	const anchors = context.suspended.flatMap(({ stored }) => stored.anchors.anchors);
	const heights = await mapBounded(anchors, ANCHOR_REQUESTS, async (anchor) =>
		anchor.kind === "block"
			? (await context.source.blockByHash(anchor.blockHash))?.number
			: (await context.source.receipt(anchor.transactionHash))?.blockNumber,
	);
	return heights.flatMap((height) =>
		height !== undefined && height >= range.from && height <= range.to ? [height] : [],
	);
}

function groupLogs(
	logs: readonly ChainLog[],
	blocks: readonly ChainBlock[],
): ReadonlyMap<Height, readonly ChainLog[]> {
	const hashes = new Map(blocks.map((block) => [block.number, block.hash]));
	const groups = new Map<Height, ChainLog[]>();
	for (const log of logs) {
		if (hashes.get(log.blockNumber) !== log.blockHash) {
			throw inconsistent(`a log of height ${log.blockNumber} names the block ${log.blockHash}`);
		}
		const group = groups.get(log.blockNumber) ?? [];
		group.push(log);
		groups.set(log.blockNumber, group);
	}
	return groups;
}

function inconsistent(what: string): RetryableError {
	return new RetryableError("rpc_failed", {
		message: `the node's answers contradict each other: ${what}`,
		hint: "it is asked again; if this goes on, check the node",
	});
}
