/** What the simulated database holds, by the tables and columns that Postgres has. */

import type { Version } from "../../../src/domain/memory.ts";
import { canonicalJson } from "../../../src/memory/canonical.ts";
import { sourceKey } from "../../../src/memory/ground.ts";
import { anchorsToText } from "../../../src/memory/operation-codec.ts";
import { targetOf } from "../../../src/rollback/rollback-record.ts";
import { layerNumber, ownerNumber, toJson } from "../../../src/store/codec.ts";
import type { ChainTables } from "./chain-tables.ts";
import type {
	FakeDatabase,
	RollbackRow,
	ShadowVersionRow,
	StoredSnapshot,
} from "./fake-database.ts";

type Columns = Readonly<Record<string, unknown>>;

export function dumpTables(database: FakeDatabase): Readonly<Record<string, readonly Columns[]>> {
	const chains = database.chains();
	const each = (of: (tables: ChainTables) => readonly object[]) =>
		chains.flatMap((tables) => of(tables).map((row) => ({ chain_id: tables.row.id, ...row })));
	return {
		chains: chains.map(chainColumns),
		generations: each((tables) => tables.generations.all().map(generationColumns)),
		blocks: each((tables) => tables.blocks.all().map(blockColumns)),
		checkpoints: each((tables) => tables.checkpoints.all().map(checkpointColumns)),
		thinned_ranges: each((tables) =>
			tables.thinnedRanges.all().map(({ from, to, every }) => ({
				from_block: from,
				to_block: to,
				every: BigInt(every),
			})),
		),
		memories: each((tables) => tables.memories.all().map(nameColumns)),
		versions: each((tables) => tables.versions.all().map(spanColumns)),
		links: each((tables) => tables.links.all().map(linkColumns)),
		collections: each((tables) => tables.collections.all().map(collectionColumns)),
		vector_rows: each((tables) => tables.vectorRows.all().map(vectorColumns)),
		inbox: each((tables) => tables.inbox.all().map(inboxColumns)),
		idempotency_keys: each((tables) => tables.idempotencyKeys.all().map(requestColumns)),
		log: each((tables) => tables.log.all().map(logColumns)),
		operations: each((tables) => tables.operations.all().map(operationColumns)),
		derivations: each((tables) => tables.derivations.all().map(derivationColumns)),
		rollbacks: database.rollbacks.all().map(rollbackColumns),
		rollback_parts: database.parts.all().map(({ rollbackId, ...row }) => ({
			rollback_id: rollbackId,
			...row,
		})),
		rollback_tasks: database.tasks.all().map((row) => ({
			rollback_id: row.rollbackId,
			attempt: row.attempt,
			task: row.task,
			body: row.body,
			state: row.state,
			claim_holder: row.claimHolder,
			claim_until: row.claimUntilMs,
			takes: row.takes,
		})),
		outbox: database.outbox.all().map(({ outboxId, topic, payload }) => ({
			outbox_id: outboxId,
			topic,
			payload,
		})),
		shadows: database.shadows.all().map((row) => ({
			shadow_id: row.shadowId,
			chain_id: row.chainId,
			purpose: row.purpose,
			owner_id: row.ownerId,
			height: row.height,
		})),
		shadow_versions: database.shadowVersions.all().map(shadowColumns),
		snapshots: database.snapshots.all().map(snapshotColumns),
	};
}

function chainColumns({ row }: ChainTables): Columns {
	return {
		chain_id: row.id,
		name: row.name,
		start_block: row.startBlock,
		generation: row.generation,
		head_height: row.headHeight,
		safe_height: row.safe,
		finalized_height: row.finalized,
		log_position: row.logPosition,
		version_seq: row.versionSeq,
		roots: toJson(row.roots),
		retained_from: row.retainedFrom,
		log_cut_to: row.logCutTo,
		handlers_hash: row.handlersHash,
		derived_hash: row.derivedHash ?? row.handlersHash,
		derived_parts: undefined,
		derived_position: 0n,
		genesis_hash: row.genesis,
		window_blocks: row.windowBlocks,
		window_from: row.windowFrom,
		halt: row.halt && toJson(row.halt),
		fence: row.fence,
		lease_holder: row.leaseHolder,
		lease_until: row.leaseUntilMs,
		follower_status: row.followerStatus,
	};
}

type RowOf<Table extends { all(): readonly object[] }> = ReturnType<Table["all"]>[number];

function generationColumns(row: RowOf<ChainTables["generations"]>): Columns {
	return {
		generation: row.generation,
		ancestor_height: row.ancestorHeight,
		rollback_id: row.rollbackId,
		retained_before: undefined,
		last_height: row.lastHeight,
		last_version_id: row.lastVersionId,
		pointers: row.pointers && toJson(row.pointers),
	};
}

function blockColumns(row: RowOf<ChainTables["blocks"]>): Columns {
	return {
		height: row.number,
		from_gen: row.fromGen,
		to_gen: row.toGen,
		hash: row.hash,
		parent_hash: row.parentHash,
		timestamp: row.timestamp,
	};
}

function checkpointColumns(row: RowOf<ChainTables["checkpoints"]>): Columns {
	return {
		height: row.height,
		from_gen: row.fromGen,
		to_gen: row.toGen,
		block_hash: row.blockHash,
		log_position: row.logPosition,
		version_id: row.versionId,
		roots: toJson(row.roots),
		pointers: toJson(row.pointers),
	};
}

function nameColumns(row: RowOf<ChainTables["memories"]>): Columns {
	const { namespace, id, memoryKey, layer } = row;
	return { namespace, id, memory_key: memoryKey, layer: layerNumber(layer) };
}

function spanColumns(row: Version): Columns {
	return { ...versionColumns(row), to_block: row.toBlock, to_gen: row.toGen };
}

function shadowColumns({ shadowId, kept, ...row }: ShadowVersionRow): Columns {
	const vector = row.vector && bytes(row.vector);
	return { shadow_id: shadowId, kept, ...versionColumns(row), vector };
}

function snapshotColumns(row: StoredSnapshot): Columns {
	return {
		snapshot_id: row.snapshotId,
		chain_id: row.chainId,
		state: row.state,
		kind: row.kind,
		parent_id: row.parentId,
		cause: row.cause,
		height: row.height,
		generation: row.generation,
		block_hash: row.blockHash,
		log_position: row.logPosition,
		version_id: row.versionId,
		roots: toJson(row.roots),
		manifest_hash: row.manifestHash,
		memories: row.memories,
		chunks: row.chunks,
		raw_bytes: row.rawBytes,
		stored_bytes: row.storedBytes,
		error: row.error && toJson(row.error),
		stored_at: row.storedMs,
		verified_at: row.verifiedMs,
	};
}

function versionColumns(row: Omit<Version, "toBlock" | "toGen">): Columns {
	return {
		memory_key: row.memoryKey,
		from_block: row.fromBlock,
		from_gen: row.fromGen,
		expires_block: row.expiresBlock,
		expires_time: row.expiresTime,
		suspect: row.suspect,
		grounds_block: row.grounds,
		version_id: row.versionId,
		position: row.position,
		layer: layerNumber(row.layer),
		owner: ownerNumber(row.owner),
		namespace: row.namespace,
		id: row.id,
		content: row.content && canonicalJson(row.content),
		text: row.text,
		collection: row.collection,
		importance: row.importance,
		confidence: row.confidence,
		vector_hash: row.vectorHash?.slice(2),
		content_hash: row.contentHash.slice(2),
	};
}

function linkColumns(row: RowOf<ChainTables["links"]>): Columns {
	const { linkKey, namespace, type, fromKey, toKey } = row;
	return { link_key: linkKey, namespace, type, from_key: fromKey, to_key: toKey };
}

function collectionColumns(row: RowOf<ChainTables["collections"]>): Columns {
	return {
		name: row.name,
		model: row.model,
		dimensions: row.dimensions,
		table_name: row.table,
		table_version: row.pointer.tableVersion,
		pointer_version_id: row.pointer.versionId,
	};
}

function vectorColumns(row: RowOf<ChainTables["vectorRows"]>): Columns {
	return {
		collection: row.collection,
		version_id: row.versionId,
		memory_key: row.memoryKey,
		namespace: row.namespace,
		layer: layerNumber(row.layer),
		from_block: row.fromBlock,
		vector: bytes(row.vector),
	};
}

function bytes({ buffer, byteOffset, byteLength }: Float32Array): string {
	return Buffer.from(buffer, byteOffset, byteLength).toString("hex");
}

function inboxColumns(row: RowOf<ChainTables["inbox"]>): Columns {
	const { entryId, operationCount, caller, body } = row;
	return { entry_id: entryId, operation_count: operationCount, caller, body };
}

function requestColumns(row: RowOf<ChainTables["idempotencyKeys"]>): Columns {
	const { caller, key, bodyHash, operationIds } = row;
	return { caller, key, body_hash: bodyHash, operation_ids: JSON.stringify(operationIds) };
}

function logColumns(row: RowOf<ChainTables["log"]>): Columns {
	return {
		position: row.position,
		generation: row.generation,
		height: row.height,
		kind: row.kind,
		operation_id: row.operationId,
		memory_key: row.memoryKey,
		body: row.body,
	};
}

function operationColumns(row: RowOf<ChainTables["operations"]>): Columns {
	return {
		operation_id: row.operationId,
		kind: row.kind,
		namespace: row.namespace,
		id: row.id,
		status: row.status,
		reason: row.reason && toJson(row.reason),
		position: row.position,
		original_slot: row.originalSlot,
		effective_slot: row.effectiveSlot,
		judged_slot: row.judgedSlot,
		version_id: row.versionId,
		anchors: anchorsToText(row.anchors),
		anchor_height: row.anchorHeight,
		sources: row.sources.length === 0 ? null : JSON.stringify(row.sources),
		policy: row.policy,
		suspect: row.suspect,
		final: row.final,
	};
}

function derivationColumns(row: RowOf<ChainTables["derivations"]>): Columns {
	return {
		position: row.position,
		set_no: row.setNo,
		source_no: row.sourceNo,
		memory_key: row.memoryKey,
		source_key: sourceKey(row.source),
		source_namespace: row.source.namespace,
		source_id: row.source.id,
		source_hash: row.source.contentHash.slice(2),
		depth: row.depth,
	};
}

function rollbackColumns(row: RollbackRow): Columns {
	const target = targetOf(row);
	return {
		rollback_id: row.rollbackId,
		chain_id: row.chainId,
		cause: row.cause,
		state: row.state,
		stage: row.stage,
		from_generation: row.fromGeneration,
		ancestor_height: row.ancestor.height,
		ancestor_hash: row.ancestor.hash,
		from_height: row.from.height,
		from_hash: row.from.hash,
		to_height: target.height,
		to_hash: target.hash,
		branch: toJson(row.branch),
		attempt: row.attempt,
		supersessions: row.supersessions,
		claim_holder: row.claimHolder,
		claim_until: row.claimUntilMs,
		takeovers: row.takeovers,
		done: row.done,
		total: row.total,
		counts: toJson(row.counts),
		stage_ms: toJson(Object.keys(row.stageMs)),
		error: row.error && toJson(row.error),
		report: row.report,
		superseded_by: row.supersededBy,
		strategy: row.strategy,
		strategy_reason: row.strategyReason,
		wanted_strategy: row.wantedStrategy,
		paused: row.paused,
		failed_stage: row.failedStage,
		retries: row.retries,
		stage_started_at: row.stageStartedMs,
		recovery_id: row.recoveryId,
		evidence: row.evidence && toJson(row.evidence),
		finished_at: row.finishedMs,
	};
}
