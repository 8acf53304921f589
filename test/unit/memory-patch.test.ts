import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import type { Version } from "../../src/domain/memory.ts";
import type {
	JsonObject,
	MemoryBody,
	PatchOperation,
	PutOperation,
} from "../../src/domain/operation.ts";
import { evaluate } from "../../src/memory/patch.ts";
import { row, TOMBSTONE } from "../support/versions.ts";

const TARGET = { namespace: "test", id: "a", ifVersion: undefined };

const BODY: MemoryBody = {
	layer: "semantic",
	content: { said: "hello" },
	text: "hello",
	vector: undefined,
	collection: "notes",
	importance: 0.1,
	confidence: undefined,
	expiresAtBlock: 50n,
	expiresAtTime: undefined,
};

function put(parts: Partial<PutOperation> = {}): PutOperation {
	return { kind: "put", ...TARGET, body: BODY, ...parts };
}

function patch(content: JsonObject, parts: Partial<PatchOperation> = {}): PatchOperation {
	const rest = { text: undefined, importance: undefined, confidence: undefined };
	return { kind: "patch", ...TARGET, content, ...rest, ...parts };
}

const DELETE = { kind: "delete", ...TARGET } as const;

const PRESENT = row("a", 12n, {
	content: { kept: 1, changed: { deep: true, other: 2 }, removed: 3 },
	text: "before",
	collection: "notes",
	importance: 0.4,
	confidence: 0.9,
	expiresBlock: 60n,
});

function contentOf(evaluation: ReturnType<typeof evaluate>): JsonObject | undefined {
	return evaluation.type === "put" ? evaluation.body.content : undefined;
}

describe("put", () => {
	test.each([undefined, PRESENT])("says all of the memory anew", (current) => {
		expect(evaluate(put(), current)).toEqual({ type: "put", body: BODY, keepVectorOf: undefined });
	});

	test("into another layer than the present one fails", () => {
		const moved = put({ body: { ...BODY, layer: "episodic" } });
		expect(evaluate(moved, PRESENT)).toMatchObject({
			type: "fail",
			code: "layer_conflict",
			fields: { namespace: "test", id: "a", presentLayer: "semantic", layer: "episodic" },
		});
		expect(evaluate(moved, row("a", 13n, TOMBSTONE)).type).toBe("put");
	});
});

describe("patch", () => {
	test("merges one level deep, a null removes a field", () => {
		const merged = evaluate(
			patch({ changed: { deep: false }, removed: null, added: [null] }),
			PRESENT,
		);
		expect(contentOf(merged)).toEqual({ kept: 1, changed: { deep: false }, added: [null] });
	});

	test("a null that was there before stays, and removing what is not there is no failure", () => {
		const merged = evaluate(patch({ absent: null }), row("a", 1n, { content: { empty: null } }));
		expect(contentOf(merged)).toEqual({ empty: null });
	});

	test("__proto__ is a field like any other", () => {
		const merged = contentOf(evaluate(patch(JSON.parse('{"__proto__":{"x":1}}')), PRESENT));
		expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
		expect(Object.hasOwn(merged ?? {}, "__proto__")).toBe(true);
	});

	test("keeps what it does not name, the vector too", () => {
		expect(evaluate(patch({}), PRESENT)).toEqual({
			type: "put",
			body: {
				layer: "semantic",
				content: PRESENT.content,
				text: "before",
				vector: undefined,
				collection: "notes",
				importance: 0.4,
				confidence: 0.9,
				expiresAtBlock: 60n,
				expiresAtTime: undefined,
			},
			keepVectorOf: 12n,
		});
	});

	test("keeps the time at which it ends", () => {
		const timed = { ...PRESENT, expiresBlock: undefined, expiresTime: 1_767_225_600n };
		expect(evaluate(patch({}), timed)).toMatchObject({
			body: { expiresAtBlock: undefined, expiresAtTime: 1_767_225_600n },
		});
	});

	test("replaces text and weights when given, zero and empty too; the vector is embedded anew", () => {
		const parts = { text: "", importance: 0, confidence: 0 };
		const patched = evaluate(patch({}, parts), PRESENT);
		expect(patched).toMatchObject({ type: "put", body: parts, keepVectorOf: undefined });
	});

	test("a memory's first text puts it into the default collection", () => {
		const first = evaluate(patch({}, { text: "now it can be found" }), row("a", 1n));
		expect(first).toMatchObject({ body: { collection: "default" }, keepVectorOf: undefined });
	});

	test("a memory in no collection has no vector to keep", () => {
		expect(evaluate(patch({}), row("a", 1n))).toMatchObject({ keepVectorOf: undefined });
	});
});

describe("on a missing memory", () => {
	test.each([undefined, row("a", 13n, TOMBSTONE)])("patch and delete fail", (current) => {
		const failure = {
			type: "fail",
			code: "memory_not_found",
			fields: { namespace: "test", id: "a" },
		};
		expect(evaluate(patch({}), current)).toMatchObject(failure);
		expect(evaluate(DELETE, current)).toMatchObject(failure);
	});

	test("delete of one that is there succeeds", () => {
		expect(evaluate(DELETE, PRESENT)).toEqual({ type: "delete" });
	});
});

describe("ifVersion", () => {
	test("holds for the version that it names", () => {
		expect(evaluate(put({ ifVersion: 12n }), PRESENT).type).toBe("put");
		expect(evaluate(put({ ifVersion: 0n }), undefined).type).toBe("put");
		expect(evaluate(put({ ifVersion: 0n }), row("a", 13n, TOMBSTONE)).type).toBe("put");
	});

	test.each([
		[11n, PRESENT, "version_conflict", { expectedVersion: "11", presentVersion: "12" }],
		[11n, undefined, "version_conflict", { expectedVersion: "11", presentVersion: "none" }],
		[0n, PRESENT, "memory_exists", { expectedVersion: "0", presentVersion: "12" }],
	] as const)("%d fails and names both versions", (ifVersion, current, code, fields) => {
		for (const operation of [
			put({ ifVersion }),
			patch({}, { ifVersion }),
			{ ...DELETE, ifVersion },
		]) {
			const failure = evaluate(operation, current);
			expect(failure).toMatchObject({ type: "fail", code, fields });
			const message = failure.type === "fail" ? failure.message : "";
			expect(message).toContain(fields.expectedVersion);
			expect(message).toContain(fields.presentVersion);
		}
	});

	test("is told by the caller after a replay, but 0 still means none", () => {
		const anew = (expected: bigint, present: Version) =>
			expected === 3n && present.versionId === 12n;
		expect(evaluate(put({ ifVersion: 3n }), PRESENT, anew).type).toBe("put");
		expect(evaluate(put({ ifVersion: 12n }), PRESENT, anew).type).toBe("fail");
		expect(evaluate(put({ ifVersion: 0n }), PRESENT, () => true).type).toBe("fail");
	});
});

describe("size", () => {
	/** `{"t":"…"}` takes eight bytes beside the text. */
	const fits = { t: "\u00e9".repeat((LIMITS.contentBytes - 8) / 2) };

	test("content of the limit passes, one byte more fails and names both", () => {
		expect(evaluate(put({ body: { ...BODY, content: fits } }), undefined).type).toBe("put");
		const content = { t: `${fits.t}x` };
		expect(evaluate(put({ body: { ...BODY, content } }), undefined)).toMatchObject({
			type: "fail",
			code: "limit_exceeded",
			fields: {
				limit: "contentBytes",
				max: LIMITS.contentBytes,
				sizeBytes: LIMITS.contentBytes + 1,
			},
		});
	});

	test("counts what a patch leaves", () => {
		const current = row("a", 1n, { content: fits });
		expect(evaluate(patch({ more: 1 }), current)).toMatchObject({ code: "limit_exceeded" });
		expect(evaluate(patch({ more: 1, t: null }), current).type).toBe("put");
	});
});
