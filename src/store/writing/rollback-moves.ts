/** What several of a rollback's transactions do to its row, and to what was prepared for it. */
import { RetryableError } from "../../domain/errors.ts";
import { type ChainId, FOREVER, type Generation, type RollbackId } from "../../domain/ids.ts";
import type { RollbackJob } from "../../rollback/rollback-queue.ts";
import type { NewRollback } from "../../rollback/rollback-record.ts";
import type { Failure, RollbackCommit } from "../../rollback/rollback-store.ts";
import { toJson } from "../codec.ts";
import { CHANNEL } from "../notices.ts";
import { dropShadowsOf } from "../restoring/postgres-shadow-store.ts";
import type { Queryable, Tx } from "../sql.ts";

export const ROLLBACK_TOPIC = "rollback";

/** Generation of a chain, which does not move before the transaction ends. */
export async function lockedGeneration(tx: Tx, chainId: ChainId): Promise<Generation | undefined> {
	const [row] = await tx<{ generation: Generation }[]>`
		select generation from chains where chain_id = ${chainId} for no key update`;
	return row?.generation;
}

/** Ends one for another. Answers whether it is paused. */
export async function supersede(tx: Tx, old: RollbackId, by: NewRollback): Promise<boolean> {
	const [row] = await tx<{ paused: boolean }[]>`
		select paused from rollbacks where rollback_id = ${old}
			and state in ('recorded', 'running', 'prepared') for update`;
	if (row === undefined) throw endedMeanwhile(old, by.chainId);
	await tx`update rollbacks set state = 'superseded', superseded_by = ${by.rollbackId}, ${ended(tx)}
		where rollback_id = ${old}`;
	await dropPrepared(tx, old);
	return row.paused;
}

/** Ends one, whose row is locked, as failed. */
export async function failed(tx: Tx, rollbackId: RollbackId, failure: Failure): Promise<void> {
	await tx`update rollbacks set state = 'failed', failed_stage = ${failure.stage},
		error = ${toJson(failure.error)}::text::jsonb, ${ended(tx)} where rollback_id = ${rollbackId}`;
	if (!failure.keepsPrepared) await dropPrepared(tx, rollbackId);
}

/** What was made for a rollback and not committed. */
export async function dropPrepared(tx: Tx, rollbackId: RollbackId): Promise<void> {
	await Promise.all([
		tx`delete from rollback_parts where rollback_id = ${rollbackId}`,
		tx`delete from rollback_tasks where rollback_id = ${rollbackId}`,
		dropShadowsOf(tx, rollbackId),
	]);
}

export async function send(tx: Tx, job: RollbackJob): Promise<void> {
	await Promise.all([
		tx`insert into outbox (topic, payload) values (${ROLLBACK_TOPIC}, ${toJson({ ...job })})`,
		tx`select pg_notify(${CHANNEL}, 'rollback:' || chain_id) from rollbacks
			where rollback_id = ${job.rollbackId}`,
	]);
}

/** Columns of a rollback that ends. */
export function ended(sql: Queryable) {
	return sql`paused = false, finished_at = now(), claim_until = null, claim_holder = null,
		${stageOver(sql)}`;
}

/**
 * Columns of a stage that ends, if one is under way: its time is kept. One that died counts until its
 * claim lapsed at the latest.
 */
export function stageOver(sql: Queryable) {
	return sql`stage_started_at = null, stage_ms = case
		when stage is null or stage_started_at is null then stage_ms
		else stage_ms || jsonb_build_object(stage, greatest(0, round(1000 * extract(epoch from
			least(now(), coalesce(claim_until, now())) - stage_started_at), 2))) end`;
}

/** Columns of an attempt that has not begun. */
export function fromTheBeginning(sql: Queryable) {
	return sql`stage = null, done = 0, total = 0, stage_ms = '{}', stage_started_at = null`;
}

function endedMeanwhile(rollbackId: RollbackId, chainId: ChainId): RetryableError {
	return new RetryableError("chain_busy", {
		message: `rollback ${rollbackId} has ended meanwhile, and is not superseded`,
		hint: "the chain is looked at again",
		fields: { chainId, rollbackId },
	});
}

/** What a committed rollback changes beside its batch. */
export function generationMoves(tx: Tx, commit: RollbackCommit): readonly PromiseLike<unknown>[] {
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
