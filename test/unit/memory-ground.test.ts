import { describe, expect, test } from "vitest";
import type { AnchorSet } from "../../src/domain/operation.ts";
import { NO_ANCHORS } from "../../src/domain/operation.ts";
import type { SourceRef } from "../../src/domain/provenance.ts";
import { afterRewind, anchorHeight, withFound } from "../../src/memory/anchors.ts";
import { groundOf, type Held } from "../../src/memory/ground.ts";

const HASH = `0x${"ab".repeat(32)}` as const;

function source(id: string): SourceRef {
	return { namespace: "default", id, contentHash: HASH };
}

function held(slot: bigint, of: Partial<Held> = {}): Held {
	return { slot, grounds: undefined, suspect: false, depth: 0, ...of };
}

function ground(sets: readonly (readonly string[])[], there: Readonly<Record<string, Held>>) {
	return groundOf({ anchors: NO_ANCHORS, sources: sets.map((set) => set.map(source)) }, ({ id }) =>
		Object.hasOwn(there, id) ? there[id] : undefined,
	);
}

function anchored(mode: AnchorSet["mode"], ...heights: readonly (bigint | undefined)[]): AnchorSet {
	return {
		mode,
		anchors: heights.map((height, index) => ({
			kind: "transaction",
			transactionHash: `0x${`${index}`.repeat(64)}`,
			effectsHash: HASH,
			place: height === undefined ? undefined : { blockHash: HASH, height },
		})),
	};
}

describe("anchors", () => {
	test("none hold from the beginning", () => {
		expect(anchorHeight(NO_ANCHORS)).toBe(0n);
	});

	test("all hold when the last of them does", () => {
		expect(anchorHeight(anchored("all", 7n, 9n, 8n))).toBe(9n);
		expect(anchorHeight(anchored("all", 7n, undefined))).toBeUndefined();
	});

	test("any holds as soon as one of them does", () => {
		expect(anchorHeight(anchored("any", 9n, undefined, 7n))).toBe(7n);
		expect(anchorHeight(anchored("any", undefined, undefined))).toBeUndefined();
	});

	test("a rewind leaves what stands at the ancestor, and takes what stands above it", () => {
		const { anchors } = afterRewind(anchored("all", 7n, 8n), 7n);
		expect(anchors.map(({ place }) => place?.height)).toEqual([7n, undefined]);
	});

	test("what is found again stands where it was found", () => {
		const found = [{ anchor: 1, blockHash: HASH, height: 12n }];
		expect(anchorHeight(withFound(anchored("all", 7n, undefined), found))).toBe(12n);
	});
});

describe("sources", () => {
	test("a set holds from the slot of its last member, and rests on the highest block of any", () => {
		const there = { a: held(5n, { grounds: 3n }), b: held(8n, { grounds: 2n, depth: 2 }) };
		expect(ground([["a", "b"]], there)).toEqual({
			type: "holds",
			slot: 8n,
			grounds: 3n,
			suspect: false,
			depth: 3,
		});
	});

	test("one set that holds is enough, and the one from the lowest slot is taken", () => {
		const there = { b: held(9n), c: held(6n) };
		expect(ground([["a"], ["b"], ["c"]], there)).toMatchObject({ type: "holds", slot: 6n });
	});

	test("a set without a suspect member is taken before an earlier one with one", () => {
		const there = { a: held(2n, { suspect: true }), b: held(9n) };
		expect(ground([["a"], ["b"]], there)).toMatchObject({ slot: 9n, suspect: false });
	});

	test("what is concluded from what is suspect alone is suspect", () => {
		const there = { a: held(2n, { suspect: true }), b: held(9n) };
		expect(ground([["a", "b"]], there)).toMatchObject({ slot: 9n, suspect: true });
	});

	test("without a set that holds, every missing member is told once", () => {
		const there = { b: held(9n) };
		expect(
			ground(
				[
					["a", "b"],
					["a", "c"],
				],
				there,
			),
		).toEqual({
			type: "absent",
			reason: "source_absent",
			lost: [
				{ kind: "source", ...source("a") },
				{ kind: "source", ...source("c") },
			],
		});
	});

	test("an absent anchor takes what the sources hold, and is told first", () => {
		const anchors = anchored("all", undefined);
		const found = groundOf({ anchors, sources: [[source("a")]] }, () => held(3n));
		expect(found).toMatchObject({ type: "absent", reason: "anchor_absent", lost: [{}] });
	});

	test("anchors and sources together hold from the later of both", () => {
		const anchors = anchored("any", 4n);
		const found = groundOf({ anchors, sources: [[source("a")]] }, () => held(3n, { grounds: 2n }));
		expect(found).toMatchObject({ slot: 4n, grounds: 4n });
	});
});
