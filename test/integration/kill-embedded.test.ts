/** SIGKILL of the service with the embedded Postgres, which goes on without it and is adopted again. */
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { isGone } from "../../src/config/process-identity.ts";
import { startForkedLedger } from "../support/forked-ledger.ts";
import { ledgerState, untilFollowed } from "../support/ledger-state.ts";
import { CHAIN, startTestRecant } from "../support/recant.ts";
import { startService } from "../support/service-process.ts";
import { testDir } from "../support/temp-dir.ts";
import { atTestEnd } from "../support/test-end.ts";

const TIMEOUT_MS = 180_000;

test(
	"a rollback survives a SIGKILL of the service, and Postgres is adopted by the next start",
	async () => {
		const ledger = await startForkedLedger();
		const dataDir = testDir("killed-embedded");
		atTestEnd(() => endPostgres(dataDir));
		const environment = {
			RECANT_RPC_URL: ledger.anvil.rpcUrl,
			RECANT_TOKEN: ledger.token.address,
			RECANT_POLL_INTERVAL_MS: "50",
			RECANT_DATA_DIR: dataDir,
		};
		const first = await startService({ environment, hangBefore: "verify", flushRows: 4 });
		await ledger.grow(5);
		await ledger.growForkable();
		await untilFollowed(first.client, CHAIN, ledger.anvil.rpcUrl);
		const note = { op: "put", id: "note", layer: "long_term", content: {}, text: "noted" } as const;
		await first.client.write(CHAIN, note);
		const postgres = postmasterPid(dataDir);
		await ledger.forkAway();
		await first.said((event) => event.event === "stage" && event.stage === "verify");
		await first.kill();
		expect(isAlive(postgres)).toBe(true);

		const second = await startService({ environment, flushRows: 4 });
		expect(postmasterPid(dataDir)).toBe(postgres);
		await untilFollowed(second.client, CHAIN, ledger.anvil.rpcUrl);
		const { anvil, token } = ledger;
		const fresh = await startTestRecant({
			name: "embedded fresh",
			rpcUrl: anvil.rpcUrl,
			token: token.address,
		});
		const freshClient = new RecantClient({ url: fresh.url });
		await untilFollowed(freshClient, CHAIN, anvil.rpcUrl);
		await freshClient.write(CHAIN, note);
		const [actual, expected] = [
			await ledgerState(second.client, CHAIN, "ledger"),
			await ledgerState(freshClient, CHAIN, "ledger"),
		];
		// The fresh instance has the note only in the pending slot.
		const { long_term: _note, state: _whole, ...roots } = actual.roots;
		expect(expected.roots).toMatchObject(roots);
		expect({ ...actual, roots }).toEqual({ ...expected, roots });
		expect((await second.client.memory(CHAIN, "note")).memory.text).toBe("noted");
		await second.stop();
		await expect.poll(() => isAlive(postgres), { timeout: 10_000 }).toBe(false);
	},
	TIMEOUT_MS,
);

function postmasterPid(dataDir: string): number {
	return Number(readFileSync(pidFile(dataDir), "utf8").split("\n")[0]);
}

function pidFile(dataDir: string): string {
	return join(dataDir, "postgres", "cluster", "postmaster.pid");
}

function isAlive(pid: number): boolean {
	return !isGone(`${hostname()}:${pid}`);
}

/** Where the test failed before the service ended its server. */
function endPostgres(dataDir: string): void {
	if (existsSync(pidFile(dataDir))) process.kill(postmasterPid(dataDir), "SIGINT");
}
