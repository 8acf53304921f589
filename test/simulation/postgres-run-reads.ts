/** What judges read from a real Postgres. */
import type { StateRoots } from "../../src/commitment/state-root.ts";
import type { Hex, MemoryKey, OperationId } from "../../src/domain/ids.ts";
import type { OperationStatus } from "../../src/domain/operation.ts";
import { bytesVector, type VersionRow, versionOf } from "../../src/store/codec.ts";
import type { Database } from "../../src/store/database.ts";
import type { LogEntry, LogKind } from "../../src/writer/commit-batch.ts";
import type { RowsAt } from "./fake-run-reads.ts";
import type { HeldCheckpoint, HeldOperation, HeldRun, HeldVector, RunReads } from "./run-reads.ts";
import { SIM_CHAIN_ID } from "./sim-ledger.ts";

export function postgresRunReads(database: Database, rowsAt: RowsAt): RunReads {
	return {
		log: (after) => readLog(database, after),
		keys: () => readKeys(database),
		versionOf: async (operationId) => {
			const rows = await database.run(
				(sql) => sql<{ version_id: bigint | null }[]>`
					select version_id from operations
					where chain_id = ${SIM_CHAIN_ID} and operation_id = ${operationId}`,
			);
			return rows[0]?.version_id ?? undefined;
		},
		held: () => readHeld(database, rowsAt),
	};
}

interface LogRow {
	readonly position: bigint;
	readonly generation: bigint;
	readonly height: bigint;
	readonly kind: LogKind;
	readonly operation_id: OperationId | null;
	readonly memory_key: MemoryKey | null;
	readonly body: string;
}

async function readLog(database: Database, after: bigint): Promise<readonly LogEntry[]> {
	const rows = await database.run(
		(sql) => sql<LogRow[]>`
			select position, generation, height, kind, operation_id, memory_key, body from log
			where chain_id = ${SIM_CHAIN_ID} and position > ${after} order by position`,
	);
	return rows.map(({ operation_id: operationId, memory_key: memoryKey, ...entry }) => ({
		...entry,
		operationId: operationId ?? undefined,
		memoryKey: memoryKey ?? undefined,
	}));
}

async function readKeys(database: Database): Promise<ReadonlyMap<string, readonly OperationId[]>> {
	const rows = await database.run(
		(sql) => sql<{ key: string; operation_ids: readonly OperationId[] }[]>`
			select key, operation_ids from idempotency_keys where chain_id = ${SIM_CHAIN_ID}`,
	);
	return new Map(rows.map((row) => [row.key, row.operation_ids]));
}

interface HeadRow {
	readonly generation: bigint;
	readonly log_position: bigint;
	readonly roots: string;
	readonly height: bigint;
	readonly hash: Hex;
}

async function readHeld(database: Database, rowsAt: RowsAt): Promise<HeldRun> {
	const [head] = await database.run(
		(sql) => sql<HeadRow[]>`
			select c.generation, c.log_position, c.roots, b.height, b.hash
			from chains c join blocks b on b.chain_id = c.chain_id and b.height = c.head_height
				and b.from_gen <= c.generation and b.to_gen > c.generation
			where c.chain_id = ${SIM_CHAIN_ID}`,
	);
	if (head === undefined) throw new RangeError("the chain has no head");
	const { tail, tables } = await readVectors(database, rowsAt);
	return {
		generation: head.generation,
		logPosition: head.log_position,
		head: { height: head.height, hash: head.hash },
		roots: JSON.parse(head.roots) as StateRoots,
		versions: (
			await database.run(
				(sql) => sql<VersionRow[]>`select * from versions where chain_id = ${SIM_CHAIN_ID}`,
			)
		).map(versionOf),
		checkpoints: await readCheckpoints(database),
		operations: await readOperations(database),
		reports: await readReports(database),
		inbox: await readInbox(database),
		tail,
		tables,
	};
}

interface CheckpointRow {
	readonly height: bigint;
	readonly block_hash: Hex;
	readonly roots: string;
	readonly from_gen: bigint;
	readonly to_gen: bigint;
}

async function readCheckpoints(database: Database): Promise<readonly HeldCheckpoint[]> {
	const rows = await database.run(
		(sql) => sql<CheckpointRow[]>`
			select height, block_hash, roots, from_gen, to_gen from checkpoints
			where chain_id = ${SIM_CHAIN_ID} order by height, from_gen`,
	);
	return rows.map((row) => ({
		height: row.height,
		blockHash: row.block_hash,
		roots: JSON.parse(row.roots) as StateRoots,
		fromGen: row.from_gen,
		toGen: row.to_gen,
	}));
}

interface OperationRow {
	readonly operation_id: OperationId;
	readonly status: OperationStatus;
	readonly position: bigint | null;
	readonly original_slot: bigint | null;
	readonly effective_slot: bigint | null;
	readonly suspect: boolean;
	readonly version_id: bigint | null;
}

async function readOperations(database: Database): Promise<readonly HeldOperation[]> {
	const rows = await database.run(
		(sql) => sql<OperationRow[]>`
			select operation_id, status, position, original_slot, effective_slot, suspect, version_id
			from operations where chain_id = ${SIM_CHAIN_ID} order by position nulls last, operation_id`,
	);
	return rows.map((row) => ({
		operationId: row.operation_id,
		status: row.status,
		position: row.position ?? undefined,
		originalSlot: row.original_slot ?? undefined,
		effectiveSlot: row.effective_slot ?? undefined,
		suspect: row.suspect,
		versionId: row.version_id ?? undefined,
	}));
}

async function readReports(database: Database): Promise<readonly string[]> {
	const rows = await database.run(
		(sql) => sql<{ report: string }[]>`
			select report from rollbacks
			where chain_id = ${SIM_CHAIN_ID} and state = 'committed' and report is not null
			order by from_generation`,
	);
	return rows.map(({ report }) => report);
}

async function readInbox(database: Database): Promise<readonly OperationId[]> {
	const rows = await database.run(
		(sql) => sql<{ body: string }[]>`
			select body from inbox where chain_id = ${SIM_CHAIN_ID} order by entry_id`,
	);
	return rows.flatMap(({ body }) =>
		(JSON.parse(body) as readonly { readonly operationId: OperationId }[]).map(
			({ operationId }) => operationId,
		),
	);
}

interface CollectionRow {
	readonly name: string;
	readonly table_name: string;
	readonly table_version: bigint;
	readonly pointer_version_id: bigint;
}

interface VectorRow {
	readonly collection: string;
	readonly version_id: bigint;
	readonly memory_key: MemoryKey;
	readonly vector: Uint8Array;
}

async function readVectors(
	database: Database,
	rowsAt: RowsAt,
): Promise<{ readonly tail: readonly HeldVector[]; readonly tables: readonly HeldVector[] }> {
	const collections = await database.run(
		(sql) => sql<CollectionRow[]>`
			select name, table_name, table_version, pointer_version_id from collections
			where chain_id = ${SIM_CHAIN_ID}`,
	);
	const rows = await database.run(
		(sql) => sql<VectorRow[]>`
			select v.collection, v.version_id, v.memory_key, v.vector from vector_rows v
			join collections c on c.chain_id = v.chain_id and c.name = v.collection
			where v.chain_id = ${SIM_CHAIN_ID} and v.version_id > c.pointer_version_id`,
	);
	return {
		tail: rows.map((row) => ({
			collection: row.collection,
			versionId: row.version_id,
			memoryKey: row.memory_key,
			vector: bytesVector(row.vector),
		})),
		tables: collections.flatMap((row) =>
			row.table_version === 0n
				? []
				: rowsAt(row.table_name, row.table_version).map(
						({ versionId, memoryKey, vector }): HeldVector => ({
							collection: row.name,
							versionId,
							memoryKey,
							vector: Float32Array.from(vector),
						}),
					),
		),
	};
}
