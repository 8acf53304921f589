/** When a node is asked for its safe and finalized tags, and what counts between two looks. */
import { expect, test } from "vitest";
import { HeaderWindow } from "../../src/chain/header-window.ts";
import type { BlockHeader, ChainBlock } from "../../src/domain/block.ts";
import { RetryableError } from "../../src/domain/errors.ts";
import { FinalityMarks } from "../../src/follower/finality-marks.ts";
import { headerChain } from "../support/header-chain.ts";
import { ManualClock } from "../support/manual-clock.ts";

const CHAIN = headerChain("a", { from: 0, to: 10 });
const WINDOW = HeaderWindow.of(CHAIN);
const TIP = WINDOW.tip;
const NOTHING = { safe: 0n, finalized: 0n };

interface Node {
	/** Heights of its tags; undefined: it has none. */
	marks: { readonly safe: number; readonly finalized: number } | undefined;
	isAway: boolean;
}

function marksOf(everyMs: number, node: Node) {
	const clock = new ManualClock();
	let asked = 0;
	const marks = new FinalityMarks({
		spec: { finalityDepthBlocks: 4, finalityEveryMs: everyMs },
		source: {
			blockByNumber: async (height) => CHAIN[Number(height)] as ChainBlock | undefined,
			tagged: async (tag) => {
				if (node.isAway) throw new RetryableError("rpc_failed", { message: "away", hint: "" });
				asked += 1;
				return node.marks && (CHAIN[node.marks[tag]] as BlockHeader as ChainBlock);
			},
		},
		clock,
		onTags: () => undefined,
	});
	return { clock, marks, asked: () => asked };
}

test("the tags are due by time alone: at first, when it has passed, and when they are wanted again", async () => {
	const { clock, marks, asked } = marksOf(2_000, {
		marks: { safe: 8, finalized: 6 },
		isAway: false,
	});
	expect(marks.areDue).toBe(true);
	await marks.look(TIP);
	expect(marks.areDue).toBe(false);
	clock.pass(1_999);
	expect(marks.areDue).toBe(false);
	clock.pass(1);
	expect(marks.areDue).toBe(true);
	await marks.look(TIP);
	marks.lookAgain();
	expect(marks.areDue).toBe(true);
	expect(asked()).toBe(4);
});

test("at 0 they are due with each block", async () => {
	const { marks } = marksOf(0, { marks: { safe: 8, finalized: 6 }, isAway: false });
	await marks.look(TIP);
	expect(marks.areDue).toBe(true);
});

test("between two looks of a node with tags nothing becomes final, also not by depth", async () => {
	const node: Node = { marks: { safe: 5, finalized: 3 }, isAway: false };
	const { marks } = marksOf(2_000, node);
	const known = marks.finalityOf(WINDOW, await marks.look(TIP), NOTHING);
	expect(known).toEqual({ safe: 5n, finalized: 3n });
	// What it has marked since is not known, and block 6 lies four below the tip.
	node.marks = { safe: 9, finalized: 8 };
	expect(marks.finalityOf(WINDOW, undefined, known)).toEqual(known);
	expect(marks.finalityOf(WINDOW, await marks.look(TIP), known)).toEqual({
		safe: 9n,
		finalized: 8n,
	});
});

test("depth decides with each block where the node has no tags", async () => {
	const { marks, asked } = marksOf(2_000, { marks: undefined, isAway: false });
	await marks.look(TIP);
	expect(marks.finalityOf(WINDOW, undefined, NOTHING)).toEqual({ safe: 6n, finalized: 6n });
	expect(asked()).toBe(2);
});

test("a look that fails is none: the tags stay due", async () => {
	const node: Node = { marks: { safe: 8, finalized: 6 }, isAway: true };
	const { marks } = marksOf(2_000, node);
	await expect(marks.look(TIP)).rejects.toMatchObject({ code: "rpc_failed" });
	expect(marks.areDue).toBe(true);
});
