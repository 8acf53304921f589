/** What has to reach the queue; see the table `outbox`. */
import type { RollbackId } from "../../domain/ids.ts";
import type { Database } from "../database.ts";
import { ROLLBACK_TOPIC } from "./postgres-rollback-store.ts";

/** Entries that one look takes: a rollback at a time for a chain, so more than there are chains. */
const BATCH = 100;

export interface OutboxEntry {
	readonly outboxId: bigint;
	readonly rollbackId: RollbackId;
}

export async function waitingRollbacks(database: Database): Promise<readonly OutboxEntry[]> {
	const rows = await database.run(
		(sql) => sql<{ outbox_id: bigint; payload: string }[]>`
			select outbox_id, payload from outbox where topic = ${ROLLBACK_TOPIC}
			order by outbox_id limit ${BATCH}`,
	);
	return rows.map((row) => {
		const { rollbackId } = JSON.parse(row.payload) as { readonly rollbackId: RollbackId };
		return { outboxId: row.outbox_id, rollbackId };
	});
}

/** After the queue has it; a crash before this delivers it twice, which the claim bears. */
export async function forget(database: Database, outboxId: bigint): Promise<void> {
	await database.run((sql) => sql`delete from outbox where outbox_id = ${outboxId}`);
}
