import type { RollbackRecord, Stage } from "../../src/rollback/rollback-record.ts";

/** Holds rollbacks before a stage, so that a test can do something while one runs. */
export class StageHold {
	#stage: Stage | undefined;
	#reached = Promise.withResolvers<RollbackRecord>();
	#released = Promise.withResolvers<void>();

	/** For `startRecant`. */
	readonly beforeStage = async (stage: Stage, rollback: RollbackRecord): Promise<void> => {
		if (stage !== this.#stage) return;
		this.#reached.resolve(rollback);
		await this.#released.promise;
	};

	/** The next rollback that comes to this stage waits there. */
	at(stage: Stage): void {
		this.#stage = stage;
		this.#reached = Promise.withResolvers();
		this.#released = Promise.withResolvers();
	}

	/** Resolves when a rollback waits. */
	reached(): Promise<RollbackRecord> {
		return this.#reached.promise;
	}

	/** Lets it, and all that come, go on. */
	release(): void {
		this.#stage = undefined;
		this.#released.resolve();
	}
}
