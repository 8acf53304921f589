/** Which logs a chain's handlers are given, in which order, and what is asked of the node for them. */
import { type AbiEvent, getAbiItem, type Hex, parseAbi, toEventSelector } from "viem";
import { describe, expect, test } from "vitest";
import { chainSpec } from "../../src/config/chains.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { ChainSpec } from "../../src/follower/chain-spec.ts";
import type { BlockContext, HandlerContext } from "../../src/follower/define-chain.ts";
import { type Emitted, LogChain, putIds } from "../support/log-chain.ts";

const abi = parseAbi([
	"event Moved(address indexed from, address indexed to, uint256 value)",
	"event Noted(string note)",
	"event Noted(string note, uint256 times)",
	"function symbol() view returns (string)",
]);
const factoryAbi = parseAbi(["event Made(address indexed child, uint256 kind)"]);
const [noted, notedTimes] = abi.filter((item) => item.type === "event").slice(1) as AbiEvent[];

function at(digit: string): Hex {
	return `0x${digit.repeat(40)}`;
}

const A = at("a");
const B = at("b");
const FACTORY = at("f");

type Definition = Readonly<Record<string, unknown>>;

function specOf(definition: Definition): ChainSpec {
	const common = {
		id: 1,
		name: "test",
		rpc: { urls: ["http://127.0.0.1:1"] },
		namespaces: ["ledger"],
		contracts: {},
		handlers: {},
	};
	return chainSpec({ ...common, ...definition }, { file: "test.ts", code: new Uint8Array() });
}

/** Says what it was given, in the id of a memory. */
function says(name: string) {
	return ({ event, block, memory }: HandlerContext) =>
		memory.put({
			layer: "episodic",
			id: [name, block.number, event.logIndex, event.matchedIndex].join(" "),
			content: {},
		});
}

function moved(where: Hex, from: Hex = A, transaction?: number): Emitted {
	const args = { from, to: B, value: 1n };
	return {
		at: where,
		abi,
		event: "Moved",
		args,
		...(transaction === undefined ? {} : { transaction }),
	};
}

function made(child: Hex): Emitted {
	return { at: FACTORY, abi: factoryAbi, event: "Made", args: { child, kind: 1n } };
}

async function derive(spec: ChainSpec, blocks: readonly (readonly Emitted[])[]) {
	const chain = new LogChain(blocks);
	return putIds(await chain.backfill(spec, 0n, chain.tip));
}

describe("handlers", () => {
	test("run in the order of the logs, for one log in the order of the file, then those of the block", async () => {
		const spec = specOf({
			contracts: {
				First: { abi, address: A },
				Second: { abi, address: [A, B] },
			},
			blocks: {
				each: {
					interval: 1,
					handler: ({ block, memory }: BlockContext) =>
						memory.put({ layer: "semantic", id: `block ${block.number}`, content: {} }),
				},
			},
			handlers: { "Second:Moved": says("second"), "First:Moved": says("first") },
		});
		expect(await derive(spec, [[moved(B), moved(A)], []])).toEqual([
			"second 0 0 0",
			"second 0 1 0",
			"first 0 1 0",
			"block 0",
			"block 1",
		]);
	});

	test("count the logs of one transaction that they themselves are given", async () => {
		const spec = specOf({
			contracts: { A: { abi, address: A }, B: { abi, address: B } },
			handlers: { "A:Moved": says("a"), "B:Moved": says("b") },
		});
		const block = [moved(A, A, 0), moved(B, A, 0), moved(A, A, 0), moved(A, A, 1)];
		expect(await derive(spec, [block])).toEqual(["a 0 0 0", "b 0 1 0", "a 0 2 1", "a 0 3 0"]);
	});

	test("of a name get every overload but those that have a handler by their signature", async () => {
		const blocks = [
			[
				{ at: A, abi, event: noted as AbiEvent, args: { note: "x" } },
				{ at: A, abi, event: notedTimes as AbiEvent, args: { note: "x", times: 2n } },
			],
		];
		const contracts = { A: { abi, address: A } };
		const both = specOf({ contracts, handlers: { "A:Noted": says("any") } });
		expect(await derive(both, blocks)).toEqual(["any 0 0 0", "any 0 1 0"]);
		const handlers = { "A:Noted": says("any"), "A:Noted(string,uint256)": says("times") };
		expect(await derive(specOf({ contracts, handlers }), blocks)).toEqual([
			"any 0 0 0",
			"times 0 1 0",
		]);
	});

	test("see blocks from startBlock to endBlock, of the contract and of the chain", async () => {
		const spec = specOf({
			startBlock: 1n,
			endBlock: 4n,
			contracts: {
				Early: { abi, address: A, endBlock: 2n },
				Late: { abi, address: A, startBlock: 3n, endBlock: 9n },
			},
			blocks: {
				second: {
					interval: 2,
					startBlock: 2n,
					handler: ({ block, memory }: BlockContext) =>
						memory.put({ layer: "semantic", id: `block ${block.number}`, content: {} }),
				},
			},
			handlers: { "Early:Moved": says("early"), "Late:Moved": says("late") },
		});
		const blocks = Array.from({ length: 7 }, () => [moved(A)]);
		expect(await derive(spec, blocks)).toEqual([
			"early 1 0 0",
			"early 2 0 0",
			"block 2",
			"late 3 0 0",
			"late 4 0 0",
			"block 4",
		]);
	});

	test("that use a namespace of others have failed", async () => {
		const spec = specOf({
			namespaces: ["ledger", "other"],
			contracts: { A: { abi, address: A, namespaces: ["other"] } },
			handlers: {
				"A:Moved": ({ memory }: HandlerContext) =>
					memory.put({ layer: "semantic", id: "x", content: {}, namespace: "ledger" }),
			},
		});
		await expect(derive(spec, [[moved(A)]])).rejects.toMatchObject({
			code: "handler_failed",
			message: expect.stringContaining(
				'namespace "ledger" is not one of the handler\'s own: other',
			),
		});
	});
});

describe("filters", () => {
	test("on indexed arguments let through what fits one of them, and are asked of the node", async () => {
		const filter = {
			Moved: [{ args: { from: A } }, { args: { from: [at("c"), at("d")], to: B } }],
		};
		const spec = specOf({
			contracts: { A: { abi, address: A, filter } },
			handlers: { "A:Moved": says("a") },
		});
		const chain = new LogChain([[moved(A, A), moved(A, B), moved(A, at("d"))]]);
		expect(putIds(await chain.backfill(spec, 0n, 0n))).toEqual(["a 0 0 0", "a 0 2 0"]);
		const item = getAbiItem({ abi, name: "Moved" });
		const topics = [toEventSelector(item)];
		expect(chain.asked).toMatchObject([
			{ addresses: [A], topics, args: [[`0x${"a".repeat(40).padStart(64, "0")}`]] },
			{ addresses: [A], topics },
		]);
	});

	test("of contracts with other events stay apart in a range, and are one request in a block", async () => {
		const spec = specOf({
			contracts: { A: { abi, address: A }, B: { abi, address: B } },
			handlers: { "A:Moved": says("a"), "B:Noted(string)": says("b") },
		});
		const chain = new LogChain([
			[moved(B), moved(A), { at: B, abi, event: noted as AbiEvent, args: { note: "x" } }],
		]);
		expect(putIds(await chain.backfill(spec, 0n, 0n))).toEqual(["a 0 1 0", "b 0 2 0"]);
		expect(chain.asked).toHaveLength(2);
		const [logs] = await chain.blockLogs(spec, 0n, 0n);
		expect(logs?.map((log) => log.logIndex)).toEqual([1, 2]);
		expect(chain.asked).toHaveLength(3);
		expect(chain.asked[2]).toMatchObject({ addresses: [A, B] });
	});

	test.each([
		["an argument that is not indexed", { Moved: { args: { value: 1n } } }, "value is no indexed"],
		["an event that is not there", { Burned: { args: {} } }, 'has no event "Burned"'],
		["no arguments", { Moved: {} }, "must be { args"],
		["a value that does not fit", { Moved: { args: { from: "me" } } }, "filter.Moved"],
	])("with %s are refused", (_, filter, message) => {
		const contracts = { A: { abi, address: A, filter } };
		expect(() => specOf({ contracts, handlers: { "A:Moved": says("a") } })).toThrow(message);
	});
});

describe("factories", () => {
	const Pool = {
		abi,
		factory: { abi: factoryAbi, address: FACTORY, event: "Made", parameter: "child" },
	};
	const spec = specOf({ contracts: { Pool }, handlers: { "Pool:Moved": says("pool") } });

	test("tell addresses, each followed from the next log on, in backfill and in the window", async () => {
		const blocks = [
			[moved(A)],
			[moved(A), made(A), moved(A), moved(B)],
			[moved(A), moved(B), made(B)],
			[moved(B), moved(A)],
		];
		const expected = ["pool 1 2 0", "pool 2 0 0", "pool 3 0 0", "pool 3 1 0"];
		expect(await derive(spec, blocks)).toEqual(expected);
		const chain = new LogChain(blocks);
		const byBlock = await chain.blockLogs(spec, 0n, chain.tip);
		expect(byBlock.map((logs) => logs.map((log) => log.logIndex))).toEqual([
			[],
			[0, 1, 2],
			[0, 1, 2],
			[0, 1],
		]);
	});

	test("are remembered by what was committed, also for the next range", async () => {
		const chain = new LogChain([[made(A)], [moved(A)], [moved(A), moved(B)]]);
		expect(putIds(await chain.backfill(spec, 0n, 0n))).toEqual([]);
		chain.asked.length = 0;
		expect(putIds(await chain.backfill(spec, 1n, 2n))).toEqual(["pool 1 0 0", "pool 2 0 0"]);
		expect(chain.asked.map((filter) => filter.addresses)).toEqual([[FACTORY], [A]]);
	});

	test("that made many are asked for by topics, and only theirs count", async () => {
		const children = Array.from(
			{ length: LIMITS.factoryListedChildren + 5 },
			(_, index): Hex => `0x${(index + 1).toString(16).padStart(40, "0")}`,
		);
		const last = children.at(-1) ?? A;
		const blocks = [children.map(made), [moved(last), moved(B)], [moved(B), moved(last)]];
		const chain = new LogChain(blocks);
		expect(putIds(await chain.backfill(spec, 0n, 1n))).toEqual(["pool 1 0 0"]);
		chain.asked.length = 0;
		expect(putIds(await chain.backfill(spec, 2n, 2n))).toEqual(["pool 2 1 0"]);
		expect(chain.asked.map((filter) => filter.addresses)).toEqual([[FACTORY], undefined]);
	});

	test("own a namespace of the chain, which nobody else may name", () => {
		expect(spec.namespaces).toEqual(["ledger", "factory:Pool"]);
		expect(() =>
			specOf({
				namespaces: ["factory:Pool"],
				contracts: { Pool },
				handlers: { "Pool:Moved": says("pool") },
			}),
		).toThrow('"factory:Pool" is for what its factory makes');
	});

	test.each([
		["an unknown event", { event: "Built" }, 'no event "Built"'],
		["a parameter that is no address", { parameter: "kind" }, '"kind" is no address'],
	])("with %s are refused", (_, change, message) => {
		const factory = { ...Pool.factory, ...change };
		const contracts = { Pool: { abi, factory } };
		expect(() => specOf({ contracts, handlers: { "Pool:Moved": says("a") } })).toThrow(message);
	});

	test("beside an address, or neither of them, are refused", () => {
		const handlers = { "Pool:Moved": says("a") };
		expect(() => specOf({ contracts: { Pool: { ...Pool, address: A } }, handlers })).toThrow(
			"either an address or a factory",
		);
		expect(() => specOf({ contracts: { Pool: { abi } }, handlers })).toThrow(
			"either an address or a factory",
		);
	});
});
