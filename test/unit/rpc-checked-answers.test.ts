/**
 * Answers that are forged or cut, one check after the other, over real HTTP. The node serves one block of a
 * public chain with its receipts, so that hash, bloom and root are those that a chain has given them.
 */
import { describe, expect, test } from "vitest";
import type { Hex } from "../../src/domain/ids.ts";
import type { ChainSource, Trust } from "../../src/follower/chain-source.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import {
	REAL_HEADERS,
	SERVED,
	SERVED_FILTER,
	SERVED_LOGS,
	SERVED_NUMBER,
	SERVED_TRANSACTIONS,
	SERVED_WHOLE,
	servedAnswer,
} from "../support/real-block.ts";
import {
	answering,
	rpcError,
	type ScriptedNode,
	startScriptedNode,
} from "../support/scripted-node.ts";
import { atTestEnd } from "../support/test-end.ts";

const BLOCK = SERVED.block;
const CHECKED: Trust = { headerHash: true, logsBloom: true, receipts: false };
const PROVED: Trust = { ...CHECKED, receipts: true };
const WHOLE: Trust = { ...PROVED, transactions: true };
const BARE = { number: SERVED_NUMBER, hash: BLOCK.hash };
const RANGE = { from: SERVED_NUMBER, to: SERVED_NUMBER };
const UNTRUE = { code: "rpc_failed", retryable: true, fields: { reason: "untrue" } };
const OTHER: Hex = `0x${"99".repeat(32)}`;
const NO_METHOD = rpcError(-32601, "the method does not exist");
const STRANGER: Hex = `0x${"98".repeat(20)}`;

/** What is answered in place of the truth, by method. */
type Forged = Readonly<Record<string, unknown>>;

async function nodeWith(forged: Forged = {}): Promise<ScriptedNode> {
	return startScriptedNode(
		answering((call) => (call.method in forged ? forged[call.method] : servedAnswer(call))),
	);
}

function sourceOf(nodes: readonly ScriptedNode[], trust: Trust = CHECKED): ChainSource {
	const urls = nodes.map(({ url }) => url);
	const source = createChainSource({ urls, pollIntervalMs: 600_000, timeoutMs: 2_000, trust });
	atTestEnd(() => source.close());
	return source;
}

async function sourceWith(forged: Forged, trust?: Trust): Promise<ChainSource> {
	return sourceOf([await nodeWith(forged)], trust);
}

function count(node: ScriptedNode, method: string): number {
	return node.requests.flat().filter((call) => call.method === method).length;
}

/** The logs with the one at `index` changed. */
function logsWith(index: number, change: object): readonly object[] {
	return SERVED_LOGS.map((log, at) => (at === index ? { ...log, ...change } : log));
}

/** The receipts with the one at `index` changed. */
function receiptsWith(index: number, change: object): readonly object[] {
	return SERVED.receipts.map((receipt, at) => (at === index ? { ...receipt, ...change } : receipt));
}

function receiptAt(index: number) {
	const receipt = SERVED.receipts[index];
	if (receipt === undefined) throw new RangeError(`${index} of ${SERVED.receipts.length} receipts`);
	return receipt;
}

describe("a block", () => {
	const asks: readonly (readonly [string, string, (source: ChainSource) => Promise<unknown>])[] = [
		["by number", "eth_getBlockByNumber", (source) => source.blockByNumber(SERVED_NUMBER)],
		[
			"as one of several",
			"eth_getBlockByNumber",
			(source) => source.blocksByNumber([SERVED_NUMBER]),
		],
		["by hash", "eth_getBlockByHash", (source) => source.blockByHash(BLOCK.hash)],
		["as the latest", "eth_getBlockByNumber", (source) => source.latest()],
		["as the finalized one", "eth_getBlockByNumber", (source) => source.tagged("finalized")],
	];
	test.each(asks)(
		"asked for %s is refused when its header gives another hash",
		async (_, method, ask) => {
			const source = await sourceWith({ [method]: { ...BLOCK, timestamp: "0x690be89f" } });
			await expect(ask(source)).rejects.toMatchObject({
				...UNTRUE,
				message: expect.stringContaining("trust.headerHash"),
			});
		},
	);

	test.each([
		["another hash than its header gives", { hash: OTHER }, "header"],
		["another parent", { parentHash: OTHER }, "header"],
		["another bloom", { logsBloom: `0x${"00".repeat(256)}` }, "header"],
		["a header that lacks a field", { stateRoot: undefined }, "it has no stateRoot"],
		["no transactions, which its header has", { transactions: [] }, "without the transactions"],
	])("with %s is refused", async (_, change, says) => {
		const source = await sourceWith({ eth_getBlockByNumber: { ...BLOCK, ...change } });
		await expect(source.blockByNumber(SERVED_NUMBER)).rejects.toMatchObject({
			...UNTRUE,
			message: expect.stringContaining(says),
		});
	});

	test("is asked for elsewhere, and who forged it is put aside", async () => {
		const forger = await nodeWith({ eth_getBlockByNumber: { ...BLOCK, parentHash: OTHER } });
		const honest = await nodeWith();
		const source = sourceOf([forger, honest]);
		expect((await source.blockByNumber(SERVED_NUMBER))?.parentHash).toBe(BLOCK["parentHash"]);
		expect((await source.blockByNumber(SERVED_NUMBER))?.parentHash).toBe(BLOCK["parentHash"]);
		expect(count(forger, "eth_getBlockByNumber")).toBe(1);
		expect(source.health()).toMatchObject([
			{ state: "untrue", lastError: expect.stringContaining("untrue") },
			{ state: "ok" },
		]);
	});

	test("is believed where the chain's file says that headers differ, but not its bloom", async () => {
		const forged = { eth_getBlockByNumber: { ...BLOCK, timestamp: "0x1" } };
		const source = await sourceWith(forged, { ...CHECKED, headerHash: false });
		expect(await source.blockByNumber(SERVED_NUMBER)).toMatchObject({
			timestamp: 1n,
			logsBloom: undefined,
		});
	});
});

describe("the logs of a block", () => {
	test("that is known are asked for alone, and with the block where it is not", async () => {
		const node = await nodeWith();
		const source = sourceOf([node]);
		const block = await source.blockByNumber(SERVED_NUMBER);
		if (block === undefined) throw new RangeError("it is served");
		const before = node.requests.length;
		const logs = await source.logsOfBlock(block, SERVED_FILTER);
		expect(logs.map(({ logIndex }) => logIndex)).toEqual([0, 1, 2, 3]);
		expect(
			node.requests
				.slice(before)
				.flat()
				.map(({ method }) => method),
		).toEqual(["eth_getLogs"]);
		expect(await source.logsOfBlock(BARE, SERVED_FILTER)).toEqual(logs);
		expect(
			node.requests
				.slice(before + 1)
				.flat()
				.map(({ method }) => method),
		).toEqual(["eth_getBlockByHash", "eth_getLogs"]);
	});

	test("are not asked for where the bloom excludes them", async () => {
		const node = await nodeWith();
		const source = sourceOf([node]);
		const block = await source.latest();
		const before = node.requests.length;
		expect(await source.logsOfBlock(block, { ...SERVED_FILTER, topics: [OTHER] })).toEqual([]);
		expect(await source.logsOfBlock(block, { ...SERVED_FILTER, addresses: [STRANGER] })).toEqual(
			[],
		);
		expect(node.requests.length).toBe(before);
	});

	test.each<[string, keyof Trust]>([
		["headers are not checked", "headerHash"],
		["the chain's file turns blooms off", "logsBloom"],
	])("are asked for whatever the bloom says where %s", async (_, off) => {
		const node = await nodeWith({ eth_getLogs: [] });
		const source = sourceOf([node], { ...CHECKED, [off]: false });
		expect(
			await source.logsOfBlock(await source.latest(), { ...SERVED_FILTER, topics: [OTHER] }),
		).toEqual([]);
		expect(count(node, "eth_getLogs")).toBe(1);
	});

	const stranger = logsWith(1, { address: STRANGER });
	const wide = { ...SERVED_FILTER, addresses: [...(SERVED_FILTER.addresses ?? []), STRANGER] };
	test.each([
		["one of a contract that is not in the bloom", stranger, "not in its bloom"],
		[
			"one of a topic that is not in the bloom",
			logsWith(0, { topics: [...SERVED_FILTER.topics, OTHER] }),
			"not in its bloom",
		],
		[
			"one of a transaction that the block does not have",
			logsWith(3, { transactionHash: OTHER }),
			"not its transaction",
		],
		[
			"one at another transaction's place",
			logsWith(0, { transactionIndex: "0x1" }),
			"not its transaction",
		],
		["one of another block", logsWith(0, { blockHash: OTHER }).slice(0, 1), "names"],
		["one of another height", logsWith(0, { blockNumber: "0x1" }).slice(0, 1), "names"],
	])("are refused with %s, whether the block is known or not", async (_, logs, says) => {
		const refused = { ...UNTRUE, message: expect.stringContaining(says) };
		const bare = await sourceWith({ eth_getLogs: logs });
		await expect(bare.logsOfBlock(BARE, wide)).rejects.toMatchObject(refused);
		const source = await sourceWith({ eth_getLogs: logs });
		const block = await source.latest();
		await expect(source.logsOfBlock(block, wide)).rejects.toMatchObject(refused);
	});

	test.each([
		["in another order than their transactions", logsWith(0, { logIndex: "0x9" })],
		[
			"of one transaction at two places",
			logsWith(1, { transactionHash: receiptAt(2).transactionHash }),
		],
		["of two transactions at one place", logsWith(1, { transactionIndex: "0x2" })],
	])("%s contradict themselves", async (_, logs) => {
		const source = await sourceWith({ eth_getLogs: logs });
		await expect(source.logsOfBlock(BARE, SERVED_FILTER)).rejects.toMatchObject({
			fields: { reason: "malformed" },
		});
	});

	test("come from another provider when one forges them, which is put aside", async () => {
		const forger = await nodeWith({ eth_getLogs: logsWith(0, { transactionHash: OTHER }) });
		const source = sourceOf([forger, await nodeWith()]);
		expect(await source.logsOfBlock(BARE, SERVED_FILTER)).toHaveLength(4);
		expect(source.health()).toMatchObject([{ state: "untrue" }, { state: "ok" }]);
	});

	test("that are left out are asked for again, of another provider, and who left them out is put aside", async () => {
		const short = await nodeWith({ eth_getLogs: [] });
		const honest = await nodeWith();
		const source = sourceOf([short, honest]);
		expect(await source.logsOfBlock(BARE, SERVED_FILTER)).toHaveLength(4);
		expect([count(short, "eth_getLogs"), count(honest, "eth_getLogs")]).toEqual([1, 1]);
		expect(count(honest, "eth_getBlockReceipts")).toBe(0);
		expect(source.health()).toMatchObject([
			{ state: "untrue", lastError: expect.stringContaining("no logs of block") },
			{ state: "ok" },
		]);
	});

	test("that are left out are asked for again of the same provider where there is no other", async () => {
		let asked = 0;
		const node = await startScriptedNode(
			answering((call) => {
				if (call.method === "eth_getLogs") asked += 1;
				return call.method === "eth_getLogs" && asked === 1 ? [] : servedAnswer(call);
			}),
		);
		const source = sourceOf([node]);
		expect(await source.logsOfBlock(await source.latest(), SERVED_FILTER)).toHaveLength(4);
		expect(source.health()).toMatchObject([{ state: "ok" }]);
	});

	test("that two answers leave out come out of the receipts, where the bloom is unlikely to be of others", async () => {
		const node = await nodeWith({ eth_getLogs: [] });
		const source = sourceOf([node]);
		expect(await source.logsOfBlock(await source.latest(), SERVED_FILTER)).toHaveLength(4);
		expect([count(node, "eth_getLogs"), count(node, "eth_getBlockReceipts")]).toEqual([2, 1]);
	});

	test("are believed to be none when two answers say so and there are no receipts", async () => {
		const node = await nodeWith({ eth_getLogs: [], eth_getBlockReceipts: NO_METHOD });
		const source = sourceOf([node]);
		expect(await source.logsOfBlock(await source.latest(), SERVED_FILTER)).toEqual([]);
		expect(count(node, "eth_getLogs")).toBe(2);
		expect(source.health()).toMatchObject([{ state: "ok" }]);
	});

	test("are believed to be none when two answers say so and others may well have set the bits", async () => {
		const { header } = REAL_HEADERS.find(({ fork }) => fork === "Osaka") ?? {};
		const busy = { ...header, transactions: [OTHER] };
		const node = await nodeWith({
			eth_getLogs: [],
			eth_getBlockByNumber: busy,
			eth_getBlockByHash: busy,
		});
		const source = sourceOf([node]);
		const anyOfTen = Array.from({ length: 10 }, (_, digit): Hex => `0x${`${digit}`.repeat(64)}`);
		const filter = { addresses: undefined, topics: anyOfTen };
		expect(await source.logsOfBlock(await source.latest(), filter)).toEqual([]);
		expect([count(node, "eth_getLogs"), count(node, "eth_getBlockReceipts")]).toEqual([2, 0]);
	});

	test("are none by the receipts where the bits are those of other logs all the same", async () => {
		const node = await nodeWith({ eth_getLogs: [] });
		const source = sourceOf([node]);
		const narrow = { ...SERVED_FILTER, args: [SERVED_FILTER.topics] };
		expect(await source.logsOfBlock(await source.latest(), narrow)).toEqual([]);
		expect(count(node, "eth_getBlockReceipts")).toBe(1);
	});

	test("are not believed to be none when the receipts are forged as well", async () => {
		const forged = { eth_getLogs: [], eth_getBlockReceipts: receiptsWith(5, { logs: [] }) };
		const source = await sourceWith(forged);
		const asked = source.logsOfBlock(await source.latest(), SERVED_FILTER);
		await expect(asked).rejects.toMatchObject(UNTRUE);
	});

	test("are asked for again of the same provider when the other one fails", async () => {
		const first = await nodeWith({ eth_getLogs: [], eth_getBlockReceipts: NO_METHOD });
		const second = await nodeWith({ eth_getLogs: rpcError(-32000, "header not found") });
		const source = sourceOf([first, second]);
		expect(await source.logsOfBlock(BARE, SERVED_FILTER)).toEqual([]);
		expect(count(first, "eth_getLogs")).toBe(2);
	});

	test("are not none when the node has meanwhile dropped the block", async () => {
		const node = await nodeWith({ eth_getLogs: [], eth_getBlockByHash: null });
		const source = sourceOf([node]);
		const block = await source.latest();
		await expect(source.logsOfBlock(block, SERVED_FILTER)).rejects.toMatchObject({
			fields: { reason: "lacking" },
		});
	});

	test("with other data pass, since no bloom holds data: receipts are for that", async () => {
		const forged = { eth_getLogs: logsWith(0, { data: "0x" }) };
		expect(await (await sourceWith(forged)).logsOfBlock(BARE, SERVED_FILTER)).toHaveLength(4);
		const proved = await sourceWith(forged, PROVED);
		expect((await proved.logsOfBlock(BARE, SERVED_FILTER))[0]?.data).toBe(SERVED_LOGS[0]?.["data"]);
	});
});

describe("blooms of a chain that leaves them at zero", () => {
	const [genesis] = REAL_HEADERS;
	const answer = { ...genesis?.header, transactions: [] };

	test("say nothing until another one was seen", async () => {
		const node = await nodeWith({ eth_getBlockByNumber: answer });
		const source = sourceOf([node]);
		expect((await source.latest()).logsBloom).toBeUndefined();
		await source.blockByHash(BLOCK.hash);
		expect((await source.latest()).logsBloom).toBe(`0x${"00".repeat(256)}`);
	});
});

describe("the logs of a range", () => {
	test("come with the blocks that they are of, each held against its own", async () => {
		const source = await sourceWith({});
		const { logs, blocks } = await source.logsOfRange(RANGE, SERVED_FILTER);
		expect(logs).toHaveLength(4);
		expect(blocks).toEqual([await source.blockByHash(BLOCK.hash)]);
	});

	test.each([
		[
			"of a transaction that the block does not have",
			logsWith(0, { transactionHash: OTHER }),
			"untrue",
		],
		[
			"that are not in the bloom",
			logsWith(0, { topics: [...SERVED_FILTER.topics, OTHER] }),
			"untrue",
		],
		[
			"of a block that was there before the head moved",
			SERVED_LOGS.map((log) => ({ ...log, blockHash: OTHER })),
			"malformed",
		],
	])("are refused with logs %s", async (_, logs, reason) => {
		const source = await sourceWith({ eth_getLogs: logs });
		await expect(source.logsOfRange(RANGE, SERVED_FILTER)).rejects.toMatchObject({
			fields: { reason },
		});
	});
});

describe("a receipt", () => {
	const own = receiptAt(2);
	const hash = own.transactionHash;

	test.each([
		["a log less", { logs: [] }],
		["another event in its log", { logs: own.logs.map((log) => ({ ...log, topics: [OTHER] })) }],
	])(
		"with %s is refused by its bloom, once the chain was seen to keep blooms",
		async (_, change) => {
			const source = await sourceWith({ eth_getTransactionReceipt: { ...own, ...change } });
			await source.latest();
			await expect(source.receipt(hash)).rejects.toMatchObject(UNTRUE);
		},
	);

	test.each([
		["a log of another height", { blockNumber: "0x1" }],
		["a log of another block", { blockHash: OTHER }],
		["a log of another transaction", { transactionHash: OTHER }],
	])("with %s is refused", async (_, change) => {
		const logs = own.logs.map((log) => ({ ...log, ...change }));
		const source = await sourceWith({ eth_getTransactionReceipt: { ...own, logs } });
		await expect(source.receipt(hash)).rejects.toMatchObject(UNTRUE);
	});

	test("with logs that do not stand one behind the other is refused", async () => {
		const logs = own.logs.flatMap((log) => [log, { ...log, logIndex: "0x7" }]);
		const source = await sourceWith({ eth_getTransactionReceipt: { ...own, logs } });
		await expect(source.receipt(hash)).rejects.toMatchObject(UNTRUE);
	});
});

describe("with receipts", () => {
	test("logs are those of all receipts under the header's root, and eth_getLogs is not asked", async () => {
		const node = await nodeWith({ eth_getLogs: [] });
		const source = sourceOf([node], PROVED);
		const expected = await (await sourceWith({})).logsOfBlock(BARE, SERVED_FILTER);
		expect(await source.logsOfBlock(BARE, SERVED_FILTER)).toEqual(expected);
		expect(await source.logsOfRange(RANGE, SERVED_FILTER)).toEqual({
			logs: expected,
			blocks: [await source.blockByHash(BLOCK.hash)],
		});
		expect(count(node, "eth_getLogs")).toBe(0);
	});

	test("logs that the filter does not take are left out, though the bloom holds all of it", async () => {
		const source = await sourceWith({}, PROVED);
		const narrow = { ...SERVED_FILTER, args: [SERVED_FILTER.topics] };
		expect(await source.logsOfBlock(BARE, narrow)).toEqual([]);
		expect(await source.logsOfRange(RANGE, narrow)).toEqual({ logs: [], blocks: [] });
	});

	test("a range of headers that do not stand on one another is refused", async () => {
		const next = `0x${(SERVED_NUMBER + 1n).toString(16)}`;
		const after = { ...BLOCK, number: next, hash: OTHER, parentHash: OTHER };
		const node = await startScriptedNode(
			answering((call) => (call.params[0] === next ? after : servedAnswer(call))),
		);
		const source = sourceOf([node], { ...PROVED, headerHash: false });
		const range = { from: SERVED_NUMBER, to: SERVED_NUMBER + 1n };
		await expect(source.logsOfRange(range, SERVED_FILTER)).rejects.toMatchObject({
			message: expect.stringContaining("does not stand on"),
		});
	});

	test("a range whose blooms exclude the filter needs headers alone", async () => {
		const node = await nodeWith();
		const source = sourceOf([node], PROVED);
		const none = { logs: [], blocks: [] };
		expect(await source.logsOfRange(RANGE, { ...SERVED_FILTER, topics: [OTHER] })).toEqual(none);
		expect(count(node, "eth_getBlockReceipts")).toBe(0);
	});

	const cut = receiptAt(2);
	const moved = { logs: cut.logs.map((log) => ({ ...log, logIndex: "0x5" })) };
	test.each<[string, unknown, string]>([
		["a log less", receiptsWith(2, { logs: [] }), "is not at its place"],
		["the last log less", receiptsWith(5, { logs: [] }), "give the root"],
		[
			"other data in a log",
			receiptsWith(5, { logs: receiptAt(5).logs.map((log) => ({ ...log, data: "0x" })) }),
			"give the root",
		],
		["another status", receiptsWith(1, { status: "0x0" }), "give the root"],
		["a receipt less", SERVED.receipts.slice(1), "5 receipts of 6"],
		["none", [], "0 receipts of 6"],
		["another transaction's receipt", receiptsWith(1, { transactionHash: OTHER }), "another's"],
		["a receipt at another place", receiptsWith(1, { transactionIndex: "0x7" }), "another's"],
		["another block's receipt", receiptsWith(1, { blockHash: OTHER }), "another's"],
		["a log at another place", receiptsWith(2, moved), "is not at its place"],
	])("that have %s are refused", async (_, receipts, says) => {
		const source = await sourceWith({ eth_getBlockReceipts: receipts }, PROVED);
		const refused = { ...UNTRUE, message: expect.stringContaining(says) };
		await expect(source.logsOfBlock(BARE, SERVED_FILTER)).rejects.toMatchObject(refused);
	});

	test.each<[string, unknown, string]>([
		["null", null, "lacking"],
		["no list", {}, "malformed"],
		["that it lacks the method", NO_METHOD, "refused"],
	])("fail where the node answers %s", async (_, receipts, reason) => {
		const source = await sourceWith({ eth_getBlockReceipts: receipts }, PROVED);
		await expect(source.logsOfBlock(BARE, SERVED_FILTER)).rejects.toMatchObject({
			fields: { reason },
		});
		const ranged = await sourceWith({ eth_getBlockReceipts: receipts }, PROVED);
		await expect(ranged.logsOfRange(RANGE, SERVED_FILTER)).rejects.toMatchObject({
			fields: { reason },
		});
	});

	test("a transaction's receipt is the one under the root, whatever is said of it alone", async () => {
		const forged = { ...cut, status: "0x0", logs: [] };
		const source = await sourceWith({ eth_getTransactionReceipt: forged }, PROVED);
		const honest = await (await sourceWith({})).receipt(cut.transactionHash);
		expect(await source.receipt(cut.transactionHash)).toEqual(honest);
		expect(honest).toMatchObject({ status: "success", logs: [{ logIndex: 0 }] });
		expect(
			await (await sourceWith({ eth_getTransactionReceipt: null }, PROVED)).receipt(OTHER),
		).toBeUndefined();
	});

	test("a transaction that its block does not have is refused", async () => {
		const forged = { ...receiptAt(0), transactionHash: OTHER };
		const source = await sourceWith({ eth_getTransactionReceipt: forged }, PROVED);
		await expect(source.receipt(OTHER)).rejects.toMatchObject(UNTRUE);
	});
});

describe("with receipts and whole transactions", () => {
	/** The block with one of its transactions changed. */
	const wholeWith = (index: number, change: object) => ({
		eth_getBlockByHash: {
			...SERVED_WHOLE,
			transactions: SERVED_TRANSACTIONS.map((each, at) =>
				at === index ? { ...each, ...change } : each,
			),
		},
	});

	test("logs are the same", async () => {
		const source = await sourceWith({}, WHOLE);
		const expected = await (await sourceWith({})).logsOfBlock(BARE, SERVED_FILTER);
		expect(await source.logsOfBlock(BARE, SERVED_FILTER)).toEqual(expected);
		expect((await source.logsOfRange(RANGE, SERVED_FILTER)).logs).toEqual(expected);
	});

	test("a transaction with a hash that is made up everywhere is refused, which receipts alone do not see", async () => {
		const hashes = BLOCK.transactions.map((hash, at) => (at === 2 ? OTHER : hash));
		const receipts = receiptsWith(2, {
			transactionHash: OTHER,
			logs: receiptAt(2).logs.map((log) => ({ ...log, transactionHash: OTHER })),
		});
		const blind = {
			eth_getBlockReceipts: receipts,
			eth_getBlockByHash: { ...BLOCK, transactions: hashes },
		};
		const [log] = await (await sourceWith(blind, PROVED)).logsOfBlock(BARE, SERVED_FILTER);
		expect(log?.transactionHash).toBe(OTHER);
		const seeing = { ...wholeWith(2, { hash: OTHER }), eth_getBlockReceipts: receipts };
		const asked = (await sourceWith(seeing, WHOLE)).logsOfBlock(BARE, SERVED_FILTER);
		await expect(asked).rejects.toMatchObject({
			...UNTRUE,
			message: expect.stringContaining(`transaction ${OTHER} has the hash`),
		});
	});

	test.each<[string, Forged, string]>([
		["another value", wholeWith(1, { value: "0x1" }), "has the hash"],
		["another block's transaction", wholeWith(1, { blockHash: OTHER }), "not of block"],
		["a transaction at another place", wholeWith(1, { transactionIndex: "0x2" }), "not of block"],
		[
			"a transaction passed off as of a type that is not known",
			wholeWith(2, { type: "0x64" }),
			"another's",
		],
		[
			"a transaction less",
			{ eth_getBlockByHash: { ...SERVED_WHOLE, transactions: SERVED_TRANSACTIONS.slice(0, 5) } },
			"give the root",
		],
	])("that have %s are refused", async (_, forged, says) => {
		const source = await sourceWith(forged, WHOLE);
		const refused = { ...UNTRUE, message: expect.stringContaining(says) };
		await expect(source.logsOfBlock(BARE, SERVED_FILTER)).rejects.toMatchObject(refused);
	});

	test.each<[string, Forged]>([
		["hashes alone", { eth_getBlockByHash: BLOCK }],
		["a transaction without its nonce", wholeWith(1, { nonce: undefined })],
		["another block", { eth_getBlockByHash: { ...SERVED_WHOLE, transactions: undefined } }],
	])("malformed answers are: %s", async (_, forged) => {
		const source = await sourceWith(forged, WHOLE);
		await expect(source.logsOfBlock(BARE, SERVED_FILTER)).rejects.toMatchObject({
			fields: { reason: "malformed" },
		});
	});

	test("a block that the node lacks is lacking", async () => {
		const source = await sourceWith({ eth_getBlockByHash: null }, WHOLE);
		await expect(source.logsOfBlock(BARE, SERVED_FILTER)).rejects.toMatchObject({
			fields: { reason: "lacking" },
		});
	});
});
