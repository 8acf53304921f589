import { describe, expect, test } from "vitest";
import { growBranch, validateLinked } from "../../src/chain/branch.ts";
import { headerChain } from "../support/header-chain.ts";

const chain = headerChain("a", { from: 0, to: 9 });
const heights = (headers: readonly { readonly number: bigint }[]) =>
	headers.map((header) => Number(header.number));

describe("validateLinked", () => {
	test("finds nothing in a chain, in one header and in none", () => {
		expect(validateLinked(chain)).toBeUndefined();
		expect(validateLinked(chain.slice(0, 1))).toBeUndefined();
		expect(validateLinked([])).toBeUndefined();
	});

	test("names the first header that does not stand on the one before it", () => {
		const broken = [...chain.slice(0, 4), ...headerChain("b", { from: 4, to: 6 })];
		expect(validateLinked(broken)?.height).toBe(4n);
	});

	test("wants heights to follow even where the hashes link", () => {
		const [first, second] = chain;
		if (first === undefined || second === undefined) throw new TypeError("no headers");
		expect(validateLinked([first, { ...second, number: 2n }])?.height).toBe(2n);
	});
});

describe("growBranch", () => {
	const branch = chain.slice(7);

	test("takes all that links", () => {
		expect(heights(growBranch(branch, chain.slice(3, 7)))).toEqual([3, 4, 5, 6, 7, 8, 9]);
	});

	test("drops what lies below a hole", () => {
		const fetched = [chain[4], undefined, chain[6]];
		expect(heights(growBranch(branch, fetched))).toEqual([6, 7, 8, 9]);
	});

	test("drops what lies below a header of another branch", () => {
		const fetched = [chain[4], ...headerChain("b", { from: 5, to: 5 }), chain[6]];
		expect(heights(growBranch(branch, fetched))).toEqual([6, 7, 8, 9]);
	});

	test("answers the same branch when nothing links", () => {
		expect(growBranch(branch, headerChain("b", { from: 4, to: 6 }))).toBe(branch);
		expect(growBranch(branch, [chain[6], undefined])).toBe(branch);
		expect(growBranch(branch, [])).toBe(branch);
	});
});
