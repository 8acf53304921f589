import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import { ContentSchemas } from "../../src/service/writing/content-schemas.ts";

const TRADE = {
	$schema: "https://json-schema.org/draft/2020-12/schema",
	type: "object",
	properties: {
		amount: { $ref: "#/$defs/amount" },
		side: { enum: ["buy", "sell"] },
		by: { type: "string", format: "address" },
		legs: { type: "array", items: { type: "object", required: ["amount"] } },
	},
	required: ["amount", "side"],
	additionalProperties: false,
	$defs: { amount: { type: "integer", minimum: 1 } },
} as const;

const shown = (problems: readonly { path: readonly (string | number)[]; message: string }[]) =>
	problems.map(({ path, message }) => `${path.join("/")}: ${message}`);

test("a content that meets its schema has no problem", () => {
	const schemas = new ContentSchemas();
	expect(schemas.problemsOfSchema(TRADE)).toEqual([]);
	const by = `0x${"ab".repeat(20)}`;
	expect(schemas.problems(TRADE, { amount: 3, side: "buy", by, legs: [] })).toEqual([]);
});

test("every problem of a content is told with its place", () => {
	const schemas = new ContentSchemas();
	const content = { amount: 0, by: "0xab", more: 1, legs: [{ amount: 1 }, {}] };
	expect(shown(schemas.problems(TRADE, content)).toSorted()).toEqual([
		"amount: must be >= 1",
		'by: must match format "address"',
		"legs/1/amount: must be there",
		"more: no such field",
		"side: must be there",
	]);
	expect(shown(schemas.problems(TRADE, { amount: 1, side: "hold" }))).toEqual([
		'side: must be one of "buy", "sell"',
	]);
});

test("past the bound of work one problem is told, and the content is refused all the same", () => {
	const schemas = new ContentSchemas();
	const schema = { additionalProperties: { type: "array", items: { type: "string" } } };
	const list = Array.from({ length: LIMITS.schemaProblemSteps / 2 }, () => 1);
	expect(schemas.problems(schema, { list })).toHaveLength(1);
	expect(schemas.problems(schema, { list: list.slice(0, 50) })).toHaveLength(50);
});

test.each<[string, JsonObject, string]>([
	["a pattern", { properties: { a: { pattern: "(a+)+$" } } }, "properties/a/pattern: is not taken"],
	["patterns of names", { patternProperties: { "(a+)+$": {} } }, "patternProperties: is not taken"],
	["a remote reference", { $ref: "https://example.com/a" }, "$ref: must lead to"],
	["a file", { $ref: "file:///etc/passwd" }, "$ref: must lead to"],
	["a reference to nowhere", { $ref: "#/$defs/none", $defs: {} }, "$ref: must lead to"],
	[
		"a reference into a prototype",
		{ $ref: "#/$defs/constructor", $defs: {} },
		"$ref: must lead to",
	],
	[
		"a reference past definitions",
		{ $ref: "#/properties/a", properties: { a: {} } },
		"$ref: must lead",
	],
	["the root again", { properties: { a: { $ref: "#" } } }, "properties/a/$ref: must lead to"],
	["an id", { $id: "https://example.com/s" }, "$id: is no keyword"],
	["a dynamic reference", { $dynamicRef: "#a" }, "$dynamicRef: is no keyword"],
	["a keyword of ajv's own", { nullable: true, type: "string" }, "nullable: is no keyword"],
	["asynchronous checks", { $async: true }, "$async: is no keyword"],
	["a misspelt keyword", { requird: ["a"] }, "requird: is no keyword"],
	["another dialect", { $schema: "http://json-schema.org/draft-07/schema#" }, "$schema: must be"],
	["an unknown format", { format: "email" }, "format: must be one of"],
	["a format of the prototype", { format: "constructor" }, "format: must be one of"],
	["unbounded uniqueness", { type: "array", uniqueItems: true }, "uniqueItems: needs maxItems"],
	["no schema at all", { properties: { a: 1 } }, "properties/a: must be a schema"],
	["a list for a map", { properties: [] }, "properties: must be an object"],
	["a wrong type", { type: "strin" }, "type: must be"],
	[
		"a negative length",
		{ properties: { a: { maxLength: -1 } } },
		"properties/a/maxLength: must be",
	],
	["an if without branches", { if: {} }, ": strict mode"],
])("a schema with %s is refused", (_what, schema, message) => {
	const problems = shown(new ContentSchemas().problemsOfSchema(schema));
	expect(problems.some((problem) => problem.startsWith(message))).toBe(true);
});

test("a schema may not be recursive, by however long a way", () => {
	const $defs = {
		a: { anyOf: [{ properties: { x: { $ref: "#/$defs/b" } } }, {}] },
		b: { items: { $ref: "#/$defs/a" } },
	};
	const problems = shown(new ContentSchemas().problemsOfSchema({ $ref: "#/$defs/a", $defs }));
	expect(problems.some((problem) => problem.endsWith("a schema may not be recursive"))).toBe(true);
});

test("references to references cannot make a small schema a large one", () => {
	const names = Array.from({ length: 40 }, (_, index) => `d${index}`);
	const $defs = Object.fromEntries(
		names.map((name, index) => {
			const next = { $ref: `#/$defs/${names[index + 1]}` };
			return [name, index === 39 ? { type: "string" } : { allOf: [next, next] }];
		}),
	);
	const begin = performance.now();
	const problems = shown(new ContentSchemas().problemsOfSchema({ $ref: "#/$defs/d0", $defs }));
	expect(problems).toEqual([
		`: has more than ${LIMITS.schemaNodes} subschemas with all references written out`,
	]);
	expect(performance.now() - begin).toBeLessThan(1_000);
});

test("a schema past its bytes or levels is refused", () => {
	const schemas = new ContentSchemas();
	const large = { description: "x".repeat(LIMITS.schemaBytes) };
	expect(shown(schemas.problemsOfSchema(large))[0]).toContain("bytes as JSON");
	let deep: JsonObject = {};
	for (let level = 0; level < LIMITS.schemaDepth + 2; level += 1) deep = { not: deep };
	expect(shown(schemas.problemsOfSchema(deep))[0]).toContain("nested deeper");
});

test("the largest schema on the largest content ends in well under a second", () => {
	const schemas = new ContentSchemas();
	const items = { anyOf: Array.from({ length: 60 }, (_, index) => ({ const: `never ${index}` })) };
	const schema = { properties: { list: { type: "array", items } } };
	expect(schemas.problemsOfSchema(schema)).toEqual([]);
	const list = Array.from({ length: LIMITS.contentBytes / 2 }, () => 1);
	const begin = performance.now();
	expect(schemas.problems(schema, { list }).length).toBeGreaterThan(0);
	expect(performance.now() - begin).toBeLessThan(2_000);
});
