/** Two chains in one process: what happens to one leaves the other as it is. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { type ForkedLedger, startForkedLedger } from "../support/forked-ledger.ts";
import { ledgerChain, startHere } from "../support/ledger-chain.ts";
import { ledgerState, untilFollowed } from "../support/ledger-state.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { tableDump } from "../support/table-dump.ts";
import { testDir } from "../support/temp-dir.ts";

const FORKING = { name: "forking", id: 31_337 };
const STILL = { name: "still", id: 31_338 };
const REORGS = 5;
const TIMEOUT_MS = 120_000;

interface TwoChains {
	readonly forking: ForkedLedger;
	readonly still: ForkedLedger;
	readonly client: RecantClient;
	readonly databaseUrl: string;
	readonly dataDir: string;
}

/** Both chains with a history and an agent's memory under the same name, and flushed vectors. */
async function startTwoChains(
	name: string,
	beforeStage: () => Promise<void> = async () => undefined,
): Promise<TwoChains> {
	const forking = await startForkedLedger({ chainId: FORKING.id });
	const still = await startForkedLedger({ chainId: STILL.id });
	const { url: databaseUrl } = await createTestDatabase(name);
	const dataDir = testDir("two-chains");
	const running = await startHere({
		chains: [chainOf(forking, FORKING), chainOf(still, STILL)],
		databaseUrl,
		dataDir,
		flushRows: 1,
		beforeStage,
	});
	const client = new RecantClient({ url: running.url });
	for (const [ledger, chain] of [
		[forking, FORKING.name],
		[still, STILL.name],
	] as const) {
		await ledger.grow(6);
		await ledger.growForkable();
		await untilFollowed(client, chain, ledger.anvil.rpcUrl);
		const text = `the agent noted ${chain}`;
		await client.write(chain, {
			op: "put",
			id: "note",
			layer: "semantic",
			content: { chain },
			text,
		});
		await untilFlushed(client, chain);
	}
	return { forking, still, client, databaseUrl, dataDir };
}

function chainOf(ledger: ForkedLedger, chain: { readonly name: string; readonly id: number }) {
	return ledgerChain({ rpcUrl: ledger.anvil.rpcUrl, token: ledger.token.address, ...chain });
}

async function untilFlushed(client: RecantClient, chain: string): Promise<void> {
	const tails = async () => (await client.chain(chain)).collections.map(({ tail }) => tail);
	await expect.poll(tails, { timeout: 30_000 }).toEqual([0]);
}

/** Hash of every file of the chain's tables in LanceDB, by path. */
function vectorFiles(dataDir: string, chainId: number): ReadonlyMap<string, string> {
	const paths = readdirSync(dataDir, { recursive: true, encoding: "utf8" })
		.filter((path) => path.includes(`chain_${chainId}_`))
		.filter((path) => statSync(join(dataDir, path)).isFile());
	return new Map(
		paths.sort().map((path) => {
			const bytes = readFileSync(join(dataDir, path));
			return [path, createHash("sha256").update(bytes).digest("hex")];
		}),
	);
}

it(
	"leaves rows, vectors, generation, checkpoints and readers of the other chain untouched by reorgs",
	async () => {
		const { forking, still, client, databaseUrl, dataDir } = await startTwoChains("two chains");
		const rows = await tableDump(databaseUrl, STILL.id);
		const files = vectorFiles(dataDir, STILL.id);
		expect(rows["versions"]?.length).toBeGreaterThan(20);
		expect(files.size).toBeGreaterThan(2);
		const reading = readWhile(client, async () => {
			for (let reorg = 0; reorg < REORGS; reorg += 1) {
				await forking.forkAway();
				await untilFollowed(client, FORKING.name, forking.anvil.rpcUrl);
				await forking.growForkable();
				await untilFollowed(client, FORKING.name, forking.anvil.rpcUrl);
			}
		});
		const answers = await reading;
		expect((await client.chain(FORKING.name)).generation).toBe(`${REORGS}`);
		expect(answers.reads).toBeGreaterThan(REORGS);
		expect(answers.different).toEqual([]);
		expect(await tableDump(databaseUrl, STILL.id)).toEqual(rows);
		expect(vectorFiles(dataDir, STILL.id)).toEqual(files);
		// The other way round too: what the forking chain has is not the other's either.
		expect((await client.memory(FORKING.name, "note")).memory.content).toEqual({
			chain: FORKING.name,
		});
		await still.grow(1);
		await untilFollowed(client, STILL.name, still.anvil.rpcUrl);
	},
	TIMEOUT_MS,
);

it(
	"follows, writes and searches one chain while a rollback of the other stands still",
	async () => {
		const gate = Promise.withResolvers<void>();
		const { forking, still, client } = await startTwoChains("two chains gate", () => gate.promise);
		await forking.forkAway();
		await expect
			.poll(async () => (await client.chain(FORKING.name)).state, { timeout: 30_000 })
			.toBe("rolling_back");
		await still.grow(2);
		await untilFollowed(client, STILL.name, still.anvil.rpcUrl);
		const written = await client.write(STILL.name, {
			op: "put",
			id: "meanwhile",
			layer: "semantic",
			content: {},
			text: "written meanwhile",
		});
		expect(written.committed).toBe(true);
		const { results } = await client.search(STILL.name, { text: "written meanwhile", k: 1 });
		expect(results.map(({ memory }) => memory.id)).toEqual(["meanwhile"]);
		expect((await client.chain(FORKING.name)).state).toBe("rolling_back");
		gate.resolve();
		await untilFollowed(client, FORKING.name, forking.anvil.rpcUrl);
	},
	TIMEOUT_MS,
);

/** Reads the chain that stands still for as long as `work` takes; every answer must be the first. */
async function readWhile(
	client: RecantClient,
	work: () => Promise<void>,
): Promise<{ readonly reads: number; readonly different: readonly string[] }> {
	const read = async () =>
		JSON.stringify([
			await ledgerState(client, STILL.name),
			(await client.chain(STILL.name)).generation,
			(await client.memories(STILL.name)).at,
		]);
	const first = await read();
	const different = new Set<string>();
	let reads = 0;
	let working = true;
	const reading = (async () => {
		while (working) {
			const answer = await read();
			reads += 1;
			if (answer !== first) different.add(answer);
			await sleep(1);
		}
	})();
	await work().finally(() => {
		working = false;
	});
	await reading;
	return { reads, different: [...different] };
}
