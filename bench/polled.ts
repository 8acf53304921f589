/** Looks at something that another part of the service works on, until it is as wanted. */
import { setTimeout as sleep } from "node:timers/promises";
import { ToolError } from "../scripts/support/tool-error.ts";

const FIRST_LOOK_MS = 2;
/** Of the time that has passed: looking often at what takes long would slow it down. */
const SHARE = 0.01;
/** Longer than any work that is measured takes on a busy machine. */
const LONGEST_MS = 1_800_000;

/** Resolves with the first answer that is as wanted, at most 1 % or 2 ms late. */
export async function polled<Answer>(
	look: () => Promise<Answer>,
	isWanted: (answer: Answer) => boolean,
): Promise<Answer> {
	const start = performance.now();
	while (performance.now() - start < LONGEST_MS) {
		const answer = await look();
		if (isWanted(answer)) return answer;
		await sleep(Math.max(FIRST_LOOK_MS, SHARE * (performance.now() - start)));
	}
	throw new ToolError("measurement_failed", {
		message: `it did not come to an end within ${LONGEST_MS} ms`,
		hint: "run the section again and look at the service's log",
	});
}
