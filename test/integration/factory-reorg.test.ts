/** Contracts that a factory makes, block handlers and calls, while a chain forks and when it is taken in anew. */
import { expect, it } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { startHere } from "../support/ledger-chain.ts";
import { ledgerState, untilFollowed } from "../support/ledger-state.ts";
import { POOLS, PoolChain, poolSpec } from "../support/pool-chain.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { testDir } from "../support/temp-dir.ts";

const TIMEOUT_MS = 120_000;

async function follow(chain: PoolChain, home: { databaseUrl: string; dataDir: string }) {
	const running = await startHere({ chains: [poolSpec(chain)], ...home });
	const client = new RecantClient({ url: running.url });
	const contentOf = async (id: string, namespace = "pools") => {
		const { items } = await client.memories(POOLS, { namespace, limit: 200 });
		return items.find((memory) => memory.id === id)?.content;
	};
	return {
		client,
		contentOf,
		stop: running.stop,
		atHead: () => untilFollowed(client, POOLS, chain.anvil.rpcUrl),
	};
}

async function newHome(name: string) {
	return { databaseUrl: (await createTestDatabase(name)).url, dataDir: testDir("factory") };
}

it(
	"forgets what orphaned blocks made, and a fresh instance that backfills comes to the same roots",
	async () => {
		const chain = await PoolChain.start();
		const [first, second] = [chain.poolOf(1), chain.poolOf(2)];
		const home = await newHome("factory");
		let recant = await follow(chain, home);
		await chain.make(1, { before: 5n, value: 7n });
		await chain.anvil.mine();
		await recant.atHead();
		expect(await recant.contentOf(`pool:${first}`)).toEqual({ trades: 1, sum: "7", total: "12" });
		expect(await recant.contentOf(`made:${first}`)).toEqual({ total: "12" });

		const fork = await chain.anvil.snapshot();
		await chain.make(2);
		await chain.anvil.mine();
		await chain.trade(second, 3n);
		await chain.anvil.mine();
		await recant.atHead();
		expect(await recant.contentOf(`pool:${second}`)).toEqual({ trades: 1, sum: "3", total: "3" });
		expect(await recant.contentOf(`made:${second}`)).toEqual({ total: "none" });
		expect(await recant.contentOf(`child:${second}`, "factory:Pool")).toMatchObject({ block: "3" });

		// The same contract stands there on the new branch, but no factory has told of it.
		await chain.anvil.revert(fork);
		await chain.makeUntold(2);
		await chain.trade(first, 1n);
		await chain.anvil.mine();
		await chain.trade(second, 4n);
		await chain.anvil.mine(2);
		await recant.atHead();
		expect(await recant.contentOf(`pool:${second}`)).toBeUndefined();
		expect(await recant.contentOf(`child:${second}`, "factory:Pool")).toBeUndefined();
		expect(await recant.contentOf(`pool:${first}`)).toEqual({ trades: 2, sum: "8", total: "13" });

		await recant.stop();
		await chain.trade(first, 10n);
		await chain.make(3, { value: 2n });
		await chain.anvil.mine(80);
		recant = await follow(chain, home);
		await recant.atHead();
		expect(await recant.contentOf(`pool:${first}`)).toEqual({ trades: 3, sum: "18", total: "23" });
		expect(await recant.contentOf(`pool:${chain.poolOf(3)}`)).toMatchObject({ sum: "2" });
		expect(await recant.contentOf("tick:85", "ticks")).toEqual({});

		const fresh = await follow(chain, await newHome("factory-fresh"));
		await fresh.atHead();
		const expected = await ledgerState(recant.client, POOLS);
		expect(await ledgerState(fresh.client, POOLS)).toEqual(expected);

		// Built from nothing: what the backfill derived in groups is derived again, with what factories made.
		const { id } = await fresh.client.startRollback(POOLS, "80", "rebuild");
		const state = async () => (await fresh.client.rollback(POOLS, id)).state;
		await expect.poll(state, { timeout: 30_000 }).toBe("committed");
		await fresh.atHead();
		expect(await ledgerState(fresh.client, POOLS)).toEqual(expected);
	},
	TIMEOUT_MS,
);
