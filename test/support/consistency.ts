/** Runs a consistency check over HTTP, waits for its end, and reads all of its findings. */
import type { CheckAnswer, FindingAnswer } from "../../src/client/answers.ts";
import type { RecantClient } from "../../src/client/client.ts";
import type { CheckInput } from "../../src/client/requests.ts";
import { CHAIN } from "./recant.ts";
import { until } from "./until.ts";

export async function checked(
	client: RecantClient,
	check: CheckInput,
): Promise<{ readonly run: CheckAnswer; readonly findings: readonly FindingAnswer[] }> {
	const { id } = await client.startCheck(CHAIN, check);
	const run = await until(`check ${id} ends`, async () => {
		const seen = await client.check(CHAIN, id, { limit: 1 });
		return seen.run.finishedAt !== undefined && seen.run;
	});
	const findings: FindingAnswer[] = [];
	let cursor: string | undefined;
	do {
		const page = await client.check(CHAIN, id, { limit: 200, cursor });
		findings.push(...page.findings);
		cursor = page.cursor;
	} while (cursor !== undefined);
	return { run, findings };
}
