import { type ChainId, FOREVER, type Height } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { RetentionStore } from "../../writer/retention.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import type { Tx } from "../sql.ts";

/** Rows that one step deletes of each kind: a transaction of tens of milliseconds. */
const STEP_ROWS = 5_000;

/** The same of parts, which may have megabytes each. */
const STEP_PARTS = 50;

/** For which a failed rollback's change set is kept: an operator is there within a day. */
const RETRY_MS = 24 * 3_600_000;

/** Longest time that an import, a check or a repair may build a state. */
const SHADOW_MS = 24 * 3_600_000;

export class PostgresRetention implements RetentionStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async prune(
		chainId: ChainId,
		fence: bigint,
		bounds: { readonly orphansBelow: Height; readonly floor: Height },
	): Promise<boolean> {
		return this.#database.transaction(async (tx) => {
			const [held] = await tx`
				select 1 from chains where chain_id = ${chainId} and fence = ${fence} for share`;
			if (held === undefined) return false;
			const counts = [
				await orphanedVersions(tx, chainId, bounds.orphansBelow),
				await spareCheckpoints(tx, chainId, bounds.floor),
				await oldKeys(tx, chainId),
				await oldRollbacks(tx, chainId),
				await leftShadows(tx, chainId),
				await leftParts(tx),
				await leftTasks(tx),
			];
			return counts.some((count) => count === STEP_ROWS);
		});
	}
}

/** What only generations hold that nobody can ask for any more; those go last. */
async function orphanedVersions(tx: Tx, chainId: ChainId, below: Height): Promise<number> {
	const [row] = await tx<{ first: bigint | null; kept: bigint | null }[]>`
		select min(generation) as first,
			min(generation) filter (where last_height is null or last_height >= ${below}) as kept
		from generations where chain_id = ${chainId}`;
	const { first = null, kept = null } = row ?? {};
	if (first === null || kept === null || first === kept) return 0;
	const gone = await tx<GoneVersion[]>`
		delete from versions where ctid = any(array(
			select ctid from versions where chain_id = ${chainId} and to_gen <= ${kept}
			limit ${STEP_ROWS})) returning memory_key, version_id, position`;
	await tx`
		delete from vector_rows v where chain_id = ${chainId}
			and version_id = any(${gone.map((each) => each.version_id.toString())}::bigint[])
			and not exists (select 1 from versions s where s.chain_id = v.chain_id
				and s.memory_key = v.memory_key and s.version_id = v.version_id)`;
	await underivedRows(tx, chainId, gone);
	if (gone.length === STEP_ROWS) return gone.length;
	await tx`delete from checkpoints where chain_id = ${chainId} and to_gen <= ${kept}`;
	await tx`delete from blocks where chain_id = ${chainId} and to_gen <= ${kept}`;
	await tx`delete from generations where chain_id = ${chainId} and generation < ${kept}`;
	return gone.length;
}

interface GoneVersion {
	readonly memory_key: string;
	readonly version_id: bigint;
	readonly position: bigint;
}

/** What an operation was derived from goes with its last version, unless it may still come back. */
async function underivedRows(
	tx: Tx,
	chainId: ChainId,
	gone: readonly GoneVersion[],
): Promise<void> {
	if (gone.length === 0) return;
	const positions = [...new Set(gone.map(({ position }) => position))];
	await tx`
		delete from derivations d where chain_id = ${chainId}
			and position = any(${pgArray(positions)}::bigint[])
			and not exists (select 1 from versions v where v.chain_id = d.chain_id
				and v.memory_key = d.memory_key and v.position = d.position)
			and not exists (select 1 from operations o where o.chain_id = d.chain_id
				and o.position = d.position and not o.final)`;
}

/** Below the window a checkpoint an interval is enough. */
async function spareCheckpoints(tx: Tx, chainId: ChainId, floor: Height): Promise<number> {
	const { count } = await tx`
		delete from checkpoints where ctid = any(array(
			select ctid from checkpoints where chain_id = ${chainId} and height < ${floor}
				and to_gen = ${FOREVER} and height % ${LIMITS.checkpointIntervalBlocks} <> 0
			limit ${STEP_ROWS}))`;
	return count;
}

async function oldKeys(tx: Tx, chainId: ChainId): Promise<number> {
	const { count } = await tx`
		delete from idempotency_keys where ctid = any(array(
			select ctid from idempotency_keys where chain_id = ${chainId}
				and created_at < now() - ${LIMITS.idempotencyRetentionMs} * interval '1 millisecond'
			limit ${STEP_ROWS}))`;
	return count;
}

async function oldRollbacks(tx: Tx, chainId: ChainId): Promise<number> {
	const { count } = await tx`
		delete from rollbacks where rollback_id in (
			select rollback_id from rollbacks where chain_id = ${chainId}
				and state not in ('recorded', 'running', 'prepared')
			order by created_at desc offset ${LIMITS.rollbackHistory} limit ${STEP_ROWS})`;
	return count;
}

/**
 * Change sets of rollbacks that are over, and of attempts that were overtaken: whoever ends or claims a
 * rollback deletes them with it, so this finds what a defect or an older version left. Those of a failed
 * one wait for its retry.
 */
async function leftParts(tx: Tx): Promise<number> {
	const { count } = await tx`
		delete from rollback_parts where ctid = any(array(
			select p.ctid from rollback_parts p where not exists (
				select 1 from rollbacks r where r.rollback_id = p.rollback_id and r.attempt = p.attempt
					and (r.state in ('recorded', 'running', 'prepared') or ${awaitsRetry(tx)}))
			limit ${STEP_PARTS}))`;
	return count === STEP_PARTS ? STEP_ROWS : 0;
}

async function leftTasks(tx: Tx): Promise<number> {
	const { count } = await tx`
		delete from rollback_tasks where ctid = any(array(
			select t.ctid from rollback_tasks t where not exists (
				select 1 from rollbacks r where r.rollback_id = t.rollback_id and r.attempt = t.attempt
					and r.state in ('recorded', 'running', 'prepared'))
			limit ${STEP_PARTS}))`;
	return count === STEP_PARTS ? STEP_ROWS : 0;
}

/** A failed rollback `r` that an operator may still take from where it stood. */
function awaitsRetry(tx: Tx) {
	return tx`(r.state = 'failed' and r.finished_at > now() - ${RETRY_MS} * interval '1 millisecond')`;
}

/** States that were being built for what has ended since, or that whoever built them left. */
async function leftShadows(tx: Tx, chainId: ChainId): Promise<number> {
	await tx`
		delete from shadows s where s.chain_id = ${chainId} and case s.purpose
			when 'rollback' then not exists (select 1 from rollbacks r where r.rollback_id = s.owner_id
				and (r.state in ('recorded', 'running', 'prepared') or ${awaitsRetry(tx)}))
			when 'handlers' then not exists (select 1 from chains c where c.chain_id = s.chain_id
				and c.derived_hash <> c.handlers_hash)
			else s.created_at < now() - ${SHADOW_MS} * interval '1 millisecond' end`;
	// From shadow to shadow through the primary key: what is being built may be as large as the state.
	const { count } = await tx`
		with recursive built as (
			(select shadow_id from shadow_versions order by shadow_id limit 1)
			union all
			select (select shadow_id from shadow_versions where shadow_id > b.shadow_id
				order by shadow_id limit 1)
			from built b where b.shadow_id is not null
		)
		delete from shadow_versions where ctid = any(array(
			select v.ctid from built b join shadow_versions v on v.shadow_id = b.shadow_id
			where not exists (select 1 from shadows s where s.shadow_id = b.shadow_id)
			limit ${STEP_ROWS}))`;
	return count;
}
