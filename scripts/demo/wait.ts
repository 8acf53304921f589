import { setTimeout as sleep } from "node:timers/promises";
import { ToolError } from "../support/tool-error.ts";

/** Far more than anything here takes on a busy machine. */
const DEADLINE_MS = 30_000;
const LOOK_AGAIN_MS = 15;

/** Looks again until there is an answer. Throws ToolError `demo_failed` when it takes too long. */
export async function waitFor<Found>(
	what: string,
	look: () => Promise<Found | undefined>,
): Promise<Found> {
	const deadline = performance.now() + DEADLINE_MS;
	while (performance.now() < deadline) {
		const found = await look();
		if (found !== undefined) return found;
		await sleep(LOOK_AGAIN_MS);
	}
	throw new ToolError("demo_failed", {
		message: `waited ${DEADLINE_MS / 1_000} s in vain: ${what}`,
		hint: "RECANT_LOG_LEVEL=info shows what the service does meanwhile",
	});
}
