import { FatalError, RetryableError } from "../../domain/errors.ts";
import { type ChainId, FOREVER, type Height, type Hex, type RollbackId } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { JsonObject } from "../../domain/operation.ts";
import type {
	NewRecovery,
	Recovery,
	RecoveryKind,
	RecoveryState,
	RecoveryStore,
	RecoveryWork,
	SnapshotOffer,
} from "../../recovery/recovery.ts";
import type { Place } from "../../rollback/rollback-record.ts";
import { verification } from "../../snapshots/snapshot-row.ts";
import type { Problem } from "../../writer/writer-store.ts";
import { toJson } from "../codec.ts";
import type { Database } from "../database.ts";
import type { Queryable, Tx } from "../sql.ts";
import { recordRollback } from "../writing/record-rollback.ts";
import { joinWork, settleRecovery, type WorkRow, workEnd, workOf } from "./settle-recovery.ts";

export class PostgresRecoveryStore implements RecoveryStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async list(
		chainId: ChainId,
		{ after, limit }: { readonly after: string | undefined; readonly limit: number },
	): Promise<readonly Recovery[]> {
		const rows = await this.#database.run(
			(sql) => sql<FoundRow[]>`
				select c.*, ${workOf(sql)} from recoveries c ${joinWork(sql)} where c.chain_id = ${chainId}
					and (${after ?? null}::uuid is null or (c.started_at, c.recovery_id) < (
						select started_at, recovery_id from recoveries where recovery_id = ${after ?? null}::uuid))
				order by c.started_at desc, c.recovery_id desc limit ${limit}`,
		);
		return rows.map(recoveryNow);
	}

	async load(chainId: ChainId, recoveryId: string): Promise<Recovery | undefined> {
		const [row] = await this.#database.run(
			(sql) => sql<FoundRow[]>`
				select c.*, ${workOf(sql)} from recoveries c ${joinWork(sql)}
				where c.chain_id = ${chainId} and c.recovery_id = ${recoveryId}`,
		);
		return row && recoveryNow(row);
	}

	async attempts(chainId: ChainId, problem: Problem): Promise<number> {
		return this.#database.run((sql) => attemptsOf(sql, chainId, problem));
	}

	async kept(chainId: ChainId) {
		const [row] = await this.#database.run(
			(sql) => sql<{ low: bigint; low_hash: Hex; high: bigint; high_hash: Hex }[]>`
				select l.height as low, l.hash as low_hash, h.height as high, h.hash as high_hash
				from chains c
				cross join lateral (select height, hash from blocks where chain_id = c.chain_id
					and to_gen = ${FOREVER} and height >= c.retained_from order by height limit 1) l
				cross join lateral (select height, hash from blocks where chain_id = c.chain_id
					and to_gen = ${FOREVER} and height <= c.head_height order by height desc limit 1) h
				where c.chain_id = ${chainId}`,
		);
		return (
			row && {
				lowest: { height: row.low, hash: row.low_hash },
				head: { height: row.high, hash: row.high_hash },
			}
		);
	}

	async keptAtOrBelow(chainId: ChainId, height: Height): Promise<Place | undefined> {
		const [row] = await this.#database.run(
			(sql) => sql<Place[]>`
				select b.height, b.hash from blocks b join chains c using (chain_id)
				where b.chain_id = ${chainId} and b.to_gen = ${FOREVER} and b.height <= ${height}
					and b.height >= c.retained_from order by b.height desc limit 1`,
		);
		return row && { ...row };
	}

	async checkpointAtOrBelow(chainId: ChainId, height: Height): Promise<Place | undefined> {
		const [row] = await this.#database.run(
			(sql) => sql<Place[]>`
				select b.height, b.hash from checkpoints p join chains c using (chain_id)
				join blocks b on b.chain_id = p.chain_id and b.height = p.height
					and b.hash = p.block_hash and b.to_gen = ${FOREVER}
				where p.chain_id = ${chainId} and p.to_gen = ${FOREVER} and p.height <= ${height}
					and p.height >= c.retained_from order by p.height desc limit 1`,
		);
		return row && { ...row };
	}

	async snapshots(
		chainId: ChainId,
		{ limit, snapshotId }: Parameters<RecoveryStore["snapshots"]>[1],
	): Promise<readonly SnapshotOffer[]> {
		const rows = await this.#database.run(
			(sql) => sql<
				{ snapshot_id: string; height: bigint; block_hash: Hex; memories: bigint }[]
			>`select snapshot_id, height, block_hash, memories from snapshots
				where chain_id = ${chainId} and state = 'verified' and manifest_hash is not null
					and (${snapshotId ?? null}::uuid is null or snapshot_id = ${snapshotId ?? null}::uuid)
				order by height desc, created_at desc limit ${limit}`,
		);
		return rows.map((row) => ({
			snapshotId: row.snapshot_id,
			height: row.height,
			blockHash: row.block_hash,
			memories: Number(row.memories),
		}));
	}

	async admitted(chainId: ChainId): Promise<number> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<{ count: bigint }[]>`
				select count(*) as count from operations where chain_id = ${chainId}
					and position is not null and status <> 'refused'`;
			return Number(row?.count ?? 0n);
		});
	}

	async begin(recovery: NewRecovery, work: RecoveryWork): Promise<Recovery> {
		const { chainId, recoveryId, kind, problem } = recovery;
		return this.#settled(chainId, async (tx, { halt, holder }) => {
			const isMet = halt === undefined ? await standsOnFork(tx, chainId) : halt === toJson(problem);
			if (!isMet) throw haltMoved(chainId);
			const attempt = (await attemptsOf(tx, chainId, problem)) + 1;
			if (attempt > LIMITS.recoveryAttempts) throw exhausted(chainId);
			const made = work.type === "rollback" ? { rollbackId: work.rollback.rollbackId } : {};
			if (work.type === "import" && holder === undefined) throw unheld(chainId);
			const evidence = toJson({ ...recovery.evidence, ...made });
			const [row] = await tx<RecoveryRow[]>`
				insert into recoveries (recovery_id, chain_id, kind, state, problem, evidence, attempt)
				values (${recoveryId}, ${chainId}, ${kind}, 'running', ${toJson(problem)}, ${evidence},
					${attempt})
				on conflict do nothing returning *`;
			if (row === undefined) throw busy(chainId);
			if (work.type === "rollback") await recordRollback(tx, work.rollback, undefined);
			else await wantImport(tx, chainId, work.snapshotId);
			return recoveryOf(row);
		});
	}

	async settle(chainId: ChainId, fence: bigint): Promise<void> {
		const running = await this.#database.run(
			(sql) => sql`select 1 from recoveries where chain_id = ${chainId} and state = 'running'`,
		);
		if (running.length === 0) return;
		await this.#database.transaction(async (tx) => {
			const [held] = await tx`
				select 1 from chains where chain_id = ${chainId} and fence = ${fence} for no key update`;
			if (held !== undefined) await settleRecovery(tx, chainId, { importing: false });
		});
	}

	/** Under the lock of the chain's row, by which commits and imports do not come between. */
	async #settled<Result>(
		chainId: ChainId,
		work: (
			tx: Tx,
			chain: { readonly halt: string | undefined; readonly holder: string | undefined },
		) => Promise<Result>,
	): Promise<Result> {
		return this.#database.transaction(async (tx) => {
			const [chain] = await tx<{ halt: string | null; lease_holder: string | null }[]>`
				select halt, lease_holder from chains where chain_id = ${chainId} for no key update`;
			if (chain === undefined) throw unknown(chainId);
			// Whether somebody imports, the process that has the chain says at its next look.
			await settleRecovery(tx, chainId, { importing: true });
			const { halt, lease_holder: holder } = chain;
			return work(tx, { halt: halt ?? undefined, holder: holder ?? undefined });
		});
	}
}

interface RecoveryRow {
	readonly recovery_id: string;
	readonly chain_id: bigint;
	readonly kind: RecoveryKind;
	readonly state: RecoveryState;
	readonly problem: string;
	readonly evidence: string;
	readonly attempt: number;
	readonly error: Problem | null;
	readonly started_at: Date;
	readonly finished_at: Date | null;
}

type FoundRow = RecoveryRow & WorkRow;

/** A reader locks nothing and writes nothing: what has ended reads so before its row says it. */
function recoveryNow(row: FoundRow): Recovery {
	const recovery = recoveryOf(row);
	const error = row.state === "running" ? workEnd(row) : undefined;
	if (error === undefined) return recovery;
	return {
		...recovery,
		state: "failed",
		error,
		finishedAt: row.rollback_finished_at ?? recovery.finishedAt,
	};
}

function recoveryOf(row: RecoveryRow): Recovery {
	const evidence = JSON.parse(row.evidence) as JsonObject & { readonly rollbackId?: RollbackId };
	return {
		recoveryId: row.recovery_id,
		chainId: Number(row.chain_id),
		kind: row.kind,
		state: row.state,
		problem: JSON.parse(row.problem) as Problem,
		evidence,
		attempt: row.attempt,
		error: row.error ?? undefined,
		rollbackId: evidence.rollbackId,
		startedAt: row.started_at,
		finishedAt: row.finished_at ?? undefined,
	};
}

/** Whether the chain stands on a fork whose rollback failed: no halt is recorded then. */
async function standsOnFork(tx: Tx, chainId: ChainId): Promise<boolean> {
	const [row] = await tx`
		select 1 from rollbacks r join chains c using (chain_id)
		where r.chain_id = ${chainId} and r.state = 'failed' and r.cause = 'reorg'
			and r.recovery_id is null and r.from_generation = c.generation limit 1`;
	return row !== undefined;
}

/** A halt that comes back in the same words after one was mended is another halt. */
async function attemptsOf(sql: Queryable, chainId: ChainId, problem: Problem): Promise<number> {
	const [row] = await sql<{ count: bigint }[]>`
		select count(*) as count from recoveries where chain_id = ${chainId}
			and problem = ${toJson(problem)} and started_at > coalesce((select max(started_at)
				from recoveries where chain_id = ${chainId} and state = 'done'), '-infinity')`;
	return Number(row?.count ?? 0n);
}

/** The lease holder verifies the snapshot once more, and then makes it the chain's state. */
async function wantImport(tx: Tx, chainId: ChainId, snapshotId: string): Promise<void> {
	const [row] = await tx<{ stored_bytes: bigint }[]>`
		select stored_bytes from snapshots where chain_id = ${chainId} and snapshot_id = ${snapshotId}
			and state = 'verified' and manifest_hash is not null and progress is null for update`;
	if (row === undefined) throw snapshotMoved(chainId, snapshotId);
	const progress = verification(Number(row.stored_bytes), { dryRun: false, replace: true });
	await tx`update snapshots set progress = ${toJson(progress)}, error = null
		where snapshot_id = ${snapshotId}`;
}

function exhausted(chainId: ChainId): FatalError {
	const { recoveryAttempts: limit } = LIMITS;
	return new FatalError("recovery_exhausted", {
		message: `${limit} recoveries of chain ${chainId} were begun for this halt, which is the limit`,
		hint: "look at why they failed; else import a snapshot by hand, or begin anew",
		fields: { limit: "recoveryAttempts", value: limit + 1, chainId },
	});
}

function busy(chainId: ChainId): RetryableError {
	return new RetryableError("chain_busy", {
		message: `a recovery of chain ${chainId} is under way already`,
		hint: "wait until it has ended; see the chain's recoveries",
		fields: { chainId },
	});
}

function haltMoved(chainId: ChainId): RetryableError {
	return new RetryableError("chain_busy", {
		message: `chain ${chainId} is not halted any more by what it was when it was looked at`,
		hint: "look again what is possible",
		fields: { chainId },
	});
}

function unheld(chainId: ChainId): RetryableError {
	return new RetryableError("chain_busy", {
		message: `no process holds chain ${chainId} at the moment`,
		hint: "start one that follows it, and ask again",
		fields: { chainId },
	});
}

function snapshotMoved(chainId: ChainId, snapshotId: string): RetryableError {
	return new RetryableError("chain_busy", {
		message: `snapshot ${snapshotId} of chain ${chainId} is being worked on, or is not verified any more`,
		hint: "see the chain's snapshots, and ask again",
		fields: { chainId, snapshotId },
	});
}

function unknown(chainId: ChainId): FatalError {
	return new FatalError("unknown_chain", {
		message: `chain ${chainId} is not in this database`,
		hint: "it is registered when the service starts with its file",
		fields: { chainId },
	});
}
