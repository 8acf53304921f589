import { describe, expect, it } from "vitest";
import type { Caller } from "../../src/domain/caller.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import { namedNamespaces } from "../../src/service/access/named-namespaces.ts";
import { visibleEvent } from "../../src/service/access/scoped-events.ts";
import type { OperationRequest } from "../../src/service/writing/operation-request.ts";

const MINE: Caller = { id: "key", scopes: new Set(["read"]), namespaces: ["mine"] };

describe("namespaces that a write names", () => {
	const names = (fields: object) => [
		...namedNamespaces([{ kind: "delete", id: "a", ...fields } as OperationRequest]),
	];

	it("are those of its memories, and `default` where none is named", () => {
		expect(names({ namespace: "mine" })).toEqual(["mine"]);
		expect(names({ namespace: undefined })).toEqual(["default"]);
	});

	it("are those that it points to as well, however deep", () => {
		expect(names({ namespace: "mine", derivedFrom: [[{ namespace: "b", id: "x" }]] })).toContain(
			"b",
		);
		expect(names({ namespace: "mine", causedBy: [{ namespace: "c" }] })).toContain("c");
		expect(names({ from: { namespace: "mine" }, to: { namespace: "d" } })).toContain("d");
	});

	it("are not words of its contents", () => {
		const content = { namespace: "theirs", list: [{ namespace: "theirs" }] };
		expect(names({ namespace: "mine", content })).toEqual(["mine"]);
		expect(names({ namespace: "mine", properties: content })).toEqual(["mine"]);
	});
});

describe("an event", () => {
	const seen = (type: string, data: JsonObject) =>
		visibleEvent({ chainId: 1, position: 1n, type, data }, MINE)?.data;

	it("about a memory is told to those who may read its namespace", () => {
		const own = { namespace: "mine", id: "a", content: {} };
		expect(seen("operation", own)).toEqual(own);
		expect(seen("operation", { ...own, namespace: "theirs" })).toBeUndefined();
		expect(seen("verdict", { ...own, namespace: "theirs" })).toBeUndefined();
	});

	it("about the chain is told without how much of others' it touched", () => {
		const block = { height: "7", generation: "0", hash: "0xa", operations: 12 };
		expect(seen("block", block)).toEqual({ height: "7", generation: "0", hash: "0xa" });
		const progress = { rollbackId: "r", stage: "replay", done: 7, total: 9 };
		expect(seen("rollback_progress", progress)).toEqual({ rollbackId: "r", stage: "replay" });
	});

	it.each(["repair", "of a kind to come", "__proto__"])("of the kind %j is not told", (type) => {
		expect(seen(type, { found: "theirs" })).toBeUndefined();
	});
});
