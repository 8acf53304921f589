/** Applies a commit batch as store/writing/commit.ts does, which is one statement. */
import { RetryableError } from "../../../src/domain/errors.ts";
import { FOREVER, type Generation, type Height } from "../../../src/domain/ids.ts";
import type { OperationReason } from "../../../src/domain/operation.ts";
import { highestPlace } from "../../../src/memory/anchors.ts";
import { anchorsFromText, anchorsToText } from "../../../src/memory/operation-codec.ts";
import { linkRow } from "../../../src/store/writing/link-row.ts";
import type { CommitBatch, OperationUpdate } from "../../../src/writer/commit-batch.ts";
import type { ChainTables } from "./chain-tables.ts";
import { frozen, greatest, throughJson } from "./frozen.ts";

export interface Expected {
	readonly fence: bigint;
	readonly generation: Generation;
}

/**
 * Throws `RetryableError("lease_lost")` when fence, generation or log position are no longer those that the
 * batch was made against. Part of a transaction.
 */
export function applyBatch(
	tables: ChainTables | undefined,
	batch: CommitBatch,
	expected: Expected,
): asserts tables is ChainTables {
	requireCurrent(tables, batch, expected);
	for (const entry of batch.log) tables.log.insert(frozen({ ...entry }));
	tables.versions.apply(batch.changes, batch.generation);
	for (const memory of batch.changes.newMemories) tables.memories.insertIfNew(memory);
	for (const row of batch.vectors) {
		tables.vectorRows.insert({ ...row, vector: Float32Array.from(row.vector) });
	}
	addBlocks(tables, batch);
	addThinned(tables, batch);
	for (const update of batch.operations) judge(tables, update);
	for (const entryId of batch.settledEntries) tables.inbox.delete(`${entryId}`);
	addNames(tables, batch);
	tables.update({
		generation: batch.generation,
		headHeight: batch.head?.number,
		windowFrom: lowest(tables.row.windowFrom, batch.head?.number),
		safe: batch.safe,
		finalized: batch.finalized,
		logPosition: batch.logPosition,
		versionSeq: batch.versionSeq,
		roots: frozen({ ...batch.roots }),
	});
}

/** As `applyBatch`, for what comes before it in one transaction. */
export function requireCurrent(
	tables: ChainTables | undefined,
	{ basePosition, chainId }: CommitBatch,
	{ fence, generation }: Expected,
): asserts tables is ChainTables {
	const { row } = tables ?? {};
	const isCurrent =
		row?.fence === fence && row.generation === generation && row.logPosition === basePosition;
	if (isCurrent) return;
	throw new RetryableError("lease_lost", {
		message: `the commit at log position ${basePosition} of chain ${chainId} came too late`,
		hint: "another process holds the chain, or changed it; this one reads its state again",
		fields: { chainId, basePosition: basePosition.toString() },
	});
}

/** A range that goes on from another of the same kind makes that one longer. */
function addThinned(tables: ChainTables, { thinned }: CommitBatch): void {
	if (thinned === undefined) return;
	const grown = tables.thinnedRanges
		.all()
		.find(({ to, every }) => every === thinned.every && to === thinned.from - 1n);
	if (grown !== undefined) {
		tables.thinnedRanges.put({ ...grown, to: thinned.to });
		return;
	}
	const before = tables.thinnedRanges.get(`${thinned.from}`);
	const to = before !== undefined && before.to > thinned.to ? before.to : thinned.to;
	tables.thinnedRanges.put({ ...thinned, to });
}

function addBlocks(tables: ChainTables, { blocks, checkpoints, generation }: CommitBatch): void {
	const span = { fromGen: generation, toGen: FOREVER };
	for (const { number, hash, parentHash, timestamp } of blocks) {
		tables.blocks.insert({ number, hash, parentHash, timestamp, ...span });
	}
	for (const { height, blockHash, logPosition, versionId, roots, pointers } of checkpoints) {
		const point = { height, blockHash, logPosition, versionId, ...span };
		tables.checkpoints.insert({
			...point,
			roots: frozen({ ...roots }),
			pointers: frozen(structuredClone(pointers)),
		});
	}
}

/** One that is only looked at again keeps the version that it made. */
function judge(tables: ChainTables, update: OperationUpdate): void {
	const row = tables.operations.get(update.operationId);
	if (row === undefined) return;
	const versionId = update.status === "applied" ? (update.versionId ?? row.versionId) : undefined;
	tables.operations.put({
		...row,
		status: update.status,
		reason: update.reason && (throughJson(update.reason) as OperationReason),
		position: update.position,
		originalSlot: update.originalSlot,
		effectiveSlot: update.effectiveSlot,
		judgedSlot: update.judgedSlot,
		versionId,
		suspect: update.suspect,
		anchors: frozen(anchorsFromText(anchorsToText(update.anchors))),
		anchorHeight: greatest(highestPlace(update.anchors), row.anchorHeight),
		final: update.status === "refused",
	});
}

function addNames(tables: ChainTables, { changes, derivations }: CommitBatch): void {
	for (const version of changes.insert) {
		const link = linkRow(version);
		if (link !== undefined) tables.links.insertIfNew(link);
	}
	for (const row of derivations) {
		tables.derivations.insertIfNew({ ...row, source: frozen({ ...row.source }) });
	}
}

function lowest(height: Height, other: Height | undefined): Height {
	return other !== undefined && other < height ? other : height;
}
