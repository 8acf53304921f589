import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import type { MemoryBody } from "../../src/domain/operation.ts";
import type { MergeFunction } from "../../src/follower/define-chain.ts";
import { mergedBody } from "../../src/http/merged-body.ts";
import { bodyOf } from "../../src/memory/compensation.ts";
import { saidAt } from "../../src/memory/merge-rules.ts";
import { MergeFunctionRun } from "../../src/service/restoring/merge-functions.ts";
import { row } from "../support/versions.ts";

const OURS = row("a", 5n, { content: { deep: { n: 1 } } });
const THEIRS = row("a", 6n, { content: { n: 2 }, expiresBlock: 90n });

function run(merge: MergeFunction): MemoryBody | undefined {
	return new MergeFunctionRun("mine", merge, mergedBody).run({
		namespace: "test",
		id: "a",
		pair: { ours: saidAt(OURS, 20n), theirs: saidAt(THEIRS, 20n) },
		ours: bodyOf({ ...OURS, content: { deep: { n: 1 } } }, [0, 1]),
		theirs: bodyOf({ ...THEIRS, content: { n: 2 } }, undefined),
	});
}

/** As a chain's file may export it, whatever its types say. */
function anything(answer: unknown): MergeFunction {
	return (() => answer) as unknown as MergeFunction;
}

describe("a merge function", () => {
	test("gets both sides, the name, and which side is later", () => {
		let asked: unknown;
		run((...given) => {
			asked = given;
			return undefined;
		});
		expect(asked).toMatchObject([
			{ layer: "semantic", content: { deep: { n: 1 } }, vector: [0, 1] },
			{ content: { n: 2 }, expiresAtBlock: 90n },
			{ namespace: "test", id: "a", later: "theirs" },
		]);
	});

	test("may answer a side as it is, or none", () => {
		expect(run((_ours, theirs) => theirs)).toMatchObject({
			content: { n: 2 },
			expiresAtBlock: 90n,
		});
		expect(run(() => undefined)).toBeUndefined();
	});

	test("changes nothing by changing what it is given, nor later what it answered", () => {
		const answered = { layer: "semantic" as const, content: { list: [1] } };
		const body = run((ours) => {
			Object.assign(ours?.content["deep"] ?? {}, { n: 9 });
			return answered;
		});
		answered.content.list.push(2);
		expect(body?.content).toEqual({ list: [1] });
		expect(OURS.content).toEqual({ deep: { n: 1 } });
	});

	test("gets the default collection where it answers a text without one", () => {
		expect(run(() => ({ layer: "semantic", content: {}, text: "a" }))?.collection).toBe("default");
		const unsearched = { layer: "semantic", content: {}, collection: "notes" } as const;
		expect(run(() => unsearched)?.collection).toBeUndefined();
	});

	const cyclic: Record<string, unknown> = {};
	cyclic["self"] = cyclic;
	test.each([
		["a string", "memory", /answered string/],
		["a list", [], /layer/],
		["an unknown layer", { layer: "deep", content: {} }, /layer/],
		["a cycle", { layer: "semantic", content: cyclic }, /nesting deeper/],
		["no finite number", { layer: "semantic", content: { n: Number.NaN } }, /NaN/],
		["a bigint within", { layer: "semantic", content: { n: 1n } }, /bigint/],
		["a number that is not exact", { layer: "semantic", content: { n: 2 ** 60 } }, /2\^53/],
		["a NUL", { layer: "semantic", content: { n: "\u0000" } }, /U\+0000/],
		["a prototype", { layer: "semantic", content: JSON.parse('{"__proto__":1}') }, /no such field/],
		["content that is a list", { layer: "semantic", content: [1] }, /JSON object/],
		["an importance above 1", { layer: "semantic", content: {}, importance: 2 }, /importance/],
		["a height below 0", { layer: "semantic", content: {}, expiresAtBlock: -1n }, /expiresAtBlock/],
		["a vector of zeros", { layer: "semantic", content: {}, vector: [0, 0] }, /no direction/],
	])("that answers %s is named with the memory", (_what, answer, reason) => {
		expect(() => run(anything(answer))).toThrow(
			expect.objectContaining({
				code: "merge_failed",
				message: expect.stringMatching(reason),
				fields: { function: "mine", namespace: "test", id: "a" },
			}),
		);
	});

	test("that throws is told in a bounded message, whatever it throws", () => {
		const thrown = (error: unknown) => () => {
			throw error;
		};
		expect(() => run(thrown(new RangeError("x".repeat(10_000))))).toThrow(/it threw: x{400}/);
		try {
			run(thrown(new RangeError("x".repeat(10_000))));
		} catch (error) {
			expect((error as Error).message.length).toBeLessThan(700);
		}
		expect(() => run(thrown(undefined))).toThrow(/it threw: undefined/);
		expect(() => run(thrown(Object.create(null)))).toThrow(/no error/);
	});

	test("that takes too long in all ends the merge", () => {
		const real = performance.now.bind(performance);
		let ahead = 0;
		performance.now = () => real() + ahead;
		try {
			expect(() =>
				run(() => {
					ahead += LIMITS.mergeMs + 1;
					return undefined;
				}),
			).toThrow(/the limit is/);
		} finally {
			performance.now = real;
		}
	});
});
