/** Which of several providers is asked, over real HTTP; time is moved by the test. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import type { ChainSource } from "../../src/follower/chain-source.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { chainScript, SCRIPTED_TRUST, scriptedBlock, word } from "../support/scripted-chain.ts";
import {
	answering,
	rpcError,
	type Script,
	type ScriptedNode,
	startScriptedNode,
} from "../support/scripted-node.ts";
import { atTestEnd } from "../support/test-end.ts";

/** Of chainScript. */
const CHAIN_ID = 31_337;
const NEVER_MS = 1e9;
const FAILED = { code: "rpc_failed", retryable: true };

interface Providers {
	readonly nodes: readonly ScriptedNode[];
	readonly source: ChainSource;
	readonly clock: ManualClock;
	readonly lines: string[];
	/** Requests that each node got since this was asked last. */
	asked(): readonly number[];
	states(): readonly string[];
}

async function startAll(
	scripts: readonly ((clock: ManualClock) => Script)[],
	{ chainId }: { readonly chainId?: number } = {},
): Promise<Providers> {
	const clock = new ManualClock(1_000_000);
	const nodes = await Promise.all(scripts.map((script) => startScriptedNode(script(clock))));
	const lines: string[] = [];
	const log = {
		info: (_: unknown, message: string) => void lines.push(message),
		warn: (_: unknown, message: string) => void lines.push(message),
	};
	const source = createChainSource({
		urls: nodes.map(({ url }) => url),
		chainId,
		pollIntervalMs: NEVER_MS,
		timeoutMs: 60_000,
		trust: SCRIPTED_TRUST,
		clock,
		log,
	});
	atTestEnd(() => source.close());
	let seen = nodes.map(() => 0);
	return {
		nodes,
		source,
		clock,
		lines,
		asked: () => {
			const now = nodes.map(({ requests }) => requests.length);
			const since = now.map((count, index) => count - (seen[index] ?? 0));
			seen = now;
			return since;
		},
		states: () => source.health().map(({ state }) => state),
	};
}

/** Answers take so long by the clock. */
function taking(ms: number, script: Script): (clock: ManualClock) => Script {
	return (clock) => (calls, isBatch) => {
		clock.pass(ms);
		return script(calls, isBatch);
	};
}

function at(head: number): (clock: ManualClock) => Script {
	return () => chainScript({ head });
}

const hanging = () => () => "hang" as const;

function blockless(method: string): null | undefined {
	return method === "eth_getBlockByHash" ? null : undefined;
}

describe("one provider", () => {
	test("is asked nothing but the questions, however it does", async () => {
		const { source, clock, asked, nodes } = await startAll([at(9)], { chainId: CHAIN_ID });
		const stop = source.watch(() => undefined);
		await source.latest();
		// Its chain, once.
		expect(asked()).toEqual([2]);
		for (let turn = 0; turn < 10; turn += 1) {
			clock.pass(LIMITS.rpcProbeMs);
			await source.latest();
			await source.blocksByNumber([7n, 8n]);
			await source.blockByNumber(1_000n);
			await source.blockByHash(word(1_000));
		}
		expect(asked()).toEqual([40]);
		expect(nodes[0]?.requests.slice(2).every((calls) => calls[0]?.method !== "eth_chainId")).toBe(
			true,
		);
		stop();
	});
});

describe("the provider that is asked", () => {
	test("is the first, while it does well, and the others are looked at rarely", async () => {
		const { source, clock, asked } = await startAll([at(9), at(9), at(9)]);
		const stop = source.watch(() => undefined);
		await source.latest();
		clock.pass(1);
		await expect.poll(() => source.health().every(({ head }) => head === 9n)).toBe(true);
		asked();
		for (let second = 0; second < 60; second += 1) {
			clock.pass(1_000);
			await source.latest();
		}
		const [first = 0, second = 0, third = 0] = asked();
		// Each look asks it for the block in which all are compared.
		expect(first - 60).toBeLessThanOrEqual(8);
		for (const looks of [second, third]) {
			expect(looks).toBeGreaterThanOrEqual(2);
			expect(looks).toBeLessThanOrEqual(16);
		}
		stop();
	});

	test("is another when the first is far slower, but not at once, and not to and fro", async () => {
		const slow = taking(400, chainScript({ head: 9 }));
		const fast = taking(5, chainScript({ head: 9 }));
		const { source, clock, asked } = await startAll([slow, fast]);
		// What nobody has is asked of each: so both are known.
		await source.blockByHash(word(77));
		asked();
		await source.latest();
		expect(asked()).toEqual([1, 0]);
		clock.pass(30_000);
		for (let call = 0; call < 20; call += 1) await source.latest();
		expect(asked()).toEqual([0, 20]);
	});

	test("is another while the first fails now and then, and the first when that is over", async () => {
		let call = 0;
		const faulty: Script = (calls, isBatch) => {
			call += 1;
			return call % 2 === 0 ? { status: 500, body: "" } : chainScript({ head: 9 })(calls, isBatch);
		};
		const { source, clock, asked, nodes } = await startAll([() => faulty, at(9)]);
		for (let round = 0; round < 40; round += 1) {
			await source.latest();
			clock.pass(1_000);
		}
		const [first = 0, second = 0] = asked();
		expect(first).toBeLessThan(25);
		expect(second).toBeGreaterThan(20);
		nodes[0]?.answerWith(chainScript({ head: 9 }));
		clock.pass(180_000);
		await source.latest();
		expect(asked()).toEqual([1, 0]);
		expect(source.health()[0]?.errorRate).toBeLessThan(0.1);
	});

	test("is not one whose head is far behind the others, unless no other can be asked", async () => {
		const { source, clock, asked, nodes, states, lines } = await startAll([at(900), at(900)]);
		const stop = source.watch(() => undefined);
		await source.latest();
		clock.pass(1);
		await expect.poll(() => source.health()[1]?.head).toBe(900n);
		nodes[0]?.answerWith(chainScript({ head: 300 }));
		// It shows itself in the very answer, which is not used.
		expect((await source.latest()).number).toBe(900n);
		expect(states()).toEqual(["lagging", "ok"]);
		expect(source.health()[0]).toMatchObject({ head: 300n, blocksOff: 600n });
		expect(lines).toEqual(["provider's head is far behind the others"]);
		asked();
		expect((await source.latest()).number).toBe(900n);
		expect(asked()).toEqual([0, 1]);
		nodes[1]?.answerWith(() => ({ status: 500, body: "" }));
		expect((await source.latest()).number).toBe(300n);
		nodes[0]?.answerWith(chainScript({ head: 901 }));
		nodes[1]?.answerWith(chainScript({ head: 901 }));
		clock.pass(LIMITS.rpcProbeMs);
		await new Promise(setImmediate);
		clock.pass(1_000);
		await expect.poll(states).toEqual(["ok", "ok"]);
		asked();
		await source.latest();
		expect(asked()).toEqual([1, 0]);
		stop();
	});

	test("is not one whose head is far ahead of two others", async () => {
		const { source, clock, states, lines } = await startAll([at(90_000), at(900), at(900)]);
		const stop = source.watch(() => undefined);
		clock.pass(1);
		await expect.poll(() => source.health().every(({ head }) => head !== undefined)).toBe(true);
		clock.pass(1_000);
		expect((await source.latest()).number).toBe(900n);
		expect(states()).toEqual(["ahead", "ok", "ok"]);
		expect(lines).toContain("provider's head is far ahead of the others");
		stop();
	});

	test("is not one of another chain, which is said, and which is asked for its chain again", async () => {
		const other: Script = answering(() => "0x5");
		const { source, clock, nodes, states, asked } = await startAll([() => other, at(9)], {
			chainId: CHAIN_ID,
		});
		expect((await source.latest()).number).toBe(9n);
		expect(states()).toEqual(["wrong_chain", "ok"]);
		expect(source.health()[0]?.lastError).toMatch(/chain 5, not 31337/);
		expect(nodes[0]?.requests.flat().map(({ method }) => method)).toEqual(["eth_chainId"]);
		asked();
		await source.latest();
		expect(asked()).toEqual([0, 1]);
		nodes[0]?.answerWith(chainScript({ head: 9 }));
		clock.pass(LIMITS.rpcBackoffMs);
		await source.latest();
		expect(states()).toEqual(["ok", "ok"]);
	});

	test("is asked for its chain again after its connection was lost", async () => {
		const { source, nodes } = await startAll([at(9)], { chainId: CHAIN_ID });
		await source.latest();
		let cuts = 0;
		nodes[0]?.answerWith((calls, isBatch) => {
			cuts += 1;
			if (cuts === 1) return "reset";
			return answering(() => "0x5")(calls, isBatch);
		});
		await expect(source.latest()).rejects.toMatchObject(FAILED);
		expect(source.health()[0]?.state).toBe("wrong_chain");
	});
});

describe("a provider that became another chain's with nobody noticing", () => {
	const other = (head: number): Script => {
		const script = chainScript({ head });
		return (calls, isBatch) =>
			calls[0]?.method === "eth_chainId"
				? answering(() => "0x5")(calls, isBatch)
				: script(calls, isBatch);
	};

	test.each([
		["far lower", 9],
		["far higher", 9_000],
	])("is found out when its head is %s", async (_, head) => {
		const { source, nodes, asked } = await startAll([at(900)], { chainId: CHAIN_ID });
		await source.latest();
		nodes[0]?.answerWith(chainScript({ head: 964 }));
		await source.latest();
		nodes[0]?.answerWith(chainScript({ head: 900 }));
		await source.latest();
		expect(asked()).toEqual([4]);
		nodes[0]?.answerWith(other(head));
		await expect(source.latest()).rejects.toMatchObject({ fields: { reason: "other_chain" } });
		expect(source.health()).toMatchObject([{ state: "wrong_chain" }]);
	});

	test("is found out when it has to stand in for another", async () => {
		const { source, nodes, clock } = await startAll([at(900), at(900)], { chainId: CHAIN_ID });
		await source.blockByHash(word(5_000));
		clock.pass(10_000);
		nodes[0]?.answerWith(() => ({ status: 500, body: "" }));
		nodes[1]?.answerWith(other(900));
		await expect(source.blockByNumber(7n)).rejects.toMatchObject(FAILED);
		expect(source.health()[1]?.state).toBe("wrong_chain");
	});
});

describe("a provider that was proved wrong", () => {
	test("is not asked for long, and for longer the next time", async () => {
		const { source, clock, states, asked } = await startAll([at(9), at(9)]);
		const block = { number: 7n, hash: word(7) };
		const lie = async () => {
			await source.support(block);
			source.distrust(block, "nobody else has it");
		};
		await lie();
		expect(states()).toEqual(["untrue", "untrue"]);
		expect(source.health()).toMatchObject([{ breaker: "open" }, { breaker: "open" }]);
		clock.pass(LIMITS.rpcDistrustMs - 1);
		expect(states()).toEqual(["untrue", "untrue"]);
		clock.pass(1);
		await source.latest();
		expect(states()[0]).toBe("ok");
		await lie();
		clock.pass(LIMITS.rpcDistrustMs);
		expect(states()[0]).toBe("untrue");
		clock.pass(LIMITS.rpcDistrustMs);
		asked();
		await source.latest();
		expect(states()[0]).toBe("ok");
	});

	test("is asked when no other has answered for a while, and not before", async () => {
		const liar = startAll([at(9), () => () => ({ status: 500, body: "" })]);
		const { source, clock } = await liar;
		const block = { number: 7n, hash: word(7) };
		await source.support(block);
		source.distrust(block, "nobody else has it");
		clock.pass(2_000);
		await expect(source.latest()).rejects.toMatchObject({ code: "rpc_unavailable" });
		clock.pass(10_000);
		expect((await source.latest()).number).toBe(9n);
	});

	test("waits for a moment only where there is no other", async () => {
		const { source, clock } = await startAll([at(9)]);
		const block = { number: 7n, hash: word(7) };
		await source.support(block);
		source.distrust(block, "nobody else has it");
		await expect(source.latest()).rejects.toMatchObject({ code: "rpc_unavailable" });
		expect(source.health()).toMatchObject([{ state: "untrue", breaker: "open" }]);
		clock.pass(1_000);
		expect((await source.latest()).number).toBe(9n);
		expect(source.health()).toMatchObject([{ state: "ok", breaker: "closed" }]);
	});
});

describe("what one provider has not got", () => {
	/** A node that keeps no block below 5. */
	const cut: Script = chainScript({ head: 9 }, ({ method, params: [first] }) =>
		method.startsWith("eth_getBlock") && Number(first) < 5 ? null : undefined,
	);

	test("is asked of the next: a block by number, among others, and by hash", async () => {
		const { source, asked } = await startAll([() => cut, at(9)]);
		await source.latest();
		expect((await source.blockByNumber(3n))?.number).toBe(3n);
		expect((await source.blocksByNumber([6n, 4n])).map((block) => block?.number)).toEqual([6n, 4n]);
		expect((await source.blockByHash(word(2)))?.number).toBe(2n);
		expect(asked()).toEqual([4, 3]);
	});

	test("is nobody's when nobody has it, and above the heads nobody else is asked", async () => {
		const { source, asked } = await startAll([at(9), at(9)]);
		await source.latest();
		expect(await source.blockByHash(word(77))).toBeUndefined();
		expect(asked()).toEqual([2, 1]);
		expect(await source.blocksByNumber([9n, 10n])).toMatchObject([{ number: 9n }, undefined]);
		expect(asked()).toEqual([1, 0]);
	});

	test("is not hidden by one that fails after it", async () => {
		const { source } = await startAll([at(9), () => () => ({ status: 500, body: "" })]);
		await source.latest();
		expect(await source.blockByHash(word(77))).toBeUndefined();
	});

	test.each([
		[4444, "pruned history unavailable"],
		[-32000, "missing trie node 5a3e (path )"],
		[-32000, "required historical state unavailable (reexec=128)"],
	])("because it was pruned (%i %s) is asked of the next, and has its name", async (code, text) => {
		const pruned: Script = answering(() => rpcError(code, text));
		const both = await startAll([() => pruned, at(9)]);
		expect((await both.source.blockByNumber(3n))?.number).toBe(3n);
		expect(both.states()).toEqual(["ok", "ok"]);
		const alone = await startAll([() => pruned]);
		await expect(alone.source.blockByNumber(3n)).rejects.toMatchObject({
			...FAILED,
			fields: { reason: "pruned" },
		});
		const none = await startAll([() => pruned, () => pruned]);
		await expect(none.source.blockByNumber(3n)).rejects.toMatchObject({
			...FAILED,
			fields: { reason: "pruned", providers: 2 },
		});
	});
});

describe("a provider that hangs", () => {
	test("is not waited for: the next is asked when it is late, and from then on", async () => {
		const { source, clock, asked, nodes } = await startAll([hanging, at(9)]);
		const latest = source.latest();
		await expect.poll(() => nodes[0]?.requests.length).toBe(1);
		clock.pass(999);
		expect(asked()).toEqual([1, 0]);
		clock.pass(1);
		expect((await latest).number).toBe(9n);
		asked();
		await source.latest();
		expect(asked()).toEqual([0, 1]);
	});

	test("is one of two that do, of which neither is waited for in vain", async () => {
		const { source, clock, nodes } = await startAll([hanging, hanging]);
		const latest = source.latest();
		await expect.poll(() => nodes[0]?.requests.length).toBe(1);
		clock.pass(1_000);
		await expect.poll(() => nodes[1]?.requests.length).toBe(1);
		clock.pass(59_000);
		clock.pass(1_000);
		await expect(latest).rejects.toMatchObject({ code: "rpc_unavailable" });
	});

	test.each([
		["fails", () => () => ({ status: 500, body: "" })],
		["is of another chain", () => answering(() => "0x5")],
		["has not got it", () => chainScript({ head: 9 }, ({ method }) => blockless(method))],
	] as const)("and a next one that %s leave the question to the third at once", async (_, next) => {
		const { source, clock, asked, nodes } = await startAll([hanging, next, at(9)], {
			chainId: CHAIN_ID,
		});
		const block = source.blockByHash(word(7));
		await expect.poll(() => nodes[0]?.requests.length).toBe(1);
		clock.pass(1_000);
		// No more time passes by the clock, and the first is still asked.
		expect((await block)?.number).toBe(7n);
		expect(asked()[2]).toBe(2);
	});

	test("has the next asked that was put aside for a moment when it was asked", async () => {
		let failures = 1;
		const once: Script = (calls, isBatch) => {
			failures -= 1;
			return failures >= 0 ? { status: 500, body: "" } : chainScript({ head: 9 })(calls, isBatch);
		};
		const { source, clock, nodes } = await startAll([at(9), () => once]);
		await source.support({ number: 7n, hash: word(7) });
		nodes[0]?.answerWith(() => "hang");
		const block = source.blockByHash(word(7));
		await expect.poll(() => nodes[0]?.requests.length).toBe(2);
		clock.pass(1_000);
		expect((await block)?.number).toBe(7n);
	});

	test("is all that is left when those after it failed, and each is asked once", async () => {
		const failing = () => () => ({ status: 500, body: "" });
		const { source, clock, nodes } = await startAll([hanging, failing, failing]);
		const block = expect(source.blockByHash(word(7))).rejects.toMatchObject({
			code: "rpc_unavailable",
			fields: { providers: 3 },
		});
		await expect.poll(() => nodes[0]?.requests.length).toBe(1);
		clock.pass(1_000);
		await expect.poll(() => source.health()[2]?.state).toBe("failing");
		clock.pass(59_000);
		await block;
		expect(nodes.map(({ requests }) => requests.length)).toEqual([1, 1, 1]);
	});

	test("is waited for with a range of logs, which may take anyone long", async () => {
		const { source, clock, nodes } = await startAll([hanging, at(9)]);
		const filter = { addresses: [`0x${"aa".repeat(20)}`], topics: [] } as const;
		const logs = source.logsOfRange({ from: 0n, to: 9n }, filter);
		await expect.poll(() => nodes[0]?.requests.length).toBe(1);
		clock.pass(59_999);
		expect(nodes[1]?.requests).toHaveLength(0);
		clock.pass(1);
		expect((await logs).logs).toHaveLength(10);
	});
});

describe("the support of a block", () => {
	test("is asked of each provider by itself", async () => {
		const fork: Script = chainScript({ head: 9 }, ({ method }) =>
			method === "eth_getBlockByNumber" ? { ...block7, hash: word(77) } : undefined,
		);
		const block7 = { number: "0x7", parentHash: word(6), timestamp: "0x1", transactions: [] };
		const { source } = await startAll([at(9), () => fork, at(5), at(7)]);
		expect(await source.support({ number: 7n, hash: word(7) })).toEqual({
			confirming: 2,
			denying: 1,
			silent: 1,
		});
	});

	test("is one voice for one URL, however often it is given", async () => {
		const { url } = await startScriptedNode(chainScript({ head: 9 }));
		const source = createChainSource({
			urls: [url, `${url}/`, url],
			pollIntervalMs: NEVER_MS,
			timeoutMs: 5_000,
			trust: SCRIPTED_TRUST,
		});
		atTestEnd(() => source.close());
		expect(await source.support({ number: 7n, hash: word(7) })).toMatchObject({ confirming: 1 });
		expect(source.health()).toHaveLength(1);
	});

	test("denies what is missing below a provider's head", async () => {
		const without: Script = chainScript({ head: 9 }, ({ method, params: [first] }) =>
			method === "eth_getBlockByNumber" && first !== "latest" ? null : undefined,
		);
		const { source } = await startAll([() => without]);
		expect(await source.support({ number: 7n, hash: word(7) })).toMatchObject({ denying: 1 });
	});

	test("does not wait for one that hangs, or is put aside, or is of another chain", async () => {
		const { source, clock, nodes } = await startAll(
			[at(9), hanging, () => () => ({ status: 500, body: "" }), () => answering(() => "0x5")],
			{ chainId: CHAIN_ID },
		);
		const support = source.support({ number: 7n, hash: word(7) });
		await expect.poll(() => nodes[1]?.requests.length).toBe(1);
		// The others have answered before it is late.
		await expect.poll(() => source.health()[3]?.state).toBe("wrong_chain");
		await expect.poll(() => source.health()[2]?.state).toBe("failing");
		await expect.poll(() => nodes[0]?.requests.length).toBe(2);
		await new Promise((resolve) => setTimeout(resolve, 50));
		clock.pass(LIMITS.supportMs);
		expect(await support).toEqual({ confirming: 1, denying: 0, silent: 3 });
	});
});

describe("a provider on a branch of its own", () => {
	/** From block 5 on. */
	const astray: Script = chainScript({ head: 12 }, ({ method, params: [first] }) => {
		if (method !== "eth_getBlockByNumber") return undefined;
		const height = first === "latest" ? 12 : Number(first);
		if (height < 5 || height > 12) return undefined;
		return { ...scriptedBlock(height), hash: word(1_000 + height) };
	});

	test("is not asked, not even first, where two others agree on another", async () => {
		const { source, states, lines } = await startAll([() => astray, at(9), at(9)]);
		expect((await source.latest()).number).toBe(9n);
		expect(states()).toEqual(["astray", "ok", "ok"]);
		expect(lines).toEqual(["provider is on another branch than most of the others"]);
	});

	test("is asked again once it is where the others are", async () => {
		const { source, states, clock, nodes, lines } = await startAll([() => astray, at(9), at(9)]);
		const stop = source.watch(() => undefined);
		await source.latest();
		nodes[0]?.answerWith(chainScript({ head: 9 }));
		clock.pass(LIMITS.rpcProbeMs);
		await new Promise(setImmediate);
		clock.pass(1_000);
		await expect.poll(states).toEqual(["ok", "ok", "ok"]);
		expect(lines.at(-1)).toBe("provider is on the others' branch again");
		stop();
	});

	test("is one of two branches where there is no majority, and the first is believed", async () => {
		for (const scripts of [
			[() => astray, at(9)],
			[() => astray, at(9), hanging],
		]) {
			const { source, states, clock, nodes } = await startAll(scripts);
			const latest = source.latest();
			if (scripts.length > 2) {
				await expect.poll(() => nodes[2]?.requests.length).toBe(1);
				await expect.poll(() => source.health()[1]?.head).toBe(9n);
				clock.pass(LIMITS.supportMs);
			}
			expect((await latest).number).toBe(12n);
			expect(states()[0]).toBe("ok");
		}
	});

	test("is nobody while only the tip differs", async () => {
		const tip: Script = chainScript({ head: 9 }, ({ method, params: [first] }) => {
			const height = first === "latest" ? 9 : Number(first);
			if (method !== "eth_getBlockByNumber" || height < 8) return undefined;
			return { ...scriptedBlock(height), hash: word(1_000 + height) };
		});
		const { source, states } = await startAll([() => tip, at(9), at(9)]);
		expect((await source.latest()).hash).toBe(word(1_009));
		expect(states()).toEqual(["ok", "ok", "ok"]);
	});
});

describe("what the providers are compared for", () => {
	/** At `head`, with blocks of its own from `from` on, which `branch` tells from other branches. */
	const apart = (head: number, from: number, branch = 1): Script =>
		chainScript({ head }, ({ method, params: [first] }) => {
			const height = first === "latest" ? head : Number(first);
			if (method !== "eth_getBlockByNumber" || height < from || height > head) return undefined;
			return { ...scriptedBlock(height), hash: word(1_000_000 * branch + height) };
		});

	/** Lets what falls due be asked and answered. */
	const passing = async (clock: ManualClock, seconds: number) => {
		for (let second = 0; second < seconds; second += 1) {
			clock.pass(1_000);
			await new Promise((resolve) => setTimeout(resolve, 40));
		}
	};

	const watched = async (heads: readonly Script[]) => {
		const all = await startAll(heads.map((script) => () => script));
		atTestEnd(all.source.watch(() => undefined));
		await all.source.latest();
		return all;
	};

	test("a block at the tip that stays another puts its provider aside, soon", async () => {
		const level = chainScript({ head: 9 });
		const { clock, states, nodes } = await watched([apart(9, 9), level, level]);
		expect(states()).toEqual(["ok", "ok", "ok"]);
		await passing(clock, 2);
		expect(states()).toEqual(["ok", "ok", "ok"]);
		await passing(clock, 2);
		await expect.poll(states).toEqual(["astray", "ok", "ok"]);
		// It stays aside until it has the others' block, and not only while that is new.
		await passing(clock, 4);
		expect(states()[0]).toBe("astray");
		nodes[0]?.answerWith(level);
		await passing(clock, 16);
		await expect.poll(states).toEqual(["ok", "ok", "ok"]);
	});

	test("a tip that others have a moment later, or that is another each time, says nothing", async () => {
		const level = chainScript({ head: 9 });
		const { clock, states, nodes } = await watched([apart(9, 9), level, level]);
		nodes[0]?.answerWith(level);
		await passing(clock, 4);
		for (let branch = 2; branch < 9; branch += 1) {
			nodes[0]?.answerWith(apart(9, 9, branch));
			await passing(clock, 2);
			expect(states()).toEqual(["ok", "ok", "ok"]);
		}
	});

	test("a head that leaps onto another branch is not believed, not even once", async () => {
		const level = chainScript({ head: 900 });
		const { source, clock, states, nodes } = await watched([level, level, level]);
		await passing(clock, 1);
		// Long enough for all that an unknown chain may have gone on meanwhile.
		clock.pass(9_000);
		nodes[0]?.answerWith(apart(1_000, 5));
		expect(await source.latest()).toMatchObject({ number: 900n, hash: word(900) });
		expect(states()).toEqual(["astray", "ok", "ok"]);
		// And comes back.
		nodes[0]?.answerWith(level);
		await passing(clock, 16);
		await expect.poll(states).toEqual(["ok", "ok", "ok"]);
		expect((await source.latest()).number).toBe(900n);
	});

	test("a head that leaps with the others' is believed at once, and they are asked once", async () => {
		const { source, clock, states, nodes, asked } = await watched(
			Array.from({ length: 3 }, () => chainScript({ head: 900 })),
		);
		await passing(clock, 1);
		clock.pass(9_000);
		for (const node of nodes) node.answerWith(chainScript({ head: 1_000 }));
		asked();
		expect((await source.latest()).number).toBe(1_000n);
		expect(states()).toEqual(["ok", "ok", "ok"]);
		expect(Math.max(...asked())).toBeLessThanOrEqual(4);
		expect((await source.latest()).number).toBe(1_000n);
		expect(asked()).toEqual([1, 0, 0]);
	});

	test("another provider that is chosen is compared at once", async () => {
		const level = chainScript({ head: 9 });
		const { source, clock, states, nodes } = await watched([level, level, level, level]);
		await passing(clock, 2);
		nodes[0]?.answerWith(() => ({ status: 500, body: "" }));
		nodes[1]?.answerWith(apart(9, 3));
		await source.latest();
		clock.pass(1);
		await expect.poll(states).toEqual(["failing", "astray", "ok", "ok"]);
	});

	test("heads that leap again and again are compared no more than each second", async () => {
		const { source, clock, nodes } = await watched(
			Array.from({ length: 3 }, () => chainScript({ head: 900 })),
		);
		await passing(clock, 2);
		const looks = () => (nodes[2]?.requests ?? []).filter((calls) => calls.length > 1).length;
		const before = looks();
		for (let turn = 1; turn <= 20; turn += 1) {
			const head = 900 + turn * 200;
			for (const node of nodes) node.answerWith(chainScript({ head }));
			// Everybody is asked for its head.
			await source.support({ number: BigInt(head) + 1_000n, hash: word(1) });
			clock.pass(100);
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
		expect(looks() - before).toBeGreaterThanOrEqual(1);
		expect(looks() - before).toBeLessThanOrEqual(4);
	});
});
