/** Hot copies as Redis holds them. */
import { hash } from "node:crypto";
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
	const { expiresBlock: _none, ...rest } = FULL;
	const timed = { ...rest, expiresBlock: undefined, expiresTime: 9n, suspect: true, grounds: 7n };
	for (const version of [FULL, timed, row("a", 1n)]) {
		const back = decodeEntry(version.memoryKey, encodeEntry(version));
		expect(back).toStrictEqual(version);
	}
});

test("of before are read with what they do not say", () => {
	const handlers = row("a", 1n, { owner: "handler", fromBlock: 7n });
	for (const version of [FULL, handlers]) {
		const { expiresTime: _time, suspect: _suspect, grounds: _grounds, ...before } = version;
		const json = JSON.stringify(before, (_field, value: unknown) =>
			typeof value === "bigint" ? value.toString() : value,
		);
		const entry = `${hash("sha256", json).slice(0, 16)}:${json}`;
		const grounds = version === handlers ? 7n : undefined;
		expect(decodeEntry(version.memoryKey, entry)).toStrictEqual({ ...version, grounds });
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
