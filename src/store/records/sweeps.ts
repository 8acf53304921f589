/** What may be deleted of tables that only save work: by age of the last use, and past a number of rows. */
import { LIMITS } from "../../domain/limits.ts";
import type { Database } from "../database.ts";

const { sweepRows } = LIMITS;

interface Keeping {
	readonly rows: number;
	readonly retentionMs: number;
}

/** The longest unused first. Answers how many rows went. */
export async function sweepEmbeddings(
	database: Database,
	keeping: Keeping = { rows: LIMITS.embeddingRows, retentionMs: LIMITS.embeddingRetentionMs },
): Promise<number> {
	const { count } = await database.run(
		(sql) => sql`
			with excess as (select greatest(0, count(*) - ${keeping.rows}) as rows from embeddings)
			delete from embeddings where (model, input_hash) in (
				select model, input_hash from (
					select model, input_hash, used_at, row_number() over (order by used_at) as place
					from (select * from embeddings order by used_at limit ${sweepRows}) as oldest
				) as ranked
				where place <= (select rows from excess)
					or used_at < now() - ${keeping.retentionMs} * interval '1 millisecond'
			)`,
	);
	return count;
}

/** As of embeddings; the number of rows is a chain's. */
export async function sweepResults(
	database: Database,
	keeping: Keeping = { rows: LIMITS.resultRows, retentionMs: LIMITS.resultRetentionMs },
): Promise<number> {
	const { count } = await database.run(
		(sql) => sql`
			delete from results where (chain_id, namespace, model, input_hash) in (
				select chain_id, namespace, model, input_hash from (
					select *, row_number() over (partition by chain_id order by used_at desc) as place
					from results
				) as ranked
				where place > ${keeping.rows}
					or used_at < now() - ${keeping.retentionMs} * interval '1 millisecond'
				order by used_at limit ${sweepRows}
			)`,
	);
	return count;
}

/** Ended deliveries of webhooks. */
export async function sweepDeliveries(
	database: Database,
	retentionMs: number = LIMITS.deliveryRetentionMs,
): Promise<number> {
	const { count } = await database.run(
		(sql) => sql`
			delete from deliveries where delivery_id in (
				select delivery_id from deliveries where state <> 'waiting'
					and finished_at < now() - ${retentionMs} * interval '1 millisecond'
				limit ${sweepRows}
			)`,
	);
	return count;
}
