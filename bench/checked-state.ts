/** A consistency check of a service, begun over HTTP and followed to its end. */
import { ToolError } from "../scripts/support/tool-error.ts";
import type { CheckAnswer } from "../src/client/answers.ts";
import type { CheckInput } from "../src/client/requests.ts";
import { type BenchService, CHAIN } from "./bench-service.ts";
import { polled } from "./polled.ts";

/** The run as it ended. */
export async function runCheck({ client }: BenchService, input: CheckInput): Promise<CheckAnswer> {
	const { id } = await client.startCheck(CHAIN, input);
	const { run } = await polled(
		() => client.check(CHAIN, id, { limit: 1 }),
		(answer) => answer.run.finishedAt !== undefined,
	);
	if (run.state === "done") return run;
	throw new ToolError("measurement_failed", {
		message: `the check ${run.state}: ${run.error?.message}`,
		hint: "see the service's log",
	});
}

/** Throws when anything was found: then the state that is measured is not what it is said to be. */
export function requireClean(run: CheckAnswer): void {
	if (run.score === 1) return;
	const findings = JSON.stringify(run.counts);
	throw new ToolError("measurement_failed", {
		message: `a ${run.level} check of an untouched state found something: ${findings}`,
		hint: "this is a defect; run `recant check` on such a state and look at the findings",
	});
}

/** Of the run itself, with its way through the queue. */
export function checkMs({ startedAt, finishedAt }: CheckAnswer): number {
	return Date.parse(finishedAt ?? "") - Date.parse(startedAt);
}
