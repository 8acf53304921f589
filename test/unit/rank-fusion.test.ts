import { describe, expect, it } from "vitest";
import { fuseRanks, RANK_OFFSET } from "../../src/ranking/rank-fusion.ts";

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
