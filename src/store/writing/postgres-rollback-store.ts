import type { BlockHeader } from "../../domain/block.ts";
import { RetryableError } from "../../domain/errors.ts";
import {
	type ChainId,
	FOREVER,
	type Height,
	type Hex,
	type MemoryKey,
	type RollbackId,
} from "../../domain/ids.ts";
import {
	type Counts,
	type NewRollback,
	NO_COUNTS,
	type RollbackRecord,
	type RollbackState,
	type Stage,
	type Strategy,
	targetOf,
} from "../../rollback/rollback-record.ts";
import type {
	Part,
	RollbackCommit,
	RollbackStore,
	StageProgress,
} from "../../rollback/rollback-store.ts";
import type { Checkpoint } from "../../writer/commit-batch.ts";
import type { Problem } from "../../writer/writer-store.ts";
import { toJson, type VersionRow } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import { type CheckpointRow, checkpointOf } from "../reading/checkpoint-rows.ts";
import { recordDeliveries } from "../records/postgres-delivery-store.ts";
import { mergeShadow } from "../restoring/merge-shadow.ts";
import { dropShadowsOf } from "../restoring/postgres-shadow-store.ts";
import type { Queryable, Tx } from "../sql.ts";
import { commitBatch } from "./commit.ts";
import { byMemory } from "./postgres-writer-store.ts";

export const ROLLBACK_TOPIC = "rollback";

export class PostgresRollbackStore implements RollbackStore {
	readonly #database: Database;
	/** Answers whether the process behind a claim is known to be gone. */
	readonly #isGone: (holder: string) => boolean;

	/** Who is told of what was committed. */
	readonly #receivers: readonly string[];

	constructor(
		database: Database,
		isGone: (holder: string) => boolean,
		receivers: readonly string[] = [],
	) {
		this.#database = database;
		this.#isGone = isGone;
		this.#receivers = receivers;
	}

	async record(rollback: NewRollback, supersedes: RollbackId | undefined): Promise<void> {
		await this.#database.transaction(async (tx) => {
			if (supersedes !== undefined) {
				await tx`update rollbacks set state = 'superseded', superseded_by = ${rollback.rollbackId},
					finished_at = now() where rollback_id = ${supersedes} and state <> 'committed'`;
				await tx`delete from rollback_parts where rollback_id = ${supersedes}`;
				await dropShadowsOf(tx, supersedes);
			}
			const target = targetOf(rollback);
			const inserted = await tx`
				insert into rollbacks (rollback_id, chain_id, cause, state, from_generation,
					ancestor_height, ancestor_hash, from_height, from_hash, to_height, to_hash, branch,
					supersessions, wanted_strategy, counts, stage_ms)
				values (${rollback.rollbackId}, ${rollback.chainId}, ${rollback.cause}, 'recorded',
					${rollback.fromGeneration}, ${rollback.ancestor.height}, ${rollback.ancestor.hash},
					${rollback.from.height}, ${rollback.from.hash}, ${target.height}, ${target.hash},
					${toJson(rollback.branch)}, ${rollback.supersessions}, ${rollback.wantedStrategy ?? null},
					${toJson(NO_COUNTS)}::text::jsonb, '{}')
				on conflict do nothing`;
			if (inserted.count === 0) throw busy(rollback.chainId);
			await tx`insert into outbox (topic, payload)
				values (${ROLLBACK_TOPIC}, ${toJson({ rollbackId: rollback.rollbackId })})`;
		});
	}

	async load(rollbackId: RollbackId): Promise<RollbackRecord | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<RollbackRow[]>`
				select * from rollbacks where rollback_id = ${rollbackId}`;
			return row && rollbackOf(row);
		});
	}

	async active(chainId: ChainId): Promise<RollbackRecord | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<RollbackRow[]>`
				select * from rollbacks where chain_id = ${chainId}
					and state in ('recorded', 'running', 'prepared')`;
			return row && rollbackOf(row);
		});
	}

	async claim(rollbackId: RollbackId, holder: string, ttlMs: number) {
		return this.#database.transaction(async (tx) => {
			const [row] = await tx<(RollbackRow & { readonly live: boolean })[]>`
				select *, coalesce(claim_until > now(), false) as live from rollbacks
				where rollback_id = ${rollbackId} and state in ('recorded', 'running', 'prepared')
				for update`;
			if (row === undefined) return undefined;
			const other = row.claim_holder !== null && row.claim_holder !== holder;
			if (other && row.live && !this.#isGone(row.claim_holder ?? "")) return undefined;
			// A prepared change set is kept: the commit names its attempt.
			const again = row.state !== "prepared";
			if (again) {
				await tx`delete from rollback_parts where rollback_id = ${rollbackId}`;
				await dropShadowsOf(tx, rollbackId);
			}
			const [claimed] = await tx<RollbackRow[]>`
				update rollbacks set claim_holder = ${holder},
					claim_until = now() + ${ttlMs} * interval '1 millisecond',
					state = ${again ? "running" : "prepared"}, attempt = attempt + ${again ? 1 : 0}
				where rollback_id = ${rollbackId} returning *`;
			return claimed && rollbackOf(claimed);
		});
	}

	async renewClaim(rollbackId: RollbackId, attempt: number, ttlMs: number): Promise<void> {
		await this.#fenced(
			rollbackId,
			attempt,
			(sql) => sql`
			update rollbacks set claim_until = now() + ${ttlMs} * interval '1 millisecond'
			where rollback_id = ${rollbackId} and attempt = ${attempt}
				and state in ('running', 'prepared')`,
		);
	}

	async progress(rollbackId: RollbackId, attempt: number, progress: StageProgress): Promise<void> {
		await this.#fenced(
			rollbackId,
			attempt,
			(sql) => sql`
			update rollbacks set stage = ${progress.stage}, done = ${progress.done},
				total = ${progress.total}, stage_ms = ${toJson(progress.stageMs)}::text::jsonb
			where rollback_id = ${rollbackId} and attempt = ${attempt}
				and state in ('running', 'prepared')`,
		);
	}

	async planned(
		rollbackId: RollbackId,
		attempt: number,
		{ strategy, reason }: { readonly strategy: Strategy; readonly reason: string },
	): Promise<void> {
		await this.#fenced(
			rollbackId,
			attempt,
			(sql) => sql`
			update rollbacks set strategy = ${strategy}, strategy_reason = ${reason}, error = null
			where rollback_id = ${rollbackId} and attempt = ${attempt} and state = 'running'`,
		);
	}

	async prepared(
		rollbackId: RollbackId,
		attempt: number,
		result: { readonly parts: readonly Part[]; readonly counts: Counts },
	): Promise<void> {
		await this.#database.transaction(async (tx) => {
			const { count } = await tx`
				update rollbacks set state = 'prepared', counts = ${toJson(result.counts)}::text::jsonb
				where rollback_id = ${rollbackId} and attempt = ${attempt} and state = 'running'`;
			if (count === 0) throw fenced(rollbackId, attempt);
			for (const part of result.parts) {
				await tx`insert into rollback_parts (rollback_id, attempt, part, seq, body)
					values (${rollbackId}, ${attempt}, ${part.part}, ${part.seq}, ${part.body})`;
			}
		});
	}

	async parts(rollbackId: RollbackId, attempt: number): Promise<readonly Part[]> {
		return this.#database.run(
			(sql) => sql<Part[]>`
				select part, seq, body from rollback_parts
				where rollback_id = ${rollbackId} and attempt = ${attempt} order by seq`,
		);
	}

	/** Moves everything in one transaction; the batch's fence is checked first. */
	async commit(commit: RollbackCommit): Promise<void> {
		await this.#database.transaction(async (tx) => {
			const expected = { fence: commit.fence, generation: commit.fromGeneration };
			if (commit.shadow !== undefined) await mergeShadow(tx, commit.shadow, commit.batch, expected);
			await commitBatch(tx, commit.batch, expected);
			const ended = tx`
				update rollbacks set state = 'committed', counts = ${toJson(commit.counts)}::text::jsonb,
					report = ${commit.report}, stage_ms = ${toJson(commit.stageMs)}::text::jsonb,
					from_height = ${commit.ended.height}, from_hash = ${commit.ended.hash},
					finished_at = now(), claim_until = null, error = null
				where rollback_id = ${commit.rollbackId} and attempt = ${commit.attempt}
					and state = 'prepared'`;
			const cleared = tx`delete from rollback_parts where rollback_id = ${commit.rollbackId}`;
			// Sent in one go: each waits for nothing but its turn on the connection.
			const [{ count }] = await Promise.all([ended, cleared, ...generationMoves(tx, commit)]);
			if (count === 0) throw fenced(commit.rollbackId, commit.attempt);
			await recordDeliveries(tx, commit, this.#receivers);
		});
	}

	async end(
		rollbackId: RollbackId,
		how: { readonly state: "cancelled" } | { readonly state: "failed"; readonly error: Problem },
	): Promise<void> {
		const error = how.state === "failed" ? toJson(how.error) : null;
		await this.#database.transaction(async (tx) => {
			await tx`update rollbacks set state = ${how.state}, error = ${error}::text::jsonb,
					finished_at = now(), claim_until = null
				where rollback_id = ${rollbackId} and state in ('recorded', 'running', 'prepared')`;
			await tx`delete from rollback_parts where rollback_id = ${rollbackId}
				and exists (select 1 from rollbacks r where r.rollback_id = ${rollbackId}
					and r.state in ('failed', 'cancelled'))`;
			await dropShadowsOf(tx, rollbackId);
		});
	}

	async release(
		rollbackId: RollbackId,
		attempt: number,
		failure: Problem | undefined,
	): Promise<void> {
		const error = failure === undefined ? null : toJson(failure);
		await this.#database.run(
			(sql) => sql`
				update rollbacks set claim_until = null, claim_holder = null, state = 'recorded',
					error = ${error}::text::jsonb
				where rollback_id = ${rollbackId} and attempt = ${attempt}
					and state in ('running', 'prepared')`,
		);
	}

	async checkpoint(chainId: ChainId, height: Height): Promise<Checkpoint | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<CheckpointRow[]>`
				select * from checkpoints where chain_id = ${chainId} and height = ${height}
					and to_gen = ${FOREVER}`;
			return row && checkpointOf(row);
		});
	}

	async touched(
		chainId: ChainId,
		range: { readonly ancestor: Height; readonly to: Height; readonly limit: number },
	): Promise<readonly MemoryKey[]> {
		const rows = await this.#database.run(
			(sql) => sql<{ memory_key: MemoryKey }[]>`
				select memory_key from versions where chain_id = ${chainId} and layer in (0, 1, 2, 3)
					and from_block > ${range.ancestor} and to_gen = ${FOREVER}
				union
				select memory_key from versions where chain_id = ${chainId}
					and expires_block > ${range.ancestor} and expires_block <= ${range.to}
					and to_gen = ${FOREVER}
				limit ${range.limit + 1}`,
		);
		return rows.map((row) => row.memory_key);
	}

	async versionsAround(chainId: ChainId, keys: readonly MemoryKey[], ancestor: Height) {
		if (keys.length === 0) return new Map();
		const rows = await this.#database.run(
			(sql) => sql<VersionRow[]>`
				select v.* from unnest(${pgArray(keys)}::uuid[]) as wanted(memory_key)
				cross join lateral (
					select * from versions where chain_id = ${chainId}
						and memory_key = wanted.memory_key and to_gen = ${FOREVER}
						and from_block > ${ancestor}
					union all
					(select * from versions where chain_id = ${chainId}
						and memory_key = wanted.memory_key and to_gen = ${FOREVER}
						and from_block <= ${ancestor}
					order by from_block desc limit 1)
				) v`,
		);
		return byMemory(rows);
	}

	async #fenced(
		rollbackId: RollbackId,
		attempt: number,
		write: (sql: Queryable) => PromiseLike<{ readonly count: number }>,
	): Promise<void> {
		await this.#database.run(async (sql) => {
			const { count } = await write(sql);
			if (count === 0) throw fenced(rollbackId, attempt);
		});
	}
}

function generationMoves(tx: Tx, commit: RollbackCommit): readonly PromiseLike<unknown>[] {
	const { chainId, generation: next } = commit.batch;
	return [
		tx`update blocks set to_gen = ${next} where chain_id = ${chainId}
			and height > ${commit.ancestor} and to_gen = ${FOREVER} and from_gen < ${next}`,
		tx`update checkpoints set to_gen = ${next} where chain_id = ${chainId}
			and height > ${commit.ancestor} and to_gen = ${FOREVER} and from_gen < ${next}`,
		tx`update generations set last_height = ${commit.ended.height},
				last_version_id = ${commit.ended.versionId}, pointers = ${toJson(commit.ended.pointers)}
			where chain_id = ${chainId} and generation = ${commit.fromGeneration}`,
		tx`insert into generations (chain_id, generation, ancestor_height, rollback_id)
			values (${chainId}, ${next}, ${commit.ancestor}, ${commit.rollbackId})`,
		...Object.entries(commit.pointers).map(
			([name, pointer]) =>
				tx`update collections set table_version = ${pointer.tableVersion},
						pointer_version_id = ${pointer.versionId},
						pointer_at = to_timestamp(${pointer.at} / 1000.0)
					where chain_id = ${chainId} and name = ${name}`,
		),
	];
}

export interface RollbackRow {
	readonly rollback_id: RollbackId;
	readonly chain_id: bigint;
	readonly cause: "reorg" | "manual";
	readonly state: RollbackState;
	readonly stage: Stage | null;
	readonly from_generation: bigint;
	readonly ancestor_height: bigint;
	readonly ancestor_hash: Hex;
	readonly from_height: bigint;
	readonly from_hash: Hex;
	readonly branch: string;
	readonly attempt: number;
	readonly supersessions: number;
	readonly claim_holder: string | null;
	readonly claim_until: Date | null;
	readonly done: number;
	readonly total: number;
	readonly counts: Counts;
	readonly stage_ms: Partial<Record<Stage, number>>;
	readonly strategy: Strategy | null;
	readonly strategy_reason: string | null;
	readonly wanted_strategy: Strategy | null;
	readonly error: Problem | null;
	readonly report: string | null;
	readonly superseded_by: RollbackId | null;
	readonly created_at: Date;
	readonly finished_at: Date | null;
}

export function rollbackOf(row: RollbackRow): RollbackRecord {
	const branch = JSON.parse(row.branch) as (Omit<BlockHeader, "number" | "timestamp"> & {
		number: string;
		timestamp: string;
	})[];
	return {
		rollbackId: row.rollback_id,
		chainId: Number(row.chain_id),
		cause: row.cause,
		state: row.state,
		stage: row.stage ?? undefined,
		fromGeneration: row.from_generation,
		ancestor: { height: row.ancestor_height, hash: row.ancestor_hash },
		from: { height: row.from_height, hash: row.from_hash },
		branch: branch.map((block) => ({
			...block,
			number: BigInt(block.number),
			timestamp: BigInt(block.timestamp),
		})),
		attempt: row.attempt,
		supersessions: row.supersessions,
		claimHolder: row.claim_holder ?? undefined,
		claimUntil: row.claim_until ?? undefined,
		done: row.done,
		total: row.total,
		counts: row.counts,
		stageMs: row.stage_ms,
		strategy: row.strategy ?? undefined,
		strategyReason: row.strategy_reason ?? undefined,
		wantedStrategy: row.wanted_strategy ?? undefined,
		error: row.error ?? undefined,
		supersededBy: row.superseded_by ?? undefined,
		createdAt: row.created_at,
		finishedAt: row.finished_at ?? undefined,
	};
}

function fenced(rollbackId: RollbackId, attempt: number): RetryableError {
	return new RetryableError("rollback_fenced", {
		message: `attempt ${attempt} of rollback ${rollbackId} was overtaken`,
		hint: "another process works on it, or it is over; nothing of this attempt counts",
		fields: { rollbackId, attempt },
	});
}

function busy(chainId: ChainId): RetryableError {
	return new RetryableError("chain_busy", {
		message: `a rollback of chain ${chainId} is under way already`,
		hint: "wait until it has ended; see the chain's rollbacks",
		fields: { chainId },
	});
}
