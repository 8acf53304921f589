/** A chain whose handlers are others than those that derived what is there: the state is derived anew, and switched to. */
import { expect, test } from "vitest";
import { tokenLedger } from "../../chains/anvil.ts";
import { startAnvil } from "../../scripts/support/anvil.ts";
import { RecantClient } from "../../src/client/client.ts";
import { chainSpec } from "../../src/config/chains.ts";
import type { ChainDefinition } from "../../src/follower/define-chain.ts";
import { checked } from "../support/consistency.ts";
import { startHere } from "../support/ledger-chain.ts";
import { ledgerState, untilFollowed } from "../support/ledger-state.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { CHAIN, startTestRecant } from "../support/recant.ts";
import { startService } from "../support/service-process.ts";
import { testDir } from "../support/temp-dir.ts";
import { GENESIS_TIMESTAMP, TestChain } from "../support/test-chain.ts";
import { atTestEnd } from "../support/test-end.ts";
import { until } from "../support/until.ts";
import { withSql } from "../support/with-sql.ts";

const TIMEOUT_MS = 180_000;
const BLOCKS = 30;
/** Finalized is four blocks under the head. */
const SLOTS_IN_AN_EPOCH = 2;

type Change = (ledger: ChainDefinition) => ChainDefinition;
/** Says which namespace is its own, so that another part can have others. */
const asItWas: Change = ({ contracts, ...ledger }) => ({
	...ledger,
	contracts: Object.fromEntries(
		Object.entries(contracts).map(([name, each]) => [name, { ...each, namespaces: ["ledger"] }]),
	),
});
/** Writes one memory a block where there were five, under names of its own. */
const totals: Change = (ledger) => ({
	...ledger,
	handlers: {
		"Token:Transfer": async ({ event, block, memory }) => {
			const value = (event.args as { readonly value: bigint }).value;
			const before = BigInt(String((await memory.get("total"))?.content["sum"] ?? "0"));
			await memory.put({
				layer: "semantic",
				id: "total",
				content: { sum: `${before + value}` },
				text: `${before + value} of the token were transferred`,
			});
			await memory.put({
				layer: "episodic",
				id: `block:${block.number}`,
				content: { value: `${value}` },
			});
		},
	},
});
const throwing: Change = (ledger) => ({
	...ledger,
	handlers: {
		"Token:Transfer": () => {
			throw new Error("a defect of the handler");
		},
	},
});
const halting: Change = (ledger) => ({ ...totals(ledger), onHandlersChange: "halt" });
const keeping: Change = (ledger) => ({ ...totals(ledger), onHandlersChange: "keep" });
/** One part more, with a namespace of its own. */
const ticking: Change = (ledger) => ({
	...asItWas(ledger),
	namespaces: ["ledger", "ticks"],
	blocks: {
		tick: {
			interval: 5,
			namespaces: ["ticks"],
			handler: async ({ block, memory }) => {
				await memory.put({ layer: "episodic", id: `tick:${block.number}`, content: {} });
			},
		},
	},
});

interface Home {
	readonly databaseUrl: string;
	readonly dataDir: string;
}

async function newHome(name: string): Promise<Home> {
	return { databaseUrl: (await createTestDatabase(name)).url, dataDir: testDir("handlers") };
}

async function newChain(): Promise<TestChain> {
	const node = await startAnvil({
		genesisTimestamp: GENESIS_TIMESTAMP,
		slotsInAnEpoch: SLOTS_IN_AN_EPOCH,
	});
	atTestEnd(() => node.stop());
	const chain = await TestChain.create(node);
	for (let block = 0; block < BLOCKS; block += 1) {
		await chain.block({ from: undefined, to: 1 + (block % 2), value: 1n + BigInt(block) });
	}
	return chain;
}

async function start(
	chain: TestChain,
	home: Home,
	change: Change,
	code = `defineChain(${JSON.stringify(change.toString())})`,
) {
	const settings = {
		rpcUrls: [chain.node.rpcUrl],
		chainId: 31_337,
		token: chain.token.address,
		startBlock: undefined,
		pollIntervalMs: 25,
		finalityDepth: 4,
	};
	const anvil = tokenLedger(settings);
	// With each block: what is final is compared between services.
	const finality = { ...anvil.finality, everyMs: 0 };
	const ledger = { ...anvil, finality, consistency: { basicEveryMs: 0 } };
	const spec = chainSpec(change(ledger as unknown as ChainDefinition), {
		file: "chains/anvil.ts",
		code: new TextEncoder().encode(code),
	});
	const running = await startHere({ ...home, chains: [spec] });
	const client = new RecantClient({ url: running.url });
	const followed = () => untilFollowed(client, CHAIN, chain.node.rpcUrl);
	return { client, followed, stop: running.stop };
}

const note = { layer: "long_term", namespace: "default" } as const;

test(
	"what other handlers derived is replaced in one commit by what those that are here derive",
	async () => {
		const chain = await newChain();
		const home = await newHome("handlers-changed");
		const before = await start(chain, home, asItWas);
		await before.followed();
		const write = (id: string, content: { readonly [name: string]: string }) =>
			before.client.write(CHAIN, { op: "put", ...note, id, content });
		await write("early", { said: "long ago" });
		for (let block = 0; block < 8; block += 1) {
			await chain.block({ from: undefined, to: 1, value: 5n });
			await before.followed();
		}
		await write("late", { said: "now" });
		await write("early", { said: "again" });
		const old = await ledgerState(before.client, CHAIN);
		const { finalized, head } = await before.client.chain(CHAIN);
		await before.stop();

		const recant = await start(chain, home, totals);
		await recant.followed();
		const fresh = await start(chain, await newHome("handlers-fresh"), totals);
		await fresh.followed();
		const [now, wanted] = await Promise.all(
			[recant, fresh].map(({ client }) => ledgerState(client, CHAIN, "ledger")),
		);
		expect(now).toEqual({ ...wanted, roots: now?.roots });
		for (const layer of ["semantic", "episodic", "short_term"]) {
			expect(now?.roots[layer]).toBe(wanted?.roots[layer]);
		}
		expect(wanted?.memories.length).toBeGreaterThan(BLOCKS);
		const { items } = await recant.client.memories(CHAIN, { namespace: "default", limit: 50 });
		expect(items.map(({ id, content }) => [id, content["said"]]).sort()).toEqual([
			["early", "again"],
			["late", "now"],
		]);

		const view = await recant.client.chain(CHAIN);
		expect(view).toMatchObject({ generation: "1", retainedFrom: finalized });
		const [rollback] = (await recant.client.rollbacks(CHAIN)).items;
		expect(rollback).toMatchObject({ cause: "handlers", state: "committed", strategy: "rebuild" });
		const report = await recant.client.report(CHAIN, rollback?.id ?? "");
		expect(report.recanted.length).toBeGreaterThan(0);

		// Each generation says what it said; below the final block the new one says nothing.
		const at = `${head?.height}`;
		const earlier = await recant.client.memories(CHAIN, { at, generation: "0", limit: 200 });
		const plain = earlier.items.map(({ versionId: _own, ...rest }) => rest);
		expect(plain.map(({ id }) => id).sort()).toEqual(
			(old.memories as { readonly id: string }[]).map(({ id }) => id).sort(),
		);
		const low = await recant.client.memories(CHAIN, { at: "10", generation: "0", limit: 200 });
		expect(low.items.some(({ id }) => id.startsWith("transfer:"))).toBe(true);
		for (const height of ["10", `${Number(finalized) - 1}`]) {
			await expect(recant.client.memories(CHAIN, { at: height })).rejects.toMatchObject({
				status: 410,
				code: "history_pruned",
			});
		}
		for (let height = Number(finalized); height <= Number(at); height += 1) {
			const read = (client: RecantClient) =>
				client.memories(CHAIN, { at: `${height}`, namespace: "ledger", limit: 200 });
			const ids = (await read(recant.client)).items.map(({ id, content }) => [id, content]);
			expect(ids).toEqual((await read(fresh.client)).items.map(({ id, content }) => [id, content]));
		}
		const { run, findings } = await checked(recant.client, { level: "comprehensive" });
		expect({ run, findings }).toMatchObject({ run: { state: "done", score: 1 }, findings: [] });

		// It goes on from there, and a fork of the final block's child is rolled back.
		await chain.block({ from: undefined, to: 2, value: 9n });
		await Promise.all([recant.followed(), fresh.followed()]);
		await recant.stop();
		const again = await start(chain, home, totals);
		await again.followed();
		expect((await again.client.chain(CHAIN)).generation).toBe("1");
		expect((await ledgerState(again.client, CHAIN, "ledger")).memories).toEqual(
			(await ledgerState(fresh.client, CHAIN, "ledger")).memories,
		);
	},
	TIMEOUT_MS,
);

test(
	"handlers that were changed wait, fail and are put back without a trace; what is only added is derived alone",
	async () => {
		const chain = await newChain();
		const home = await newHome("handlers-added");
		const first = await start(chain, home, asItWas);
		await first.followed();
		await first.client.write(CHAIN, { op: "put", ...note, id: "kept", content: { said: "now" } });
		const before = await ledgerState(first.client, CHAIN);
		const other = { ...home, dataDir: testDir("handlers") };
		await expect(start(chain, other, totals)).rejects.toMatchObject({ code: "handlers_differ" });
		await first.stop();

		for (const [change, code] of [
			[halting, "handlers_changed"],
			[throwing, "handler_failed"],
		] as const) {
			const { client, stop } = await start(chain, home, change);
			await until("the chain says why it stands", async () => {
				const { state, problem } = await client.chain(CHAIN);
				return state === "halted" && problem?.code === code;
			});
			expect(await ledgerState(client, CHAIN)).toEqual(before);
			const { generation, head } = await client.chain(CHAIN);
			expect({ generation, head: head?.hash }).toEqual({ generation: "0", head: before.head });
			await stop();
		}

		const back = await start(chain, home, asItWas);
		await chain.block({ from: undefined, to: 2, value: 9n });
		await back.followed();
		expect((await back.client.chain(CHAIN)).generation).toBe("0");
		await back.stop();

		const added = await start(chain, home, ticking);
		await added.followed();
		const fresh = await start(chain, await newHome("handlers-added-fresh"), ticking);
		await fresh.followed();
		const [now, wanted] = await Promise.all(
			[added, fresh].flatMap(({ client }) => [
				ledgerState(client, CHAIN, "ledger"),
				ledgerState(client, CHAIN, "ticks"),
			]),
		).then(([ledger, ticks, ...rest]) => [[ledger, ticks], rest]);
		expect(now?.map((each) => each?.memories)).toEqual(wanted?.map((each) => each?.memories));
		expect(now?.[1]?.memories.length).toBeGreaterThan(BLOCKS / 5);
		for (const layer of ["semantic", "episodic", "short_term"]) {
			expect(now?.[0]?.roots[layer]).toBe(wanted?.[0]?.roots[layer]);
		}
		const view = await added.client.chain(CHAIN);
		expect(view.generation).toBe("1");
		// What the ledger said stands as it did, at every height; only the rollback's own blocks are derived twice.
		const ended = await withSql(
			home.databaseUrl,
			(sql) => sql`select 1 from recant.versions where namespace = 'ledger'
				and to_gen <> 9223372036854775807 and from_block <= ${view.retainedFrom}
				and to_block <= ${view.retainedFrom}`,
		);
		expect(ended).toHaveLength(0);
		const { run, findings } = await checked(added.client, { level: "comprehensive" });
		expect({ run, findings }).toMatchObject({ run: { state: "done", score: 1 }, findings: [] });
		await added.stop();

		const kept = await start(chain, home, keeping);
		await chain.block({ from: undefined, to: 2, value: 9n });
		await kept.followed();
		expect((await kept.client.chain(CHAIN)).generation).toBe("1");
		const { items } = await kept.client.memories(CHAIN, { namespace: "ledger", limit: 200 });
		const ids = items.map(({ id }) => id);
		expect(ids).toContain("total");
		expect(ids.some((id) => id.startsWith("holder:"))).toBe(true);
	},
	TIMEOUT_MS,
);

test(
	"a SIGKILL before the switch changes nothing, and the next start goes on to it",
	async () => {
		const chain = await newChain();
		const node = { rpcUrl: chain.node.rpcUrl, token: chain.token.address };
		const recant = await startTestRecant({ name: "handlers-kill", ...node });
		const client = new RecantClient({ url: recant.url });
		await untilFollowed(client, CHAIN, node.rpcUrl);
		await client.write(CHAIN, { op: "put", ...note, id: "before", content: {} });
		const before = await ledgerState(client, CHAIN);
		await recant.stop();

		const { databaseUrl, dataDir } = recant.home;
		// The same handlers by another name: what they derive anew is what was there.
		const options = {
			handlersCode: "others",
			environment: {
				RECANT_RPC_URL: node.rpcUrl,
				RECANT_TOKEN: node.token,
				RECANT_POLL_INTERVAL_MS: "25",
				RECANT_DATA_DIR: dataDir,
				DATABASE_URL: databaseUrl,
			},
		};
		for (const stage of ["replay", "commit"] as const) {
			const killed = await startService({ ...options, hangBefore: stage });
			await killed.said((event) => event.event === "hangs" && event.stage === stage);
			expect(await ledgerState(killed.client, CHAIN)).toEqual(before);
			expect((await killed.client.chain(CHAIN)).generation).toBe("0");
			const meanwhile = { op: "put", ...note, id: stage, content: {} } as const;
			await killed.client.write(CHAIN, meanwhile, { waitMs: 0 });
			await killed.kill();
		}
		const service = await startService(options);
		await untilFollowed(service.client, CHAIN, node.rpcUrl);
		const now = await ledgerState(service.client, CHAIN, "ledger");
		const { memories: ledger } = now;
		const others = (each: unknown) =>
			(each as { readonly namespace: string }).namespace === "ledger";
		expect(ledger).toEqual(before.memories.filter(others));
		for (const layer of ["semantic", "episodic", "short_term"]) {
			expect(now.roots[layer]).toBe(before.roots[layer]);
		}
		// What was written meanwhile waits in the inbox, and is admitted in the round after the switch.
		const written = await until("what was written meanwhile is there", async () => {
			const { items } = await service.client.memories(CHAIN, { namespace: "default" });
			return items.length > 2 && items.map(({ id }) => id).sort();
		});
		expect(written).toEqual(["before", "commit", "replay"]);
		expect((await service.client.chain(CHAIN)).generation).toBe("1");
		const states = (await service.client.rollbacks(CHAIN)).items.map(({ state }) => state);
		expect(states).toEqual(["committed"]);
	},
	TIMEOUT_MS,
);
