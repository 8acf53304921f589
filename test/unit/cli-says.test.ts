/** What commands say where there is nothing, or where what was is gone. */
import { expect, test } from "vitest";
import { explain } from "../../src/cli/commands/explain.ts";
import { listKeys } from "../../src/cli/commands/keys.ts";
import type { Session } from "../../src/cli/session.ts";

function sessionWith(client: object) {
	const said: string[] = [];
	const stream = { write: (text: string) => said.push(text) };
	const terminal = { stdout: stream, stderr: stream, noColor: true };
	const session = { terminal, client, json: false, chain: async () => "c" } as unknown as Session;
	return { session, text: () => said.join("") };
}

test("no keys are said to be none, and no table is drawn", async () => {
	const { session, text } = sessionWith({ keys: async () => ({ items: [], cursor: undefined }) });
	await listKeys(session, {});
	expect(text()).toBe("no keys\n");
});

test.each([
	[true, "pending, suspect: what it rests on is gone"],
	[false, "pending: rests on no block"],
])("a memory whose suspicion is %s says what it rests on", async (suspect, wanted) => {
	const none = { operations: [], derivedFrom: [], sources: [], dependents: [], rollbacks: [] };
	const told = {
		...{ ...none, history: [], blocks: [], truncated: [] },
		at: { chain: "c", height: "1", generation: "0", blockHash: "0xa", rolledBack: false },
		...{ id: "m", namespace: "n", finality: "pending", grounds: undefined },
		memory: { content: {}, layer: "semantic", owner: "agent", since: "1", suspect },
	};
	const { session, text } = sessionWith({ explain: async () => told });
	await explain(session, "m", {});
	expect(text()).toContain(`─ ${wanted}\n`);
	expect(text().includes("rests on no block")).toBe(!suspect);
});
