/** A service that comes back to a chain that stood still has nothing to do. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { startForkedLedger } from "../support/forked-ledger.ts";
import { ledgerChain, startHere } from "../support/ledger-chain.ts";
import { ledgerState, untilFollowed } from "../support/ledger-state.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { tableDump } from "../support/table-dump.ts";
import { testDir } from "../support/temp-dir.ts";

const CHAIN = "anvil";
const CHAIN_ID = 31_337;
/** Several rounds of the follower and the flusher, in which something could be done again. */
const IDLE_MS = 500;

it("derives nothing twice after a stop and a start, and believes the same", async () => {
	const ledger = await startForkedLedger();
	const { url: databaseUrl } = await createTestDatabase("restart unchanged");
	const dataDir = testDir("restart-unchanged");
	const chain = ledgerChain({ rpcUrl: ledger.anvil.rpcUrl, token: ledger.token.address });
	const start = () => startHere({ chains: [chain], databaseUrl, dataDir, flushRows: 1 });
	const first = await start();
	const client = new RecantClient({ url: first.url });
	await ledger.grow(5);
	await ledger.growForkable();
	await untilFollowed(client, CHAIN, ledger.anvil.rpcUrl);
	await client.write(CHAIN, {
		op: "put",
		id: "note",
		layer: "semantic",
		content: {},
		text: "note",
	});
	await ledger.forkAway();
	await untilFollowed(client, CHAIN, ledger.anvil.rpcUrl);
	const state = await ledgerState(client, CHAIN);
	await untilFlushed(client);
	await first.stop();
	const rows = await tableDump(databaseUrl, CHAIN_ID);
	expect(rows["versions"]?.length).toBeGreaterThan(20);

	const second = await start();
	const again = new RecantClient({ url: second.url });
	await untilFollowed(again, CHAIN, ledger.anvil.rpcUrl);
	await sleep(IDLE_MS);
	expect(await ledgerState(again, CHAIN)).toEqual(state);
	expect(await tableDump(databaseUrl, CHAIN_ID)).toEqual(rows);

	await ledger.grow(2);
	await untilFollowed(again, CHAIN, ledger.anvil.rpcUrl);
	await second.stop();
});

/** A start flushes what a stop left in the tail, so nothing may be left. */
async function untilFlushed(client: RecantClient): Promise<void> {
	await expect
		.poll(async () => (await client.chain(CHAIN)).collections.map(({ tail }) => tail), {
			timeout: 20_000,
		})
		.toEqual([0]);
}
