/** Blocks and batches, over real HTTP. */
import { describe, expect, test } from "vitest";
import type { ChainSource } from "../../src/follower/chain-source.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import { chainScript, SCRIPTED_TRUST, scriptedBlock, word } from "../support/scripted-chain.ts";
import { answering, rpcError, type Script, startScriptedNode } from "../support/scripted-node.ts";
import { atTestEnd } from "../support/test-end.ts";

function sourceOf(url: string): ChainSource {
	const source = createChainSource({
		urls: [url],
		pollIntervalMs: 60_000,
		timeoutMs: 2_000,
		trust: SCRIPTED_TRUST,
	});
	atTestEnd(() => source.close());
	return source;
}

function heights(count: number): readonly bigint[] {
	return Array.from({ length: count }, (_, height) => BigInt(height));
}

const FAILED = { code: "rpc_failed", retryable: true };

describe("a block", () => {
	test("other than the one asked for by number is malformed", async () => {
		const node = await startScriptedNode(answering(() => scriptedBlock(6)));
		await expect(sourceOf(node.url).blockByNumber(5n)).rejects.toMatchObject({
			...FAILED,
			message: expect.stringContaining("block 6 for 5"),
		});
	});

	test("other than the one asked for by hash is malformed", async () => {
		const node = await startScriptedNode(answering(() => scriptedBlock(6)));
		await expect(sourceOf(node.url).blockByHash(word(5))).rejects.toMatchObject(FAILED);
	});

	test("that the node lacks is undefined", async () => {
		const node = await startScriptedNode(chainScript({ head: 3 }));
		const source = sourceOf(node.url);
		expect(await source.blockByNumber(4n)).toBeUndefined();
		expect(await source.blockByHash(word(4))).toBeUndefined();
		expect((await source.blockByNumber(0n))?.hash).toBe(word(0));
	});

	test("must be there as the latest", async () => {
		const node = await startScriptedNode(answering(() => null));
		await expect(sourceOf(node.url).latest()).rejects.toMatchObject(FAILED);
	});
});

describe("a tag", () => {
	test.each([
		["null", null],
		["invalid params", rpcError(-32602, "invalid argument 0")],
		["go-ethereum's error before the merge", rpcError(-32000, "finalized block not found")],
		["an unknown block", rpcError(-39001, "Unknown block")],
	])("to which the node answers %s is undefined", async (_, answer) => {
		const node = await startScriptedNode(answering(() => answer));
		expect(await sourceOf(node.url).tagged("finalized")).toBeUndefined();
	});

	test.each([
		["an internal error", rpcError(-32603, "internal error")],
		["a limited rate", rpcError(-32005, "request rate limited")],
	])(
		"to which the node answers %s fails, as finality must not seem to be missing",
		async (_, answer) => {
			const node = await startScriptedNode(answering(() => answer));
			await expect(sourceOf(node.url).tagged("safe")).rejects.toMatchObject({ retryable: true });
		},
	);
});

describe("a receipt", () => {
	test("of another transaction is malformed", async () => {
		const receipt = {
			transactionHash: word(1),
			blockHash: word(2),
			blockNumber: "0x2",
			status: "0x1",
			logs: [],
		};
		const node = await startScriptedNode(answering(() => receipt));
		const source = sourceOf(node.url);
		expect(await source.receipt(word(1))).toMatchObject({ blockNumber: 2n, status: "success" });
		await expect(source.receipt(word(3))).rejects.toMatchObject(FAILED);
	});
});

describe("blocks by number", () => {
	test("come in the order asked for, a hundred a request, with gaps where the node has none", async () => {
		const node = await startScriptedNode(chainScript({ head: 248 }));
		const blocks = await sourceOf(node.url).blocksByNumber(heights(250));
		expect(node.requests.map((calls) => calls.length)).toEqual([100, 100, 50]);
		expect(blocks.map((block) => block?.number)).toEqual([...heights(249), undefined]);
	});

	test("of no heights ask nothing", async () => {
		const node = await startScriptedNode(chainScript({ head: 1 }));
		expect(await sourceOf(node.url).blocksByNumber([])).toEqual([]);
		expect(node.requests).toEqual([]);
	});

	test("are paired by id when the answers come in another order", async () => {
		const node = await startScriptedNode(edited((answers) => answers.reverse()));
		const blocks = await sourceOf(node.url).blocksByNumber(heights(9));
		expect(blocks.map((block) => block?.number)).toEqual(heights(9));
	});

	test.each<[string, (answers: unknown[]) => unknown]>([
		["drops an answer", (answers) => answers.slice(1)],
		["answers one call twice", (answers) => answers.toSpliced(1, 1, answers[0])],
		["answers with no objects", (answers) => answers.map(() => null)],
		["answers with one result", () => ({ id: 0, result: null })],
	])("fail as a whole when the node %s", async (_, edit) => {
		const node = await startScriptedNode(edited(edit));
		await expect(sourceOf(node.url).blocksByNumber(heights(9))).rejects.toMatchObject(FAILED);
	});

	test.each<[string, Script]>([
		["an error object", () => ({ body: { id: null, error: { code: -32600, message: "no" } } })],
		["HTTP 413", () => ({ status: 413, body: "too large" })],
		["HTTP 400", () => ({ status: 400, body: "bad request" })],
		[
			"an error for the first call, as go-ethereum does",
			() => ({ body: [{ id: 0, error: { code: -32600, message: "batch too large" } }] }),
		],
	])("are asked for in smaller batches after %s", async (_, refuse) => {
		const script = chainScript({ head: 99 });
		const node = await startScriptedNode((calls, isBatch) =>
			calls.length > 10 ? refuse(calls, isBatch) : script(calls, isBatch),
		);
		const source = sourceOf(node.url);
		const blocks = await source.blocksByNumber(heights(100));
		expect(blocks.map((block) => block?.number)).toEqual(heights(100));
		const before = node.requests.length;
		await source.blocksByNumber(heights(100));
		expect(node.requests.slice(before).every((calls) => calls.length <= 10)).toBe(true);
	});

	test("are asked for one by one where the node takes no batches", async () => {
		const script = chainScript({ head: 9 });
		const node = await startScriptedNode((calls, isBatch) =>
			isBatch ? { status: 400, body: "{}" } : script(calls, isBatch),
		);
		const blocks = await sourceOf(node.url).blocksByNumber(heights(10));
		expect(blocks.map((block) => block?.number)).toEqual(heights(10));
	});

	test("are asked for again where the node's whole answer was too large", async () => {
		const script = chainScript({ head: 9 });
		const node = await startScriptedNode((calls, isBatch) => {
			const answer = script(calls, isBatch);
			if (calls.length < 3 || typeof answer === "string") return answer;
			const cut = answer.body as { id: number }[];
			const error = { code: -32003, message: "response too large" };
			return { body: cut.map(({ id }, index) => (index < 2 ? cut[index] : { id, error })) };
		});
		const blocks = await sourceOf(node.url).blocksByNumber(heights(10));
		expect(blocks.map((block) => block?.number)).toEqual(heights(10));
	});
});

/** A node with ten blocks whose answers to batches are changed. */
function edited(edit: (answers: unknown[]) => unknown): Script {
	const script = chainScript({ head: 9 });
	return (calls, isBatch) => {
		const answer = script(calls, isBatch);
		if (typeof answer === "string" || !Array.isArray(answer.body)) return answer;
		return { body: edit(answer.body) };
	};
}
