import type { StateRoots } from "../../commitment/state-root.ts";
import { RetryableError } from "../../domain/errors.ts";
import { type ChainId, FOREVER, type Height, type Hex } from "../../domain/ids.ts";
import type { ImportOptions } from "../../snapshots/snapshot-importer.ts";
import type { SnapshotKind } from "../../snapshots/snapshot-kind.ts";
import type {
	SnapshotCause,
	SnapshotProgress,
	SnapshotRow,
	SnapshotState,
	WritePlace,
} from "../../snapshots/snapshot-row.ts";
import { NOT_BEGUN, verification } from "../../snapshots/snapshot-row.ts";
import type {
	ImportedSnapshot,
	Lease,
	NewSnapshot,
	SnapshotStore,
} from "../../snapshots/snapshot-store.ts";
import type { Problem } from "../../writer/writer-store.ts";
import { toJson } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import type { Sql } from "../sql.ts";

export class PostgresSnapshotStore implements SnapshotStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async record(snapshot: NewSnapshot): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				insert into snapshots (snapshot_id, chain_id, state, kind, parent_id, cause, height,
					generation, block_hash, log_position, version_id, roots, progress)
				values (${snapshot.snapshotId}, ${snapshot.chainId}, 'creating', ${snapshot.kind},
					${snapshot.parentId ?? null}, ${snapshot.cause}, ${snapshot.height},
					${snapshot.generation}, ${snapshot.blockHash}, ${snapshot.logPosition},
					${snapshot.versionId}, ${toJson(snapshot.roots)}, ${toJson(NOT_BEGUN)})`,
		);
	}

	async recordImport(snapshot: ImportedSnapshot): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				insert into snapshots (snapshot_id, chain_id, state, kind, parent_id, cause, height,
					generation, block_hash, log_position, version_id, roots, manifest_hash, memories,
					chunks, raw_bytes, stored_bytes, stored_at)
				values (${snapshot.snapshotId}, ${snapshot.chainId}, 'stored', ${snapshot.kind},
					${snapshot.parentId ?? null}, ${snapshot.cause}, ${snapshot.height},
					${snapshot.generation}, ${snapshot.blockHash}, ${snapshot.logPosition},
					${snapshot.versionId}, ${toJson(snapshot.roots)}, ${snapshot.manifestId},
					${snapshot.memories}, ${snapshot.chunks}, ${snapshot.rawBytes},
					${snapshot.storedBytes}, now())`,
		);
	}

	async load(chainId: ChainId, snapshotId: string): Promise<SnapshotRow | undefined> {
		return this.#one(
			(sql) => sql<Row[]>`
				select * from snapshots where snapshot_id = ${snapshotId} and chain_id = ${chainId}`,
		);
	}

	async byManifest(chainId: ChainId, manifestId: Hex): Promise<SnapshotRow | undefined> {
		return this.#one(
			(sql) => sql<Row[]>`
				select * from snapshots where chain_id = ${chainId} and manifest_hash = ${manifestId}
				order by created_at desc limit 1`,
		);
	}

	async list(chainId: ChainId, query: Parameters<SnapshotStore["list"]>[1]) {
		const after = query.after ?? null;
		return this.#many(
			(sql) => sql<Row[]>`
				select * from snapshots where chain_id = ${chainId}
					and (${after}::uuid is null or (created_at, snapshot_id) < (
						select created_at, snapshot_id from snapshots where snapshot_id = ${after}::uuid))
				order by created_at desc, snapshot_id desc limit ${query.limit}`,
		);
	}

	async due(chainId: ChainId): Promise<SnapshotRow | undefined> {
		return this.#one(
			(sql) => sql<Row[]>`
				select * from snapshots where chain_id = ${chainId} and progress is not null
				order by created_at limit 1`,
		);
	}

	async whole(chainId: ChainId, query: { readonly below: Height; readonly limit: number }) {
		return this.#many(
			(sql) => sql<Row[]>`
				select s.* from snapshots s
				join blocks b on b.chain_id = s.chain_id and b.height = s.height
					and b.hash = s.block_hash and b.to_gen = ${FOREVER} and b.from_gen <= s.generation
				where s.chain_id = ${chainId} and s.height < ${query.below}
					and s.cause <> 'import' and s.state in ('stored', 'verified')
					and s.log_position >= (select derived_position from chains
						where chain_id = ${chainId})
				order by s.height desc, s.created_at desc limit ${query.limit}`,
		);
	}

	async newest(chainId: ChainId): Promise<SnapshotRow | undefined> {
		return this.#one(
			(sql) => sql<Row[]>`
				select s.* from snapshots s
				where s.chain_id = ${chainId} and s.cause <> 'import'
					and s.state <> 'cancelled'
				order by s.created_at desc limit 1`,
		);
	}

	async want(snapshotId: string, progress: SnapshotProgress): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update snapshots set progress = ${toJson(progress)}, error = null
				where snapshot_id = ${snapshotId} and manifest_hash is not null`,
		);
	}

	async progress(row: SnapshotRow, lease: Lease, progress: SnapshotProgress): Promise<void> {
		await this.#fenced(
			row,
			(sql) => sql`
				update snapshots s set progress = ${toJson(progress)}, error = null from chains c
				where s.snapshot_id = ${row.snapshotId} and c.chain_id = s.chain_id
					and c.fence = ${lease.fence} and s.progress is not null`,
		);
	}

	async becomeFull(row: SnapshotRow, lease: Lease): Promise<void> {
		await this.#fenced(
			row,
			(sql) => sql`
				update snapshots s set kind = 'full', parent_id = null,
					progress = ${toJson(NOT_BEGUN)} from chains c
				where s.snapshot_id = ${row.snapshotId} and c.chain_id = s.chain_id
					and c.fence = ${lease.fence} and s.state = 'creating'`,
		);
	}

	async stored(
		row: SnapshotRow,
		lease: Lease,
		what: Parameters<SnapshotStore["stored"]>[2],
	): Promise<void> {
		const next = toJson(verification(what.storedBytes));
		await this.#fenced(
			row,
			(sql) => sql`
				update snapshots s set state = 'stored', manifest_hash = ${what.manifestId},
					memories = ${what.memories}, chunks = ${what.chunks}, raw_bytes = ${what.rawBytes},
					stored_bytes = ${what.storedBytes}, stored_at = now(), progress = ${next},
					error = null from chains c
				where s.snapshot_id = ${row.snapshotId} and c.chain_id = s.chain_id
					and c.fence = ${lease.fence} and s.state = 'creating'`,
		);
	}

	async ended(row: SnapshotRow, lease: Lease, how: Parameters<SnapshotStore["ended"]>[2]) {
		const error = how.state === "verified" ? null : toJson(how.error);
		await this.#fenced(
			row,
			(sql) => sql`
				update snapshots s set state = ${how.state}, progress = null,
					error = ${error}::text::jsonb,
					verified_at = case when ${how.state} = 'verified' then now() else verified_at end
				from chains c
				where s.snapshot_id = ${row.snapshotId} and c.chain_id = s.chain_id
					and c.fence = ${lease.fence}`,
		);
	}

	async heldUp(row: SnapshotRow, lease: Lease, error: Problem): Promise<void> {
		await this.#fenced(
			row,
			(sql) => sql`
				update snapshots s set error = ${toJson(error)}::text::jsonb from chains c
				where s.snapshot_id = ${row.snapshotId} and c.chain_id = s.chain_id
					and c.fence = ${lease.fence}`,
		);
	}

	async manifestIds(): Promise<readonly Hex[]> {
		return this.#database.run(async (sql) => {
			const rows = await sql<{ manifest_hash: Hex }[]>`
				select distinct manifest_hash from snapshots where manifest_hash is not null`;
			return rows.map((row) => row.manifest_hash);
		});
	}

	async remove(chainId: ChainId, lease: Lease, snapshotIds: readonly string[]): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				delete from snapshots s using chains c
				where s.chain_id = ${chainId} and c.chain_id = s.chain_id and c.fence = ${lease.fence}
					and s.snapshot_id = any(${pgArray(snapshotIds)}::uuid[])`,
		);
	}

	async #one(query: (sql: Sql) => PromiseLike<readonly Row[]>): Promise<SnapshotRow | undefined> {
		return (await this.#many(query))[0];
	}

	async #many(query: (sql: Sql) => PromiseLike<readonly Row[]>): Promise<readonly SnapshotRow[]> {
		return this.#database.run(async (sql) => (await query(sql)).map(rowOf));
	}

	async #fenced(
		row: SnapshotRow,
		write: (sql: Sql) => PromiseLike<{ readonly count: number }>,
	): Promise<void> {
		await this.#database.run(async (sql) => {
			const { count } = await write(sql);
			if (count === 0) throw leaseLost(row);
		});
	}
}

interface Row {
	readonly snapshot_id: string;
	readonly chain_id: bigint;
	readonly state: SnapshotState;
	readonly kind: SnapshotKind;
	readonly parent_id: string | null;
	readonly cause: SnapshotCause;
	readonly height: bigint;
	readonly generation: bigint;
	readonly block_hash: Hex;
	readonly log_position: bigint;
	readonly version_id: bigint;
	readonly roots: string;
	readonly manifest_hash: Hex | null;
	readonly memories: bigint;
	readonly chunks: number;
	readonly raw_bytes: bigint;
	readonly stored_bytes: bigint;
	readonly progress: string | null;
	readonly error: Problem | null;
	readonly created_at: Date;
	readonly stored_at: Date | null;
	readonly verified_at: Date | null;
}

function rowOf(row: Row): SnapshotRow {
	return {
		snapshotId: row.snapshot_id,
		chainId: Number(row.chain_id),
		state: row.state,
		kind: row.kind,
		parentId: row.parent_id ?? undefined,
		cause: row.cause,
		height: row.height,
		generation: row.generation,
		blockHash: row.block_hash,
		logPosition: row.log_position,
		versionId: row.version_id,
		roots: JSON.parse(row.roots) as StateRoots,
		manifestId: row.manifest_hash ?? undefined,
		memories: Number(row.memories),
		chunks: row.chunks,
		rawBytes: Number(row.raw_bytes),
		storedBytes: Number(row.stored_bytes),
		progress: row.progress === null ? undefined : progressOf(row.progress),
		error: row.error ?? undefined,
		createdAt: row.created_at,
		storedAt: row.stored_at ?? undefined,
		verifiedAt: row.verified_at ?? undefined,
	};
}

/** What has no value is left out in JSON. */
function progressOf(json: string): SnapshotProgress {
	const { place, ratePerS, apply, ...rest } = JSON.parse(json) as {
		readonly place?: Partial<WritePlace>;
		readonly ratePerS?: number;
		readonly apply?: ImportOptions;
	} & SnapshotProgress;
	if (rest.phase === "verify") return { ...rest, ratePerS, apply };
	return { ...rest, ratePerS, place: place && { after: place.after } };
}

function leaseLost(row: SnapshotRow): RetryableError {
	return new RetryableError("lease_lost", {
		message: `snapshot ${row.snapshotId} is another process's to work on, or it has ended`,
		hint: "the process that follows the chain now goes on with it",
		fields: { snapshotId: row.snapshotId },
	});
}
