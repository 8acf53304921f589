import { expect, test } from "vitest";
import type { OperationId } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import { NO_ANCHORS, type Operation } from "../../src/domain/operation.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { learnPuts, Marks, Puts } from "../../src/writer/marks.ts";
import type { MemoryPlace, OpenOperation } from "../../src/writer/writer-store.ts";

const NAME = { namespace: "default", id: "plan" };
const KEY = memoryKey(NAME.namespace, NAME.id);

test("one mark alone is the version's", () => {
	const marks = marked(put(1n));
	expect(marks.isLast(put(1n), version(1n), new Puts())).toBe(true);
});

test("a patch without a mark carries on the mark of what it patched", () => {
	const marks = marked(put(1n));
	expect(marks.isLast(put(1n), version(3n), new Puts())).toBe(true);
});

test("a version is marked as long as the put or a patch on it is", () => {
	const marks = marked(put(1n), patch(2n), patch(4n));
	for (const each of [put(1n), patch(2n), patch(4n)]) {
		expect(marks.isLast(each, version(4n), new Puts())).toBe(false);
	}
	marks.delete(patch(2n));
	marks.delete(put(1n));
	expect(marks.isLast(patch(4n), version(4n), new Puts())).toBe(true);
	expect(marks.isLast(patch(2n), version(4n), new Puts())).toBe(false);
});

test("a put takes no marks of what it overwrites", () => {
	const marks = marked(put(1n), patch(2n), patch(5n));
	const puts = new Puts();
	puts.add(KEY, 3n);
	expect(marks.isLast(patch(5n), version(5n), puts)).toBe(true);
	// Their words are gone, and so the version's mark is not theirs.
	expect(marks.isLast(put(1n), version(5n), puts)).toBe(false);
	expect(marks.isLast(patch(2n), version(5n), puts)).toBe(false);
});

test("what comes later than the version, and another memory's marks, do not count", () => {
	const marks = marked(put(1n), patch(6n), { ...put(1n), ...of("other", "put", 2n) });
	expect(marks.isLast(put(1n), version(2n), new Puts())).toBe(true);
	expect(marks.isLast(patch(6n), version(2n), new Puts())).toBe(false);
	expect(marks.isLast(put(1n), { ...version(2n), suspect: false }, new Puts())).toBe(false);
});

test("of what is suspect alone the puts above are asked for", async () => {
	const asked: (readonly MemoryPlace[])[] = [];
	const nextPuts = async (_chain: number, above: readonly MemoryPlace[]) => {
		asked.push(above);
		return [{ ...NAME, position: 3n }];
	};
	const from = { store: { nextPuts }, chainId: 1, upTo: 9n };
	const puts = new Puts();
	const waits: OpenOperation = { ...put(1n), status: "suspended" };
	await learnPuts(puts, [waits], from);
	expect(asked).toEqual([]);
	await learnPuts(puts, [waits, patch(2n)], from);
	expect(asked).toEqual([[{ ...NAME, position: 2n }]]);
	expect(puts.isBetween(KEY, 2n, 3n)).toBe(true);
	expect(puts.isBetween(KEY, 2n, 2n)).toBe(false);
	expect(puts.isBetween(KEY, 3n, 9n)).toBe(false);
});

function marked(...operations: readonly OpenOperation[]): Marks {
	const marks = new Marks();
	for (const each of operations) marks.add(each);
	return marks;
}

function put(position: bigint): OpenOperation {
	return of(NAME.id, "put", position);
}

function patch(position: bigint): OpenOperation {
	return of(NAME.id, "patch", position);
}

function of(id: string, kind: "patch" | "put", position: bigint): OpenOperation {
	return {
		stored: {
			operationId: `${id}-${position}` as string as OperationId,
			operation: { kind, namespace: NAME.namespace, id, ifVersion: undefined } as Operation,
			anchors: NO_ANCHORS,
			sources: [],
			policy: "flag",
		},
		position,
		originalSlot: 5n,
		status: "applied",
		effectiveSlot: 5n,
		suspect: true,
		judgedSlot: 5n,
		conditionPosition: undefined,
	};
}

/** As an operation of that position left it. */
function version(position: bigint): Version {
	return { memoryKey: KEY, ...NAME, position, suspect: true } as Version;
}
