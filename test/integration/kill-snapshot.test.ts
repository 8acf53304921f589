/** SIGKILL of the service while it writes a snapshot: the next one goes on behind the last whole chunk. */
import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { RecantClient } from "../../src/client/client.ts";
import type { WriteProgress } from "../../src/snapshots/snapshot-row.ts";
import { startForkedLedger } from "../support/forked-ledger.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { startService } from "../support/service-process.ts";
import { chunkFile, manifestOf, settled } from "../support/snapshots.ts";
import { testDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { withSql } from "../support/with-sql.ts";

const CHAIN = "anvil";
/** Together 36 MB that cannot be compressed much: some nine chunks. */
const MEMORIES = 720;
const CONTENT_BYTES = 25_000;
const BATCH = 60;
/** Chunks that are whole when the service is killed. */
const KILLED_AFTER = 3;
const TIMEOUT_MS = 180_000;

async function fill(client: RecantClient): Promise<void> {
	for (let from = 0; from < MEMORIES; from += BATCH) {
		const operations = Array.from({ length: BATCH }, (_, index) => ({
			op: "put" as const,
			id: `large-${from + index}`,
			layer: "episodic" as const,
			content: { filler: randomBytes(CONTENT_BYTES).toString("base64") },
		}));
		await client.write(CHAIN, operations);
	}
}

it(
	"goes on where the killed service was, and writes no whole chunk again",
	async () => {
		const { anvil, token, grow } = await startForkedLedger();
		const { url: databaseUrl } = await createTestDatabase("kill-snapshot");
		const dataDir = testDir("kill-snapshot");
		const environment = {
			RECANT_RPC_URL: anvil.rpcUrl,
			RECANT_TOKEN: token.address,
			RECANT_POLL_INTERVAL_MS: "25",
			RECANT_DATA_DIR: dataDir,
			DATABASE_URL: databaseUrl,
		};
		const first = await startService({ environment });
		await untilFollowed(first.client, CHAIN, anvil.rpcUrl);
		await fill(first.client);
		await until("all is applied", async () => (await first.client.chain(CHAIN)).inbox === 0);
		await grow(1);
		await untilFollowed(first.client, CHAIN, anvil.rpcUrl);
		const { id } = await first.client.createSnapshot(CHAIN);
		const progress = () =>
			withSql(databaseUrl, async (sql) => {
				const [row] = await sql<{ state: string; progress: string }[]>`
					select state, progress from snapshots where snapshot_id = ${id}`;
				if (row?.state !== "creating") throw new Error(`it was too fast: ${row?.state}`);
				return JSON.parse(row.progress) as WriteProgress;
			});
		await until("memories are written", async () => {
			const { place, chunks } = await progress();
			return place?.after !== undefined && chunks.length >= KILLED_AFTER;
		});
		await first.kill();
		const left = await progress();
		const folder = join(dataDir, "snapshots");
		const written = left.chunks.map(({ hash }) => chunkFile(folder, hash));
		const before = written.map((file) => statSync(file).mtimeMs);
		// So that a file that is written again has another time.
		await sleep(50);

		const second = await startService({ environment });
		const made = await settled(second.client, CHAIN, id);
		expect(made).toMatchObject({ state: "verified", kind: "full" });
		const { chunks } = await manifestOf(second.client, CHAIN, id);
		expect(chunks.slice(0, left.chunks.length)).toEqual(left.chunks);
		expect(chunks.length).toBeGreaterThan(left.chunks.length);
		expect(written.map((file) => statSync(file).mtimeMs)).toEqual(before);
		console.info(`${left.chunks.length} of ${chunks.length} chunks were there after the kill`);
		const names = new Set(chunks.map(({ hash }) => hash));
		expect(names.size).toBe(chunks.length);
		await second.stop();
	},
	TIMEOUT_MS,
);
