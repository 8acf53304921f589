/**
 * Turns what a caller asks for into a coordinate, inside the snapshot that is then read.
 *
 * A hash means the present generation if it is canonical, else the last generation in which it was.
 * A height means the present generation unless one is named. Whatever cannot be answered rightly is
 * refused by name, never answered with a neighbouring state.
 */
import type { AnsweredAt, AtRequest } from "../../domain/coordinate.ts";
import { FatalError, RetryableError } from "../../domain/errors.ts";
import { type ChainId, FOREVER, type Generation, type Height, type Hex } from "../../domain/ids.ts";
import { missingAt } from "../../domain/thinned-range.ts";
import { type FinalityMarks, marksUpTo } from "../../memory/grounds.ts";
import type { Tx } from "../sql.ts";

export interface ResolvedCoordinate {
	readonly at: AnsweredAt;
	readonly present: { readonly generation: Generation; readonly versionSeq: bigint };
	/** See service/reading/state-store.ts. */
	readonly marks: FinalityMarks;
}

interface ChainRow {
	readonly generation: bigint;
	readonly head_height: bigint | null;
	readonly safe_height: bigint | null;
	readonly finalized_height: bigint | null;
	readonly log_position: bigint;
	readonly version_seq: bigint;
	readonly retained_from: bigint;
	/** Of the block at the head. */
	readonly head_hash: Hex | null;
	/** True: of the heights around the head not all are kept. */
	readonly is_thin_at_head: boolean;
}

interface BlockRow {
	readonly height: bigint;
	readonly hash: Hex;
	readonly from_gen: bigint;
	readonly to_gen: bigint;
}

export async function resolveCoordinate(
	tx: Tx,
	chainId: ChainId,
	request: AtRequest,
): Promise<ResolvedCoordinate> {
	// Sent together: one round trip. With what most reads ask for, the head, so that they need no second.
	const [[chain], named] = await Promise.all([
		tx<ChainRow[]>`
			select generation, head_height, safe_height, finalized_height, log_position, version_seq,
				retained_from,
				(select hash from blocks b where b.chain_id = c.chain_id and b.height = c.head_height
					and b.to_gen = ${FOREVER}) as head_hash,
				exists (select 1 from thinned_ranges t where t.chain_id = c.chain_id
					and t.to_block > c.head_height) as is_thin_at_head
			from chains c where chain_id = ${chainId}`,
		request.at.kind === "hash" ? blocksOfHash(tx, chainId, request.at.hash) : [],
	]);
	if (chain === undefined || chain.head_height === null) throw notStarted(chainId);
	const head = chain.head_height;
	const place =
		request.at.kind === "hash"
			? placeOf(named, { hash: request.at.hash, generation: request.generation }, chain)
			: {
					height: heightOf(request.at, chain, head),
					generation: request.generation ?? chain.generation,
				};
	const last = await lastHeight(tx, chainId, { ...place, chain, head });
	const retained = await retainedFrom(tx, chainId, place.generation, chain);
	checkHeight(place.height, { last, retained });
	const isAtHead = place.generation === chain.generation && place.height >= head;
	// Sent together as well.
	const [blockHash, rolledBack, marks] = await Promise.all([
		isAtHead ? hashAtHead(chain, place.height) : hashAt(tx, chainId, place),
		isRolledBack(tx, chainId, place, chain.generation),
		marksOf(tx, chainId, place.generation, chain),
		isAtHead && !chain.is_thin_at_head ? undefined : requireRetained(tx, chainId, place.height),
	]);
	return {
		at: {
			chainId,
			...place,
			blockHash,
			logPosition: chain.log_position,
			pending: place.height === last + 1n,
			...(rolledBack ? { rolledBack } : {}),
		},
		present: { generation: chain.generation, versionSeq: chain.version_seq },
		marks,
	};
}

/** Highest height at which both coordinates are certainly the same state. */
export async function commonHeight(tx: Tx, one: AnsweredAt, other: AnsweredAt): Promise<Height> {
	const lower = one.generation < other.generation ? one : other;
	const upper = lower === one ? other : one;
	const [row] = await tx<{ lowest: bigint | null }[]>`
		select min(${sharedUpTo(tx)}) as lowest from generations where chain_id = ${one.chainId}
			and generation > ${lower.generation} and generation <= ${upper.generation}`;
	const heights = [one.height, other.height, row?.lowest ?? FOREVER];
	return heights.reduce((least, each) => (each < least ? each : least));
}

/** The chain's marks; for a generation that a later one took back, none above their lowest ancestor. */
async function marksOf(
	tx: Tx,
	chainId: ChainId,
	generation: Generation,
	chain: ChainRow,
): Promise<FinalityMarks> {
	const marks = {
		head: chain.head_height ?? undefined,
		safe: chain.safe_height ?? undefined,
		finalized: chain.finalized_height ?? undefined,
	};
	if (generation === chain.generation) return marks;
	const [row] = await tx<{ lowest: bigint | null }[]>`
		select min(${sharedUpTo(tx)}) as lowest from generations where chain_id = ${chainId}
			and generation > ${generation}`;
	return marksUpTo(marks, row?.lowest ?? undefined);
}

/** Whether a generation after that one began below the height. */
async function isRolledBack(
	tx: Tx,
	chainId: ChainId,
	{ height, generation }: { readonly height: Height; readonly generation: Generation },
	present: Generation,
): Promise<boolean> {
	if (generation === present) return false;
	const [row] = await tx`
		select 1 from generations where chain_id = ${chainId} and generation > ${generation}
			and ${sharedUpTo(tx)} < ${height} limit 1`;
	return row !== undefined;
}

/** Highest height at which a generation says what the one before it did: of one that was derived anew none. */
function sharedUpTo(tx: Tx) {
	return tx`case when retained_before is null then ancestor_height else -1 end`;
}

/** What is kept of a generation does not change when a later one is derived anew. */
async function retainedFrom(
	tx: Tx,
	chainId: ChainId,
	generation: Generation,
	chain: ChainRow,
): Promise<Height> {
	if (generation === chain.generation) return chain.retained_from;
	const [row] = await tx<{ retained_before: bigint }[]>`
		select retained_before from generations where chain_id = ${chainId}
			and generation > ${generation} and retained_before is not null
		order by generation limit 1`;
	return row?.retained_before ?? chain.retained_from;
}

function heightOf(
	at: Exclude<AtRequest["at"], { readonly kind: "hash" }>,
	chain: ChainRow,
	head: Height,
): Height {
	if (at.kind === "height") return at.height;
	switch (at.tag) {
		case "pending":
			return head + 1n;
		case "latest":
			return head;
		case "safe":
			return atMost(chain.safe_height ?? 0n, head);
		case "finalized":
			return atMost(chain.finalized_height ?? 0n, head);
	}
}

function atMost(height: Height, head: Height): Height {
	return height < head ? height : head;
}

async function blocksOfHash(tx: Tx, chainId: ChainId, hash: Hex): Promise<readonly BlockRow[]> {
	return tx<BlockRow[]>`
		select height, hash, from_gen, to_gen from blocks
		where chain_id = ${chainId} and hash = ${hash} order by to_gen desc`;
}

/** `rows`: of that hash, the last generation first. */
function placeOf(
	rows: readonly BlockRow[],
	wanted: { readonly hash: Hex; readonly generation: Generation | undefined },
	chain: ChainRow,
): { readonly height: Height; readonly generation: Generation } {
	const { generation } = wanted;
	const row =
		generation === undefined
			? rows[0]
			: rows.find((each) => each.from_gen <= generation && generation < each.to_gen);
	if (row === undefined) throw unknownBlock(wanted.hash, generation);
	if (generation !== undefined) return { height: row.height, generation };
	if (row.to_gen !== FOREVER) return { height: row.height, generation: row.to_gen - 1n };
	return { height: row.height, generation: chain.generation };
}

/** Committed head of that generation, as it stood at its end. */
async function lastHeight(
	tx: Tx,
	chainId: ChainId,
	of: {
		readonly generation: Generation;
		readonly chain: ChainRow;
		readonly head: Height;
	},
): Promise<Height> {
	if (of.generation === of.chain.generation) return of.head;
	const [row] = await tx<{ last_height: bigint | null }[]>`
		select last_height from generations
		where chain_id = ${chainId} and generation = ${of.generation}`;
	if (row !== undefined && row.last_height !== null) return row.last_height;
	const future = of.generation > of.chain.generation;
	throw new FatalError(future ? "invalid_request" : "history_pruned", {
		message: future
			? `generation ${of.generation} is not there yet; the chain is in ${of.chain.generation}`
			: `generation ${of.generation} is not kept any more`,
		hint: "leave `generation` out to read what is believed now",
		fields: { generation: of.generation.toString(), present: of.chain.generation.toString() },
	});
}

function checkHeight(
	height: Height,
	within: { readonly last: Height; readonly retained: Height },
): void {
	if (height > within.last + 1n) {
		throw new FatalError("height_in_future", {
			message: `height ${height} is above the committed head ${within.last}`,
			hint: "wait for the block, or read `latest` or `pending`",
			fields: { height: height.toString(), head: within.last.toString() },
		});
	}
	if (height < within.retained) {
		throw new FatalError("history_pruned", {
			message: `height ${height} is below ${within.retained}, the lowest that is kept`,
			hint: `read at ${within.retained} or above, or name an older \`generation\``,
			fields: { height: height.toString(), retainedFrom: within.retained.toString() },
		});
	}
}

async function requireRetained(tx: Tx, chainId: ChainId, height: Height): Promise<void> {
	const ranges = await tx<{ from_block: bigint; to_block: bigint; every: bigint }[]>`
		select from_block, to_block, every from thinned_ranges
		where chain_id = ${chainId} and from_block <= ${height} and to_block > ${height}`;
	for (const { from_block: from, to_block: to, every } of ranges) {
		const missing = missingAt(height, { from, to, every: Number(every) });
		if (missing === undefined) continue;
		throw new FatalError("height_not_retained", {
			message: `height ${height} is not kept: of ${from} to ${to} every ${every}th height is`,
			hint: `read at ${missing.below} or ${missing.above}, the nearest that are`,
			fields: {
				height: height.toString(),
				below: missing.below.toString(),
				above: missing.above.toString(),
				every: every.toString(),
			},
		});
	}
}

async function hashAt(
	tx: Tx,
	chainId: ChainId,
	place: { readonly height: Height; readonly generation: Generation },
): Promise<Hex | undefined> {
	const [row] = await tx<{ hash: Hex }[]>`
		select hash from blocks where chain_id = ${chainId} and height = ${place.height}
			and from_gen <= ${place.generation} and to_gen > ${place.generation}`;
	return row?.hash;
}

/** Nothing is committed above the head, so the pending slot has no block. */
function hashAtHead(chain: ChainRow, height: Height): Hex | undefined {
	return height === chain.head_height ? (chain.head_hash ?? undefined) : undefined;
}

function notStarted(chainId: ChainId): RetryableError {
	return new RetryableError("not_ready", {
		message: `chain ${chainId} has no committed block yet`,
		hint: "check that its node answers; see the chain's status",
		fields: { chainId },
	});
}

function unknownBlock(hash: Hex, generation: Generation | undefined): FatalError {
	return new FatalError("unknown_block", {
		message:
			generation === undefined
				? `block ${hash} is not known`
				: `block ${hash} was not canonical in generation ${generation}`,
		hint: "only blocks that were committed, and are still kept, can be named by hash",
		fields: { hash },
	});
}
