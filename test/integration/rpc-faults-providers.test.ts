/**
 * Several providers of which the first is wrong for good, and single ones with peculiarities: through a
 * backfill, blocks as they come, and a walk back, the outcome is what a straight run gives.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FaultChain, FaultWorld, openFaultChain } from "../support/rpc-server/fault-world.ts";
import type { Fault, FaultRule } from "../support/rpc-server/faults.ts";
import type { ProviderTraits } from "../support/rpc-server/rpc-provider.ts";
import { announcedSeed } from "../support/seed.ts";

interface Case {
	readonly name: string;
	readonly providers: readonly Partial<ProviderTraits>[];
	/** Of the first provider, before the service starts. */
	readonly prepare?: (chain: FaultChain) => void;
	/** What comes later shares the others' blocks until they have other ones. */
	readonly isAhead?: true;
	/** When the service has followed what there was. */
	readonly later?: (chain: FaultChain) => void;
	readonly file?: Parameters<typeof openFaultChain>[0]["file"];
}

const HEAD = 30;
const DEPTH = 8;
const FINALIZED = { finalizedDepth: 16, safeDepth: 8 };
const STEP_MS = 200;
const SUITE_MS = 240_000;
/** Differences that a failure shows: a wrong row makes others. */
const TOLD = 6;
const BLOCKS = ["eth_getBlockByNumber", "eth_getBlockByHash"];
const LOGS = ["eth_getLogs"];

const CASES: readonly Case[] = [
	always("is away", { kind: "reset" }),
	always("never answers", { kind: "hang" }),
	always("answers with status 500", { kind: "status", status: 500 }),
	always("answers with status 429", { kind: "status", status: 429, retryAfterS: 1 }),
	always("answers no JSON", { kind: "malformed" }),
	always("cuts its answers off", { kind: "truncated_body" }),
	always("has no block", { kind: "null" }, BLOCKS),
	always("has no logs", { kind: "error", code: -32_000, message: "unknown block" }, LOGS),
	always("has every header wrong", { kind: "wrong_field", field: "stateRoot" }, BLOCKS),
	always("has every bloom wrong", { kind: "wrong_bloom" }, BLOCKS),
	always("has every bloom empty", { kind: "zero_bloom" }, BLOCKS),
	always("has every parent wrong", { kind: "wrong_parent" }, BLOCKS),
	always("has removed logs alone", { kind: "removed_logs" }, LOGS),
	always("is of another chain", { kind: "chain_id", chainId: 5 }),
	{
		name: "the first of two cuts logs off, where receipts are checked",
		providers: [{}, {}],
		file: { trust: { receipts: true } },
		prepare: (chain) => {
			const truncated = { kind: "truncated_logs", keep: "none" } as const;
			on(chain, { fault: truncated, methods: [...LOGS, "eth_getBlockReceipts"] });
		},
	},
	{
		name: "the first of two gives another branch's logs under this one's hash",
		providers: [{}, {}],
		prepare: (chain) => {
			const other = chain.server.chain.beside(HEAD - 1, HEAD + 100);
			on(chain, { fault: { kind: "relabelled_logs", shown: () => other }, methods: LOGS });
		},
	},
	{
		name: "the first of three is on a branch of its own from the start",
		providers: [{}, {}, {}],
		prepare: (chain) => {
			chain.server.provider(0).own = chain.server.chain.beside(5, 12);
		},
	},
	{
		name: "the first of three leaves for a branch of its own",
		providers: [{}, {}, {}],
		later: (chain) => {
			chain.server.provider(0).own = chain.server.chain.beside(5, 12);
		},
	},
	{
		name: "the first of three goes on with blocks of its own",
		providers: [{}, {}, {}],
		isAhead: true,
		later: (chain) => {
			chain.server.provider(0).own = chain.server.chain.beside(0, 3);
		},
	},
	{
		name: "one answer in four of the first of three is from another fork",
		providers: [{}, {}, {}],
		prepare: (chain) => {
			const other = chain.server.chain.beside(5, 80);
			on(chain, { fault: { kind: "other_fork", shown: () => other }, every: 4 });
		},
	},
	{
		name: "the first of two is five blocks behind",
		providers: [{}, {}],
		prepare: (chain) => {
			chain.server.provider(0).lag = 5;
		},
	},
	{
		name: "the first of three stands still",
		providers: [{}, {}, {}],
		prepare: (chain) => {
			chain.server.provider(0).own = chain.server.chain.now;
		},
	},
	{ name: "the first of two is slow", providers: [{ latencyMs: 200 }, {}] },
	{ name: "the first of two has pruned", providers: [{ prunedBelow: 20 }, {}] },
	{
		name: "the first of two has pruned and answers null",
		providers: [{ prunedBelow: 20, prunedAnswer: "null" }, {}],
	},
	{
		name: "both limit requests",
		providers: [{ requestsPerSecond: 12 }, { requestsPerSecond: 12 }],
	},
	{
		name: "both limit requests in the body",
		providers: [
			{ requestsPerSecond: 12, rateAnswer: "body" },
			{ requestsPerSecond: 12, rateAnswer: "body" },
		],
	},
	{
		name: "the only one limits requests and says for how long",
		providers: [{ requestsPerSecond: 20, rateAnswer: "retry_after" }],
	},
	{ name: "the only one gives 7 blocks' logs at once", providers: [{ maxRangeBlocks: 7 }] },
	{
		name: "the only one gives 7 blocks' logs at once and says so",
		providers: [{ maxRangeBlocks: 7, rangeHint: true }],
	},
	{ name: "the only one gives 20 logs at once", providers: [{ maxLogs: 20 }] },
	{ name: "the only one takes batches of 3", providers: [{ maxBatch: 3 }] },
	{ name: "the only one takes no batch", providers: [{ maxBatch: 1 }] },
	{
		name: "the only one has no tags",
		providers: [{ finalizedDepth: undefined, safeDepth: undefined }],
	},
	{ name: "the only one serves orphans", providers: [{ servesOrphans: true }] },
];

function always(what: string, fault: Fault, methods?: readonly string[]): Case {
	return {
		name: `the first of two ${what}`,
		providers: [{}, {}],
		prepare: (chain) => on(chain, methods === undefined ? { fault } : { fault, methods }),
	};
}

function on(chain: FaultChain, rule: FaultRule): void {
	chain.server.provider(0).faults.on(rule);
}

interface Running {
	readonly chain: FaultChain;
	failure: unknown;
	differences: readonly string[] | undefined;
}

describe("several providers", () => {
	const seed = announcedSeed("test/integration/rpc-faults-providers.test.ts");
	const runs = new Map<Case, Running>();
	let world: FaultWorld | undefined;

	beforeAll(async () => {
		for (const [index, each] of CASES.entries()) {
			const { providers, file = {}, prepare } = each;
			const chain = await openFaultChain({
				name: `p${index}`,
				seed: seed + index,
				head: HEAD,
				providers: providers.map((traits) => ({ ...FINALIZED, ...traits })),
				file,
			});
			prepare?.(chain);
			runs.set(each, { chain, failure: undefined, differences: undefined });
		}
		const chains = [...runs.values()].map(({ chain }) => chain);
		const open = await FaultWorld.open("faults providers", chains);
		world = open;
		await Promise.all([...runs].map(([each, run]) => follow(open, each, run)));
	}, SUITE_MS);

	afterAll(async () => {
		await world?.end();
	}, SUITE_MS);

	for (const each of CASES) {
		test(each.name, () => {
			const run = runs.get(each);
			if (run?.failure !== undefined) throw run.failure;
			expect(run?.differences).toEqual([]);
		});
	}
});

async function follow(world: FaultWorld, each: Case, run: Running): Promise<void> {
	const { chain } = run.chain.server;
	try {
		await world.settled(run.chain);
		each.later?.(run.chain);
		if (each.later !== undefined && each.isAhead !== true) await world.settled(run.chain);
		for (const step of [() => chain.mine(1), () => chain.fork(1, 2), () => chain.mine(2)]) {
			step();
			await new Promise((resolve) => setTimeout(resolve, STEP_MS));
		}
		await world.settled(run.chain);
		chain.fork(DEPTH, DEPTH + 1);
		await world.settled(run.chain);
		run.differences = (await world.differences(run.chain)).slice(0, TOLD);
	} catch (error) {
		run.failure = error;
	}
}
