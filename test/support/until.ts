import { setTimeout as sleep } from "node:timers/promises";

/** Several times what the slowest condition of a test takes on a busy machine. */
const DEADLINE_MS = 30_000;
const LOOK_MS = 15;

/**
 * Asks until the answer is something, and answers it. `what` names the condition in the error after
 * 30 seconds; `seen` tells how things stand then.
 */
export async function until<Answer>(
	what: string,
	ask: () => Promise<Answer | undefined | false> | Answer | undefined | false,
	seen: () => Promise<unknown> = async () => "",
): Promise<Answer> {
	const deadline = performance.now() + DEADLINE_MS;
	for (;;) {
		const answer = await ask();
		if (answer !== undefined && answer !== false) return answer;
		if (performance.now() > deadline) {
			const state = JSON.stringify(await seen(), (_key, value: unknown) =>
				typeof value === "bigint" ? value.toString() : value,
			);
			throw new Error(`${what}: not within ${DEADLINE_MS} ms; ${state}`);
		}
		await sleep(LOOK_MS);
	}
}
