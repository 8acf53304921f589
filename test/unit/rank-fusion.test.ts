import { describe, expect, it } from "vitest";
import { fuseRanks, fuseScores, RANK_OFFSET } from "../../src/ranking/rank-fusion.ts";

const ids = (...fused: Parameters<typeof fuseRanks<string>>) =>
	fuseRanks(...fused).map((f) => f.id);

describe("reciprocal rank fusion", () => {
	it("keeps the order of a single list", () => {
		expect(ids([["c", "a", "b"]])).toEqual(["c", "a", "b"]);
	});

	it("puts what two lists name before what only one puts first", () => {
		expect(
			ids([
				["x", "both"],
				["y", "both"],
			]),
		).toEqual(["both", "x", "y"]);
	});

	it("scores by the sum of 1 / (offset + rank)", () => {
		const [first] = fuseRanks([["a", "b"], ["b"], ["c", "b"]]);
		const score = 1 / (RANK_OFFSET + 2) + 1 / (RANK_OFFSET + 1) + 1 / (RANK_OFFSET + 2);
		expect(first).toEqual({ id: "b", score, bestRank: 1 });
	});

	it("orders equal scores by the smaller id, numbers by value", () => {
		expect(fuseRanks([[10n], [9n]]).map((f) => f.id)).toEqual([9n, 10n]);
	});

	it("gives the same answer whichever of two lists comes first", () => {
		const text = ["a", "b", "c", "d"];
		const vector = ["d", "e", "b", "f"];
		expect(fuseRanks([text, vector])).toEqual(fuseRanks([vector, text]));
	});

	it("counts only the first place of an id that one list repeats, without a gap after it", () => {
		expect(fuseRanks([["a", "a", "b"]])).toEqual(fuseRanks([["a", "b"]]));
	});

	it("answers nothing for no lists and for empty ones", () => {
		expect(fuseRanks([])).toEqual([]);
		expect(fuseRanks([[], []])).toEqual([]);
	});
});

describe("fusion of scores", () => {
	it("gives equals the place of the first of them, whatever their ids", () => {
		const list = [
			{ id: "c", score: 0.9 },
			{ id: "b", score: 0.9 },
			{ id: "a", score: 0.5 },
		];
		const [first, second, third] = fuseScores([list]);
		expect(first?.score).toBe(1 / (RANK_OFFSET + 1));
		expect(second?.score).toBe(1 / (RANK_OFFSET + 1));
		expect(third).toEqual({ id: "a", score: 1 / (RANK_OFFSET + 3), bestRank: 3 });
	});

	it("is that of the ranks where no two are equal", () => {
		const scored = (...of: string[]) => of.map((id, n) => ({ id, score: -n }));
		const lists = [scored("x", "both", "z"), scored("y", "both")];
		expect(fuseScores(lists)).toEqual(fuseRanks(lists.map((list) => list.map(({ id }) => id))));
	});
});
