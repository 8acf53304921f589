/** What has to reach the queue; see the table `outbox`. */
import type { RollbackId } from "../../domain/ids.ts";
import type { UnattendedRollback } from "../../rollback/dispatch.ts";
import type { RollbackJob } from "../../rollback/rollback-queue.ts";
import type { Database } from "../database.ts";
import { ROLLBACK_TOPIC } from "./rollback-moves.ts";

/** Entries that one look takes: a rollback at a time for a chain, so more than there are chains. */
const BATCH = 100;

export interface OutboxEntry extends RollbackJob {
	readonly outboxId: bigint;
}

export async function waitingRollbacks(database: Database): Promise<readonly OutboxEntry[]> {
	const rows = await database.run(
		(sql) => sql<{ outbox_id: bigint; payload: string }[]>`
			select outbox_id, payload from outbox where topic = ${ROLLBACK_TOPIC}
			order by outbox_id limit ${BATCH}`,
	);
	return rows.map((row) => {
		// An entry of before there were retries names none.
		const { rollbackId, retries = 0 } = JSON.parse(row.payload) as Partial<RollbackJob> &
			Pick<RollbackJob, "rollbackId">;
		return { outboxId: row.outbox_id, rollbackId, retries };
	});
}

/** See `Outbox` of rollback/dispatch.ts. By this server's clock, as claims are. */
export async function unattendedRollbacks(
	database: Database,
	ageMs: number,
): Promise<readonly UnattendedRollback[]> {
	const rows = await database.run(
		(sql) => sql<{ rollback_id: RollbackId; chain_id: bigint; retries: number }[]>`
			select rollback_id, chain_id, retries from rollbacks
			where state in ('recorded', 'running', 'prepared') and not paused
				and (claim_until is null or claim_until <= now())
				and created_at <= now() - ${ageMs} * interval '1 millisecond'
			limit ${BATCH}`,
	);
	return rows.map((row) => ({
		rollbackId: row.rollback_id,
		retries: row.retries,
		chainId: Number(row.chain_id),
	}));
}

/** After the queue has it; a crash before this delivers it twice, which the claim bears. */
export async function forget(database: Database, outboxId: bigint): Promise<void> {
	await database.run((sql) => sql`delete from outbox where outbox_id = ${outboxId}`);
}
