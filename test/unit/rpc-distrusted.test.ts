/** A chain goes on although most of its providers were proved wrong lately. Over real HTTP; time is moved by the test. */
import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { chainScript, SCRIPTED_TRUST, scriptedBlock, word } from "../support/scripted-chain.ts";
import { type Script, startScriptedNode } from "../support/scripted-node.ts";
import { atTestEnd } from "../support/test-end.ts";

const HEAD = 9;
const ASIDE_MS = 1_000;
const RESORT_MS = 10_000;
/** A head that stands for so long makes a look due, which comes at the next turn. */
const STANDING_MS = 3_000;
const TURN_MS = 1_000;

/** Two providers of the chain that were proved wrong, and a third that never was. */
async function startWith(third: Script) {
	const clock = new ManualClock(1_000_000);
	const chain = chainScript({ head: HEAD });
	const failing: Script = () => ({ status: 500, body: "" });
	const nodes = await Promise.all(
		[chain, chain, failing].map((script) => startScriptedNode(script)),
	);
	const source = createChainSource({
		urls: nodes.map(({ url }) => url),
		chainId: undefined,
		pollIntervalMs: 1e9,
		timeoutMs: 60_000,
		trust: SCRIPTED_TRUST,
		clock,
	});
	atTestEnd(() => source.close());
	/** Whoever answers is proved wrong. */
	const distrust = async () => {
		const block = { number: 2n, hash: word(2) };
		await source.support(block);
		source.distrust(block, "proved wrong by the test");
		clock.pass(ASIDE_MS);
	};
	await distrust();
	nodes[2]?.answerWith(third);
	const states = () => source.health().map(({ state }) => state);
	/** Heads stand, so that the providers that are not asked are looked at; waits for one's answer. */
	const look = async (index: 0 | 2) => {
		const before = nodes[index]?.requests.length ?? 0;
		clock.pass(STANDING_MS);
		clock.pass(TURN_MS);
		await expect.poll(() => nodes[index]?.requests.length).toBeGreaterThan(before);
	};
	return { clock, nodes, source, states, look, distrust };
}

test("one that nobody distrusts and that is alone on its branch is not believed against two", async () => {
	const astray = chainScript({ head: 12 }, ({ method, params: [first] }) => {
		if (method !== "eth_getBlockByNumber") return undefined;
		const height = first === "latest" ? 12 : Number(first);
		if (height < 5 || height > 12) return undefined;
		return { ...scriptedBlock(height), hash: word(1_000 + height) };
	});
	const { source, states } = await startWith(astray);
	const head = await source.latest();
	expect(states()).toEqual(["untrue", "untrue", "astray"]);
	expect(head).toMatchObject({ number: BigInt(HEAD), hash: word(HEAD) });
});

test("those that erred have a voice in a fork again", async () => {
	const { source } = await startWith(chainScript({ head: HEAD }));
	expect(await source.support({ number: 7n, hash: word(7) })).toEqual({
		confirming: 3,
		denying: 0,
		silent: 0,
	});
	expect(await source.support({ number: 7n, hash: word(8) })).toMatchObject({ denying: 3 });
});

test("one that nobody distrusts and that stands still is left for those that go on, until it does", async () => {
	const { source, nodes, clock, states, look } = await startWith(chainScript({ head: HEAD }));
	const stop = source.watch(() => undefined);
	atTestEnd(async () => stop());
	expect((await source.latest()).number).toBe(BigInt(HEAD));
	for (const node of nodes.slice(0, 2)) node.answerWith(chainScript({ head: HEAD + 2 }));
	clock.pass(RESORT_MS - 1);
	expect((await source.latest()).number, "before it stood for long").toBe(BigInt(HEAD));
	await look(0);
	await expect.poll(async () => (await source.latest()).number).toBe(BigInt(HEAD + 2));
	expect(states()).toEqual(["untrue", "untrue", "ok"]);
	nodes[2]?.answerWith(chainScript({ head: HEAD + 3 }));
	await look(2);
	await expect.poll(async () => (await source.latest()).number).toBe(BigInt(HEAD + 3));
});

test("of those that all erred one that stands still is left for those that go on", async () => {
	const { source, nodes, clock, states, distrust } = await startWith(chainScript({ head: HEAD }));
	const stop = source.watch(() => undefined);
	atTestEnd(async () => stop());
	await source.latest();
	await distrust();
	await distrust();
	expect(states()).toEqual(["untrue", "untrue", "untrue"]);
	for (const node of nodes.slice(0, 2)) node.answerWith(chainScript({ head: HEAD + 2 }));
	expect((await source.latest()).number, "the third erred the least often").toBe(BigInt(HEAD));
	const before = nodes[0]?.requests.length ?? 0;
	clock.pass(LIMITS.rpcProbeMs);
	await new Promise(setImmediate);
	clock.pass(TURN_MS);
	await expect.poll(() => nodes[0]?.requests.length).toBeGreaterThan(before);
	await expect.poll(async () => (await source.latest()).number).toBe(BigInt(HEAD + 2));
	expect(states()).toEqual(["untrue", "untrue", "untrue"]);
});
