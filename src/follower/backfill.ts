/**
 * Takes finalized blocks in wide groups: logs by range, headers only where they are needed. One group
 * is one commit with one entry in the log, since the blocks give its operations again.
 *
 * Every log's block hash is held against the header of its height, so a node whose answers come from
 * two forks is noticed; below finality that is a fault of the node, and the group is asked for again.
 */
import type { ChainBlock, ChainLog } from "../domain/block.ts";
import { RetryableError } from "../domain/errors.ts";
import type { Height, MemoryKey } from "../domain/ids.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import type { OpenOperation } from "../writer/writer-store.ts";
import { mapBounded } from "./bounded.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { deriveBlock, headerOnly } from "./derive.ts";
import { findAnchors } from "./find-anchors.ts";
import { committed, type HandlerVersion } from "./handler-cache.ts";
import { HandlerState } from "./handler-state.ts";
import { heightsOfTimes } from "./time-heights.ts";

/** Look-ups of anchors under way at once. */
const ANCHOR_REQUESTS = 16;

export interface BackfillRange {
	/** Both inclusive. */
	readonly from: Height;
	readonly to: Height;
}

/** Derives a range; the first block must stand on `parentHash` when that is given. */
export async function deriveRange(
	range: BackfillRange & { readonly parentHash: string | undefined },
	context: {
		readonly spec: ChainSpec;
		readonly source: ChainSource;
		readonly suspended: readonly OpenOperation[];
		/** Block times in seconds at which something ends: their blocks are among those that come. */
		readonly times?: readonly bigint[];
		readonly read: (key: MemoryKey) => Promise<HandlerVersion | undefined>;
	},
): Promise<readonly DerivedBlock[]> {
	const { spec, source } = context;
	const from = range.from > spec.startBlock ? range.from : spec.startBlock;
	const logs =
		from > range.to || spec.filter.addresses.length === 0
			? []
			: await source.logsOfRange({ from, to: range.to }, spec.filter);
	const returned = await heightsOfAnchors(context, range);
	const ending = await heightsOfTimes(source, range, context.times ?? []);
	const heights = new Set([
		range.from,
		...ending,
		...logs.map((log) => log.blockNumber),
		...returned,
		range.to,
	]);
	const blocks = await headersOf(
		source,
		[...heights].sort((a, b) => (a < b ? -1 : 1)),
	);
	const [first] = blocks;
	if (range.parentHash !== undefined && first?.parentHash !== range.parentHash) {
		throw inconsistent(`block ${range.from} does not stand on ${range.parentHash}`);
	}
	const byBlock = groupLogs(logs, blocks);
	const anchors = await findAnchors(source, blocks, context.suspended);
	const state = new HandlerState(spec.namespaces, async (key) =>
		committed(await context.read(key)),
	);
	const derived: DerivedBlock[] = [];
	for (const block of blocks) {
		const header = headerOnly(block);
		derived.push({
			header,
			operations: await deriveBlock(spec, { header, logs: byBlock.get(block.number) ?? [] }, state),
			anchors: anchors.get(block.number) ?? new Map(),
		});
	}
	return derived;
}

async function headersOf(
	source: ChainSource,
	heights: readonly Height[],
): Promise<readonly ChainBlock[]> {
	const blocks = await source.blocksByNumber(heights);
	return blocks.map((block, index) => {
		if (block === undefined) throw inconsistent(`the node has no block ${heights[index]}`);
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
