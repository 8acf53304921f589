import type { StateRoots } from "../../commitment/state-root.ts";
import type { BlockHeader } from "../../domain/block.ts";
import { FatalError } from "../../domain/errors.ts";
import {
	type ChainId,
	FOREVER,
	type Generation,
	type Height,
	type Hex,
	type MemoryKey,
	type VersionId,
} from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import { anchorsFromText, fromWire } from "../../memory/operation-codec.ts";
import type { CommitBatch, VectorPointer } from "../../writer/commit-batch.ts";
import type {
	InboxEntry,
	LoadedChain,
	OpenOperation,
	PackedLeaves,
	Problem,
	WriterStore,
} from "../../writer/writer-store.ts";
import { bytesVector, type VersionRow, versionOf } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import type { Queryable } from "../sql.ts";
import { commitBatch } from "./commit.ts";
import { isFinalAt, isOpenAt } from "./final-operations.ts";
import { leafPages } from "./leaf-pages.ts";
import { PostgresWriterLookUps } from "./postgres-writer-look-ups.ts";
import { recordHalt } from "./record-halt.ts";
import { TableStatistics } from "./table-statistics.ts";

export class PostgresWriterStore extends PostgresWriterLookUps implements WriterStore {
	readonly #database: Database;
	/** Answers whether the process behind a lease holder's name is known to be gone. */
	readonly #isGone: (holder: string) => boolean;
	readonly #statistics: TableStatistics;
	/** Who is told when a chain halts, and when it goes on. */
	readonly #receivers: readonly string[];

	constructor(
		database: Database,
		isGone: (holder: string) => boolean,
		receivers: readonly string[] = [],
	) {
		super(database);
		this.#receivers = receivers;
		this.#database = database;
		this.#statistics = new TableStatistics(database);
		this.#isGone = isGone;
	}

	async acquireLease(chainId: ChainId, holder: string, ttlMs: number) {
		return this.#database.transaction(async (tx) => {
			const [row] = await tx<{ lease_holder: string | null; live: boolean }[]>`
				select lease_holder, coalesce(lease_until > now(), false) as live from chains
				where chain_id = ${chainId} for update`;
			if (row === undefined) throw missing(chainId);
			const other = row.lease_holder !== null && row.lease_holder !== holder;
			if (other && row.live && !this.#isGone(row.lease_holder ?? "")) {
				return { heldBy: row.lease_holder ?? "" };
			}
			const [taken] = await tx<{ fence: bigint }[]>`
				update chains set fence = fence + 1, lease_holder = ${holder}, follower_status = null,
					lease_until = now() + ${ttlMs} * interval '1 millisecond'
				where chain_id = ${chainId} returning fence`;
			return { fence: taken?.fence ?? 0n };
		});
	}

	/** Counts from when the row was free: a commit may have held it for longer than a lease lasts. */
	async renewLease(lease: Parameters<WriterStore["renewLease"]>[0]): Promise<boolean> {
		return this.#database.run(async (sql) => {
			const result = await sql`
				update chains
				set lease_until = clock_timestamp() + ${lease.ttlMs} * interval '1 millisecond',
					follower_status = coalesce(${lease.status ?? null}, follower_status)
				where chain_id = ${lease.chainId} and fence = ${lease.fence}`;
			return result.count === 1;
		});
	}

	async releaseLease(chainId: ChainId, fence: bigint): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update chains set lease_holder = null, lease_until = null, follower_status = null
				where chain_id = ${chainId} and fence = ${fence}`,
		);
	}

	async loadChain(chainId: ChainId): Promise<LoadedChain> {
		return this.#database.snapshot(async (tx) => {
			const [row] = await tx<ChainRow[]>`select * from chains where chain_id = ${chainId}`;
			if (row === undefined) throw missing(chainId);
			const window = await windowOf(tx, row);
			const pointers = await readPointers(tx, chainId);
			return {
				window,
				halt: row.halt === null ? undefined : (JSON.parse(row.halt) as Problem),
				genesis: row.genesis_hash ?? undefined,
				state: {
					chainId,
					generation: row.generation,
					fence: row.fence,
					logPosition: row.log_position,
					versionSeq: row.version_seq,
					roots: JSON.parse(row.roots) as StateRoots,
					head: window.at(-1),
					startBlock: row.start_block,
					safe: row.safe_height ?? undefined,
					finalized: row.finalized_height ?? undefined,
					windowBlocks: row.window_blocks,
					windowFrom: row.window_from,
					pointers,
				},
			};
		});
	}

	leaves(chainId: ChainId): AsyncIterable<PackedLeaves> {
		return leafPages(this.#database, chainId);
	}

	async inbox(chainId: ChainId, operationLimit: number): Promise<readonly InboxEntry[]> {
		const rows = await this.#database.run(
			(sql) => sql<{ entry_id: bigint; body: string }[]>`
				select entry_id, body from (
					select entry_id, body, sum(operation_count) over (order by entry_id) as so_far
					from (select * from inbox where chain_id = ${chainId} order by entry_id
						limit ${operationLimit}) waiting
				) counted where so_far <= ${operationLimit} order by entry_id`,
		);
		return rows.map((row) => ({
			entryId: row.entry_id,
			operations: (JSON.parse(row.body) as unknown[]).map(fromWire),
		}));
	}

	async latestVersions(chainId: ChainId, keys: readonly MemoryKey[]) {
		if (keys.length === 0) return new Map<MemoryKey, Version[]>();
		const rows = await this.#database.run(
			(sql) => sql<VersionRow[]>`
				select v.* from unnest(${pgArray(keys)}::uuid[]) as wanted(memory_key)
				cross join lateral (
					select * from versions where chain_id = ${chainId}
						and memory_key = wanted.memory_key and to_gen = ${FOREVER}
					order by from_block desc limit 2
				) v`,
		);
		return byMemory(rows);
	}

	async openOperations(
		chainId: ChainId,
		{ judgedAbove, finality }: { judgedAbove: Height | undefined; finality?: Height | undefined },
	): Promise<readonly OpenOperation[]> {
		const rows = await this.#database.run(
			(sql) => sql<OpenRow[]>`
				select o.*, l.body from operations o
				left join log l on l.chain_id = o.chain_id and l.position = o.position
				where o.chain_id = ${chainId} and o.position is not null
					and ${finality === undefined ? sql`not o.final` : isOpenAt(sql, finality)}
					and (o.status = 'suspended' or o.suspect or o.judged_slot > ${judgedAbove ?? FOREVER})
				order by o.position`,
		);
		return rows.map(openOperation);
	}

	async vectors(chainId: ChainId, versionIds: readonly VersionId[]) {
		if (versionIds.length === 0) return new Map<VersionId, Float32Array>();
		const rows = await this.#database.run(
			(sql) => sql<{ version_id: bigint; vector: Uint8Array }[]>`
				select version_id, vector from vector_rows
				where chain_id = ${chainId} and version_id = any(${pgArray(versionIds)}::bigint[])`,
		);
		return new Map(rows.map((row) => [row.version_id, bytesVector(row.vector)]));
	}

	async commit(batch: CommitBatch, expected: { fence: bigint; generation: Generation }) {
		await this.#statistics.before(batch.log.length + batch.changes.insert.length);
		await this.#database.run((sql) => commitBatch(sql, batch, expected));
	}

	async settleFinal(
		chainId: ChainId,
		fence: bigint,
		finality: { safe: Height; finalized: Height },
	): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				with moved as (
					update chains set safe_height = ${finality.safe}, finalized_height = ${finality.finalized}
					where chain_id = ${chainId} and fence = ${fence} returning 1
				)
				update operations set final = true
				where chain_id = ${chainId} and not final and position is not null
					and exists (select 1 from moved) and ${isFinalAt(sql, finality.finalized)}`,
		);
	}

	async resizeWindow(chainId: ChainId, fence: bigint, windowBlocks: number): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update chains set window_blocks = ${windowBlocks},
					window_from = case when ${windowBlocks} > window_blocks
						then greatest(window_from, finalized_height, head_height - window_blocks + 1)
						else window_from end
				where chain_id = ${chainId} and fence = ${fence} and window_blocks <> ${windowBlocks}`,
		);
	}

	async recordGenesis(chainId: ChainId, fence: bigint, hash: Hex): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update chains set genesis_hash = ${hash}
				where chain_id = ${chainId} and fence = ${fence} and genesis_hash is null`,
		);
	}

	async halt(chainId: ChainId, fence: bigint, problem: Problem | undefined) {
		const change = { problem, receivers: this.#receivers };
		return this.#database.transaction((tx) => recordHalt(tx, { chainId, fence }, change));
	}
}

interface ChainRow {
	readonly chain_id: bigint;
	readonly start_block: bigint;
	readonly generation: bigint;
	readonly head_height: bigint | null;
	readonly safe_height: bigint | null;
	readonly finalized_height: bigint | null;
	readonly log_position: bigint;
	readonly version_seq: bigint;
	readonly roots: string;
	readonly fence: bigint;
	readonly halt: string | null;
	readonly genesis_hash: Hex | null;
	readonly window_blocks: number;
	readonly window_from: bigint;
}

interface OpenRow {
	readonly operation_id: string;
	readonly position: bigint;
	readonly status: "applied" | "suspended" | "recanted";
	readonly original_slot: bigint;
	readonly effective_slot: bigint | null;
	readonly judged_slot: bigint;
	readonly anchors: string | null;
	readonly suspect: boolean;
	/** Null: its log entry was cut, as only that of a final operation may be. */
	readonly body: string | null;
}

function openOperation(row: OpenRow): OpenOperation {
	if (row.body === null) throw entryCut(row);
	const logged = JSON.parse(row.body) as { readonly conditionPosition?: string };
	return {
		// The row's anchors follow the transactions; the log keeps where they were at first.
		stored: { ...fromWire(logged), anchors: anchorsFromText(row.anchors) },
		position: row.position,
		originalSlot: row.original_slot,
		status: row.status,
		effectiveSlot: row.effective_slot ?? undefined,
		suspect: row.suspect,
		judgedSlot: row.judged_slot,
		conditionPosition:
			logged.conditionPosition === undefined ? undefined : BigInt(logged.conditionPosition),
	};
}

function entryCut({ operation_id: operationId, position }: OpenRow): FatalError {
	return new FatalError("history_pruned", {
		message: `the log entry of operation ${operationId} at position ${position} was cut: what it wrote cannot be judged again`,
		hint: "import a snapshot from below the fork instead; see `recant recover`",
		fields: { operationId, position: position.toString() },
	});
}

/** Headers from the highest down, for as long as they link, at most the window's cap and one more. */
async function windowOf(tx: Queryable, chain: ChainRow): Promise<readonly BlockHeader[]> {
	if (chain.head_height === null) return [];
	const rows = await tx<{ height: bigint; hash: Hex; parent_hash: Hex; timestamp: bigint }[]>`
		select height, hash, parent_hash, timestamp from blocks
		where chain_id = ${chain.chain_id} and to_gen = ${FOREVER}
			and height <= ${chain.head_height}
			and height >= least(greatest(${chain.finalized_height ?? 0n}::bigint,
				${chain.window_from}::bigint), ${chain.head_height}::bigint)
		order by height desc limit ${chain.window_blocks + 1}`;
	const linked: BlockHeader[] = [];
	for (const row of rows) {
		const child = linked.at(-1);
		if (child !== undefined && (child.parentHash !== row.hash || child.number !== row.height + 1n))
			break;
		linked.push({
			number: row.height,
			hash: row.hash,
			parentHash: row.parent_hash,
			timestamp: row.timestamp,
		});
	}
	return linked.reverse();
}

/** Where LanceDB stands for each collection of a chain. */
async function readPointers(
	tx: Queryable,
	chainId: ChainId,
): Promise<Readonly<Record<string, VectorPointer>>> {
	const rows = await tx<
		{ name: string; table_version: bigint; pointer_version_id: bigint; pointer_at: Date }[]
	>`select name, table_version, pointer_version_id, pointer_at from collections
		where chain_id = ${chainId}`;
	return Object.fromEntries(
		rows.map((row) => [
			row.name,
			{
				tableVersion: row.table_version,
				versionId: row.pointer_version_id,
				at: row.pointer_at.getTime(),
			},
		]),
	);
}

export function byMemory(rows: readonly VersionRow[]): Map<MemoryKey, Version[]> {
	const found = new Map<MemoryKey, Version[]>();
	for (const row of rows) {
		const version = versionOf(row);
		const versions = found.get(version.memoryKey) ?? [];
		versions.push(version);
		found.set(version.memoryKey, versions);
	}
	return found;
}

function missing(chainId: ChainId): FatalError {
	return new FatalError("unknown_chain", {
		message: `chain ${chainId} is not in this database`,
		hint: "it is registered when the service starts with its file",
		fields: { chainId },
	});
}
