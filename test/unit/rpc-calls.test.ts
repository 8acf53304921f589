/** eth_call at a block, over real HTTP, with the answers that nodes give. */
import { describe, expect, test } from "vitest";
import type { ChainSource } from "../../src/follower/chain-source.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import { chainScript, SCRIPTED_TRUST, scriptedBlock, word } from "../support/scripted-chain.ts";
import {
	rpcError,
	rpcErrorWith,
	type ScriptedCall,
	type ScriptedNode,
	startScriptedNode,
} from "../support/scripted-node.ts";
import { atTestEnd } from "../support/test-end.ts";

const FAILED = { code: "rpc_failed", retryable: true };
const REQUEST = {
	to: `0x${"aa".repeat(20)}`,
	data: "0x18160ddd",
	block: { number: 7n, hash: word(7) },
} as const;

interface Started {
	readonly source: ChainSource;
	readonly nodes: readonly ScriptedNode[];
	/** Of the first node, with the block that each call named. */
	asked(): readonly unknown[];
}

type Answers = (call: ScriptedCall, byHash: boolean) => unknown;

/** Nodes with blocks to 9; the answer to eth_call is the test's. */
async function startWith(...answers: readonly Answers[]): Promise<Started> {
	const nodes = await Promise.all(
		answers.map((answer) =>
			startScriptedNode(
				chainScript({ head: 9 }, (call) => answer(call, typeof call.params[1] === "object")),
			),
		),
	);
	const source = createChainSource({
		urls: nodes.map(({ url }) => url),
		pollIntervalMs: 1e6,
		timeoutMs: 5_000,
		trust: SCRIPTED_TRUST,
	});
	atTestEnd(() => source.close());
	const asked = () =>
		nodes[0]?.requests
			.flat()
			.map(({ method, params }) => (method === "eth_call" ? params[1] : "block")) ?? [];
	return { source, nodes, asked };
}

function calling(answer: (byHash: boolean) => unknown): Answers {
	return ({ method }, byHash) => (method === "eth_call" ? answer(byHash) : undefined);
}

const BY_HASH = { blockHash: word(7) };
const NO_HASH = rpcError(-32602, "invalid argument 1: cannot unmarshal object into Go value");

describe("a call", () => {
	test("is asked for by the block's hash, in one request", async () => {
		const { source, nodes, asked } = await startWith(calling(() => "0xABcd"));
		expect(await source.call(REQUEST)).toEqual({ type: "ok", data: "0xabcd" });
		expect(asked()).toEqual([BY_HASH]);
		expect(nodes[0]?.requests[0]?.[0]?.params[0]).toEqual({ to: REQUEST.to, data: REQUEST.data });
	});

	test("of a node that takes no hash is asked for by number, between two looks at its block", async () => {
		const { source, asked } = await startWith(calling((byHash) => (byHash ? NO_HASH : "0x01")));
		expect(await source.call(REQUEST)).toEqual({ type: "ok", data: "0x01" });
		expect(asked()).toEqual([BY_HASH, "block", "0x7", "block"]);
		await source.call(REQUEST);
		// That it takes none is remembered.
		expect(asked().slice(4)).toEqual(["block", "0x7", "block"]);
	});

	test.each(["before", "after"])("by number fails when the block changed %s it", async (when) => {
		let looks = 0;
		const { source } = await startWith(({ method }, byHash) => {
			if (method === "eth_call") return byHash ? NO_HASH : "0x01";
			looks += 1;
			const isOther = when === "before" || looks > 1;
			return isOther ? { ...scriptedBlock(7), hash: word(77) } : undefined;
		});
		await expect(source.call(REQUEST)).rejects.toMatchObject({
			...FAILED,
			fields: { reason: "lacking" },
		});
	});

	test("by number is asked of another when the first is on another branch", async () => {
		const { source } = await startWith(
			({ method }, byHash) => {
				if (method === "eth_call") return byHash ? NO_HASH : "0x01";
				return { ...scriptedBlock(7), hash: word(77) };
			},
			calling(() => "0x02"),
		);
		expect(await source.call(REQUEST)).toEqual({ type: "ok", data: "0x02" });
	});

	test.each([
		["a block that the node lacks", rpcError(-32000, "header for hash not found")],
		["an internal error", rpcError(-32603, "internal error")],
		["a lack of gas", rpcError(-32000, "out of gas: invalid opcode not reached")],
		["no bytes", "yes"],
		["nothing", null],
	])("fails by %s, and is not asked for by number", async (_, answer) => {
		const { source, asked } = await startWith(calling(() => answer));
		await expect(source.call(REQUEST)).rejects.toMatchObject(FAILED);
		expect(asked()).toEqual([BY_HASH]);
	});

	test.each([
		[-32000, "missing trie node 5a3e (path ) state 0x1 is not available"],
		[-32000, "historical state 0xab is not available"],
		[-32000, "This request is not supported because your node is running with state pruning."],
		[-32000, "distance to target block exceeds maximum proof window"],
		[4444, "pruned history unavailable"],
	])("is asked of another node where the state was pruned: %i %s", async (code, message) => {
		const pruned = calling(() => rpcError(code, message));
		const { source } = await startWith(
			pruned,
			calling(() => "0x02"),
		);
		expect(await source.call(REQUEST)).toEqual({ type: "ok", data: "0x02" });
		const alone = await startWith(pruned);
		await expect(alone.source.call(REQUEST)).rejects.toMatchObject({
			...FAILED,
			fields: { reason: "pruned" },
		});
		expect(alone.source.health()).toMatchObject([{ state: "ok" }]);
	});
});

describe("a call that the contract refuses", () => {
	test.each([
		["with data", rpcErrorWith(3, "execution reverted", "0x08C379a0"), "0x08c379a0"],
		["without data", rpcError(3, "execution reverted"), "0x"],
		["without its code", rpcError(-32000, "execution reverted"), "0x"],
		["in Parity's words", rpcErrorWith(-32015, "VM execution error.", "Reverted 0xab"), "0xab"],
		[
			"in Hardhat's words",
			rpcErrorWith(-32603, "VM Exception while processing transaction: reverted", { data: "0xab" }),
			"0xab",
		],
		["by an invalid opcode", rpcError(-32000, "invalid opcode: INVALID"), "0x"],
		["in words like those of a limit", rpcError(3, "execution reverted: too many requests"), "0x"],
		["with data that is none", rpcErrorWith(3, "execution reverted", "0x123"), "0x"],
	])("is its answer, and no failure: %s", async (_, answer, data) => {
		const { source, asked } = await startWith(calling(() => answer));
		expect(await source.call(REQUEST)).toEqual({ type: "reverted", data });
		expect(asked()).toEqual([BY_HASH]);
		expect(source.health()).toMatchObject([{ state: "ok", lastError: undefined }]);
	});
});
