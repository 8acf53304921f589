/** Readers while the chain forks again and again: no answer is of two generations. */
import { expect, it } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { startForkedLedger } from "../support/forked-ledger.ts";
import { ledgerChain, startHere } from "../support/ledger-chain.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { Random } from "../support/random.ts";
import { ReadLoad } from "../support/read-load.ts";
import { announcedSeed } from "../support/seed.ts";

const CHAIN = "anvil";
const READS = 100_000;
const ROLLBACKS = 50;
/** More than there are connections, so that reads also wait for one. */
const READERS = 16;
/** Several flushes between two forks, and a tail all the same: both sides of a search matter. */
const FLUSH_ROWS = 4;
const TIMEOUT_MS = 300_000;

it(
	`gives ${READS} reads over ${ROLLBACKS} rollbacks, none of them of two generations`,
	async () => {
		const ledger = await startForkedLedger();
		const { url: databaseUrl } = await createTestDatabase("readers");
		const { service, url } = await startHere({
			chains: [ledgerChain({ rpcUrl: ledger.anvil.rpcUrl, token: ledger.token.address })],
			databaseUrl,
			flushRows: FLUSH_ROWS,
		});
		const client = new RecantClient({ url });
		await ledger.grow(5);
		await untilFollowed(client, CHAIN, ledger.anvil.rpcUrl);
		const random = new Random(announcedSeed("test/integration/readers-rollback.test.ts"));
		const load = new ReadLoad({ service, client, chain: CHAIN, random });
		const began = performance.now();
		const reading = load.run(READERS);
		const forking = (async () => {
			for (let rollback = 0; rollback < ROLLBACKS; rollback += 1) {
				await untilRead(load, (rollback * READS) / ROLLBACKS);
				await ledger.growForkable();
				await untilFollowed(client, CHAIN, ledger.anvil.rpcUrl);
				await ledger.forkAway();
				await untilFollowed(client, CHAIN, ledger.anvil.rpcUrl);
			}
			await untilRead(load, READS);
		})().finally(() => load.stop());
		await Promise.all([reading, forking]);
		const seconds = (performance.now() - began) / 1_000;
		const { generation } = await service.chain(CHAIN);
		console.info(
			`${load.reads} reads (${load.overHttp} over HTTP, ${load.acrossRollbacks} of a coordinate ` +
				`from before a rollback) over ${generation} rollbacks in ${seconds.toFixed(1)} s`,
		);
		expect(load.violations).toEqual([]);
		expect(load.reads).toBeGreaterThanOrEqual(READS);
		expect(generation).toBe(BigInt(ROLLBACKS));
		expect(load.generations.size).toBe(ROLLBACKS + 1);
		expect(load.acrossRollbacks).toBeGreaterThan(READS / 10);
		expect(load.overHttp).toBeGreaterThan(READS / 50);
	},
	TIMEOUT_MS,
);

async function untilRead(load: ReadLoad, reads: number): Promise<void> {
	while (load.reads < reads && load.violations.length === 0) {
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}
