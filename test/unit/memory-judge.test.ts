import { expect, test } from "vitest";
import { type JudgeInput, judge } from "../../src/memory/judge.ts";
import { agentOperation } from "../support/agent-operations.ts";

/** Positions and slots; undefined: suspended. */
function slots(input: JudgeInput): readonly (readonly [bigint, bigint | undefined])[] {
	return judge(input).map((verdict) => [
		verdict.operation.position,
		verdict.type === "apply" ? verdict.slot : undefined,
	]);
}

const BASE = { ancestor: 10n, newHead: 20n, anchorHeight: () => undefined } as const;

test("an operation without an anchor keeps its slot while the new chain reaches it", () => {
	const operations = [agentOperation({ position: 1n, originalSlot: 15n })];
	expect(slots({ ...BASE, operations })).toEqual([[1n, 15n]]);
});

test("on a shorter chain it moves down to the pending slot", () => {
	const operations = [agentOperation({ position: 1n, originalSlot: 15n })];
	expect(slots({ ...BASE, newHead: 12n, operations })).toEqual([[1n, 13n]]);
});

test("a slot at or below the ancestor moves up over it: those blocks are sealed", () => {
	const operations = [agentOperation({ position: 1n, originalSlot: 8n })];
	expect(slots({ ...BASE, operations })).toEqual([[1n, 11n]]);
});

test("an anchored operation never comes before its anchor, and a later one never before it", () => {
	const operations = [
		agentOperation({ position: 2n, originalSlot: 13n }),
		agentOperation({ position: 1n, anchor: "transaction", originalSlot: 13n }),
	];
	expect(slots({ ...BASE, operations, anchorHeight: () => 17n })).toEqual([
		[1n, 17n],
		[2n, 17n],
	]);
});

test("a suspended operation holds nothing back", () => {
	const operations = [
		agentOperation({ position: 1n, anchor: "block", originalSlot: 19n }),
		agentOperation({ position: 2n, originalSlot: 12n }),
	];
	expect(slots({ ...BASE, operations })).toEqual([
		[1n, undefined],
		[2n, 12n],
	]);
});

test("a suspended operation says why", () => {
	const operations = [
		agentOperation({ position: 1n, anchor: "block" }),
		agentOperation({ position: 2n, anchor: "transaction" }),
	];
	const verdicts = judge({ ...BASE, operations });
	expect(verdicts).toMatchObject([
		{ type: "suspend", reason: "block_not_canonical" },
		{ type: "suspend", reason: "transaction_absent" },
	]);
});

test("an anchor at block 0 holds", () => {
	const operations = [agentOperation({ position: 1n, anchor: "block", originalSlot: 12n })];
	expect(slots({ ...BASE, operations, anchorHeight: () => 0n })).toEqual([[1n, 12n]]);
});

test("heights that contradict one another are refused", () => {
	const operations = [agentOperation({ position: 1n, anchor: "block" })];
	const above = { ...BASE, operations, anchorHeight: () => 21n };
	expect(() => judge(above)).toThrow("is at 21, above the head 20");
	expect(() => judge({ ...BASE, newHead: 9n, operations })).toThrow("9 is below the ancestor 10");
});
