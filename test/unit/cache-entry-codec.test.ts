/** Hot copies as Redis holds them. */
import { expect, test } from "vitest";
import { decodeEntry, encodeEntry } from "../../src/cache/entry-codec.ts";
import { row } from "../support/versions.ts";

const FULL = row("a", 9_007_199_254_740_993n, {
	layer: "short_term",
	content: { text: "ä\u2028", list: [1.5, null, { deep: "9007199254740993" }], versionId: "7" },
	text: "seen",
	importance: 0.25,
	expiresBlock: 12n,
});

test("come back as they were, absent fields and large numbers too", () => {
	for (const version of [FULL, row("a", 1n)]) {
		const back = decodeEntry(version.memoryKey, encodeEntry(version));
		expect(back).toStrictEqual(version);
	}
});

test("are refused when any bit of them is another, or when they are another memory's", () => {
	const bytes = Buffer.from(encodeEntry(FULL));
	for (let bit = 0; bit < bytes.length * 8; bit += 1) {
		const flipped = Buffer.from(bytes);
		flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
		expect(decodeEntry(FULL.memoryKey, flipped.toString()), `bit ${bit}`).toBeUndefined();
	}
	expect(decodeEntry(row("b", 1n).memoryKey, encodeEntry(FULL))).toBeUndefined();
	for (const text of ["", ":", "{}", encodeEntry(FULL).slice(0, -1)]) {
		expect(decodeEntry(FULL.memoryKey, text)).toBeUndefined();
	}
});
