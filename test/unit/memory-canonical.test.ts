import { describe, expect, test } from "vitest";
import type { VersionBody } from "../../src/domain/memory.ts";
import type { JsonValue } from "../../src/domain/operation.ts";
import {
	canonicalJson,
	contentHash,
	encodeFields,
	parseContent,
} from "../../src/memory/canonical.ts";

const INVALID = expect.objectContaining({ code: "invalid_request" });

describe("canonical JSON", () => {
	test("sorts keys by UTF-16 code units, at every depth, and leaves arrays alone", () => {
		const value = {
			"\u20ac": 1,
			"\r": 2,
			"\ufb33": 3,
			"1": 4,
			"\ud83d\ude00": 5,
			"\u0080": 6,
			b: [{ z: 1, a: 2 }, 0],
		};
		expect(canonicalJson(value)).toBe(
			'{"\\r":2,"1":4,"b":[{"a":2,"z":1},0],"\u0080":6,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}',
		);
	});

	test.each<[JsonValue, string]>([
		[-0, "0"],
		[1e21, "1e+21"],
		[1e-7, "1e-7"],
		[Number("333333333.33333329"), "333333333.3333333"],
		[Number.MIN_VALUE, "5e-324"],
		[9007199254740994, "9007199254740994"],
		[null, "null"],
		[true, "true"],
		[[], "[]"],
		[{}, "{}"],
		['\u000f\n"\\/\u2028', '"\\u000f\\n\\"\\\\/\u2028"'],
	])("prints %j as ECMAScript does", (value, expected) => {
		expect(canonicalJson(value)).toBe(expected);
	});

	test("gives what parses back to the same, and is the same again", () => {
		const value = { b: [1, { d: null, c: "\u00e9" }], a: 0.1, __proto__x: false };
		const text = canonicalJson(value);
		expect(parseContent(text)).toEqual(value);
		expect(canonicalJson(parseContent(text))).toBe(text);
	});

	test("takes __proto__ for a field like any other", () => {
		const text = '{"__proto__":{"a":1}}';
		expect(canonicalJson(parseContent(text))).toBe(text);
	});

	test.each<[string, JsonValue]>([
		["NaN", { a: Number.NaN }],
		["an infinite number", [Number.NEGATIVE_INFINITY]],
		["a lone surrogate in a string", "\ud83d"],
		["a lone surrogate in a key", { "\ude00": 1 }],
		["65 levels", nested(65)],
		["a level past any stack", nested(100_000)],
	])("refuses %s", (_what, value) => {
		expect(() => canonicalJson(value)).toThrow(INVALID);
	});

	test("takes 64 levels", () => {
		expect(canonicalJson(nested(64))).toBe(`${"[".repeat(64)}${"]".repeat(64)}`);
	});

	test.each(["", "{", "[]", "null", '"text"', "1"])("content is no %j", (text) => {
		expect(() => parseContent(text)).toThrow(
			expect.objectContaining({ code: "verification_failed" }),
		);
	});
});

function nested(levels: number): JsonValue {
	let value: JsonValue = [];
	for (let level = 1; level < levels; level++) value = [value];
	return value;
}

const BODY: VersionBody & { readonly expiresBlock: bigint | undefined } = {
	namespace: "ledger",
	id: "holder:1",
	layer: "semantic",
	owner: "handler",
	content: { balance: "-5", address: "0xab" },
	text: "0xab holds -5",
	collection: "notes",
	importance: 0.5,
	confidence: 1,
	vectorHash: undefined,
	expiresBlock: 120n,
	expiresTime: undefined,
};

const TOMBSTONE = {
	...BODY,
	content: undefined,
	text: undefined,
	collection: undefined,
	importance: undefined,
	confidence: undefined,
	vectorHash: undefined,
	expiresBlock: undefined,
};

describe("content hash", () => {
	/** Made with another language from the documented bytes: a change here orphans every stored hash. */
	test("has the documented bytes", () => {
		expect(contentHash(BODY)).toBe(
			"0x8f745b4dd188db56cae7ea656ef916b31b2c6ee4da4dc724558ba336cdc2b1bc",
		);
		expect(contentHash({ ...BODY, vectorHash: `0x${"ab".repeat(32)}` })).toBe(
			"0x93c7f1d10dd6da4d41ab99211df1293ccc8cf3ef8ca299132f6eb57b1426f879",
		);
		expect(contentHash(TOMBSTONE)).toBe(
			"0x70a14e96fd8bd4f9ecc180e02b967af7108e99194a8d6eed0ca2ff512ca77047",
		);
	});

	test("does not depend on the order of keys, nor on where and when it was written", () => {
		const elsewhere = { ...BODY, position: 9n, versionId: 7n, fromGen: 3n, fromBlock: 100n };
		const reordered = { ...elsewhere, content: { address: "0xab", balance: "-5" } };
		expect(contentHash(reordered)).toBe(contentHash(BODY));
	});

	test("depends on every field of content and meaning", () => {
		const others: readonly (typeof BODY)[] = [
			{ ...BODY, namespace: "ledge" },
			{ ...BODY, id: "holder:2" },
			{ ...BODY, layer: "episodic" },
			{ ...BODY, owner: "agent" },
			{ ...BODY, content: {} },
			TOMBSTONE,
			{ ...BODY, text: undefined },
			{ ...BODY, text: "" },
			{ ...BODY, collection: undefined },
			{ ...BODY, importance: 0 },
			{ ...BODY, importance: undefined },
			{ ...BODY, confidence: 0.5 },
			{ ...BODY, importance: 1, confidence: 0.5 },
			{ ...BODY, expiresBlock: 121n },
			{ ...BODY, expiresBlock: 0n },
			{ ...BODY, expiresBlock: undefined },
			{ ...BODY, expiresBlock: undefined, expiresTime: 120n },
			{ ...BODY, expiresBlock: undefined, expiresTime: 0n },
			{ ...BODY, vectorHash: `0x${"ab".repeat(32)}` },
		];
		const hashes = new Set([BODY, ...others].map(contentHash));
		expect(hashes.size).toBe(others.length + 1);
	});

	/** Made with another language from the documented bytes. */
	test("has the seconds of a time with an @ where a height would be", () => {
		const timed = { ...BODY, expiresBlock: undefined, expiresTime: 1_767_225_600n };
		expect(contentHash(timed)).toBe(
			"0x62b90eef7f48be42a592287ba3edce7fc115bfe2197085b8802dd7cc9d0a9db2",
		);
		expect(() => contentHash({ ...timed, expiresBlock: 120n })).toThrow(INVALID);
	});

	test("does not depend on whether it is suspect, nor on the block that it rests on", () => {
		expect(contentHash({ ...BODY, ...{ suspect: true, grounds: 7n } })).toBe(contentHash(BODY));
	});

	test("refuses names and text that have no UTF-8", () => {
		expect(() => contentHash({ ...BODY, id: "\ud800" })).toThrow(INVALID);
		expect(() => contentHash({ ...BODY, text: "\udfff" })).toThrow(INVALID);
		expect(() => contentHash({ ...BODY, importance: Number.NaN })).toThrow(INVALID);
	});
});

test("fields are told apart by presence and length, encodings by their tag", () => {
	const encodings = [
		encodeFields("t", ["a", "bc"]),
		encodeFields("t", ["ab", "c"]),
		encodeFields("t", ["abc"]),
		encodeFields("t", ["abc", undefined]),
		encodeFields("t", ["abc", ""]),
		encodeFields("u", ["abc"]),
	];
	const hex = encodings.map((bytes) => Buffer.from(bytes).toString("hex"));
	expect(hex[0]).toBe("740001000000016101000000026263");
	expect(new Set(hex).size).toBe(encodings.length);
});
