import { describe, expect, it } from "vitest";
import type { MemoryKey } from "../../src/domain/ids.ts";
import type { VectorRow } from "../../src/domain/vector.ts";
import {
	compareCandidates,
	cosineSimilarity,
	RowScan,
	type ScannedRow,
} from "../../src/ranking/exact-scan.ts";

const everything = () => true;

function row(versionId: number, vector: readonly number[]): VectorRow {
	return {
		versionId: BigInt(versionId),
		memoryKey: `key-${versionId}` as MemoryKey,
		namespace: "default",
		layer: "semantic",
		fromBlock: BigInt(versionId),
		vector: Float32Array.from(vector),
	};
}

function tailOf(...rows: readonly VectorRow[]): RowScan {
	const tail = new RowScan({ dimensions: 2, maxRows: 1_000 });
	tail.append(rows);
	return tail;
}

function idsOf(
	tail: RowScan,
	vector: readonly number[],
	k = 10,
	accept: (row: ScannedRow) => boolean = everything,
) {
	return tail.search({ vector: Float32Array.from(vector), k, accept }).map((c) => c.versionId);
}

/** Deterministic numbers in [-1, 1) (a linear congruential generator). */
function numbersFrom(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state / 0x80000000 - 1;
	};
}

describe("the cosine similarity", () => {
	it("is 1 for one direction, 0 across and -1 against it, whatever the lengths", () => {
		const east = Float32Array.of(2, 0);
		expect(cosineSimilarity(east, Float32Array.of(9, 0))).toBe(1);
		expect(cosineSimilarity(east, Float32Array.of(0, 3))).toBe(0);
		expect(cosineSimilarity(east, Float32Array.of(-1, 0))).toBe(-1);
	});

	it("stays within [-1, 1] where rounding would leave it", () => {
		const next = numbersFrom(7);
		for (let i = 0; i < 200; i++) {
			const vector = Float32Array.from({ length: 384 }, next);
			expect(cosineSimilarity(vector, vector)).toBeLessThanOrEqual(1);
		}
	});

	it("is undefined for a vector without direction", () => {
		const some = Float32Array.of(1, 1);
		expect(cosineSimilarity(some, Float32Array.of(0, 0))).toBeUndefined();
		expect(cosineSimilarity(some, Float32Array.of(Number.NaN, 0))).toBeUndefined();
		expect(cosineSimilarity(some, Float32Array.of(Number.POSITIVE_INFINITY, 0))).toBeUndefined();
	});
});

describe("the tail", () => {
	it("answers the most similar first", () => {
		const tail = tailOf(row(1, [0, 1]), row(2, [1, 0]), row(3, [1, 1]));
		expect(idsOf(tail, [1, 0])).toEqual([2n, 3n, 1n]);
	});

	it("orders equals by the version id, also at the edge of k", () => {
		const tail = tailOf(row(10, [1, 0]), row(9, [2, 0]), row(2, [3, 0]), row(30, [0, 1]));
		expect(idsOf(tail, [1, 0], 2)).toEqual([2n, 9n]);
	});

	it("asks accept before it counts a row among the k", () => {
		const tail = tailOf(row(1, [1, 0]), row(2, [1, 0.1]), row(3, [0, 1]));
		expect(idsOf(tail, [1, 0], 1, (r) => r.fromBlock >= 2n)).toEqual([2n]);
		expect(idsOf(tail, [1, 0], 10, () => false)).toEqual([]);
	});

	it("finds no row without direction, and nothing for such a query", () => {
		const tail = tailOf(row(1, [0, 0]), row(2, [1, 0]));
		expect(idsOf(tail, [1, 0])).toEqual([2n]);
		expect(idsOf(tail, [0, 0])).toEqual([]);
	});

	it("answers nothing for k = 0 and from an empty tail", () => {
		expect(idsOf(tailOf(row(1, [1, 0])), [1, 0], 0)).toEqual([]);
		expect(idsOf(tailOf(), [1, 0])).toEqual([]);
	});

	it("keeps the first rows on truncate, and takes new ones after it", () => {
		const tail = tailOf(row(1, [1, 0]), row(2, [1, 1]), row(3, [0, 1]));
		tail.truncate(1);
		tail.append([row(4, [0, 1])]);
		expect(idsOf(tail, [0, 1])).toEqual([4n, 1n]);
		tail.truncate(50);
		expect(tail.size).toBe(2);
		tail.clear();
		expect(tail.size).toBe(0);
	});

	it("keeps each row's own vector when rows in between go", () => {
		const tail = tailOf(row(1, [1, 0]), row(2, [0, 1]), row(3, [-1, 0]), row(4, [0, -1]));
		tail.retain((r) => r.versionId % 2n === 0n);
		expect(idsOf(tail, [0, -1], 1)).toEqual([4n]);
		expect(idsOf(tail, [0, 1], 1)).toEqual([2n]);
		expect(tail.size).toBe(2);
	});

	it("does not see what happens to a vector after append", () => {
		const mine = row(1, [1, 0]);
		const tail = tailOf(mine, row(2, [0, 1]));
		mine.vector.set([0, -1]);
		expect(idsOf(tail, [1, 0], 1)).toEqual([1n]);
	});

	it("refuses another dimension, and then has taken none of the rows", () => {
		const tail = tailOf();
		const wrong = () => tail.append([row(1, [1, 0]), row(2, [1, 0, 0])]);
		expect(wrong).toThrow(expect.objectContaining({ code: "dimension_mismatch" }));
		expect(tail.size).toBe(0);
		expect(() => idsOf(tail, [1])).toThrow(
			expect.objectContaining({ code: "dimension_mismatch", fields: { expected: 2, actual: 1 } }),
		);
	});

	it("refuses rows past its bound, and then has taken none of them", () => {
		const tail = new RowScan({ dimensions: 2, maxRows: 3 });
		tail.append([row(1, [1, 0]), row(2, [1, 0])]);
		const full = () => tail.append([row(3, [1, 0]), row(4, [1, 0])]);
		expect(full).toThrow(expect.objectContaining({ code: "tail_full", retryable: true }));
		expect(tail.size).toBe(2);
		tail.append([row(3, [1, 0])]);
		expect(tail.size).toBe(3);
	});

	it.each([1, 2, 3])("answers as sorting everything does (seed %i)", (seed) => {
		const next = numbersFrom(seed);
		const tail = new RowScan({ dimensions: 5, maxRows: 1_000 });
		const rows: VectorRow[] = [];
		for (let i = 1; i <= 400; i++) {
			// Coarse values, so that many rows are equal.
			rows.push(
				row(
					i,
					Array.from({ length: 5 }, () => Math.round(next() * 2)),
				),
			);
		}
		for (let i = 0; i < rows.length; i += 37) tail.append(rows.slice(i, i + 37));
		const vector = Float32Array.from({ length: 5 }, next);
		const sorted = rows
			.flatMap(({ versionId, memoryKey, vector: own }) => {
				const similarity = cosineSimilarity(own, vector);
				return similarity === undefined ? [] : [{ versionId, memoryKey, similarity }];
			})
			.sort(compareCandidates);
		for (const k of [1, 7, 100, 1_000]) {
			expect(tail.search({ vector, k, accept: everything })).toEqual(sorted.slice(0, k));
		}
	});
});
