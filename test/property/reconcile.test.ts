/**
 * reconcile against a model: a random tree of blocks, a node that serves one branch of it and moves
 * among them, and the smallest follower that obeys the decisions.
 *
 * What must come out of a round is read from the tree (the common ancestor by walking parents), never
 * from the code under test.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { growBranch } from "../../src/chain/branch.ts";
import type { Decision } from "../../src/chain/decision.ts";
import { type Finality, finality, rewindFinality, windowFloor } from "../../src/chain/finality.ts";
import { countHeadBelow, type HeadBelow, NOT_BELOW } from "../../src/chain/head-below.ts";
import { HeaderWindow } from "../../src/chain/header-window.ts";
import { reconcile } from "../../src/chain/reconcile.ts";
import { LEAST_WINDOW } from "../../src/chain/window-size.ts";
import type { BlockHeader } from "../../src/domain/block.ts";
import type { Height, Hex } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { announcedSeed } from "../support/seed.ts";

const RUNS = 2_500;
/** Model polls are this far apart, so that polls and milliseconds are reached at different times. */
const POLL_MS = 400;
/** By number the walk doubles, so it needs 2 + log2(window) answers; the rest is slack. */
const STABLE_FETCHES = 16;

const SEED = announcedSeed("test/property/reconcile.test.ts");

type NodeAction =
	| { readonly type: "mine"; readonly count: number }
	/** Replaces the top `depth` blocks by `length` others. */
	| { readonly type: "fork"; readonly depth: number; readonly length: number }
	/** Back to a head that was left before: A -> B -> A, or down to a canonical block for good. */
	| { readonly type: "return"; readonly pick: number }
	| { readonly type: "shrink"; readonly depth: number };

interface Round {
	readonly action: NodeAction;
	/** The node moves so only after this many fetches of the round; undefined: before the round. */
	readonly midRound: number | undefined;
	/** The node shows its branch only up to this many blocks below its head. */
	readonly lag: number;
	/** Fetch of the round that is answered with null. */
	readonly nullAt: number | undefined;
	/** By number the node answers from a sibling branch, as if behind a load balancer. */
	readonly strayNumbers: boolean;
	/** The same observation this many times in a row. */
	readonly polls: number;
}

class Tree {
	readonly #blocks = new Map<Hex, BlockHeader>();
	#count = 0;

	child(parent: BlockHeader | undefined): BlockHeader {
		this.#count++;
		const block: BlockHeader = {
			number: parent === undefined ? 0n : parent.number + 1n,
			hash: `0x${this.#count.toString(16).padStart(64, "0")}`,
			parentHash: parent?.hash ?? `0x${"0".repeat(64)}`,
			timestamp: BigInt(this.#count),
		};
		this.#blocks.set(block.hash, block);
		return block;
	}

	mine(parent: BlockHeader, count: number): BlockHeader {
		let tip = parent;
		for (let mined = 0; mined < count; mined++) tip = this.child(tip);
		return tip;
	}

	/** The block of that height on the branch that ends in `head`; block 0 for lower ones. */
	ancestorAt(head: BlockHeader, height: Height): BlockHeader {
		let block = head;
		while (block.number > height && block.number > 0n) block = this.parentOf(block);
		return block;
	}

	common(one: BlockHeader, other: BlockHeader): BlockHeader {
		let left = this.ancestorAt(one, other.number);
		let right = this.ancestorAt(other, one.number);
		while (left.hash !== right.hash) {
			left = this.parentOf(left);
			right = this.parentOf(right);
		}
		return left;
	}

	parentOf(block: BlockHeader): BlockHeader {
		const parent = this.#blocks.get(block.parentHash);
		if (parent === undefined) throw new TypeError(`block ${block.number} has no parent`);
		return parent;
	}

	/** Ascending, both heights inclusive. */
	path(head: BlockHeader, from: Height): BlockHeader[] {
		const path = [head];
		for (let block = head; block.number > from; ) {
			block = this.parentOf(block);
			path.push(block);
		}
		return path.reverse();
	}
}

class ModelNode {
	readonly tree = new Tree();
	readonly #left: BlockHeader[] = [];
	#head: BlockHeader;
	#stray: BlockHeader;
	lag = 0;
	strayNumbers = false;

	constructor(blocks: number) {
		this.#head = this.tree.mine(this.tree.child(undefined), blocks);
		this.#stray = this.#head;
	}

	get head(): BlockHeader {
		return this.tree.ancestorAt(this.#head, this.#head.number - BigInt(this.lag));
	}

	move(action: NodeAction): void {
		this.#left.push(this.#head);
		this.#stray = this.#head;
		this.#head = this.#moved(action);
	}

	#moved(action: NodeAction): BlockHeader {
		const head = this.#head;
		switch (action.type) {
			case "mine":
				return this.tree.mine(head, action.count);
			case "fork": {
				const base = this.tree.ancestorAt(head, head.number - BigInt(action.depth));
				return this.tree.mine(base, action.length);
			}
			case "return":
				return this.#left[action.pick % this.#left.length] ?? head;
			case "shrink":
				return this.tree.ancestorAt(head, head.number - BigInt(action.depth));
		}
	}

	byNumber(height: Height): BlockHeader | undefined {
		const head = this.strayNumbers ? this.#stray : this.head;
		return height > head.number ? undefined : this.tree.ancestorAt(head, height);
	}

	/** Orphaned blocks are not served by hash, and a lagging node does not have what comes later. */
	byHash(hash: Hex, height: Height): BlockHeader | undefined {
		const head = this.head;
		if (height > head.number) return undefined;
		const block = this.tree.ancestorAt(head, height);
		return block.hash === hash ? block : undefined;
	}
}

/** How often each decision was met. */
const seen = new Map<string, number>();

function count(decision: string): void {
	seen.set(decision, (seen.get(decision) ?? 0) + 1);
}

/** How a round ended: with a decision, or because the node did not have a block. */
type Ending = Decision | { readonly type: "missing" };

class ModelFollower {
	readonly #node: ModelNode;
	readonly #depthBlocks: number;
	readonly #capBlocks: bigint;
	readonly #slackBlocks: bigint;
	window: HeaderWindow;
	finality: Finality = { safe: 0n, finalized: 0n };
	headBelow: HeadBelow = NOT_BELOW;
	fetches = 0;
	#nowMs = 0;

	constructor(node: ModelNode, options: Scenario) {
		this.#node = node;
		this.#depthBlocks = options.depthBlocks;
		this.#capBlocks = BigInt(options.capBlocks);
		this.#slackBlocks = BigInt(options.slackBlocks);
		this.window = HeaderWindow.of([node.tree.ancestorAt(node.head, 0n)]);
	}

	/** One round: never more fetches than `bound`. `onFetch` says what the node does before each. */
	round(
		bound: number,
		onFetch: (fetch: number) => "answer" | "null",
	): Ending & { head: BlockHeader } {
		this.fetches = 0;
		this.#nowMs += POLL_MS;
		const answer = <Value>(read: () => Value): Value | undefined => {
			this.fetches++;
			expect(this.fetches, "fetches of one round").toBeLessThanOrEqual(bound);
			return onFetch(this.fetches) === "null" ? undefined : read();
		};
		let head = this.#node.head;
		let branch: readonly BlockHeader[] = [head];
		for (;;) {
			const { finalized } = this.finality;
			const decision = reconcile(this.window, {
				head,
				branch,
				finalized,
				headBelow: this.headBelow,
			});
			if (decision.type === "backfill") {
				const lowest = answer(() => this.#node.byNumber(decision.from));
				if (lowest === undefined) return { type: "missing", head };
				count("backfill");
				head = lowest;
				branch = [lowest];
				continue;
			}
			if (decision.type !== "need") {
				this.#apply(decision, head);
				return { ...decision, head };
			}
			const grown = this.#fetch(decision, branch, answer);
			if (grown === undefined) return { type: "missing", head };
			branch = grown;
		}
	}

	#fetch(
		need: Extract<Decision, { type: "need" }>,
		branch: readonly BlockHeader[],
		answer: <Value>(read: () => Value) => Value | undefined,
	): readonly BlockHeader[] | undefined {
		expect(need.from <= need.to).toBe(true);
		const byNumber = answer(() => {
			const found: (BlockHeader | undefined)[] = [];
			for (let height = need.from; height <= need.to; height++) {
				found.push(this.#node.byNumber(height));
			}
			return found;
		});
		const grown = growBranch(branch, byNumber ?? []);
		if (grown !== branch) return grown;
		const parent = answer(() => this.#node.byHash(need.hash, need.to));
		return parent === undefined ? undefined : growBranch(branch, [parent]);
	}

	#apply(decision: Decision, head: BlockHeader): void {
		const tip = this.window.tip;
		switch (decision.type) {
			case "extend":
				this.window = this.window.append(decision.blocks);
				break;
			case "reorg":
				this.window = this.window.rewindTo(decision.ancestor.number).append(decision.blocks);
				this.finality = rewindFinality(this.finality, decision.ancestor.number);
				break;
			case "shrink":
				this.window = this.window.rewindTo(decision.ancestor.number);
				this.finality = rewindFinality(this.finality, decision.ancestor.number);
				break;
			default:
				this.#probe(decision, { tip, head });
				return;
		}
		this.headBelow = NOT_BELOW;
		this.#settle();
	}

	#probe(decision: Decision, { tip, head }: { tip: BlockHeader; head: BlockHeader }): void {
		const below =
			decision.type === "wait" || (decision.type === "ignore" && decision.reason !== "same_head");
		const denied = this.#node.byHash(tip.hash, tip.number) === undefined;
		this.headBelow =
			below && denied
				? countHeadBelow(this.headBelow, { headHash: head.hash, nowMs: this.#nowMs })
				: NOT_BELOW;
	}

	#settle(): void {
		this.finality = finality({
			window: this.window,
			tagged: { safe: undefined, finalized: undefined },
			depthBlocks: this.#depthBlocks,
			previous: this.finality,
		});
		const head = this.window.tip.number;
		const floor =
			windowFloor({ ...LEAST_WINDOW, head, finalized: this.finality.finalized }) -
			this.#slackBlocks;
		const cap = head - this.#capBlocks + 1n;
		this.window = this.window.trimBelow(floor > cap ? floor : cap);
	}
}

interface Before {
	readonly window: HeaderWindow;
	readonly finalized: Height;
	readonly headBelow: HeadBelow;
}

type Named = { readonly type: string; readonly detail?: string; readonly ancestor?: Hex };

/** What the tree says about a head seen at the node. */
function expected(tree: Tree, before: Before, head: BlockHeader): Named {
	const { window, finalized, headBelow } = before;
	const { tip, oldest } = window;
	const ancestor = tree.common(tip, head);
	if (head.hash === tip.hash) return { type: "ignore", detail: "same_head" };
	const below = ancestor.hash === head.hash;
	if (below || head.number < oldest.number) {
		const hidden = head.number < oldest.number;
		const confirmed =
			headBelow.polls >= LIMITS.shrinkPolls && headBelow.elapsedMs >= LIMITS.shrinkMs;
		if (headBelow.polls === 0) {
			return { type: "ignore", detail: hidden ? "below_window" : "canonical_below" };
		}
		if (!confirmed) return { type: "wait", detail: "unconfirmed_shrink" };
		if (hidden) return { type: "wait", detail: "head_below_window" };
		if (head.number < finalized) return { type: "wait", detail: "head_below_finality" };
		return { type: "shrink", ancestor: head.hash };
	}
	if (ancestor.hash === tip.hash) return { type: "extend" };
	// On the way down the higher floor is met first, and names the halt.
	if (ancestor.number < oldest.number && finalized < oldest.number) {
		return { type: "halt", detail: "fork_below_window" };
	}
	if (ancestor.number < finalized) return { type: "halt", detail: "fork_below_finality" };
	return { type: "reorg", ancestor: ancestor.hash };
}

function named(ending: Ending): Named {
	switch (ending.type) {
		case "ignore":
		case "wait":
			return { type: ending.type, detail: ending.reason };
		case "halt":
			return { type: ending.type, detail: ending.code };
		case "shrink":
		case "reorg":
			return { type: ending.type, ancestor: ending.ancestor.hash };
		default:
			return { type: ending.type };
	}
}

/** A round, held against the tree. */
function checkedRound(
	node: ModelNode,
	follower: ModelFollower,
	run: { bound: number; onFetch: (fetch: number) => "answer" | "null" },
): Ending {
	const before: Before = {
		window: follower.window,
		finalized: follower.finality.finalized,
		headBelow: follower.headBelow,
	};
	const ending = follower.round(run.bound, run.onFetch);
	const name = named(ending);
	const key = `${name.type} ${name.detail ?? ""}`.trim();
	count(key);

	if (ending.type !== "missing") {
		expect(name).toEqual(expected(node.tree, before, ending.head));
	}
	if (ending.type === "extend" || ending.type === "reorg") {
		expect(ending.blocks.at(-1)?.hash).toBe(ending.head.hash);
	}
	if (ending.type === "reorg" || ending.type === "shrink") {
		expect(ending.orphaned).toEqual(before.window.above(ending.ancestor.number));
	}
	if (["extend", "reorg", "shrink"].includes(ending.type)) {
		const { tip, oldest, headers } = follower.window;
		expect(tip.hash).toBe(ending.head.hash);
		expect(headers).toEqual(node.tree.path(ending.head, oldest.number));
	} else {
		expect(follower.window).toBe(before.window);
	}
	expect(follower.finality.finalized >= before.finalized).toBe(true);
	return ending;
}

/** Rounds with a node that neither moves nor fails, until there is nothing left to do. */
function settle(node: ModelNode, follower: ModelFollower): Ending {
	const gap = Number(node.head.number - follower.window.tip.number);
	/** A reorg, one block of each backfilled group's worth, a last extension and the answer that it is done. */
	const limit = Math.max(gap, 0) + 4;
	for (let rounds = 0; rounds < limit; rounds++) {
		const ending = checkedRound(node, follower, { bound: STABLE_FETCHES, onFetch: () => "answer" });
		if (!["extend", "reorg"].includes(ending.type)) return ending;
	}
	throw new TypeError(`not settled after ${limit} rounds`);
}

function play(scenario: Scenario): void {
	const node = new ModelNode(scenario.blocks);
	const follower = new ModelFollower(node, scenario);
	for (const round of scenario.rounds) {
		node.strayNumbers = false;
		if (round.midRound === undefined) node.move(round.action);
		node.lag = round.lag;
		node.strayNumbers = round.strayNumbers;
		const walk = LIMITS.windowBlocks + LIMITS.groupBlocks;
		const ending = checkedRound(node, follower, {
			bound: 2 * walk,
			onFetch: (fetch) => {
				if (fetch === round.midRound) node.move(round.action);
				return fetch === round.nullAt ? "null" : "answer";
			},
		});
		if (ending.type === "halt") return;

		node.strayNumbers = false;
		for (let poll = 0; poll < round.polls; poll++) {
			const settled = settle(node, follower);
			if (settled.type === "halt") return;
			const name = named(settled);
			if (name.detail === "same_head") {
				expect(follower.window.tip.hash).toBe(node.head.hash);
			} else {
				expect(["ignore", "wait", "shrink"]).toContain(name.type);
			}
		}
	}
}

interface Scenario {
	readonly blocks: number;
	readonly depthBlocks: number;
	readonly capBlocks: number;
	/** Headers below the floor that are trimmed late. */
	readonly slackBlocks: number;
	readonly rounds: readonly Round[];
}

const small = fc.integer({ min: 1, max: 12 });
const anAction: fc.Arbitrary<NodeAction> = fc.oneof(
	{ weight: 4, arbitrary: fc.record({ type: fc.constant("mine" as const), count: small }) },
	{
		weight: 6,
		arbitrary: fc.record({ type: fc.constant("fork" as const), depth: small, length: small }),
	},
	{
		weight: 3,
		arbitrary: fc.record({ type: fc.constant("return" as const), pick: fc.nat({ max: 20 }) }),
	},
	{ weight: 2, arbitrary: fc.record({ type: fc.constant("shrink" as const), depth: small }) },
	{
		weight: 1,
		arbitrary: fc.record({
			type: fc.constant("fork" as const),
			depth: fc.integer({ min: 10, max: 70 }),
			length: fc.integer({ min: 1, max: 80 }),
		}),
	},
	{
		weight: 1,
		arbitrary: fc.record({
			type: fc.constant("fork" as const),
			depth: small,
			length: fc.integer({ min: 490, max: 560 }),
		}),
	},
);
const sometimes = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
	fc.option(arbitrary, { nil: undefined, freq: 3 });
const aRound: fc.Arbitrary<Round> = fc.record({
	action: anAction,
	midRound: sometimes(fc.integer({ min: 1, max: 4 })),
	lag: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: small }),
	nullAt: sometimes(fc.integer({ min: 1, max: 6 })),
	strayNumbers: fc.oneof(
		{ weight: 3, arbitrary: fc.constant(false) },
		{ weight: 1, arbitrary: fc.constant(true) },
	),
	polls: fc.oneof(
		{ weight: 5, arbitrary: fc.integer({ min: 1, max: 3 }) },
		{ weight: 1, arbitrary: fc.constant(12) },
	),
});
const aScenario: fc.Arbitrary<Scenario> = fc.record({
	blocks: fc.integer({ min: 0, max: 40 }),
	depthBlocks: fc.integer({ min: 2, max: 64 }),
	capBlocks: fc.constantFrom(8, 32, LIMITS.windowBlocks),
	slackBlocks: fc.constantFrom(0, 0, 5),
	rounds: fc.array(aRound, { minLength: 1, maxLength: 12 }),
});

test("every round ends as the tree of blocks says, and the window follows the node", {
	timeout: 120_000,
}, () => {
	fc.assert(fc.property(aScenario, play), { seed: SEED, numRuns: RUNS });
	console.info(`reconcile: ${JSON.stringify(Object.fromEntries([...seen].sort()))}`);
	// A model that never meets a decision says nothing about it.
	const met = [...seen.keys()];
	expect(met).toEqual(
		expect.arrayContaining([
			"backfill",
			"extend",
			"halt fork_below_finality",
			"halt fork_below_window",
			"ignore below_window",
			"ignore canonical_below",
			"ignore same_head",
			"missing",
			"reorg",
			"shrink",
			"wait head_below_finality",
			"wait head_below_window",
			"wait unconfirmed_shrink",
		]),
	);
});
