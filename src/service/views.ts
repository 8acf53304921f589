/** What Recant shows of what it stores. */
import { stateRoot } from "../commitment/state-root.ts";
import { type ChainId, FOREVER, type Generation, type Height } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { Anchor } from "../domain/operation.ts";
import { confidenceNow } from "../memory/confidence-decay.ts";
import { type FinalityMarks, finalityOf } from "../memory/grounds.ts";
import { progressOf } from "../rollback/rollback-progress.ts";
import { type RollbackRecord, targetOf } from "../rollback/rollback-record.ts";
import type { OperationRecord } from "../writer/inbox-store.ts";
import type { ChainRecord, StoredBlock, StoredCheckpoint } from "./reading/state-store.ts";
import type {
	AnchorView,
	BlockView,
	CheckpointView,
	HistoryEntryView,
	MemoryView,
	OperationView,
	SearchResult,
} from "./recant-service.ts";
import type { RollbackView } from "./rollback-view.ts";
import type { FoundMemory } from "./searching/search.ts";

/**
 * A version that is no tombstone. `height`: where it is looked at, and `marks`: by what its finality is told;
 * undefined: nowhere in particular.
 */
export function memoryView(version: Version, height?: Height, marks?: FinalityMarks): MemoryView {
	return {
		id: version.id,
		namespace: version.namespace,
		layer: version.layer,
		owner: version.owner,
		content: version.content ?? {},
		text: version.text,
		collection: version.collection,
		importance: version.importance,
		confidence: version.confidence,
		confidenceNow: height === undefined ? undefined : confidenceNow(version, height),
		versionId: version.versionId,
		vectorHash: version.vectorHash,
		contentHash: version.contentHash,
		since: version.fromBlock,
		expiresAtBlock: version.expiresBlock,
		expiresAtTime: version.expiresTime,
		suspect: version.suspect,
		finality: marks && finalityOf(version, marks),
	};
}

export function searchResult(
	{ version, ...scores }: FoundMemory,
	marks: FinalityMarks,
	height?: Height,
): SearchResult {
	const { suspect } = version;
	return {
		memory: memoryView(version, height, marks),
		...scores,
		finality: finalityOf(version, marks),
		suspect,
	};
}

export function historyEntry(version: Version): HistoryEntryView {
	return {
		memory: version.content === undefined ? undefined : memoryView(version),
		versionId: version.versionId,
		heights: {
			from: version.fromBlock,
			to: version.toBlock === FOREVER ? undefined : version.toBlock,
		},
		generations: generations(version),
		present: version.toGen === FOREVER,
	};
}

export function blockView(block: StoredBlock, chain: ChainRecord): BlockView {
	return {
		height: block.number,
		hash: block.hash,
		parentHash: block.parentHash,
		timestamp: block.timestamp,
		canonical: block.toGen === FOREVER,
		generations: generations(block),
		finality: blockFinality(block, chain),
	};
}

export function checkpointView(point: StoredCheckpoint, chainId: ChainId): CheckpointView {
	const { height, blockHash } = point;
	return {
		height,
		blockHash,
		generations: generations(point),
		logPosition: point.logPosition,
		versionId: point.versionId,
		roots: { ...point.roots, state: stateRoot(point.roots, { chainId, height, blockHash }) },
		pointers: Object.fromEntries(
			Object.entries(point.pointers).map(([name, { tableVersion, versionId }]) => [
				name,
				{ tableVersion, versionId },
			]),
		),
	};
}

export function operationView(record: OperationRecord): OperationView {
	const { mode, anchors } = record.anchors;
	const views = anchors.map(anchorView);
	return {
		operationId: record.operationId,
		kind: record.kind,
		namespace: record.namespace,
		id: record.id,
		status: record.status,
		reason: record.reason,
		position: record.position,
		originalSlot: record.originalSlot,
		effectiveSlot: record.effectiveSlot,
		versionId: record.versionId,
		anchor: views.length === 1 ? views[0] : undefined,
		anchors: views.length === 0 ? undefined : { mode, anchors: views },
		derivedFrom: record.sources.length === 0 ? undefined : record.sources,
		onLoss: record.policy,
		suspect: record.suspect,
		final: record.final,
	};
}

export function rollbackView(record: RollbackRecord): RollbackView {
	return {
		id: record.rollbackId,
		chainId: record.chainId,
		cause: record.cause,
		state: record.state,
		stage: record.stage,
		paused: record.paused,
		failedStage: record.failedStage,
		retries: record.retries,
		fromGeneration: record.fromGeneration,
		ancestor: record.ancestor,
		from: record.from,
		to: targetOf(record),
		attempt: record.attempt,
		strategy: record.strategy,
		strategyReason: record.strategyReason,
		wantedStrategy: record.wantedStrategy,
		evidence: record.evidence,
		progress: progressOf(record),
		counts: record.counts,
		stageMs: record.stageMs,
		error: record.error,
		supersededBy: record.supersededBy,
		createdAt: record.createdAt,
		finishedAt: record.finishedAt,
	};
}

/** A block that is off the chain is named all the same. */
function anchorView(anchor: Anchor): AnchorView {
	const { place } = anchor;
	if (anchor.kind === "block") {
		const { blockHash: block } = anchor;
		return { transaction: undefined, effectsHash: undefined, block, height: place?.height };
	}
	const { transactionHash: transaction, effectsHash } = anchor;
	return { transaction, effectsHash, block: place?.blockHash, height: place?.height };
}

function blockFinality(block: StoredBlock, chain: ChainRecord): BlockView["finality"] {
	if (block.toGen !== FOREVER) return "orphaned";
	if (chain.finalized !== undefined && block.number <= chain.finalized) return "finalized";
	if (chain.safe !== undefined && block.number <= chain.safe) return "safe";
	return "latest";
}

function generations(span: { readonly fromGen: Generation; readonly toGen: Generation }) {
	return { from: span.fromGen, to: span.toGen === FOREVER ? undefined : span.toGen };
}
