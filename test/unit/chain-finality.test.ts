import { describe, expect, test } from "vitest";
import {
	type Finality,
	finality,
	GENESIS_FINALITY,
	retractFinality,
	rewindFinality,
	tagPlace,
	windowFloor,
} from "../../src/chain/finality.ts";
import { HeaderWindow } from "../../src/chain/header-window.ts";
import { LEAST_WINDOW } from "../../src/chain/window-size.ts";
import type { BlockHeader } from "../../src/domain/block.ts";
import { FatalError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { headerChain } from "../support/header-chain.ts";

const block = (height: number, branch = "a"): BlockHeader | undefined =>
	headerChain(branch, { from: height, to: height })[0];

function at(
	range: { from: number; to: number },
	options: {
		safe?: BlockHeader | undefined;
		finalized?: BlockHeader | undefined;
		depthBlocks?: number;
		previous?: Finality;
	},
): Finality {
	return finality({
		window: HeaderWindow.of(headerChain("a", range)),
		tagged: { safe: options.safe, finalized: options.finalized },
		depthBlocks: options.depthBlocks ?? 64,
		previous: options.previous ?? GENESIS_FINALITY,
	});
}

describe("finality by tags", () => {
	test("takes both", () => {
		const marks = at({ from: 50, to: 100 }, { safe: block(90), finalized: block(60) });
		expect(marks).toEqual({ safe: 90n, finalized: 60n });
	});

	test("does not use the depth where there is a finalized tag, though it is at 0", () => {
		const marks = at({ from: 0, to: 100 }, { finalized: block(0), depthBlocks: 2 });
		expect(marks).toEqual({ safe: 0n, finalized: 0n });
	});

	test("ends at the committed head while the tags are above it", () => {
		const marks = at({ from: 499, to: 500 }, { safe: block(960), finalized: block(930) });
		expect(marks).toEqual({ safe: 500n, finalized: 500n });
	});

	test("counts nothing that is tagged on another branch", () => {
		const previous = { safe: 70n, finalized: 60n };
		const marks = at(
			{ from: 50, to: 100 },
			{ safe: block(90, "b"), finalized: block(80, "b"), previous },
		);
		expect(marks).toEqual(previous);
		expect(at({ from: 50, to: 100 }, { finalized: block(100, "b"), previous })).toEqual(previous);
	});

	test("only moves forward when a node says less", () => {
		const previous = { safe: 90n, finalized: 80n };
		const marks = at({ from: 50, to: 100 }, { safe: block(70), finalized: block(60), previous });
		expect(marks).toEqual(previous);
	});

	test("never puts finalized above safe", () => {
		const marks = at({ from: 50, to: 100 }, { safe: block(60), finalized: block(80) });
		expect(marks).toEqual({ safe: 60n, finalized: 60n });
	});
});

describe("finality by depth", () => {
	test("lies that many blocks under the head, and safe with it", () => {
		expect(at({ from: 0, to: 100 }, {})).toEqual({ safe: 36n, finalized: 36n });
	});

	test("is never below block 0", () => {
		expect(at({ from: 0, to: 10 }, {})).toEqual({ safe: 0n, finalized: 0n });
		expect(at({ from: 0, to: 0 }, {})).toEqual({ safe: 0n, finalized: 0n });
	});

	test("with depth 0 is the head", () => {
		expect(at({ from: 0, to: 7 }, { depthBlocks: 0 })).toEqual({ safe: 7n, finalized: 7n });
	});

	test("leaves a safe tag as it is", () => {
		expect(at({ from: 0, to: 100 }, { safe: block(95) })).toEqual({ safe: 95n, finalized: 36n });
		expect(at({ from: 0, to: 100 }, { safe: block(20) })).toEqual({ safe: 20n, finalized: 20n });
	});

	test("stays when the chain gets shorter", () => {
		const previous = { safe: 36n, finalized: 36n };
		expect(at({ from: 36, to: 80 }, { previous })).toEqual(previous);
	});
});

describe("a rollback", () => {
	const previous = { safe: 90n, finalized: 60n };

	test("takes back what it orphaned of safe", () => {
		expect(rewindFinality(previous, 75n)).toEqual({ safe: 75n, finalized: 60n });
		expect(rewindFinality(previous, 95n)).toEqual(previous);
		expect(rewindFinality(previous, 60n)).toEqual({ safe: 60n, finalized: 60n });
	});

	test("never goes below finality", () => {
		expect(() => rewindFinality(previous, 59n)).toThrow(FatalError);
		expect(() => at({ from: 40, to: 59 }, { previous })).toThrow(
			/head 59 is below the finalized height 60/,
		);
	});
});

describe("the floor of the window", () => {
	test("is the finalized block", () => {
		expect(windowFloor({ ...LEAST_WINDOW, head: 100n, finalized: 36n })).toBe(36n);
		expect(windowFloor({ ...LEAST_WINDOW, head: 100n, finalized: 100n })).toBe(100n);
	});

	test("is the cap when finality stalls", () => {
		const head = 10_000n;
		const floor = windowFloor({ ...LEAST_WINDOW, head, finalized: 0n });
		expect(head - floor + 1n).toBe(BigInt(LIMITS.windowBlocks));
	});

	test("is block 0 of a short chain", () => {
		expect(windowFloor({ ...LEAST_WINDOW, head: 5n, finalized: 0n })).toBe(0n);
		const raised = { windowBlocks: 50, windowFrom: 90n };
		expect(windowFloor({ ...raised, head: 100n, finalized: 0n })).toBe(90n);
		expect(windowFloor({ ...raised, head: 200n, finalized: 0n })).toBe(151n);
		expect(windowFloor({ ...raised, head: 80n, finalized: 20n })).toBe(80n);
	});
});

describe("finality that a recovery takes back", () => {
	const marks = { safe: 20n, finalized: 10n };

	test("goes with the ancestor, and is never raised by it", () => {
		expect(retractFinality(marks, 4n)).toEqual({ safe: 4n, finalized: 4n });
		expect(retractFinality(marks, 15n)).toEqual({ safe: 15n, finalized: 10n });
		expect(retractFinality(marks, 30n)).toEqual(marks);
	});
});

describe("the place of a tag", () => {
	const window = HeaderWindow.of(headerChain("a", { from: 50, to: 100 }));
	const place = (tag: BlockHeader | undefined, kept?: BlockHeader) =>
		tag && tagPlace(tag, { window, finalized: 60n, kept: kept?.hash });

	test("is on the chain where it is our block, also below the window", () => {
		expect(place(block(60))).toBe("on_chain");
		expect(place(block(100))).toBe("on_chain");
		expect(place(block(20), block(20))).toBe("on_chain");
	});

	test("is off it where it is another, and changed where that was final", () => {
		expect(place(block(61, "b"))).toBe("off_chain");
		expect(place(block(60, "b"))).toBe("changed");
		expect(place(block(50, "b"))).toBe("changed");
		expect(place(block(20, "b"), block(20))).toBe("changed");
	});

	test("is unknown above the tip, and below the window where nothing is kept", () => {
		expect(place(block(101, "b"))).toBe("unknown");
		expect(place(block(101, "b"), block(101))).toBe("unknown");
		expect(place(block(20, "b"))).toBe("unknown");
	});
});
