import type { BlockHeader } from "../../domain/block.ts";
import { FatalError, RetryableError } from "../../domain/errors.ts";
import {
	type ChainId,
	FOREVER,
	type Generation,
	type Height,
	type MemoryKey,
	type RollbackId,
} from "../../domain/ids.ts";
import { takenOverTooOften } from "../../rollback/attempt-failure.ts";
import { obeyed, type RollbackOrder } from "../../rollback/orders.ts";
import type {
	Counts,
	NewRollback,
	RollbackRecord,
	Strategy,
} from "../../rollback/rollback-record.ts";
import type {
	Failure,
	Part,
	RollbackCommit,
	RollbackStore,
	StageProgress,
} from "../../rollback/rollback-store.ts";
import type { Checkpoint } from "../../writer/commit-batch.ts";
import { toJson, type VersionRow } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import { type CheckpointRow, checkpointOf } from "../reading/checkpoint-rows.ts";
import { keptBlock } from "../reading/kept-block.ts";
import { recordDeliveries } from "../records/postgres-delivery-store.ts";
import { endHalt } from "../recovery/end-halt.ts";
import { switchHandlers } from "../rederiving/switch-handlers.ts";
import { mergeShadow } from "../restoring/merge-shadow.ts";
import type { Queryable } from "../sql.ts";
import { commitLargeBatch } from "./large-commit.ts";
import { obey, surroundings } from "./obey-order.ts";
import { byMemory } from "./postgres-writer-store.ts";
import { recordRollback } from "./record-rollback.ts";
import {
	dropPrepared,
	ended,
	failed,
	fromTheBeginning,
	generationMoves,
	lockedGeneration,
	stageOver,
} from "./rollback-moves.ts";
import { ROLLBACK_COLUMNS, type RollbackRow, rollbackOf } from "./rollback-row.ts";

/** Forks that a follower holds what it sees against: more have not failed before somebody looked. */
const FAILED_FORKS = 100;

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
		await this.#database.transaction((tx) => recordRollback(tx, rollback, supersedes));
	}

	async load(rollbackId: RollbackId): Promise<RollbackRecord | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<RollbackRow[]>`
				select ${sql(ROLLBACK_COLUMNS)}, now() as read_at
				from rollbacks where rollback_id = ${rollbackId}`;
			return row && rollbackOf(row);
		});
	}

	async active(chainId: ChainId): Promise<RollbackRecord | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<RollbackRow[]>`
				select ${sql(ROLLBACK_COLUMNS)}, now() as read_at from rollbacks where chain_id = ${chainId}
					and state in ('recorded', 'running', 'prepared')`;
			return row && rollbackOf(row);
		});
	}

	async failedForks(chainId: ChainId, generation: Generation): Promise<readonly RollbackRecord[]> {
		const rows = await this.#database.run(
			(sql) => sql<RollbackRow[]>`
				select ${sql(ROLLBACK_COLUMNS)}, now() as read_at from rollbacks where chain_id = ${chainId}
					and state = 'failed' and cause = 'reorg' and from_generation = ${generation}
				order by created_at desc limit ${FAILED_FORKS}`,
		);
		return rows.map(rollbackOf);
	}

	async claim(rollbackId: RollbackId, holder: string, ttlMs: number) {
		return this.#database.transaction(async (tx) => {
			const [row] = await tx<(RollbackRow & { readonly live: boolean })[]>`
				select ${tx(ROLLBACK_COLUMNS)}, now() as read_at,
					coalesce(claim_until > now(), false) as live
				from rollbacks
				where rollback_id = ${rollbackId} and state in ('recorded', 'running', 'prepared')
					and not paused
				for update`;
			if (row === undefined) return undefined;
			const other = row.claim_holder !== null && row.claim_holder !== holder;
			if (other && row.live && !this.#isGone(row.claim_holder ?? "")) return undefined;
			const failure = other ? takenOverTooOften(rollbackOf(row)) : undefined;
			if (failure !== undefined) {
				await failed(tx, rollbackId, failure);
				return undefined;
			}
			// A prepared change set is kept: the commit names its attempt.
			const again = row.state !== "prepared";
			const claiming = tx<RollbackRow[]>`
				update rollbacks set claim_holder = ${holder}, takeovers = takeovers + ${other ? 1 : 0},
					claim_until = now() + ${ttlMs} * interval '1 millisecond',
					state = ${again ? "running" : "prepared"}, attempt = attempt + ${again ? 1 : 0},
					${again ? fromTheBeginning(tx) : stageOver(tx)}
				where rollback_id = ${rollbackId} returning ${tx(ROLLBACK_COLUMNS)}, now() as read_at`;
			// Sent in one go.
			const [[claimed]] = await Promise.all([
				claiming,
				...(again ? [dropPrepared(tx, rollbackId)] : []),
			]);
			return claimed && rollbackOf(claimed);
		});
	}

	async renewClaim(rollbackId: RollbackId, attempt: number, ttlMs: number): Promise<void> {
		// From when it is written: it may have waited behind the transaction that writes the change set.
		await this.#fenced(
			rollbackId,
			attempt,
			(sql) => sql`
			update rollbacks set claim_until = clock_timestamp() + ${ttlMs} * interval '1 millisecond'
			where rollback_id = ${rollbackId} and attempt = ${attempt}
				and state in ('running', 'prepared')`,
		);
	}

	async begin(rollbackId: RollbackId, attempt: number, progress: StageProgress): Promise<boolean> {
		const { stage, done, total, stageMs } = progress;
		return this.#database.run(async (sql) => {
			const begun = await sql`
				update rollbacks set stage = ${stage}, done = ${done}, total = ${total},
					stage_ms = ${toJson(stageMs)}::text::jsonb, stage_started_at = now()
				where rollback_id = ${rollbackId} and attempt = ${attempt}
					and state in ('running', 'prepared') and not paused and ${unhurried(sql)}`;
			if (begun.count > 0) return true;
			const [held] = await sql`
				select 1 from rollbacks where rollback_id = ${rollbackId} and attempt = ${attempt}
					and state in ('running', 'prepared') and paused`;
			if (held === undefined) throw fenced(rollbackId, attempt);
			return false;
		});
	}

	async progress(rollbackId: RollbackId, attempt: number, progress: StageProgress): Promise<void> {
		await this.#fenced(
			rollbackId,
			attempt,
			(sql) => sql`
			update rollbacks set stage = ${progress.stage}, done = ${progress.done},
				total = ${progress.total}, stage_ms = ${toJson(progress.stageMs)}::text::jsonb
			where rollback_id = ${rollbackId} and attempt = ${attempt}
				and state in ('running', 'prepared') and ${unhurried(sql)}`,
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
			where rollback_id = ${rollbackId} and attempt = ${attempt} and state = 'running'
				and ${unhurried(sql)}`,
		);
	}

	async prepared(
		rollbackId: RollbackId,
		attempt: number,
		result: { readonly parts: readonly Part[]; readonly counts: Counts },
	): Promise<void> {
		await this.#database.transaction(async (tx) => {
			const { count } = await tx`
				update rollbacks set state = 'prepared', counts = ${toJson(result.counts)}::text::jsonb,
					done = total, ${stageOver(tx)}
				where rollback_id = ${rollbackId} and attempt = ${attempt} and state = 'running'
					and ${unhurried(tx)}`;
			if (count === 0) throw fenced(rollbackId, attempt);
			const [first, ...more] = result.parts.map(
				(part) => () =>
					tx`insert into rollback_parts (rollback_id, attempt, part, seq, body)
						values (${rollbackId}, ${attempt}, ${part.part}, ${part.seq}, ${part.body})`,
			);
			// Mostly there is one part; those of a large set go one by one, so that few are in memory twice.
			await Promise.all([
				tx`delete from rollback_tasks where rollback_id = ${rollbackId}`,
				first?.(),
			]);
			for (const insert of more) await insert();
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
			const applied = commitLargeBatch(tx, commit.batch, expected);
			const ended = tx`
				update rollbacks set state = 'committed', counts = ${toJson(commit.counts)}::text::jsonb,
					report = ${commit.report}, stage_ms = ${toJson(commit.stageMs)}::text::jsonb,
					from_height = ${commit.ended.height}, from_hash = ${commit.ended.hash},
					finished_at = now(), claim_until = null, claim_holder = null, error = null,
					done = total, stage_started_at = null
				where rollback_id = ${commit.rollbackId} and attempt = ${commit.attempt}
					and state = 'prepared' and not paused`;
			const cleared = tx`delete from rollback_parts where rollback_id = ${commit.rollbackId}`;
			// Sent in one go. Where the batch came too late, what comes after it fails as well, and says less of why.
			const moved = Promise.all([ended, cleared, ...generationMoves(tx, commit)]);
			moved.catch(() => undefined);
			const [{ count }] = await applied.then(() => moved);
			if (count === 0) throw fenced(commit.rollbackId, commit.attempt);
			if (commit.ancestorRoots !== undefined) await switchHandlers(tx, commit);
			const { rollbackId, recoveryId, batch } = commit;
			if (recoveryId !== undefined)
				await endHalt(tx, batch, { recoveryId, receivers: this.#receivers });
			const told = { kind: "rollback.committed", rollbackId } as const;
			await recordDeliveries(tx, { chainId: batch.chainId, told }, this.#receivers);
		});
	}

	async fail(rollbackId: RollbackId, attempt: number, failure: Failure): Promise<boolean> {
		return this.#database.transaction(async (tx) => {
			const [row] = await tx`
				select 1 from rollbacks where rollback_id = ${rollbackId} and attempt = ${attempt}
					and state in ('running', 'prepared') for update`;
			if (row !== undefined) await failed(tx, rollbackId, failure);
			return row !== undefined;
		});
	}

	async cancel(rollbackId: RollbackId, attempt: number): Promise<boolean> {
		return this.#database.transaction(async (tx) => {
			const { count } = await tx`
				update rollbacks set state = 'cancelled', error = null, ${ended(tx)}
				where rollback_id = ${rollbackId} and attempt = ${attempt}
					and state in ('recorded', 'running', 'prepared')`;
			if (count > 0) await dropPrepared(tx, rollbackId);
			return count > 0;
		});
	}

	async release(
		rollbackId: RollbackId,
		attempt: number,
		{ failure, keepsPrepared }: Parameters<RollbackStore["release"]>[2],
	): Promise<void> {
		const error = failure === undefined ? null : toJson(failure);
		await this.#database.run(
			(sql) => sql`
				update rollbacks set claim_until = null, claim_holder = null,
					state = case when ${keepsPrepared} then replace(state, 'running', 'recorded')
						else 'recorded' end,
					error = ${error}::text::jsonb, ${stageOver(sql)}
				where rollback_id = ${rollbackId} and attempt = ${attempt}
					and state in ('running', 'prepared')`,
		);
	}

	async order(rollbackId: RollbackId, order: RollbackOrder): Promise<RollbackRecord> {
		return this.#database.transaction(async (tx) => {
			const [found] = await tx<{ chain_id: bigint }[]>`
				select chain_id from rollbacks where rollback_id = ${rollbackId}`;
			if (found === undefined) throw notFound(rollbackId);
			// Before the rollback's row, as a commit locks them; no rollback is recorded meanwhile.
			if (order === "retry") await lockedGeneration(tx, Number(found.chain_id));
			const [row] = await tx<RollbackRow[]>`
				select ${tx(ROLLBACK_COLUMNS)}, now() as read_at
				from rollbacks where rollback_id = ${rollbackId} for update`;
			if (row === undefined) throw notFound(rollbackId);
			const record = rollbackOf(row);
			await obey(tx, record, obeyed(order, record, await surroundings(tx, record)));
			const [now] = await tx<RollbackRow[]>`
				select ${tx(ROLLBACK_COLUMNS)}, now() as read_at
				from rollbacks where rollback_id = ${rollbackId}`;
			return now === undefined ? record : rollbackOf(now);
		});
	}

	async checkpoint(chainId: ChainId, height: Height): Promise<Checkpoint | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<CheckpointRow[]>`
				select * from checkpoints where chain_id = ${chainId} and height = ${height}
					and to_gen = ${FOREVER}`;
			return row && checkpointOf(row);
		});
	}

	async block(chainId: ChainId, height: Height): Promise<BlockHeader | undefined> {
		return this.#database.run((sql) => keptBlock(sql, chainId, height));
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

/**
 * A condition that always holds: this transaction's end does not wait for the disk. For what an attempt leaves
 * on its way: if the server itself dies, what came later is gone with it, and an attempt's number and the commit
 * are waited for. So nothing is ever built on what was lost.
 */
function unhurried(sql: Queryable) {
	return sql`set_config('synchronous_commit', 'off', true) = 'off'`;
}

function fenced(rollbackId: RollbackId, attempt: number): RetryableError {
	return new RetryableError("rollback_fenced", {
		message: `attempt ${attempt} of rollback ${rollbackId} was overtaken`,
		hint: "another process works on it, or it is over; nothing of this attempt counts",
		fields: { rollbackId, attempt },
	});
}

function notFound(rollbackId: RollbackId): FatalError {
	return new FatalError("rollback_not_found", {
		message: `there is no rollback ${rollbackId}`,
		hint: "see the chain's rollbacks",
		fields: { rollbackId },
	});
}
