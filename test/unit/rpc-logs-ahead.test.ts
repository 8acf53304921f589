/** Logs of announced heads that are asked for with the head, over real sockets. */
import { describe, expect, test } from "vitest";
import type { LogFilter } from "../../src/follower/chain-source.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import { BlockTree } from "../support/rpc-server/block-tree.ts";
import type { FaultRule } from "../support/rpc-server/faults.ts";
import { RpcProvider } from "../support/rpc-server/rpc-provider.ts";
import { ServedChain } from "../support/rpc-server/served-chain.ts";
import { atTestEnd } from "../support/test-end.ts";

const SEED = 11;
const HEAD = 20;
const LOGS = "eth_getLogs";

/** Follows up to the head, whose logs were asked for. */
async function startWith(
	transactions: (height: number) => number = () => 2,
	{ transport = "wsUrl" }: { readonly transport?: "url" | "wsUrl" } = {},
) {
	const tree = new BlockTree({ seed: SEED, transactions });
	const chain = new ServedChain(tree, HEAD);
	const provider = new RpcProvider(chain, { chainId: 31337 }, SEED);
	await provider.listen();
	const source = createChainSource({
		...{ urls: [provider[transport]], pollIntervalMs: 60_000, timeoutMs: 2_000 },
	});
	atTestEnd(async () => {
		await source.close();
		await provider.stop();
	});
	const filter: LogFilter = { addresses: [tree.token], topics: [] };
	/** As a follower looks at a head; answers with its logs' number and how often they were asked for. */
	const look = async (wanted = filter) => {
		const head = await source.latest();
		const logs = await source.logsOfBlock(head, wanted);
		return { height: Number(head.number), logs: logs.length, asked: provider.count(LOGS) };
	};
	let told = 0;
	source.watch(() => {
		told += 1;
	});
	if (transport === "wsUrl") await expect.poll(() => told).toBe(1);
	await look();
	const before = provider.count(LOGS);
	/** Resolves once the source has heard of the last of them. */
	const mined = async (blocks = 1) => {
		const wanted = told + blocks;
		chain.mine(blocks);
		await expect.poll(() => told).toBe(wanted);
	};
	/** Logs of the present head as another source reads them, which never heard of it. */
	const truth = async () => {
		const other = createChainSource({
			...{ urls: [provider.url], pollIntervalMs: 60_000, timeoutMs: 2_000 },
		});
		try {
			const head = await other.latest();
			return (await other.logsOfBlock(head, filter)).length;
		} finally {
			await other.close();
		}
	};
	return { tree, chain, provider, source, filter, look, mined, before, truth };
}

test("are there without another question when the head is", async () => {
	const { provider, look, mined, before, truth } = await startWith();
	await mined();
	await expect.poll(() => provider.count(LOGS)).toBe(before + 1);
	const seen = await look();
	expect(seen).toEqual({ height: HEAD + 1, logs: await truth(), asked: before + 1 });
	expect(seen.logs).toBeGreaterThan(0);
	// And so on: the head that was looked at is what the next stands on.
	await mined();
	await expect.poll(() => provider.count(LOGS)).toBe(before + 3);
	expect((await look()).asked).toBe(before + 3);
});

test("are the same when they are asked for before they come", async () => {
	const { provider, look, mined, before, truth } = await startWith();
	provider.faults.on({ fault: { kind: "slow", ms: 50 }, methods: [LOGS] });
	await mined();
	const { logs, asked } = await look();
	expect(asked).toBe(before + 1);
	provider.faults.clear();
	expect(logs).toBe(await truth());
});

describe("are asked for by themselves", () => {
	test.each<[string, FaultRule]>([
		["of a node that does not have them yet", rule({ kind: "truncated_logs", keep: "none" })],
		["of a node that refuses", rule({ kind: "error", code: -32_000, message: "unknown block" })],
		["after the socket dropped", rule({ kind: "reset" })],
	])("%s", async (_, fault) => {
		const { provider, source, look, mined, before, truth } = await startWith();
		const switched = provider.faults.on(fault);
		await mined();
		await expect.poll(() => switched.struck).toBe(1);
		const { logs, asked } = await look();
		expect(asked).toBe(before + 2);
		// Not doubted, which would ask for the block too.
		expect(provider.count("eth_getBlockByHash")).toBe(0);
		expect(logs).toBe(await truth());
		expect(source.health()).toMatchObject([{ state: "ok" }]);
	});

	test("where something else is looked for", async () => {
		const { provider, look, mined, before } = await startWith();
		await mined();
		await expect.poll(() => provider.count(LOGS)).toBe(before + 1);
		const transfers = await look({ addresses: undefined, topics: [] });
		expect(transfers.asked).toBe(before + 2);
	});

	test("of a head that is not the announced one any more", async () => {
		const { chain, provider, look, mined, before, truth } = await startWith();
		await mined();
		await expect.poll(() => provider.count(LOGS)).toBe(before + 1);
		chain.fork(1, 1);
		const { logs, asked } = await look();
		expect(asked).toBe(before + 2);
		expect(logs).toBe(await truth());
	});
});

describe("are not asked for ahead", () => {
	test("of a second head before anybody came for the first's", async () => {
		const { provider, look, mined, before } = await startWith();
		await mined(5);
		await expect.poll(() => provider.count(LOGS)).toBe(before + 1);
		expect((await look()).asked).toBe(before + 2);
	});

	test("of a head whose bloom holds none, but of the next that does", async () => {
		const { provider, look, mined, before } = await startWith((height) =>
			height === HEAD + 1 ? 0 : 2,
		);
		await mined();
		expect((await look()).asked).toBe(before);
		await mined();
		await expect.poll(() => provider.count(LOGS)).toBe(before + 1);
		expect((await look()).asked).toBe(before + 1);
	});

	test("of a branch that stands on another block", async () => {
		const { chain, look, before } = await startWith();
		chain.fork(2, 2);
		expect((await look()).asked).toBe(before + 1);
	});

	test("by polls, which show the head itself", async () => {
		const { chain, look, before } = await startWith(undefined, { transport: "url" });
		chain.mine();
		expect((await look()).asked).toBe(before + 1);
	});
});

/** Strikes once. */
function rule(fault: FaultRule["fault"]): FaultRule {
	return { fault, methods: [LOGS], times: 1 };
}
