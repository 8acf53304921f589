/** SIGKILL of the service in the midst of a restore: asked again with its key, it is done once and whole. */
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { expect, it } from "vitest";
import { RecantApiError } from "../../src/client/api-error.ts";
import type { RecantClient } from "../../src/client/client.ts";
import { startForkedLedger } from "../support/forked-ledger.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { startService } from "../support/service-process.ts";
import { testDir } from "../support/temp-dir.ts";

const CHAIN = "anvil";
const MEMORIES = 1_000;
/** From the request to the kill: before it is durable, while it is admitted, and after. */
const KILLED_AFTER_MS = [5, 250, 500, 1_000];
const TIMEOUT_MS = 240_000;

async function writeAll(client: RecantClient, n: number): Promise<void> {
	await client.write(
		CHAIN,
		Array.from({ length: MEMORIES }, (_, index) => ({
			op: "put" as const,
			id: `m${index}`,
			layer: "semantic" as const,
			content: { n },
		})),
	);
}

it(
	"is taken in whole or not at all, and never twice",
	async () => {
		const { anvil, token, grow } = await startForkedLedger();
		await grow(3);
		const { url: databaseUrl } = await createTestDatabase("partial kill");
		const environment = {
			RECANT_RPC_URL: anvil.rpcUrl,
			RECANT_TOKEN: token.address,
			RECANT_POLL_INTERVAL_MS: "50",
			RECANT_DATA_DIR: testDir("partial-kill"),
			DATABASE_URL: databaseUrl,
		};
		const taken: string[] = [];
		for (const [round, afterMs] of KILLED_AFTER_MS.entries()) {
			const before = await startService({ environment });
			await untilFollowed(before.client, CHAIN, anvil.rpcUrl);
			await writeAll(before.client, 2 * round);
			await grow(1);
			await untilFollowed(before.client, CHAIN, anvil.rpcUrl);
			const to = (await before.client.chain(CHAIN)).head?.height ?? "0";
			await writeAll(before.client, 2 * round + 1);
			const input = { to, namespaces: ["default"] };
			const options = { idempotencyKey: `round ${round}`.replace(" ", "-") };
			const asked = before.client.restore(CHAIN, input, options).catch((error: unknown) => error);
			await sleep(afterMs);
			await before.kill();
			const first = await asked;

			const service = await startService({ environment });
			const { client } = service;
			await untilFollowed(client, CHAIN, anvil.rpcUrl);
			const again = await client.restore(CHAIN, input, options);
			const answered = first instanceof RecantApiError ? first.code : "answered";
			taken.push(`${answered}, then ${again.repeated ? "repeated" : "new"}`);
			if (answered === "answered") expect(again.repeated).toBe(true);
			expect(again).toMatchObject({
				committed: true,
				outcome: { applied: MEMORIES, failed: 0, waiting: 0 },
			});
			expect(await client.restore(CHAIN, input, options)).toMatchObject({
				repeated: true,
				outcome: { applied: MEMORIES },
			});
			// Twice written and once restored, each time.
			await expectWritten(databaseUrl, { n: 2 * round, times: 3 * (round + 1) });
			await service.stop();
		}
		console.info(taken.join("; "));
	},
	TIMEOUT_MS,
);

async function expectWritten(
	databaseUrl: string,
	expected: { readonly n: number; readonly times: number },
): Promise<void> {
	const sql = postgres(databaseUrl, { max: 1, connection: { search_path: "recant" } });
	try {
		const written = await sql`select times, count(*)::int as memories from (
			select id, count(*)::int as times from operations
			where status = 'applied' group by id) each group by times`;
		expect([...written]).toEqual([{ times: expected.times, memories: MEMORIES }]);
		const other = await sql`select status, count(*)::int from operations
			where status <> 'applied' group by status`;
		expect([...other]).toEqual([]);
		const said = await sql`select distinct content from versions
			where namespace = 'default' and to_block = ${"9223372036854775807"}
				and to_gen = ${"9223372036854775807"}`;
		expect(said.map((row) => JSON.parse(row["content"]))).toEqual([{ n: expected.n }]);
	} finally {
		await sql.end();
	}
}
