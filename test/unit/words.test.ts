import { describe, expect, it } from "vitest";
import { wordBag, wordScore } from "../../src/ranking/word-score.ts";
import { queryWords, wordsOf } from "../../src/ranking/words.ts";

describe("words of a text", () => {
	it.each([
		["Alice paid BOB 12.50", ["alice", "paid", "bob", "12", "50"]],
		["block_hash, tx-hash", ["block", "hash", "tx", "hash"]],
		["Caf\u00e9 cafe\u0301 \ufb01ne", ["cafe", "cafe", "fine"]],
		[
			"payments cities boxes news is bus glass does",
			"payment city boxe new is bus glass does".split(" "),
		],
		["東京に行く", ["東", "東京", "京", "京に", "に", "に行", "行", "行く", "く"]],
		["v2東京", ["v2", "東", "東京", "京"]],
		["!!! \u{1f980}", []],
		["", []],
	])("of %j", (text, words) => {
		expect(wordsOf(text)).toEqual(words);
	});

	it("keeps an address and a hash whole, and cuts what is longer", () => {
		const hash = `0x${"ab".repeat(32)}`;
		expect(wordsOf(`tx ${hash.toUpperCase()}`)).toEqual(["tx", hash]);
		expect(wordsOf("x".repeat(500))).toEqual(["x".repeat(80)]);
	});

	it("gives no word that LanceDB would cut at a space", () => {
		const text = "a\u00a0b\u2003c\td\ne\u200bf";
		expect(wordsOf(text).join(" ").split(" ")).toEqual(wordsOf(text));
	});
});

describe("words of a query", () => {
	it("leaves out what says nothing, unless there is nothing else", () => {
		expect(queryWords("when did the agent visit Kyoto", 64)).toEqual(["agent", "visit", "kyoto"]);
		expect(queryWords("The Who", 64)).toEqual(["the", "who"]);
	});

	it("asks for pairs where there are any, and for a single character otherwise", () => {
		expect(queryWords("東京", 64)).toEqual(["東京"]);
		expect(queryWords("猫", 64)).toEqual(["猫"]);
	});

	it("keeps the longest when there are too many", () => {
		expect(queryWords("bb aaaa ccc", 2)).toEqual(["aaaa", "ccc"]);
	});
});

describe("score of a text", () => {
	const score = (query: string, text: string) =>
		wordScore(queryWords(query, 64), wordBag(wordsOf(text)));

	it("is nothing where no word stands, and in (0, 1) where one does", () => {
		expect(score("kyoto", "tokyo")).toBeUndefined();
		expect(score("kyoto temple", "a temple in Kyoto")).toBeGreaterThan(0);
		expect(score("kyoto", "kyoto ".repeat(1_000))).toBeLessThan(1);
	});

	it("is higher for more of the words, for a longer word, and in a shorter text", () => {
		const both = score("kyoto temple", "kyoto temple") ?? 0;
		const one = score("kyoto temple", "kyoto kyoto kyoto") ?? 0;
		expect(both).toBeGreaterThan(one);
		const address = `0x${"12".repeat(20)}`;
		expect(score(`paid ${address}`, address)).toBeGreaterThan(
			score(`paid ${address}`, "paid") ?? 1,
		);
		expect(score("kyoto", "kyoto")).toBeGreaterThan(
			score("kyoto", `kyoto ${"x ".repeat(50)}`) ?? 1,
		);
	});

	it("depends on the text and the query alone", () => {
		const bag = wordBag(wordsOf("alice paid bob"));
		expect(wordScore(["alice"], bag)).toBe(wordScore(["alice"], wordBag(["bob", "paid", "alice"])));
	});
});
