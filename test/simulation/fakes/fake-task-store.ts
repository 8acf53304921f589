import type {
	AttemptOf,
	OpenTasks,
	TakenTask,
	TaskClaim,
	TaskStore,
} from "../../../src/rollback/task-store.ts";
import { type FakeDatabase, type TaskRow, taskKey } from "./fake-database.ts";
import { fenced } from "./rollback-rows.ts";

export class FakeTaskStore implements TaskStore {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async add(of: AttemptOf, bodies: readonly string[]): Promise<void> {
		const { rollbackId, attempt } = of;
		this.#database.transaction(() => {
			if (!this.#isRunning(of)) throw fenced(rollbackId, attempt);
			for (const [index, body] of bodies.entries()) {
				this.#database.tasks.insert({ ...WAITING, rollbackId, attempt, task: index + 1, body });
			}
		});
	}

	async take(
		of: AttemptOf,
		by: { readonly holder: string; readonly ttlMs: number; readonly mostTakes: number },
	): Promise<TakenTask | undefined> {
		const free = this.#tasks(of)
			.filter((row) => this.#isFree(row) && row.takes < by.mostTakes)
			.sort((a, b) => a.task - b.task)[0];
		if (free === undefined || !this.#isRunning(of)) return undefined;
		const { rollbackId, attempt, task, body } = free;
		const take = free.takes + 1;
		const claimUntilMs = this.#database.now() + by.ttlMs;
		const claim = { state: "running", claimHolder: by.holder, claimUntilMs } as const;
		this.#database.tasks.put({ ...free, ...claim, takes: take });
		return { rollbackId, attempt, task, take, body, holder: by.holder };
	}

	async renew(claim: TaskClaim, ttlMs: number): Promise<void> {
		this.#write(claim, { claimUntilMs: this.#database.now() + ttlMs });
	}

	async done(claim: TaskClaim): Promise<void> {
		this.#write(claim, { state: "done", claimUntilMs: undefined, body: "" });
	}

	async giveBack(claim: TaskClaim): Promise<void> {
		const { state, claimHolder, claimUntilMs } = WAITING;
		this.#write(claim, { state, claimHolder, claimUntilMs });
	}

	async open(of: AttemptOf, mostTakes: number): Promise<OpenTasks> {
		if (!this.#isRunning(of)) return { open: 0, spent: 0 };
		const open = this.#tasks(of).filter((row) => row.state !== "done");
		const spent = open.filter((row) => row.takes >= mostTakes && this.#isFree(row));
		return { open: open.length, spent: spent.length };
	}

	async waiting(limit: number): Promise<readonly AttemptOf[]> {
		const found = new Map<string, AttemptOf>();
		for (const row of this.#database.tasks.all()) {
			const { rollbackId, attempt } = row;
			if (this.#isFree(row) && this.#isRunning(row)) {
				found.set(`${rollbackId}/${attempt}`, { rollbackId, attempt });
			}
		}
		return [...found.values()].slice(0, limit);
	}

	#tasks({ rollbackId, attempt }: AttemptOf): TaskRow[] {
		const rows = this.#database.tasks.all();
		return rows.filter((row) => row.rollbackId === rollbackId && row.attempt === attempt);
	}

	/** Waits, or its claim has lapsed. */
	#isFree({ state, claimUntilMs }: TaskRow): boolean {
		if (state === "waiting") return true;
		return (
			state === "running" && claimUntilMs !== undefined && claimUntilMs <= this.#database.now()
		);
	}

	/** Whether the attempt is the newest, and still prepares. */
	#isRunning({ rollbackId, attempt }: AttemptOf): boolean {
		const row = this.#database.rollbacks.get(rollbackId);
		return row?.attempt === attempt && row.state === "running";
	}

	#write(claim: TaskClaim, changes: Partial<TaskRow>): void {
		const row = this.#database.tasks.get(taskKey(claim));
		const isOwn =
			row?.state === "running" && row.claimHolder === claim.holder && row.takes === claim.take;
		if (isOwn) this.#database.tasks.put({ ...row, ...changes });
	}
}

const WAITING = {
	state: "waiting",
	claimHolder: undefined,
	claimUntilMs: undefined,
	takes: 0,
} as const;
