import { RetryableError } from "../../domain/errors.ts";
import { type ChainId, FOREVER, type Height, type Hex, type MemoryKey } from "../../domain/ids.ts";
import { LINK_ID_PREFIX } from "../../domain/link.ts";
import { afterRewind, highestPlace } from "../../memory/anchors.ts";
import { canonicalJson } from "../../memory/canonical.ts";
import { sourceKey } from "../../memory/ground.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import { anchorsToText, fromWire } from "../../memory/operation-codec.ts";
import type { ImportedState, ImportStore, StandingState } from "../../restore/import-store.ts";
import { standsAt, tombstones } from "../../restore/imported-rows.ts";
import type { ManifestId } from "../../snapshots/manifest.ts";
import { anchorsOf } from "../../snapshots/operation-anchors.ts";
import type { OperationRecord } from "../../snapshots/snapshot-record.ts";
import type { LogEntry } from "../../writer/commit-batch.ts";
import type { Problem } from "../../writer/writer-store.ts";
import { hexBytes, toJson } from "../codec.ts";
import type { Database } from "../database.ts";
import { sendNotice } from "../notices.ts";
import { pgArray } from "../pg-array.ts";
import { blockChecksum, checkpointChecksum, logChecksum } from "../row-checksum.ts";
import type { Tx } from "../sql.ts";
import { type LinkRow, linkRow } from "../writing/link-row.ts";
import { recordHalt } from "../writing/record-halt.ts";
import { carryVectors, insertShadowRows } from "./merge-shadow.ts";
import { putShadowRows, type StoredShadowRow, shadowRowOf } from "./shadow-rows.ts";

/** What belongs to the state and goes with it; in no order, none names another's key. */
const REPLACED = [
	"versions",
	"memories",
	"links",
	"derivations",
	"vector_rows",
	"log",
	"blocks",
	"checkpoints",
	"generations",
	"collections",
] as const;

export class PostgresImportStore implements ImportStore {
	readonly #database: Database;

	/** Who is told when a chain goes on. */
	readonly #receivers: readonly string[];

	constructor(database: Database, receivers: readonly string[] = []) {
		this.#database = database;
		this.#receivers = receivers;
	}

	async verifiedManifest(chainId: ChainId, snapshotId: string): Promise<ManifestId | undefined> {
		const [row] = await this.#database.run(
			(sql) => sql<{ manifest_hash: Hex | null }[]>`
				select manifest_hash from snapshots where chain_id = ${chainId}
					and snapshot_id = ${snapshotId} and state = 'verified'`,
		);
		return row?.manifest_hash ?? undefined;
	}

	async standing(chainId: ChainId): Promise<StandingState> {
		const [row] = await this.#database.run(
			(sql) => sql<
				{ head_height: bigint | null; generation: bigint; operations: bigint; active: boolean }[]
			>`select c.head_height, c.generation,
					(select count(*) from operations o where o.chain_id = c.chain_id
						and o.position is not null and o.status <> 'refused') as operations,
					exists (select 1 from rollbacks r where r.chain_id = c.chain_id
						and r.state in ('recorded', 'running', 'prepared')) as active
				from chains c where c.chain_id = ${chainId}`,
		);
		return {
			head: row?.head_height ?? undefined,
			generation: row?.generation ?? 0n,
			agentOperations: Number(row?.operations ?? 0n),
			rollingBack: row?.active === true,
		};
	}

	async replace(state: ImportedState, fence: bigint): Promise<void> {
		const { chainId, shadowId, height } = state.shadow;
		await this.#database.transaction(async (tx) => {
			const { isHalted } = await requireAsItWas(tx, state, fence);
			await clear(tx, chainId);
			await putShadowRows(tx, shadowId, tombstones(state));
			await insertShadowRows(tx, { shadowId, height, chainId });
			await insertNames(tx, shadowId, chainId);
			await insertLinks(tx, shadowId, chainId);
			await insertCollections(tx, state);
			await carryVectors(tx, shadowId, chainId);
			await insertHeaders(tx, state);
			await insertCheckpoint(tx, state);
			await insertOperations(tx, state);
			await moveChain(tx, state);
			const over = { problem: undefined, receivers: this.#receivers };
			if (isHalted) await recordHalt(tx, { chainId, fence }, over);
			await sendNotice(tx, { kind: "replaced", chainId });
		});
	}

	async failed(snapshotId: string, problem: Problem): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update snapshots set error = ${toJson(problem)}::text::jsonb
				where snapshot_id = ${snapshotId}`,
		);
	}
}

/**
 * Minutes may lie between the look at what stands and its end: what came meanwhile was given up by
 * nobody, and a restored state that was cleared away meanwhile must not take its place.
 */
async function requireAsItWas(
	tx: Tx,
	state: ImportedState,
	fence: bigint,
): Promise<{ readonly isHalted: boolean }> {
	const { chainId, shadowId } = state.shadow;
	const [held] = await tx<
		{ head_height: bigint | null; generation: bigint; halted: boolean; active: boolean }[]
	>`select c.head_height, c.generation, c.halt is not null as halted, exists (select 1 from rollbacks r
				where r.chain_id = c.chain_id and r.state in ('recorded', 'running', 'prepared')) as active
			from chains c where c.chain_id = ${chainId} and c.fence = ${fence} for update of c`;
	if (held === undefined) throw leaseLost(chainId);
	const next = held.head_height === null ? 0n : held.generation + 1n;
	if (next !== state.generation) throw movedOn(chainId, "it is in another generation");
	if (held.active) throw movedOn(chainId, "a rollback is under way");
	const [shadow] = await tx`select 1 from shadows where shadow_id = ${shadowId} for share`;
	if (shadow === undefined) throw movedOn(chainId, "what was restored was cleared away");
	return { isHalted: held.halted };
}

/** What waits in the inbox stays, with its operations; what was admitted goes with its log. */
async function clear(tx: Tx, chainId: ChainId): Promise<void> {
	for (const table of REPLACED) {
		await tx.unsafe(`delete from ${table} where chain_id = $1::bigint`, [chainId.toString()]);
	}
	await tx`delete from operations where chain_id = ${chainId} and position is not null`;
}

/** Those of deleted memories too: every row of a version has a name. */
async function insertNames(tx: Tx, shadowId: string, chainId: ChainId): Promise<void> {
	await tx`
		insert into memories (chain_id, namespace, layer, id, memory_key)
		select ${chainId}, namespace, layer, id, memory_key from shadow_versions
		where shadow_id = ${shadowId} and content is null
		on conflict do nothing`;
}

/** Links that are looked through at a time. */
const LINK_ROWS = 2_000;

async function insertLinks(tx: Tx, shadowId: string, chainId: ChainId): Promise<void> {
	let after: MemoryKey | null = null;
	for (;;) {
		const rows: readonly StoredShadowRow[] = await tx<StoredShadowRow[]>`
			select * from shadow_versions
			where shadow_id = ${shadowId} and content is not null and starts_with(id, ${LINK_ID_PREFIX})
				and (${after}::uuid is null or memory_key > ${after}::uuid)
			order by memory_key limit ${LINK_ROWS}`;
		await putLinks(
			tx,
			chainId,
			rows.flatMap((row) => linkRow(shadowRowOf(row)) ?? []),
		);
		const last = rows.at(-1);
		if (last === undefined || rows.length < LINK_ROWS) return;
		after = last.memory_key as MemoryKey;
	}
}

async function putLinks(tx: Tx, chainId: ChainId, links: readonly LinkRow[]): Promise<void> {
	if (links.length === 0) return;
	await tx`
		insert into links (chain_id, link_key, namespace, type, from_key, to_key)
		select ${chainId}, r.* from unnest(
			${pgArray(links.map((link) => link.linkKey))}::uuid[],
			${pgArray(links.map((link) => link.namespace))}::text[],
			${pgArray(links.map((link) => link.type))}::text[],
			${pgArray(links.map((link) => link.fromKey))}::uuid[],
			${pgArray(links.map((link) => link.toKey))}::uuid[]) as r`;
}

async function insertCollections(
	tx: Tx,
	{ collections, shadow: { chainId } }: ImportedState,
): Promise<void> {
	for (const { name, model, dimensions } of collections) {
		await tx`
			insert into collections (chain_id, name, model, dimensions, table_name, table_version,
				pointer_version_id)
			values (${chainId}, ${name}, ${model}, ${dimensions}, ${`chain_${chainId}_${name}`}, 0, 0)`;
	}
}

async function insertHeaders(
	tx: Tx,
	{ headers, generation, shadow: { chainId } }: ImportedState,
): Promise<void> {
	await tx`
		insert into blocks (chain_id, from_gen, to_gen, height, hash, parent_hash, timestamp, checksum)
		select ${chainId}, ${generation}, ${FOREVER}, r.* from unnest(
			${pgArray(headers.map((header) => header.number))}::bigint[],
			${pgArray(headers.map((header) => header.hash))}::text[],
			${pgArray(headers.map((header) => header.parentHash))}::text[],
			${pgArray(headers.map((header) => header.timestamp))}::bigint[],
			${pgArray(headers.map((header) => blockChecksum(header, generation)))}::bytea[]) as r`;
}

async function insertCheckpoint(tx: Tx, state: ImportedState): Promise<void> {
	const { manifest, generation, collections, shadow } = state;
	const { height, blockHash, logPosition, versionSeq: versionId } = manifest;
	const none = { tableVersion: 0n, versionId: 0n, at: 0 };
	const roots = toJson(manifest.roots);
	const pointers = toJson(Object.fromEntries(collections.map(({ name }) => [name, none])));
	const row = { height, fromGen: generation, blockHash, logPosition, versionId, roots, pointers };
	await tx`
		insert into checkpoints (chain_id, height, from_gen, to_gen, block_hash, log_position,
			version_id, roots, pointers, checksum)
		values (${shadow.chainId}, ${height}, ${generation}, ${FOREVER}, ${blockHash}, ${logPosition},
			${versionId}, ${roots}, ${pointers}, ${checkpointChecksum(row)})`;
}

/** Agents' operations that a fork may still touch, each with its log entry at its own position. */
async function insertOperations(tx: Tx, { operations, shadow }: ImportedState): Promise<void> {
	for (const record of operations) {
		await insertOperation(tx, shadow, record);
	}
}

async function insertOperation(
	tx: Tx,
	{ chainId, height }: { readonly chainId: ChainId; readonly height: Height },
	record: OperationRecord,
): Promise<void> {
	const { operation, sources, policy } = fromWire(record.body);
	const entry: LogEntry = {
		position: record.position,
		generation: record.generation,
		height: record.originalSlot,
		kind: "operation",
		operationId: record.operationId,
		memoryKey: memoryKey(operation.namespace, operation.id),
		body: canonicalJson(record.body),
	};
	const now = standsAt(record, height);
	// Blocks above the snapshot's are not there yet.
	const anchors = afterRewind(anchorsOf(record), height);
	await tx`
		insert into log (chain_id, position, generation, height, kind, operation_id, memory_key, body,
			checksum)
		values (${chainId}, ${entry.position}, ${entry.generation}, ${entry.height}, ${entry.kind},
			${record.operationId}, ${entry.memoryKey ?? null}, ${entry.body}, ${logChecksum(entry)})`;
	await tx`
		insert into operations (chain_id, operation_id, kind, namespace, id, status, reason, position,
			original_slot, effective_slot, judged_slot, version_id, anchors, anchor_height, sources,
			policy, suspect)
		values (${chainId}, ${record.operationId}, ${operation.kind}, ${operation.namespace},
			${operation.id}, ${now.status}, ${now.reason === undefined ? null : toJson(now.reason)},
			${record.position}, ${record.originalSlot}, ${now.effectiveSlot ?? null},
			${record.judgedSlot}, ${now.versionId ?? null}, ${anchorsToText(anchors)},
			${record.anchorHeight ?? highestPlace(anchorsOf(record)) ?? null},
			${sources.length === 0 ? null : toJson(sources)}, ${policy}, ${now.suspect})`;
	await insertDerivations(tx, chainId, record);
}

/** Depths are not in a snapshot: what is derived counts as derived once. */
async function insertDerivations(
	tx: Tx,
	chainId: ChainId,
	{ position, body }: OperationRecord,
): Promise<void> {
	const { operation, sources } = fromWire(body);
	const derived = memoryKey(operation.namespace, operation.id);
	for (const [setNo, set] of sources.entries()) {
		await tx`
			insert into derivations (chain_id, position, set_no, source_no, memory_key, source_key,
				source_namespace, source_id, source_hash, depth)
			select ${chainId}, ${position}, ${setNo}, r.source_no - 1, ${derived}, r.source_key,
				r.namespace, r.id, r.hash, 1
			from unnest(
				${pgArray(set.map(sourceKey))}::uuid[],
				${pgArray(set.map((source) => source.namespace))}::text[],
				${pgArray(set.map((source) => source.id))}::text[],
				${pgArray(set.map((source) => hexBytes(source.contentHash)))}::bytea[])
				with ordinality as r(source_key, namespace, id, hash, source_no)`;
	}
}

/** The lowest header that came with it was final when it was made. */
async function moveChain(tx: Tx, state: ImportedState): Promise<void> {
	const { manifest, generation, headers, shadow } = state;
	const { height, logPosition, versionSeq, roots } = manifest;
	const finalized = headers[0]?.number ?? height;
	await tx`insert into generations (chain_id, generation) values (${shadow.chainId}, ${generation})`;
	await tx`
		update chains set generation = ${generation}, head_height = ${height},
			safe_height = ${finalized}, finalized_height = ${finalized}, log_position = ${logPosition},
			version_seq = ${versionSeq}, roots = ${toJson(roots)}, retained_from = ${height},
			window_from = 0,
			log_cut_to = ${logPosition}, derived_hash = ${manifest.handlersHash},
			derived_parts = case when coalesce(derived_hash, handlers_hash) = ${manifest.handlersHash}
				then derived_parts end, derived_position = 0
		where chain_id = ${shadow.chainId}`;
	await tx`update recoveries set state = 'done', error = null, finished_at = now()
		where chain_id = ${shadow.chainId} and kind = 'import' and state = 'running'
			and evidence::jsonb -> 'snapshot' ->> 'id' = ${shadow.ownerId}`;
}

function leaseLost(chainId: ChainId): RetryableError {
	return new RetryableError("lease_lost", {
		message: `another process writes chain ${chainId} now; the snapshot was not imported`,
		hint: "import it again",
		fields: { chainId },
	});
}

function movedOn(chainId: ChainId, why: string): RetryableError {
	return new RetryableError("chain_busy", {
		message: `the snapshot was not imported into chain ${chainId}: ${why} since it was restored`,
		hint: "import it again",
		fields: { chainId },
	});
}
