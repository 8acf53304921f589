/**
 * A rollback that is taken over commits, and what it made cannot be read at once: the next look at the node
 * must not be held against the window that was before.
 */
import { expect, test } from "vitest";
import { openFakeStores } from "./fake-stores.ts";
import { AT_ONCE, type Call, type CallPlan, type Faults } from "./faults.ts";
import { scheduleOf } from "./schedule.ts";
import { simulate } from "./simulation.ts";

const SEEDS = 12;

/** Ends whoever has prepared a rollback, and keeps the state from being read after its commit. */
class UnreadCommits implements Faults {
	#prepared = 0;
	#isCommitted = false;
	unread = 0;

	plan({ step }: Call): CallPlan {
		// Time goes on, and the chain with it.
		const slowly = { ...AT_ONCE, requestMs: 40 };
		if (step === "rollback.prepared") {
			this.#prepared += 1;
			if (this.#prepared % 2 === 1) return { ...slowly, fault: "crash_after" };
		}
		if (step === "rollback.commit") this.#isCommitted = true;
		if (step === "writer.openOperations" && this.#isCommitted) {
			this.#isCommitted = false;
			this.unread += 1;
			return { ...slowly, fault: "error_before" };
		}
		return slowly;
	}
}

test("a commit that cannot be read is no reason for another rollback", async () => {
	let unread = 0;
	for (let seed = 1; seed <= SEEDS; seed += 1) {
		const faults = new UnreadCommits();
		const { failure } = await simulate({
			schedule: { ...scheduleOf(seed), inlineRollbacks: true },
			without: new Set(),
			openStores: openFakeStores,
			faults: () => faults,
		});
		expect(failure, `seed ${seed}`).toBeUndefined();
		unread += faults.unread;
	}
	expect(unread).toBeGreaterThan(SEEDS);
});
