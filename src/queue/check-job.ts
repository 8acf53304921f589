/** What a consistency check looks like as a job. */
import type { JobsOptions } from "bullmq";
import type { CheckJob, CheckSchedule } from "../consistency/check-queue.ts";
import { LEVELS } from "../consistency/finding.ts";
import { FatalError } from "../domain/errors.ts";

/** Name of the queue; installations are kept apart by the prefix, see bull-backend.ts. */
export const CHECK_QUEUE = "consistency";

/** Ended checks stand in Postgres: their jobs are of no use to anyone. */
const KEPT_JOBS = 100;

export const CHECK_JOB_OPTIONS: JobsOptions = {
	// A check that failed is not repeated by itself: it would only read everything again.
	attempts: 1,
	removeOnComplete: { count: KEPT_JOBS },
	removeOnFail: { count: KEPT_JOBS },
	stackTraceLimit: 1,
};

/** One clock a chain and level. */
export function schedulerId({ chainId, level }: Pick<CheckSchedule, "chainId" | "level">): string {
	return `check-${chainId}-${level}`;
}

/** Job data as it was stored, checked. Throws `FatalError("internal")` for what is not ours. */
export function parseCheckJob(data: unknown): CheckJob {
	if (typeof data === "object" && data !== null && "chainId" in data) {
		const { chainId } = data;
		if (typeof chainId === "number" && "runId" in data && typeof data.runId === "string") {
			return { kind: "run", chainId, runId: data.runId };
		}
		const named = "level" in data ? data.level : undefined;
		const level = LEVELS.find((each) => each === named);
		if (typeof chainId === "number" && level !== undefined) return { kind: "tick", chainId, level };
	}
	throw new FatalError("internal", {
		message: `a job of the queue of checks is none of ours: ${JSON.stringify(data)}`,
		hint: "another program writes into this queue; give each installation its own prefix",
	});
}
