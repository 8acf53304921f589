import type { BlockHeader } from "../../domain/block.ts";
import type { AnsweredAt, AtRequest } from "../../domain/coordinate.ts";
import { FatalError } from "../../domain/errors.ts";
import {
	type ChainId,
	FOREVER,
	type Height,
	type Hex,
	type LogPosition,
	type MemoryKey,
	type RollbackId,
} from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import type {
	ChainRecord,
	StateStore,
	StateView,
	StoredBlock,
	StoredCheckpoint,
	StoredLogEntry,
	TakenBack,
} from "../../service/reading/state-store.ts";
import type { LogKind } from "../../writer/commit-batch.ts";
import type { Problem } from "../../writer/writer-store.ts";
import { type VersionRow, versionOf } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import type { Tx } from "../sql.ts";
import { ROLLBACK_COLUMNS, type RollbackRow, rollbackOf } from "../writing/rollback-row.ts";
import { type CheckpointRow, checkpointOf } from "./checkpoint-rows.ts";
import { commonHeight, resolveCoordinate } from "./coordinate.ts";
import { collectionRow, SnapshotView } from "./snapshot-view.ts";

const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };

export class PostgresStateStore implements StateStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async read<Result>(
		chainId: ChainId,
		request: AtRequest,
		work: (view: StateView) => Promise<Result>,
		collection?: string,
	): Promise<Result> {
		return this.#database.snapshot(async (tx) => {
			const [resolved, row] = await Promise.all([
				resolveCoordinate(tx, chainId, request),
				collection === undefined ? undefined : collectionRow(tx, chainId, collection),
			]);
			return work(new SnapshotView(tx, resolved, row));
		});
	}

	async compare<Result>(
		chainId: ChainId,
		requests: { readonly from: AtRequest; readonly to: AtRequest },
		work: Parameters<StateStore["compare"]>[2],
	): Promise<Result> {
		return this.#database.snapshot(async (tx) => {
			const from = await resolveCoordinate(tx, chainId, requests.from);
			const to = await resolveCoordinate(tx, chainId, requests.to);
			const above = await commonHeight(tx, from.at, to.at);
			const top = from.at.height > to.at.height ? from.at.height : to.at.height;
			return (await work({
				from: new SnapshotView(tx, from),
				to: new SnapshotView(tx, to),
				pending: async () => new SnapshotView(tx, await resolveCoordinate(tx, chainId, PENDING)),
				takenBack: () => takenBack(tx, from.at, to.at),
				candidates: (query) => candidates(tx, chainId, { above, top, ...query }),
			})) as Result;
		});
	}

	async chain(chainId: ChainId): Promise<ChainRecord> {
		return this.#database.snapshot(async (tx) => {
			const [row] = await tx<ChainRow[]>`
				select c.*, b.hash, b.parent_hash, b.timestamp,
					(select coalesce(sum(operation_count), 0) from inbox i where i.chain_id = c.chain_id) as waiting
				from chains c left join blocks b on b.chain_id = c.chain_id and b.height = c.head_height
					and b.to_gen = ${FOREVER}
				where c.chain_id = ${chainId}`;
			if (row === undefined) throw unknownChain(chainId);
			const collections = await tx<CollectionRow[]>`
				select name, model, dimensions, table_version, pointer_version_id, pointer_at,
					(select count(*) from vector_rows v where v.chain_id = c.chain_id
						and v.collection = c.name and v.version_id > c.pointer_version_id) as tail
				from collections c where chain_id = ${chainId} order by name`;
			return chainRecord(row, collections);
		});
	}

	async blocks(
		chainId: ChainId,
		query: Parameters<StateStore["blocks"]>[1],
	): Promise<readonly StoredBlock[]> {
		const { fork, generation } = query;
		const after = query.after ?? { height: FOREVER, fromGen: FOREVER };
		const rows = await this.#database.run(
			(sql) => sql<BlockRow[]>`
				select * from blocks where chain_id = ${chainId}
					and height >= ${query.from ?? 0n} and height <= ${query.to ?? FOREVER}
					and from_gen <= ${generation}
					and (${fork} = 'all' or (${fork} = 'canonical') = (to_gen > ${generation}))
					and (height, from_gen) < (${after.height}, ${after.fromGen})
				order by height desc, from_gen desc limit ${query.limit}`,
		);
		return rows.map((row) => ({ ...headerOf(row), fromGen: row.from_gen, toGen: row.to_gen }));
	}

	async history(
		chainId: ChainId,
		key: MemoryKey,
		query: Parameters<StateStore["history"]>[2],
	): Promise<readonly Version[]> {
		// Nothing begins at FOREVER, so every row comes after this place.
		const after = query.after ?? { toGen: FOREVER, fromBlock: FOREVER, fromGen: FOREVER };
		const { from = 0n, to = FOREVER, generation } = query.range ?? {};
		const rows = await this.#database.run(
			(sql) => sql<VersionRow[]>`
				select * from versions where chain_id = ${chainId} and memory_key = ${key}
					and from_block <= ${to} and to_block > ${from} ${
						generation === undefined
							? sql``
							: sql`and from_gen <= ${generation} and to_gen > ${generation}`
					}
					and (to_gen, from_block, from_gen)
						< (${after.toGen}, ${after.fromBlock}, ${after.fromGen})
				order by to_gen desc, from_block desc, from_gen desc limit ${query.limit}`,
		);
		return rows.map(versionOf);
	}

	async checkpoints(
		chainId: ChainId,
		query: { readonly limit: number; readonly before: Height | undefined },
	): Promise<readonly StoredCheckpoint[]> {
		const rows = await this.#database.run(
			(sql) => sql<CheckpointRow[]>`
				select * from checkpoints where chain_id = ${chainId} and to_gen = ${FOREVER}
					and height < ${query.before ?? FOREVER}
				order by height desc limit ${query.limit}`,
		);
		return rows.map(storedCheckpoint);
	}

	async checkpoint(chainId: ChainId, height: Height): Promise<StoredCheckpoint | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<CheckpointRow[]>`
				select * from checkpoints where chain_id = ${chainId} and height = ${height}
					and to_gen = ${FOREVER}`;
			return row && storedCheckpoint(row);
		});
	}

	async rollbacks(chainId: ChainId, query: Parameters<StateStore["rollbacks"]>[1]) {
		const after = query.after ?? null;
		const rows = await this.#database.run(
			(sql) => sql<RollbackRow[]>`
				select ${sql(ROLLBACK_COLUMNS)}, now() as read_at from rollbacks where chain_id = ${chainId}
					and (${after}::uuid is null or (created_at, rollback_id) < (
						select created_at, rollback_id from rollbacks where rollback_id = ${after}::uuid))
				order by created_at desc, rollback_id desc limit ${query.limit}`,
		);
		return rows.map(rollbackOf);
	}

	async report(rollbackId: RollbackId): Promise<string | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<{ report: string | null }[]>`
				select report from rollbacks where rollback_id = ${rollbackId}`;
			return row?.report ?? undefined;
		});
	}

	async logEnds(): Promise<ReadonlyMap<ChainId, LogPosition>> {
		const rows = await this.#database.run(
			(sql) => sql<{ chain_id: bigint; log_position: bigint }[]>`
				select chain_id, log_position from chains`,
		);
		return new Map(rows.map((row) => [Number(row.chain_id), row.log_position]));
	}

	async log(
		chainId: ChainId,
		query: {
			readonly after: LogPosition;
			readonly kinds: readonly string[] | undefined;
			readonly limit: number;
		},
	): Promise<readonly StoredLogEntry[]> {
		const kinds = query.kinds === undefined ? null : [...query.kinds];
		const rows = await this.#database.run(
			(sql) => sql<(LogRow | NoLogRow)[]>`
				select c.log_cut_to, l.* from chains c
				left join lateral (
					select position, generation, height, kind, operation_id, body from log
					where chain_id = ${chainId} and position > ${query.after}
						and (${kinds === null} or kind = any(${kinds ?? []}::text[]))
					order by position limit ${query.limit}
				) l on true where c.chain_id = ${chainId} order by l.position`,
		);
		const cutTo = rows[0]?.log_cut_to ?? 0n;
		if (query.after < cutTo) throw logCut(chainId, query.after, cutTo);
		return rows.flatMap((row) => (row.position === null ? [] : [logEntry(row)]));
	}
}

/** A rollback that went no further back than one before it took back nothing more of the older generation. */
async function takenBack(
	tx: Tx,
	one: AnsweredAt,
	other: AnsweredAt,
): Promise<readonly TakenBack[]> {
	const [lower, upper] = one.generation < other.generation ? [one, other] : [other, one];
	return tx<{ rollbackId: RollbackId; ancestor: bigint }[]>`
		select rollback_id as "rollbackId", ancestor_height as ancestor from (
			select *, min(ancestor_height) over (order by generation
				rows between unbounded preceding and 1 preceding) as lowest
			from generations where chain_id = ${one.chainId}
				and generation > ${lower.generation} and generation <= ${upper.generation}
		) g where rollback_id is not null and (lowest is null or ancestor_height < lowest)
		order by generation`;
}

/** Memories that changed or ended above the last height that both coordinates share. */
async function candidates(
	tx: Tx,
	chainId: ChainId,
	query: {
		readonly above: Height;
		readonly top: Height;
		readonly after: MemoryKey | undefined;
		readonly namespaces: readonly string[] | undefined;
		readonly limit: number;
	},
): Promise<readonly MemoryKey[]> {
	const after = query.after ?? "00000000-0000-0000-0000-000000000000";
	const { namespaces } = query;
	const rows = await tx<{ memory_key: MemoryKey }[]>`
		select distinct memory_key from (
			select memory_key, namespace from versions where chain_id = ${chainId}
				and layer in (0, 1, 2, 3) and from_block > ${query.above} and from_block <= ${query.top}
			union all
			select memory_key, namespace from versions where chain_id = ${chainId}
				and expires_block > ${query.above} and expires_block <= ${query.top}
		) changed
		where memory_key > ${after}
			and (${namespaces === undefined} or namespace = any(${pgArray(namespaces ?? [])}::text[]))
		order by memory_key limit ${query.limit}`;
	return rows.map((row) => row.memory_key);
}

interface BlockRow {
	readonly height: bigint;
	readonly hash: Hex;
	readonly parent_hash: Hex;
	readonly timestamp: bigint;
	readonly from_gen: bigint;
	readonly to_gen: bigint;
}

interface LogRow {
	readonly log_cut_to: bigint;
	readonly position: bigint;
	readonly generation: bigint;
	readonly height: bigint;
	readonly kind: LogKind;
	readonly operation_id: string | null;
	readonly body: string;
}

/** What a chain without further entries answers. */
interface NoLogRow {
	readonly log_cut_to: bigint;
	readonly position: null;
}

function logEntry(row: LogRow): StoredLogEntry {
	return {
		position: row.position,
		generation: row.generation,
		height: row.height,
		kind: row.kind,
		operationId: row.operation_id ?? undefined,
		body: row.body,
	};
}

interface ChainRow {
	readonly chain_id: bigint;
	readonly name: string;
	readonly generation: bigint;
	readonly head_height: bigint | null;
	readonly hash: Hex | null;
	readonly parent_hash: Hex | null;
	readonly timestamp: bigint | null;
	readonly safe_height: bigint | null;
	readonly finalized_height: bigint | null;
	readonly start_block: bigint;
	readonly retained_from: bigint;
	readonly log_position: bigint;
	readonly halt: string | null;
	readonly waiting: bigint;
}

interface CollectionRow {
	readonly name: string;
	readonly model: string;
	readonly dimensions: number;
	readonly table_version: bigint;
	readonly pointer_version_id: bigint;
	readonly pointer_at: Date;
	readonly tail: bigint;
}

function chainRecord(row: ChainRow, collections: readonly CollectionRow[]): ChainRecord {
	return {
		chainId: Number(row.chain_id),
		name: row.name,
		generation: row.generation,
		head: headOf(row),
		safe: row.safe_height ?? undefined,
		finalized: row.finalized_height ?? undefined,
		startBlock: row.start_block,
		retainedFrom: row.retained_from,
		logPosition: row.log_position,
		halt: row.halt === null ? undefined : (JSON.parse(row.halt) as Problem),
		inbox: Number(row.waiting),
		collections: collections.map((each) => ({
			name: each.name,
			model: each.model,
			dimensions: each.dimensions,
			tail: Number(each.tail),
			pointer: {
				tableVersion: each.table_version,
				versionId: each.pointer_version_id,
				at: each.pointer_at.getTime(),
			},
		})),
	};
}

function headOf(row: ChainRow): BlockHeader | undefined {
	const { head_height: number, hash, parent_hash: parentHash, timestamp } = row;
	if (number === null || hash === null || parentHash === null || timestamp === null)
		return undefined;
	return { number, hash, parentHash, timestamp };
}

function headerOf(row: BlockRow): BlockHeader {
	return {
		number: row.height,
		hash: row.hash,
		parentHash: row.parent_hash,
		timestamp: row.timestamp,
	};
}

function storedCheckpoint(row: CheckpointRow): StoredCheckpoint {
	return { ...checkpointOf(row), fromGen: row.from_gen, toGen: row.to_gen };
}

function unknownChain(chainId: ChainId): FatalError {
	return new FatalError("unknown_chain", {
		message: `chain ${chainId} is not in this database`,
		hint: "see /v1/chains for those that are served",
		fields: { chainId },
	});
}

/** A gap is told, never passed over. */
function logCut(chainId: ChainId, after: LogPosition, cutTo: LogPosition): FatalError {
	return new FatalError("history_pruned", {
		message: `the log of chain ${chainId} was cut up to position ${cutTo}; entries after ${after} were asked for`,
		hint: `go on after position ${cutTo}, and read what holds now from the state`,
		fields: { chainId, after: after.toString(), logCutTo: cutTo.toString() },
	});
}
