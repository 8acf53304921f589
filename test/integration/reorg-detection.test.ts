/**
 * What the follower takes for a fork, and what for nodes that disagree: every case is a chain of its own with
 * its own providers, and one service follows them all, side by side.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readEnvironment } from "../../src/config/environment.ts";
import type { ChainDefinition } from "../../src/follower/define-chain.ts";
import { startRecant } from "../../src/main.ts";
import type { RollbackView } from "../../src/service/rollback-view.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { type FaultChain, FaultWorld, openFaultChain } from "../support/rpc-server/fault-world.ts";
import type { ProviderTraits } from "../support/rpc-server/rpc-provider.ts";
import type { Shown } from "../support/rpc-server/served-chain.ts";
import { testDir } from "../support/temp-dir.ts";
import { atTestEnd } from "../support/test-end.ts";

const SUITE_MS = 180_000;
const HEAD = 30;
/** Deep enough for every fork here to be above what is final. */
const UNFINAL: Partial<ProviderTraits> = { finalizedDepth: 200, safeDepth: 100 };
/** Above this a fork has to be confirmed. */
const CONFIRM_BEYOND = 4;
const DEEP = 8;
/** What the chain's file of chains/anvil.ts says. */
const FINALITY_EVERY_MS = 2_000;
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

interface Case {
	readonly name: string;
	readonly providers?: readonly Partial<ProviderTraits>[];
	readonly reorg?: ChainDefinition["reorg"];
	readonly run: (followed: Followed) => Promise<void>;
	/** True: the chain is not settled again at the end. */
	readonly ends?: "halted";
}

class Followed {
	readonly world: FaultWorld;
	readonly it: FaultChain;

	constructor(world: FaultWorld, it: FaultChain) {
		this.world = world;
		this.it = it;
	}

	get chain() {
		return this.it.server.chain;
	}

	provider(index: number) {
		return this.it.server.provider(index);
	}

	/** The one that the follower asks now. */
	get preferred() {
		const { providers } = this.it.server;
		const most = Math.max(...providers.map(({ requests }) => requests));
		return providers.find(({ requests }) => requests === most) ?? this.provider(0);
	}

	/** Newest first. */
	async rollbacks(): Promise<readonly RollbackView[]> {
		const query = { cursor: undefined, limit: 50 };
		return (await this.world.recant.service.rollbacks(this.it.name, query)).items;
	}

	async newest(): Promise<RollbackView> {
		const [newest] = await this.rollbacks();
		if (newest === undefined) throw new RangeError("there is no rollback");
		return newest;
	}

	async generation(): Promise<bigint> {
		return (await this.world.chain(this.it)).generation;
	}

	settled() {
		return this.world.settled(this.it);
	}

	problem(code: string) {
		return this.world.when(this.it, ({ problem }) => problem?.code === code);
	}
}

const THREE = [UNFINAL, UNFINAL, UNFINAL];

const CASES: readonly Case[] = [
	{
		name: "a shallow fork is followed at once with one provider, and nobody is asked for support",
		run: async (on) => {
			on.chain.fork(3, 4);
			await on.settled();
			const { evidence } = await on.newest();
			expect(evidence).toMatchObject({ because: "shallow", depth: 3, polls: 1, heldMs: 0 });
			expect(evidence?.support).toBeUndefined();
			expect(evidence?.signals).toContain("other_hash");
		},
	},
	{
		name: "nodes behind one URL that take turns bring about one rollback at most",
		run: async (on) => {
			const other = on.chain.beside(2, 3);
			const turns = setInterval(() => {
				const provider = on.provider(0);
				provider.own = provider.own === undefined ? other : undefined;
			}, 250);
			const each = on.provider(0).faults.on({
				fault: { kind: "other_fork", shown: () => other },
				every: 3,
			});
			await sleep(8_000);
			clearInterval(turns);
			each.off();
			expect(await on.generation()).toBeLessThanOrEqual(1n);
			on.provider(0).own = undefined;
		},
	},
	{
		name: "a branch that wins, loses and wins again is followed each time, within seconds",
		run: async (on) => {
			const first = on.chain.fork(2, 3);
			await on.settled();
			const startedMs = performance.now();
			on.chain.show({ ...first, head: first.head + 4 });
			await on.problem("fork_unconfirmed");
			await on.settled();
			expect(performance.now() - startedMs).toBeLessThan(20_000);
			const { evidence } = await on.newest();
			expect(evidence).toMatchObject({ because: "polls" });
			expect(evidence?.polls).toBeGreaterThanOrEqual(6);
			expect(evidence?.heldMs).toBeGreaterThanOrEqual(2_000);
			expect(await on.generation()).toBe(2n);
		},
	},
	{
		name: "a deep fork at one provider is seen several times before it is followed",
		run: async (on) => {
			on.chain.fork(DEEP, DEEP + 2);
			await on.settled();
			const { evidence } = await on.newest();
			expect(evidence).toMatchObject({ because: "polls", depth: DEEP });
			expect(evidence?.polls).toBeGreaterThanOrEqual(3);
			expect(evidence?.support).toEqual({ confirming: 1, denying: 0, silent: 0 });
		},
	},
	{
		name: "a deep fork that most providers have is followed at its first look",
		providers: THREE,
		run: async (on) => {
			on.chain.fork(DEEP, DEEP + 2);
			await on.settled();
			const { evidence } = await on.newest();
			expect(evidence).toMatchObject({ because: "quorum", depth: DEEP, polls: 1 });
			expect(evidence?.support?.confirming).toBeGreaterThanOrEqual(2);
		},
	},
	{
		name: "a provider that is alone with another branch changes nothing, and is put aside",
		providers: THREE,
		run: async (on) => {
			const { chain } = on;
			const other: Shown = chain.beside(2, 6);
			const alone = on.preferred;
			alone.own = other;
			for (let mined = 0; mined < 12; mined += 1) {
				chain.mine();
				await sleep(600);
			}
			await on.settled();
			expect(await on.rollbacks()).toEqual([]);
			alone.own = undefined;
		},
	},
	{
		name: "a chain that most providers show shorter is rolled back before time alone would do it",
		providers: THREE,
		run: async (on) => {
			on.chain.shrink(3);
			await on.settled();
			const { evidence } = await on.newest();
			expect(evidence).toMatchObject({ because: "quorum", depth: 3, signals: ["head_below"] });
			expect(evidence?.polls).toBeGreaterThanOrEqual(3);
			expect(evidence?.heldMs).toBeLessThan(3_000);
		},
	},
	{
		name: "providers that lag for longer than a shrink takes do not shrink the chain that another has",
		providers: THREE,
		run: async (on) => {
			on.chain.mine(2);
			await on.settled();
			const late = on.preferred;
			late.lag = 3;
			await sleep(5_000);
			late.lag = 0;
			await on.settled();
			expect(await on.rollbacks()).toEqual([]);
		},
	},
	{
		name: "finality that another provider reports lower never moves back",
		providers: [{ finalizedDepth: 4, safeDepth: 2 }],
		run: async (on) => {
			on.chain.mine();
			const before = await on.world.when(
				on.it,
				({ finalized }) => finalized === BigInt(HEAD + 1 - 4),
			);
			on.provider(0).traits = { ...on.provider(0).traits, finalizedDepth: 20, safeDepth: 10 };
			for (let mined = 0; mined < 3; mined += 1) {
				on.chain.mine();
				const { finalized, safe } = await on.settled();
				expect(finalized).toBe(before.finalized);
				expect(safe).toBeGreaterThanOrEqual(before.safe ?? 0n);
			}
		},
	},
	{
		name: "a finalized block that changes halts the chain, and reads go on",
		providers: [{ finalizedDepth: 4, safeDepth: 2 }],
		ends: "halted",
		run: async (on) => {
			await on.world.when(on.it, ({ finalized }) => finalized === BigInt(HEAD - 4));
			const other = on.chain.beside(10, 10);
			on.provider(0).faults.on({
				fault: { kind: "other_fork", shown: () => other },
				when: ({ params: [block] }) => block === "finalized" || block === HEX(HEAD - 4),
			});
			on.chain.mine();
			const { problem, head } = await on.world.when(on.it, ({ state }) => state === "halted");
			expect(problem?.code).toBe("finalized_block_changed");
			const block = await on.world.recant.service.checkpoint(on.it.name, head?.height ?? 0n);
			expect(block).toMatchObject({ height: head?.height });
		},
	},
	{
		name: "a provider that is alone with another finalized block halts nothing",
		providers: [
			{ finalizedDepth: 4, safeDepth: 2 },
			{ finalizedDepth: 4, safeDepth: 2 },
			{ finalizedDepth: 4, safeDepth: 2 },
		],
		run: async (on) => {
			const other = on.chain.beside(10, 10);
			let struck = 0;
			// In turn, as it is not known who is asked; with two put aside the third would have no witness.
			for (const provider of on.it.server.providers.slice(0, 2)) {
				const alone = provider.faults.on({
					fault: { kind: "other_fork", shown: () => other },
					when: ({ params: [block] }) => block === "finalized" || block === HEX(HEAD - 4),
				});
				on.chain.mine();
				await on.settled();
				// The marks are asked for once in `finality.everyMs`; who is asked shows soon after that.
				await sleep(2 * FINALITY_EVERY_MS);
				struck += alone.struck;
				alone.off();
			}
			expect(struck).toBeGreaterThan(0);
			expect(await on.rollbacks()).toEqual([]);
		},
	},
	{
		name: "a head that jumps far ahead and comes back makes nothing final that is not",
		providers: [{ finalizedDepth: undefined, safeDepth: undefined }],
		run: async (on) => {
			const { branch } = on.chain;
			on.provider(0).own = { branch, head: HEAD };
			const jump = on.provider(0).faults.on({
				fault: { kind: "other_fork", shown: () => ({ branch, head: HEAD + 650 }) },
				when: ({ params: [block] }) => block === "latest",
			});
			on.chain.mine(600);
			on.provider(0).own = { branch, head: 520 };
			await sleep(3_000);
			expect(jump.struck).toBeGreaterThan(2);
			expect((await on.world.chain(on.it)).finalized).toBeLessThanOrEqual(520n - 64n);
			jump.off();
			on.provider(0).own = undefined;
			const { finalized } = await on.settled();
			expect(finalized).toBe(BigInt(HEAD + 600 - 64));
		},
	},
	{
		name: "a node that was reset to another chain halts it",
		ends: "halted",
		run: async (on) => {
			const { tree } = on.it.server;
			on.chain.show({ branch: tree.fork(tree.trunk, -1), head: 12 });
			const { state } = await on.world.when(
				on.it,
				({ state: now, problem }) => now === "halted" && problem?.code === "genesis_changed",
			);
			expect(state).toBe("halted");
		},
	},
];

const HEX = (height: number) => `0x${height.toString(16)}`;

describe("what is taken for a fork", () => {
	const runs = new Map<Case, { readonly chain: FaultChain; failure: unknown }>();
	let world: FaultWorld | undefined;

	beforeAll(async () => {
		for (const [index, each] of CASES.entries()) {
			const reorg = { confirmBeyondDepth: CONFIRM_BEYOND, ...each.reorg };
			const providers = each.providers ?? [UNFINAL];
			const name = `detect-${index}`;
			const seed = 4_200 + index;
			const chain = await openFaultChain({ name, seed, head: HEAD, providers, file: { reorg } });
			runs.set(each, { chain, failure: undefined });
		}
		const open = await FaultWorld.open(
			"reorg-detection",
			[...runs.values()].map(({ chain }) => chain),
		);
		world = open;
		await Promise.all(
			[...runs].map(async ([each, run]) => {
				try {
					const followed = new Followed(open, run.chain);
					await followed.settled();
					await each.run(followed);
					if (each.ends === "halted") return;
					await followed.settled();
					expect(await open.differences(run.chain)).toEqual([]);
				} catch (error) {
					run.failure = error;
				}
			}),
		);
	}, SUITE_MS);

	afterAll(async () => {
		await world?.end();
	}, SUITE_MS);

	test.each(CASES)("$name", (each) => {
		const failure = runs.get(each)?.failure;
		if (failure !== undefined) throw failure;
	});
});

test("another genesis at a start halts the chain, also where the node has grown past the old head", async () => {
	const chain = await openFaultChain({ name: "reset", seed: 77, head: HEAD });
	const { server, spec } = chain;
	const database = await createTestDatabase("reorg-detection-reset");
	const environment = readEnvironment({
		DATABASE_URL: database.url,
		RECANT_DATA_DIR: testDir("data"),
		RECANT_PORT: "0",
		RECANT_LOG_LEVEL: "fatal",
	});
	const start = async () => {
		const recant = await startRecant({ environment, chains: [spec] });
		atTestEnd(() => recant.stop());
		return { recant, world: new FaultWorld(recant, () => recant.stop()) };
	};
	const first = await start();
	await first.world.settled(chain);
	await first.recant.stop();
	const { tree } = server;
	server.chain.show({ branch: tree.fork(tree.trunk, -1), head: 3 * HEAD });
	const second = await start();
	const { problem, head } = await second.world.when(chain, ({ state }) => state === "halted");
	expect(problem).toMatchObject({ code: "genesis_changed", hint: expect.any(String) });
	expect(head?.height).toBe(BigInt(HEAD));
});
