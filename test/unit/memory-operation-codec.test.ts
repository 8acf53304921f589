/** Operations as the inbox and the log have them. */
import { expect, test } from "vitest";
import type { OperationId } from "../../src/domain/ids.ts";
import { type MemoryBody, NO_ANCHORS } from "../../src/domain/operation.ts";
import { NO_SOURCES } from "../../src/domain/provenance.ts";
import { fromWire, type StoredOperation, toWire } from "../../src/memory/operation-codec.ts";

const BODY: MemoryBody = {
	layer: "semantic",
	content: { a: 1 },
	text: undefined,
	vector: undefined,
	collection: undefined,
	importance: undefined,
	confidence: undefined,
	expiresAtBlock: undefined,
	expiresAtTime: undefined,
};

function put(body: Partial<MemoryBody>): StoredOperation {
	return {
		operationId: "00000000-0000-4000-8000-000000000001" as OperationId,
		operation: {
			kind: "put",
			namespace: "default",
			id: "a",
			ifVersion: undefined,
			body: { ...BODY, ...body },
		},
		anchors: NO_ANCHORS,
		sources: NO_SOURCES,
		policy: "recant",
	};
}

function printed(stored: StoredOperation): string {
	return JSON.stringify(toWire(stored));
}

test("a put comes back with the height or the time at which it ends", () => {
	for (const ends of [{}, { expiresAtBlock: 9n }, { expiresAtTime: 2n ** 62n + 1n }]) {
		const stored = put(ends);
		expect(fromWire(JSON.parse(printed(stored)))).toEqual(stored);
	}
	expect(printed(put({ expiresAtTime: 7n }))).toContain('"expiresAtTime":"7"');
});

test("a put that does not end by time is written as before", () => {
	const line =
		'{"operationId":"00000000-0000-4000-8000-000000000001","kind":"put","namespace":"default","id":"a",' +
		'"body":{"layer":"semantic","content":{"a":1},"expiresAtBlock":"9"}}';
	expect(printed(put({ expiresAtBlock: 9n }))).toBe(line);
	expect(fromWire(JSON.parse(line))).toStrictEqual(put({ expiresAtBlock: 9n }));
});
