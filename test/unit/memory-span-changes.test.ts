import { describe, expect, test } from "vitest";
import { FOREVER } from "../../src/domain/ids.ts";
import type { Span } from "../../src/domain/memory.ts";
import { overwrite, rewind, visibleAt } from "../../src/memory/span-changes.ts";

function span(parts: Partial<Span> = {}): Span {
	const { expiresBlock } = parts;
	return {
		fromBlock: 5n,
		toBlock: expiresBlock ?? FOREVER,
		fromGen: 0n,
		toGen: FOREVER,
		expiresBlock,
		...parts,
	};
}

const AT_8 = { height: 8n, generation: 0n, expiresBlock: undefined } as const;

describe("overwrite", () => {
	test("the first version of a memory has nothing to close", () => {
		const inserted = span({ fromBlock: 8n });
		expect(overwrite(undefined, AT_8)).toEqual({ closed: undefined, inserted });
	});

	test("block 0 and generation 0 are places like any other", () => {
		const at = { height: 0n, generation: 0n, expiresBlock: undefined };
		expect(overwrite(undefined, at).inserted).toEqual(span({ fromBlock: 0n }));
		expect(overwrite(span({ fromBlock: 0n }), at).closed).toEqual({ type: "replace" });
	});

	test("a span of the present generation ends in place", () => {
		expect(overwrite(span(), AT_8).closed).toEqual({ type: "close_block", toBlock: 8n });
	});

	test("a span of an older generation ends there, and a copy carries it to the write", () => {
		const { closed, inserted } = overwrite(span(), { ...AT_8, generation: 2n });
		const copy = span({ toBlock: 8n, fromGen: 2n });
		expect(closed).toEqual({ type: "close_gen", toGen: 2n, copy });
		expect(inserted).toEqual(span({ fromBlock: 8n, fromGen: 2n }));
	});

	test("nothing is copied of an older span that begins at the write's height", () => {
		const { closed } = overwrite(span({ fromBlock: 8n }), { ...AT_8, generation: 1n });
		expect(closed).toEqual({ type: "close_gen", toGen: 1n, copy: undefined });
	});

	test("a slot that is written twice keeps one row", () => {
		expect(overwrite(span({ fromBlock: 8n }), AT_8).closed).toEqual({ type: "replace" });
	});

	test("a version that expires ends at its expiry, or earlier at the next write", () => {
		const expiring = overwrite(undefined, { ...AT_8, expiresBlock: 12n }).inserted;
		expect(expiring).toEqual(span({ fromBlock: 8n, expiresBlock: 12n }));
		const next = { ...AT_8, height: 10n };
		expect(overwrite(expiring, next).closed).toEqual({ type: "close_block", toBlock: 10n });
	});

	test.each([12n, 13n])("one that has expired before height %d stays as it is", (height) => {
		const expired = span({ expiresBlock: 12n });
		for (const generation of [0n, 1n]) {
			expect(overwrite(expired, { ...AT_8, height, generation }).closed).toEqual({ type: "keep" });
		}
	});

	test("the copy of an expiring span remembers its expiry", () => {
		const { closed } = overwrite(span({ expiresBlock: 12n }), { ...AT_8, generation: 1n });
		const copy = span({ toBlock: 8n, fromGen: 1n, expiresBlock: 12n });
		expect(closed).toEqual({ type: "close_gen", toGen: 1n, copy });
	});

	test.each([
		["a span of an earlier generation was given", span({ toGen: 1n }), AT_8],
		["a span of a later generation was given", span({ fromGen: 3n }), AT_8],
		["a write would go back in height", span({ fromBlock: 9n }), AT_8],
		["the last span was ended by a write", span({ toBlock: 7n }), AT_8],
		["a version would end before it begins", span(), { ...AT_8, expiresBlock: 8n }],
	])("%s: refused", (message, open, at) => {
		expect(() => overwrite(open, at)).toThrow(message);
	});

	test("a refusal carries its values", () => {
		expect(() => overwrite(span({ fromBlock: 9n }), AT_8)).toThrow(
			expect.objectContaining({
				code: "internal",
				fields: expect.objectContaining({ fromBlock: "9", height: "8" }),
			}),
		);
	});
});

describe("rewind", () => {
	const to = { ancestor: 10n, generation: 1n } as const;

	test("a span that begins above the ancestor ends with its generation", () => {
		const closed = { type: "close_gen", toGen: 1n, copy: undefined };
		expect(rewind(span({ fromBlock: 11n }), to)).toEqual(closed);
	});

	test("one that begins at the ancestor stays", () => {
		expect(rewind(span({ fromBlock: 10n }), to)).toEqual({ type: "keep" });
	});

	test("one that was ended above the ancestor is reopened", () => {
		const copy = span({ fromGen: 1n });
		expect(rewind(span({ toBlock: 11n }), to)).toEqual({ type: "close_gen", toGen: 1n, copy });
	});

	test("one that was ended at or below the ancestor stays ended", () => {
		expect(rewind(span({ toBlock: 10n }), to)).toEqual({ type: "keep" });
	});

	test("an expiring one is reopened to its expiry, not beyond", () => {
		const ended = span({ toBlock: 12n, expiresBlock: 14n });
		const copy = span({ fromGen: 1n, expiresBlock: 14n });
		expect(rewind(ended, to)).toEqual({ type: "close_gen", toGen: 1n, copy });
	});

	test("one that ends by itself above the ancestor needs no copy", () => {
		expect(rewind(span({ expiresBlock: 14n }), to)).toEqual({ type: "keep" });
	});

	test("rewinding within a generation, or a span that has ended, is refused", () => {
		expect(() => rewind(span({ fromGen: 1n }), to)).toThrow("needs a newer generation");
		expect(() => rewind(span({ toGen: 1n }), to)).toThrow("a span of an earlier generation");
	});
});

test.each([
	[4n, 2n, false],
	[5n, 2n, true],
	[7n, 3n, true],
	[8n, 2n, false],
	[5n, 1n, false],
	[5n, 4n, false],
])(
	"heights [5, 8) and generations [2, 4): at height %d in generation %d visible: %s",
	(height, generation, expected) => {
		const held = span({ toBlock: 8n, fromGen: 2n, toGen: 4n });
		expect(visibleAt(held, { height, generation })).toBe(expected);
	},
);
