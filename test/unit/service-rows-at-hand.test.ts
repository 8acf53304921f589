/** What searches keep in memory: whole small collections, and tails, also one that is longer than may be held. */
import { describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/domain/clock.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { CollectionView, StateView, TailRow } from "../../src/service/reading/state-store.ts";
import { RowsAtHand } from "../../src/service/searching/rows-at-hand.ts";
import { keyOf } from "../support/versions.ts";

const MOST = 64 * LIMITS.tailRows;
const ROWS = MOST + 10_000;

const FLOAT_BYTES = 4;

/** Versions 1 to `rows`, each embedded with one float; `wholeBytes`: of a collection that is kept whole. */
function imported(rows: number, wholeBytes: number, clock?: Clock) {
	const asked: number[] = [];
	const counted: bigint[] = [];
	const view = {
		at: { chainId: 1, generation: 0n },
		tail: async (_name: string, { above, to, limit }: Parameters<StateView["tail"]>[1]) => {
			const count = Math.min(Number(to - above), limit);
			asked.push(count);
			return Array.from({ length: count }, (_, index) => rowOf(above + BigInt(index + 1)));
		},
		embeddedCount: async (_name: string, { upTo, limit }: { upTo: bigint; limit: number }) => {
			counted.push(upTo);
			return Math.min(Number(upTo), limit);
		},
	} as unknown as StateView;
	const atHand = new RowsAtHand(wholeBytes, clock);
	const rowsOf = async (pointer: bigint, { last = BigInt(rows), epoch = "first" } = {}) => {
		const found = await atHand.of(view, "default", collectionAt(pointer, last, epoch));
		return { isWhole: found.isWhole, size: (await found.load()).scan.size };
	};
	const tailAbove = async (versionId: bigint) => (await rowsOf(versionId)).size;
	return { asked, counted, rowsOf, tailAbove };
}

const KEY = keyOf("any");

function rowOf(versionId: bigint): TailRow {
	const vector = new Float32Array([1]);
	return {
		versionId,
		memoryKey: KEY,
		namespace: "test",
		layer: "semantic",
		fromBlock: 0n,
		vector,
	};
}

function collectionAt(versionId: bigint, lastVersionId: bigint, epoch: string): CollectionView {
	return {
		...{ model: "any", dimensions: 1, table: "any", epoch, lastVersionId },
		pointer: { tableVersion: 1n, versionId, at: 0 },
	};
}

describe("a tail", () => {
	test("is read in pages up to the bound, and only once", async () => {
		const { asked, counted, tailAbove } = imported(ROWS, 0);
		await expect(tailAbove(0n)).rejects.toMatchObject({ code: "tail_full" });
		const page = Math.max(...asked);
		expect(page).toBeLessThanOrEqual(4 * LIMITS.tailRows);
		expect(asked.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(MOST + page);

		asked.length = 0;
		await expect(tailAbove(0n)).rejects.toMatchObject({ code: "tail_full" });
		expect(asked).toEqual([page]);
		expect(counted).toEqual([]);
	});

	test("is whole as soon as what is left of it fits", async () => {
		const { asked, tailAbove } = imported(ROWS, 0);
		await expect(tailAbove(0n)).rejects.toMatchObject({ code: "tail_full" });
		const flushed = 20_000n;
		expect(await tailAbove(flushed)).toBe(ROWS - Number(flushed));
		asked.length = 0;
		expect(await tailAbove(BigInt(ROWS - 5))).toBe(5);
		expect(asked).toEqual([]);
	});
});

describe("a small collection", () => {
	const MOST_WHOLE = 20;
	const small = (rows: number, clock?: Clock) => imported(rows, MOST_WHOLE * FLOAT_BYTES, clock);

	test("is kept with what LanceDB has of it, and only what is new is read", async () => {
		const { asked, counted, rowsOf } = small(15);
		expect(await rowsOf(10n, { last: 12n })).toEqual({ isWhole: true, size: 12 });
		expect(await rowsOf(12n)).toEqual({ isWhole: true, size: 15 });
		expect(await rowsOf(4n)).toEqual({ isWhole: true, size: 15 });
		expect(asked).toEqual([12, 3]);
		expect(counted).toEqual([10n]);
	});

	test("is a tail again when it has grown too large", async () => {
		const { asked, counted, rowsOf } = small(40);
		expect(await rowsOf(18n, { last: 20n })).toEqual({ isWhole: true, size: 20 });
		expect(await rowsOf(18n, { last: 21n })).toEqual({ isWhole: true, size: 21 });
		expect(await rowsOf(18n, { last: 22n })).toEqual({ isWhole: false, size: 4 });
		expect(await rowsOf(30n)).toEqual({ isWhole: false, size: 10 });
		expect(counted).toEqual([18n]);
		expect(asked).toEqual([20, 1, 4, 10]);
	});

	test("that is too large is never read whole", async () => {
		const { asked, rowsOf } = small(40);
		expect(await rowsOf(21n)).toEqual({ isWhole: false, size: 19 });
		expect(await rowsOf(38n)).toEqual({ isWhole: false, size: 2 });
		expect(asked).toEqual([19]);
	});

	test("takes another's place only when that was not searched for a minute", async () => {
		let now = 0;
		const { rowsOf } = small(15, { ...systemClock, now: () => now });
		const isWhole = async (epoch: string) => (await rowsOf(10n, { epoch })).isWhole;
		for (let each = 0; each < LIMITS.wholeCollections; each += 1) {
			expect(await isWhole(`collection ${each}`)).toBe(true);
		}
		now = 59_000;
		expect(await isWhole("collection 0")).toBe(true);
		expect(await isWhole("one more")).toBe(false);
		now = 61_000;
		expect(await isWhole("one more")).toBe(true);
		expect(await isWhole("collection 0")).toBe(true);
		// It gave way to the one more, and takes the place of the next that was not searched for long.
		expect(await isWhole("collection 1")).toBe(true);
	});

	test("that is kept no longer is counted again before it is read", async () => {
		let now = 0;
		const { asked, rowsOf } = small(100, { ...systemClock, now: () => now });
		expect(await rowsOf(10n, { last: 12n })).toEqual({ isWhole: true, size: 12 });
		for (let each = 0; each < LIMITS.wholeCollections; each += 1) {
			now += 61_000;
			await rowsOf(10n, { last: 12n, epoch: `collection ${each}` });
		}
		asked.length = 0;
		now += 61_000;
		expect(await rowsOf(95n)).toEqual({ isWhole: false, size: 5 });
		expect(asked).toEqual([5]);
	});

	test("is read anew when rows changed in place", async () => {
		const { asked, rowsOf } = small(15);
		await rowsOf(10n);
		expect(await rowsOf(10n, { epoch: "second" })).toEqual({ isWhole: true, size: 15 });
		expect(asked).toEqual([15, 15]);
	});
});
