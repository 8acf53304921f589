/** The simulated chain and its providers: what a seed gives, and what they may never show. */
import { expect, test } from "vitest";
import { HeaderWindow } from "../../src/chain/header-window.ts";
import type { Clock } from "../../src/domain/clock.ts";
import { RetryableError } from "../../src/domain/errors.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { BlockCache } from "../../src/follower/block-cache.ts";
import { headerOnly } from "../../src/follower/derive.ts";
import { ForkJudge } from "../../src/follower/fork-judge.ts";
import { Observer } from "../../src/follower/observe.ts";
import { WindowDeriver } from "../../src/follower/window-deriver.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { Random } from "../support/random.ts";
import { SIM_DEPTH_BLOCKS, SimChain, STEP_TYPES } from "./sim-chain.ts";
import { ADDRESS, LEDGER, simSpec } from "./sim-ledger.ts";
import { SimSource, SOURCE_FAULTS } from "./sim-source.ts";

const SEEDS = Array.from({ length: 40 }, (_, index) => index + 1);
const STEPS = 60;
const FILTER = { addresses: [ADDRESS], topics: [] };

/** Whoever sleeps finds that the time has passed. */
class SkippingClock implements Clock {
	nowMs = 0;
	now() {
		return this.nowMs;
	}
	wallMs() {
		return this.nowMs;
	}
	async sleep(ms: number) {
		this.nowMs += ms;
	}
	after() {
		return () => undefined;
	}
	every() {
		return () => undefined;
	}
	random() {
		return 0.5;
	}
}

function chainOf(seed: number, servesOrphans = seed % 2 === 0): SimChain {
	return new SimChain({ random: new Random(seed), servesOrphans });
}

test("one seed gives one chain", () => {
	for (const seed of SEEDS) {
		const [one, other] = [chainOf(seed), chainOf(seed)];
		for (let step = 0; step < STEPS; step += 1) expect(one.step()).toEqual(other.step());
		expect(one.branch(one.head.hash)).toEqual(other.branch(other.head.hash));
	}
});

test("branches link, and hold a transaction once", () => {
	for (const seed of SEEDS) {
		const chain = chainOf(seed);
		for (let step = 0; step < STEPS; step += 1) {
			chain.step();
			const branch = chain.branch(chain.head.hash);
			expect(() => HeaderWindow.of(branch.map(headerOnly))).not.toThrow();
			const mined = branch.flatMap(({ transactions }) => transactions);
			expect(new Set(mined).size).toBe(mined.length);
		}
	}
});

test("what was final never changes", () => {
	for (const seed of SEEDS) {
		const chain = chainOf(seed);
		let final = chain.genesis;
		for (let step = 0; step < STEPS; step += 1) {
			chain.step();
			for (const head of [chain.head, ...chain.left]) {
				expect(chain.isOn(head, final), `seed ${seed}, step ${step}`).toBe(true);
			}
			const highest = chain.at(chain.head, chain.finalHeight);
			expect(highest).toBeDefined();
			final = highest ?? final;
		}
	}
});

test("everything that can happen to a chain happens", () => {
	const seen: Record<string, number> = {};
	const depths = new Set<number>();
	for (const seed of SEEDS) {
		const chain = chainOf(seed);
		for (let step = 0; step < STEPS; step += 1) depths.add(chain.step().depth);
		for (const [name, count] of Object.entries(chain.counts)) {
			seen[name] = (seen[name] ?? 0) + count;
		}
	}
	for (const name of [...STEP_TYPES, "again", "otherEffects", "dropped"]) {
		expect(seen[name], name).toBeGreaterThan(20);
	}
	expect(Math.max(...depths)).toBeGreaterThan(8);
});

test("the handlers make what the chain's record says", async () => {
	for (const seed of SEEDS.slice(0, 10)) {
		const chain = chainOf(seed);
		for (let step = 0; step < STEPS; step += 1) chain.step();
		const source = SimSource.calm(chain, new SkippingClock());
		const deriver = new WindowDeriver(simSpec(SIM_DEPTH_BLOCKS), source, new BlockCache(source));
		const branch = chain.branch(chain.head.hash);
		const derived = await deriver.derive(branch.map(headerOnly), [], async () => undefined);
		for (const [index, { operations }] of derived.entries()) {
			const made = operations.map(({ namespace, id, ...rest }) => ({
				key: memoryKey(namespace, id),
				content: "body" in rest ? rest.body.content : undefined,
				ends: "body" in rest ? rest.body.expiresAtBlock : undefined,
			}));
			const recorded = branch[index]?.writes.map(({ id, says }) => ({
				key: memoryKey(LEDGER, id),
				content: says?.content,
				ends: says?.expiresAtBlock,
			}));
			expect(made).toEqual(recorded);
		}
	}
});

/** Everything that a source answers over a run, with the chain moving on between calls. */
async function answers(seed: number): Promise<readonly unknown[]> {
	const chain = chainOf(seed);
	const clock = new SkippingClock();
	const source = new SimSource({ chain, clock, seed });
	const said: unknown[] = [];
	const ask = async (what: () => Promise<unknown>) => {
		clock.nowMs += 20;
		said.push(await what().catch((error: unknown) => String(error)));
	};
	for (let step = 0; step < STEPS; step += 1) {
		chain.step();
		const { hash, number } = chain.head;
		await ask(() => source.latest());
		await ask(() => source.blockByHash(hash));
		await ask(() => source.blocksByNumber([number - 1n, number]));
		await ask(() => source.logsOfBlock({ hash, number }, FILTER));
		await ask(() => source.tagged("finalized"));
	}
	return [...said, source.counts];
}

test("one seed gives the same answers", async () => {
	for (const seed of SEEDS.slice(0, 10)) expect(await answers(seed)).toEqual(await answers(seed));
});

test("a provider never shows another chain at or below what is final, and calms down", async () => {
	const seen: Record<string, number> = {};
	for (const seed of SEEDS) {
		const chain = chainOf(seed);
		const clock = new SkippingClock();
		const source = new SimSource({ chain, clock, seed });
		for (let step = 0; step < 4 * STEPS; step += 1) {
			clock.nowMs += 20;
			if (step % 4 === 0) chain.step();
			const head = await source.latest().catch(retryable);
			const shown = head && chain.block(head.hash);
			if (shown === undefined) continue;
			const height = shown.number < chain.finalHeight ? shown.number : chain.finalHeight;
			expect(chain.at(shown, height)?.hash).toBe(chain.at(chain.head, height)?.hash);
		}
		for (const [name, count] of Object.entries(source.counts)) {
			seen[name] = (seen[name] ?? 0) + count;
		}
		source.calm();
		for (let call = 0; call < 20; call += 1) {
			expect((await source.latest()).hash).toBe(chain.head.hash);
		}
	}
	for (const name of ["lag", "branch", "error", "late", "unlinked", "otherChain", "back"]) {
		expect(seen[name], name).toBeGreaterThan(20);
	}
});

test("an orphaned block has no logs, rather than none", async () => {
	const chain = chainOf(1, false);
	const orphan = chain.mine(chain.genesis);
	chain.mine(chain.genesis);
	const source = SimSource.calm(chain, new SkippingClock());
	await expect(source.logsOfBlock(orphan, FILTER)).rejects.toThrow(RetryableError);
	expect(await source.blockByHash(orphan.hash)).toBeUndefined();
	const unknown: Hex = `0x${"ee".repeat(32)}`;
	expect(await source.blockByHash(unknown)).toBeUndefined();
});

test("whoever looks never takes a lie for a fork", async () => {
	for (const seed of SEEDS) {
		const chain = chainOf(seed);
		for (let step = 0; step < 20; step += 1) chain.step();
		const known = chain.branch(chain.head.hash).slice(0, -3);
		const window = HeaderWindow.of(known.map(headerOnly));
		const faults = { ...SOURCE_FAULTS, moves: 0, lies: 0.4 };
		const source = new SimSource({ chain, clock: new SkippingClock(), seed, faults });
		const parts = { spec: simSpec(8), source, clock: new SkippingClock() };
		const blocks = new BlockCache(source);
		const observer = new Observer({ ...parts, blocks, forks: new ForkJudge(parts) });
		for (let look = 0; look < 20; look += 1) {
			const seen = await observer.observe(window, 0n).catch(retryable);
			if (seen !== undefined) expect(seen.decision.type).toBe("extend");
		}
	}
});

function retryable(error: unknown): undefined {
	if (!(error instanceof RetryableError)) throw error;
	return undefined;
}
