/** Tasks of rollbacks in the table `rollback_tasks`. */
import { RetryableError } from "../../domain/errors.ts";
import type { RollbackId } from "../../domain/ids.ts";
import type {
	AttemptOf,
	OpenTasks,
	TakenTask,
	TaskClaim,
	TaskStore,
} from "../../rollback/task-store.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";

export class PostgresTaskStore implements TaskStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async add({ rollbackId, attempt }: AttemptOf, bodies: readonly string[]): Promise<void> {
		await this.#database.transaction(async (tx) => {
			// Locked, so that whoever overtakes the attempt deletes these tasks too, or comes before them.
			const [newest] = await tx`
				select 1 from rollbacks where rollback_id = ${rollbackId} and attempt = ${attempt}
					and state = 'running' for share`;
			if (newest === undefined) throw fenced(rollbackId, attempt);
			await tx`insert into rollback_tasks (rollback_id, attempt, task, body)
				select ${rollbackId}, ${attempt}, nth, body
				from unnest(${pgArray(bodies)}::text[]) with ordinality as given(body, nth)`;
		});
	}

	async take(
		{ rollbackId, attempt }: AttemptOf,
		by: { readonly holder: string; readonly ttlMs: number; readonly mostTakes: number },
	): Promise<TakenTask | undefined> {
		return this.#database.run(async (sql) => {
			const [taken] = await sql<{ task: number; takes: number; body: string }[]>`
				with free as (
					select task from rollback_tasks
					where rollback_id = ${rollbackId} and attempt = ${attempt}
						and (state = 'waiting' or (state = 'running' and claim_until <= now()))
						and takes < ${by.mostTakes}
						and exists (select 1 from rollbacks r where r.rollback_id = ${rollbackId}
							and r.attempt = ${attempt} and r.state = 'running')
					order by task limit 1 for update skip locked
				)
				update rollback_tasks t set state = 'running', takes = t.takes + 1,
					claim_holder = ${by.holder},
					claim_until = now() + ${by.ttlMs} * interval '1 millisecond'
				from free where t.rollback_id = ${rollbackId} and t.attempt = ${attempt}
					and t.task = free.task
				returning t.task, t.takes, t.body`;
			if (taken === undefined) return undefined;
			const { task, takes: take, body } = taken;
			return { rollbackId, attempt, task, take, body, holder: by.holder };
		});
	}

	async renew(claim: TaskClaim, ttlMs: number): Promise<void> {
		const { rollbackId, attempt, task, holder, take } = claim;
		await this.#database.run(
			(sql) => sql`
				update rollback_tasks set claim_until = now() + ${ttlMs} * interval '1 millisecond'
				where rollback_id = ${rollbackId} and attempt = ${attempt} and task = ${task}
					and state = 'running' and claim_holder = ${holder} and takes = ${take}`,
		);
	}

	/** What was to be done is not needed any more, and may be megabytes. */
	async done({ rollbackId, attempt, task, holder, take }: TaskClaim): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update rollback_tasks set state = 'done', claim_until = null, body = ''
				where rollback_id = ${rollbackId} and attempt = ${attempt} and task = ${task}
					and state = 'running' and claim_holder = ${holder} and takes = ${take}`,
		);
	}

	async giveBack({ rollbackId, attempt, task, holder, take }: TaskClaim): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update rollback_tasks set state = 'waiting', claim_holder = null, claim_until = null
				where rollback_id = ${rollbackId} and attempt = ${attempt} and task = ${task}
					and state = 'running' and claim_holder = ${holder} and takes = ${take}`,
		);
	}

	async open({ rollbackId, attempt }: AttemptOf, mostTakes: number): Promise<OpenTasks> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<{ open: bigint; spent: bigint }[]>`
				select count(*) as open, count(*) filter (where t.takes >= ${mostTakes}
					and (t.state = 'waiting' or t.claim_until <= now())) as spent
				from rollback_tasks t join rollbacks r
					on r.rollback_id = t.rollback_id and r.attempt = t.attempt and r.state = 'running'
				where t.rollback_id = ${rollbackId} and t.attempt = ${attempt} and t.state <> 'done'`;
			return { open: Number(row?.open ?? 0), spent: Number(row?.spent ?? 0) };
		});
	}

	async waiting(limit: number): Promise<readonly AttemptOf[]> {
		const rows = await this.#database.run(
			(sql) => sql<{ rollback_id: RollbackId; attempt: number }[]>`
				select distinct t.rollback_id, t.attempt from rollback_tasks t join rollbacks r
					on r.rollback_id = t.rollback_id and r.attempt = t.attempt and r.state = 'running'
				where t.state = 'waiting' or (t.state = 'running' and t.claim_until <= now())
				limit ${limit}`,
		);
		return rows.map((row) => ({ rollbackId: row.rollback_id, attempt: row.attempt }));
	}
}

function fenced(rollbackId: RollbackId, attempt: number): RetryableError {
	return new RetryableError("rollback_fenced", {
		message: `attempt ${attempt} of rollback ${rollbackId} was overtaken`,
		hint: "another process works on it, or it is over; nothing of this attempt counts",
		fields: { rollbackId, attempt },
	});
}
