import { expect, test } from "vitest";
import { type BranchSupport, DEFAULT_REORG_RULES } from "../../src/chain/branch-support.ts";
import type { ForkEvidence, Reorg, Unconfirmed } from "../../src/chain/decision.ts";
import type { BlockHeader } from "../../src/domain/block.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { ForkJudge, SUPPORT_MOST_MS } from "../../src/follower/fork-judge.ts";
import { headerChain, headerHash } from "../support/header-chain.ts";
import { ManualClock } from "../support/manual-clock.ts";

const POLL_MS = 1_000;
const LOOK_MS = LIMITS.forkLookMs;

class Rig {
	readonly clock = new ManualClock();
	readonly asked: Hex[] = [];
	readonly distrusted: Hex[] = [];
	support: BranchSupport | "none" = "none";
	readonly judge: ForkJudge;

	constructor({ providers = 1, polls = 3, depth = 64 } = {}) {
		const urls = Array.from({ length: providers }, (_, index) => `http://127.0.0.1:${index + 1}`);
		this.judge = new ForkJudge({
			spec: {
				rpc: { urls, pollIntervalMs: POLL_MS } as never,
				reorg: { ...DEFAULT_REORG_RULES, polls, confirmBeyondDepth: depth },
			},
			source: {
				support: ({ hash }) => {
					this.asked.push(hash);
					const { support } = this;
					return support === "none" ? new Promise(() => undefined) : Promise.resolve(support);
				},
				distrust: ({ hash }) => this.distrusted.push(hash),
			},
			clock: this.clock,
		});
	}

	/** One look at a fork; who is silent is waited for. */
	async look(fork: Reorg): Promise<string> {
		const head = fork.blocks.at(-1) as BlockHeader;
		const before = this.asked.length;
		const judged = this.judge.judge(fork, head);
		if (this.support === "none" && this.asked.length > before) this.clock.pass(SUPPORT_MOST_MS);
		return verdictOf(await judged);
	}

	/** Looks until it is followed; answers how many there were and how long it took. */
	async until(fork: () => Reorg): Promise<{ looks: number; ms: number; on: string }> {
		const startedMs = this.clock.now();
		for (let looks = 1; looks < 200; looks += 1) {
			const verdict = await this.look(fork());
			if (verdict.startsWith("act"))
				return { looks, ms: this.clock.now() - startedMs, on: verdict };
			this.clock.pass(LOOK_MS);
		}
		throw new RangeError("it was never followed");
	}
}

function verdictOf(judged: ForkEvidence | Unconfirmed): string {
	return "type" in judged ? `wait ${judged.because}` : `act ${judged.because}`;
}

/** From branch a over to another, at height 5. */
function fork({ depth = 2, to = "b", blocks = 0, from = "a" } = {}): Reorg {
	const ancestor = headerChain("f", { from: 4, to: 4 })[0] as BlockHeader;
	return {
		type: "reorg",
		ancestor,
		orphaned: headerChain(from, { from: 5, to: 4 + depth, on: ancestor }),
		blocks: headerChain(to, { from: 5, to: 4 + (blocks || depth), on: ancestor }),
	};
}

const CONFIRMED = { confirming: 2, denying: 0, silent: 0 };
const DENIED = { confirming: 1, denying: 2, silent: 0 };
const SPLIT = { confirming: 1, denying: 1, silent: 0 };
const ALONE = { confirming: 1, denying: 0, silent: 0 };

test("with one provider a shallow fork is followed at once, and nobody is asked", async () => {
	const rig = new Rig();
	for (const depth of [1, 60, 64]) {
		expect(await rig.look(fork({ depth, to: depth === 1 ? "b" : "c" }))).toBe("act shallow");
	}
	expect(rig.asked).toEqual([]);
	expect(rig.clock.now()).toBe(0);
});

test("a deeper one needs looks in a row; what shows something else in between begins them anew", async () => {
	const rig = new Rig();
	rig.support = ALONE;
	const deep = () => fork({ depth: 65 });
	expect(await rig.until(deep)).toEqual({ looks: 3, ms: 2 * LOOK_MS, on: "act polls" });

	const other = new Rig();
	other.support = ALONE;
	for (let look = 0; look < 2; look += 1) {
		expect(await other.look(deep())).toBe("wait deep");
		other.clock.pass(LOOK_MS);
	}
	other.judge.seesNone({ type: "ignore" });
	expect(await other.until(deep)).toMatchObject({ looks: 3 });
});

test("looks of one burst are one look", async () => {
	const rig = new Rig();
	rig.support = ALONE;
	for (let look = 0; look < 50; look += 1) {
		expect(await rig.look(fork({ depth: 65 }))).toBe("wait deep");
		rig.clock.pass(2);
	}
});

test("a quorum is followed at once, however deep", async () => {
	const rig = new Rig({ providers: 3 });
	rig.support = CONFIRMED;
	expect(await rig.look(fork({ depth: 900 }))).toBe("act quorum");
	expect(rig.asked).toEqual([headerHash("b", 5)]);
});

test("with several providers a shallow fork is asked about, and followed unless most deny it", async () => {
	const rig = new Rig({ providers: 3 });
	rig.support = SPLIT;
	expect(await rig.look(fork())).toBe("act shallow");
	rig.support = DENIED;
	expect(await rig.look(fork({ to: "c" }))).toBe("wait denied");
	rig.support = CONFIRMED;
	expect(await rig.look(fork({ to: "c" }))).toBe("act quorum");
});

test("who does not say in time is not waited for", async () => {
	const rig = new Rig({ providers: 3 });
	expect(await rig.look(fork())).toBe("act shallow");
	expect(rig.clock.now()).toBe(SUPPORT_MOST_MS);
});

test("who is alone with a branch for long is put aside, and not who heard of it first", async () => {
	const rig = new Rig({ providers: 3 });
	rig.support = DENIED;
	for (let passed = 0; passed < LIMITS.forkDeniedMs; passed += LOOK_MS) {
		expect(await rig.look(fork())).toBe("wait denied");
		expect(rig.distrusted).toEqual([]);
		rig.clock.pass(LOOK_MS);
	}
	expect(await rig.look(fork())).toBe("wait denied");
	expect(rig.distrusted).toEqual([headerHash("b", 5)]);
});

test("a return to a branch that was left takes longer each time, within bounds", async () => {
	const rig = new Rig();
	rig.support = ALONE;
	const waits: number[] = [];
	for (const [from, to] of ["ab", "ba", "ab", "ba", "ab", "ba"].map((pair) => [...pair])) {
		const way = fork({ from, to });
		const { ms, on } = await rig.until(() => way);
		waits.push(ms);
		expect(on).toBe(waits.length === 1 ? "act shallow" : "act polls");
		const left = (way.orphaned[0] as BlockHeader).hash;
		rig.judge.left(left, (way.blocks[0] as BlockHeader).hash);
	}
	const { forkReturnMs: returnMs } = LIMITS;
	const atLeast = [0, returnMs, 2 * returnMs, 4 * returnMs, 8 * returnMs, 8 * returnMs];
	for (const [index, ms] of waits.entries()) {
		expect(ms).toBeGreaterThanOrEqual(atLeast[index] ?? 0);
		expect(ms).toBeLessThanOrEqual(Math.max((atLeast[index] ?? 0) * 1.5, 0));
	}
});

test("nodes behind one URL that disagree bring about one change at most", async () => {
	for (const turnsMs of [100, 500, 1_000, 1_500, 3_000]) {
		const rig = new Rig();
		let on = "a";
		let changes = 0;
		for (let passed = 0; passed < 30_000; passed += 100) {
			const shown = Math.floor(passed / turnsMs) % 2 === 0 ? "a" : "b";
			// The second answer of a look comes from the same node, or from the other one.
			rig.support = Math.floor((passed + 50) / turnsMs) % 2 === 0 ? ALONE : DENIED;
			if (shown === on) rig.judge.seesNone({ type: "ignore" });
			else {
				const way = fork({ from: on, to: shown });
				if ((await rig.look(way)).startsWith("act")) {
					changes += 1;
					rig.judge.left(headerHash(on, 5), headerHash(shown, 5));
					on = shown;
				}
			}
			rig.clock.pass(100);
		}
		// At turns of seconds each of the two looks like a chain that holds.
		expect(changes).toBeLessThanOrEqual(turnsMs < 2_000 ? 1 : 3);
	}
});

test("a node that is stuck behind the same URL does not hold the chain: what grows is followed", async () => {
	const rig = new Rig();
	rig.support = ALONE;
	rig.judge.left(headerHash("b", 5), headerHash("a", 5));
	let looks = 0;
	for (let height = 0; height < 20; height += 1) {
		const verdict = await rig.look(fork({ blocks: 3 + height }));
		looks += 1;
		if (verdict === "act grown") break;
		expect(verdict).toBe("wait returning");
		rig.judge.seesNone({ type: "ignore" });
		rig.clock.pass(LOOK_MS);
	}
	expect(looks).toBe(7);
});

test("the evidence says what was seen, asked and waited for", async () => {
	const rig = new Rig({ providers: 3 });
	rig.support = SPLIT;
	rig.judge.notice("tag_off_chain");
	const way = fork({ depth: 3, blocks: 5 });
	const judged = await rig.judge.judge(way, way.blocks.at(-1) as BlockHeader);
	expect(judged).toEqual({
		signals: ["parent_mismatch", "other_hash", "tag_off_chain"],
		depth: 3,
		support: SPLIT,
		polls: 1,
		heldMs: 0,
		because: "shallow",
	});
	const shorter = fork({ depth: 3, blocks: 1, to: "c" });
	const lower = await rig.judge.judge(shorter, shorter.blocks.at(-1) as BlockHeader);
	expect(lower).toMatchObject({ signals: ["other_hash", "head_below", "tag_off_chain"] });
});
