import type { Outbox, UnattendedRollback } from "../../../src/rollback/dispatch.ts";
import type { RollbackJob } from "../../../src/rollback/rollback-queue.ts";
import { isActive } from "../../../src/rollback/rollback-record.ts";
import type { FakeDatabase } from "./fake-database.ts";
import { rising } from "./frozen.ts";

/** Entries of one look. */
const BATCH = 100;

export class FakeOutbox implements Outbox {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async waiting(): Promise<readonly (RollbackJob & { readonly outboxId: bigint })[]> {
		return this.#database.outbox
			.all()
			.filter(({ topic }) => topic === "rollback")
			.sort((a, b) => rising(a.outboxId, b.outboxId))
			.slice(0, BATCH)
			.map(({ outboxId, payload }) => ({ outboxId, ...(JSON.parse(payload) as RollbackJob) }));
	}

	async forget(outboxId: bigint): Promise<void> {
		this.#database.outbox.delete(`${outboxId}`);
	}

	async unattended(ageMs: number): Promise<readonly UnattendedRollback[]> {
		const nowMs = this.#database.now();
		return this.#database.rollbacks
			.all()
			.filter(({ state, paused }) => isActive(state) && !paused)
			.filter(({ claimUntilMs }) => claimUntilMs === undefined || claimUntilMs <= nowMs)
			.filter(({ createdMs }) => createdMs <= nowMs - ageMs)
			.slice(0, BATCH)
			.map(({ rollbackId, retries, chainId }) => ({ rollbackId, retries, chainId }));
	}
}
