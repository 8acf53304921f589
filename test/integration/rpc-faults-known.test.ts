/**
 * What other systems that follow chains got wrong, one test each: lagging nodes, walks back that meet a hole,
 * siblings and shorter branches, gaps, storms of forks, forks at the limit of finality.
 */
import { afterAll, beforeAll, describe, test } from "vitest";
import type { RollbackView } from "../../src/service/rollback-view.ts";
import {
	type FaultChain,
	type FaultChainOptions,
	FaultWorld,
	openFaultChain,
} from "../support/rpc-server/fault-world.ts";
import type { RpcProvider } from "../support/rpc-server/rpc-provider.ts";
import type { ServedChain } from "../support/rpc-server/served-chain.ts";
import { announcedSeed } from "../support/seed.ts";

interface At {
	readonly world: FaultWorld;
	readonly chain: FaultChain;
	readonly served: ServedChain;
	readonly provider: RpcProvider;
	/** Committed ones, the oldest first. */
	readonly rollbacks: () => Promise<readonly RollbackView[]>;
	/** Throws unless it holds. */
	readonly expectTrue: (holds: boolean, what: string) => void;
}

interface Case {
	readonly name: string;
	readonly options?: Partial<FaultChainOptions>;
	readonly run: (at: At) => Promise<unknown>;
	/** The code of the halt that it ends with; default: it goes on. */
	readonly halt?: readonly string[];
}

const HEAD = 12;
const SUITE_MS = 60_000;
/** Enough polls that whatever would be wrong has happened. */
const WATCHED_MS = 1_500;
/** Of what goes on until enough calls were made: a busy machine makes few. */
const MOST_STEPS = 12;
const FINALIZED_DEPTH = 10;
const NEAR_FINALITY = {
	head: 30,
	providers: [{ finalizedDepth: FINALIZED_DEPTH, safeDepth: 5 }],
};

const CASES: readonly Case[] = [
	{
		name: "an old canonical block from a lagging node is no reorg",
		run: async ({ world, chain, served, provider, rollbacks, expectTrue }) => {
			const lagging = { kind: "lag", blocks: 3 } as const;
			const rule = provider.faults.on({ fault: lagging, every: 2 });
			for (let block = 0; block < MOST_STEPS && rule.struck < 6; block += 1) {
				served.mine(1);
				await pause(WATCHED_MS / 6);
			}
			rule.off();
			await world.settled(chain);
			expectTrue(rule.struck > 5, "answers came from behind");
			expectTrue((await rollbacks()).length === 0, "nothing was taken back");
		},
	},
	{
		name: "the head that reveals a fork is applied without another block",
		run: async ({ world, chain, served, rollbacks, expectTrue }) => {
			served.fork(3, 4);
			const { generation } = await world.settled(chain);
			expectTrue(generation === 1n, "one rollback brought it there");
			const [only] = await rollbacks();
			expectTrue(only?.to.hash === served.headHash, "the rollback went to that very head");
		},
	},
	{
		name: "a block that is missing for a moment in a walk back cuts nothing off",
		run: async ({ world, chain, served, provider, rollbacks, expectTrue }) => {
			const isOfBranch = ({ params }: { params: readonly unknown[] }) =>
				Number(params[0]) > HEAD - 6 && Number(params[0]) < HEAD;
			const methods = ["eth_getBlockByNumber"];
			const rule = provider.faults.on({
				...{ fault: { kind: "null" }, methods, when: isOfBranch, times: 3 },
			});
			served.fork(6, 7);
			await world.settled(chain);
			expectTrue(rule.struck > 0, "a block was missing");
			const [only, ...others] = await rollbacks();
			expectTrue(only?.ancestor.height === BigInt(HEAD - 6), "back to the ancestor");
			expectTrue(others.length === 0, "once");
		},
	},
	{
		name: "a shorter branch wins",
		run: async ({ world, chain, served }) => {
			served.fork(6, 3);
			await world.settled(chain);
		},
	},
	{
		name: "a sibling of the same parent wins, by a rollback",
		run: async ({ world, chain, served, rollbacks, expectTrue }) => {
			served.fork(1, 1);
			await world.settled(chain);
			expectTrue((await rollbacks()).length === 1, "the first of the two was taken back");
		},
	},
	{
		name: "a gap is filled whole though blocks fail while it is",
		run: async ({ world, chain, served, provider }) => {
			const error = { kind: "error", code: -32_603, message: "internal error" } as const;
			const methods = ["eth_getBlockByNumber", "eth_getBlockByHash", "eth_getLogs"];
			provider.faults.on({ fault: error, methods, every: 3, times: 6 });
			served.mine(25);
			await world.settled(chain);
		},
	},
	{
		name: "a fork right at the finalized block is followed",
		options: NEAR_FINALITY,
		run: async ({ world, chain, served, rollbacks, expectTrue }) => {
			served.fork(FINALIZED_DEPTH, FINALIZED_DEPTH + 1);
			await world.settled(chain);
			expectTrue((await rollbacks()).length === 1, "by one rollback");
		},
	},
	{
		name: "a fork below the finalized block halts the chain, and nothing loops",
		options: NEAR_FINALITY,
		halt: ["finalized_block_changed", "fork_below_finality"],
		run: async ({ world, chain, served, provider, expectTrue }) => {
			served.fork(FINALIZED_DEPTH + 4, FINALIZED_DEPTH + 5);
			await world.when(chain, ({ state }) => state === "halted");
			const before = provider.requests;
			await pause(WATCHED_MS);
			expectTrue(provider.requests - before < 40, "the node is left alone");
		},
	},
	{
		name: "two reorgs 800 ms apart leave nothing of the first",
		run: async ({ world, chain, served }) => {
			served.fork(3, 4);
			await pause(800);
			served.fork(5, 7);
			await world.settled(chain);
		},
	},
	{
		name: "two reorgs while the first is walked back leave nothing of it",
		run: async ({ world, chain, served, provider }) => {
			provider.faults.on({
				fault: { kind: "then", move: () => void served.fork(4, 6) },
				methods: ["eth_getBlockByNumber", "eth_getBlockByHash"],
				skip: 1,
				times: 1,
			});
			served.fork(3, 4);
			await world.settled(chain);
		},
	},
	{
		name: "a storm of forks ends on the last branch",
		run: async ({ world, chain, served }) => {
			for (let fork = 0; fork < 12; fork += 1) {
				served.fork(1 + (fork % 5), 1 + ((fork * 3) % 6));
				await pause(60);
			}
			await world.settled(chain);
		},
	},
	{
		name: "a quick return to the first branch is followed",
		run: async ({ world, chain, served }) => {
			const first = served.fork(4, 5);
			await world.settled(chain);
			served.show({ branch: first.branch, head: first.head + 2 });
			await world.settled(chain);
		},
	},
	{
		name: "a return to the first branch while its rollback runs is followed",
		run: async ({ world, chain, served }) => {
			const first = served.fork(4, 5);
			await pause(200);
			served.show({ branch: first.branch, head: first.head + 1 });
			await world.settled(chain);
		},
	},
	{
		name: "a head that moves between two answers keeps no row of the orphaned block",
		run: async ({ world, chain, served, provider, expectTrue }) => {
			const rule = provider.faults.on({
				fault: { kind: "then", move: () => void served.fork(1, 1) },
				methods: ["eth_getBlockByHash"],
				times: 3,
			});
			const another = provider.faults.on({
				fault: { kind: "then", move: () => void served.fork(1, 1) },
				methods: ["eth_getLogs"],
				times: 2,
			});
			for (let block = 0; block < 6; block += 1) {
				served.mine(1);
				await pause(WATCHED_MS / 6);
			}
			await world.settled(chain);
			expectTrue(rule.struck + another.struck > 0, "the head moved");
		},
	},
	{
		name: "a chain that is only rolled back is followed down",
		run: async ({ world, chain, served }) => {
			served.shrink(3);
			await world.settled(chain);
			served.mine(1);
			await world.settled(chain);
		},
	},
	{
		name: "a head that jumps ahead and comes back takes nothing with it",
		run: async ({ world, chain, served, provider, rollbacks, expectTrue }) => {
			const ahead = served.beside(0, 30);
			const other_fork = { kind: "other_fork", shown: () => ahead } as const;
			const isHead = ({ params }: { params: readonly unknown[] }) => params[0] === "latest";
			const methods = ["eth_getBlockByNumber"];
			const rule = provider.faults.on({ fault: other_fork, methods, when: isHead, times: 2 });
			served.mine(1);
			await world.settled(chain);
			await pause(WATCHED_MS);
			expectTrue(rule.struck === 2, "the head jumped");
			expectTrue((await rollbacks()).length === 0, "nothing was taken back");
		},
	},
	{
		name: "nodes behind one URL that disagree cause no rollback back and forth",
		run: async ({ world, chain, served, provider, rollbacks, expectTrue }) => {
			const other = served.beside(2, 3);
			const rule = provider.faults.on({
				fault: { kind: "other_fork", shown: () => other },
				every: 2,
			});
			for (let step = 0; step < MOST_STEPS && (step < 3 || rule.struck < 20); step += 1)
				await pause(WATCHED_MS);
			rule.off();
			await world.settled(chain);
			expectTrue(rule.struck > 10, "the nodes disagreed");
			const flips = (await rollbacks()).length;
			expectTrue(flips <= 4, `${flips} rollbacks while ${rule.struck} answers disagreed`);
		},
	},
	{
		name: "another genesis halts the chain",
		halt: ["genesis_changed", "finalized_block_changed", "fork_below_finality"],
		run: async ({ world, chain, served }) => {
			served.show({ branch: served.tree.fork(served.branch, -1, false), head: HEAD + 5 });
			await world.when(chain, ({ state }) => state === "halted");
		},
	},
	{
		name: "a wrong chain id halts the chain before anything is followed",
		options: { providers: [{ chainId: 5 }] },
		halt: ["chain_id_mismatch"],
		run: async ({ world, chain }) => {
			await world.when(chain, ({ state }) => state === "halted");
		},
	},
];

describe("what other systems get wrong", () => {
	const seed = announcedSeed("test/integration/rpc-faults-known.test.ts");
	const chains = new Map<Case, FaultChain>();
	let world: FaultWorld | undefined;

	beforeAll(async () => {
		for (const [index, each] of CASES.entries()) {
			const options = { seed: seed + index, head: HEAD, ...each.options };
			chains.set(each, await openFaultChain({ name: `k${index}`, ...options }));
		}
		world = await FaultWorld.open("faults known", [...chains.values()]);
	}, SUITE_MS);

	afterAll(async () => {
		await world?.end();
	}, SUITE_MS);

	for (const each of CASES) {
		test.concurrent(each.name, async ({ expect }) => {
			const chain = chains.get(each);
			if (world === undefined || chain === undefined) throw new Error("there is no service");
			const { service } = world.recant;
			const isStopped = each.options?.providers?.[0]?.chainId !== undefined;
			if (!isStopped) await world.settled(chain);
			await each.run({
				world,
				chain,
				served: chain.server.chain,
				provider: chain.server.provider(0),
				rollbacks: async () => {
					const { items } = await service.rollbacks(chain.name, { limit: 200, cursor: undefined });
					return items.filter(({ state }) => state === "committed").toReversed();
				},
				expectTrue: (holds, what) => expect(holds, what).toBe(true),
			});
			if (each.halt === undefined) {
				expect((await world.differences(chain)).slice(0, 6)).toEqual([]);
			} else {
				const { state, problem } = await world.chain(chain);
				expect(state).toBe("halted");
				expect(each.halt).toContain(problem?.code);
			}
		});
	}
});

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
