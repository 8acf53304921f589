import { expect, test } from "vitest";
import { Slots } from "../../src/memory/judge.ts";

const RANGE = { ancestor: 10n, newHead: 20n };

test("an operation that rests on nothing keeps its slot while the new chain reaches it", () => {
	expect(new Slots(RANGE).next(15n, 0n)).toBe(15n);
});

test("on a shorter chain it moves down to the pending slot", () => {
	expect(new Slots({ ancestor: 10n, newHead: 12n }).next(15n, 0n)).toBe(13n);
});

test("a slot at or below the ancestor moves up over it: those blocks are sealed", () => {
	expect(new Slots(RANGE).next(8n, 3n)).toBe(11n);
});

test("an operation never comes before its ground, and a later one never before it", () => {
	const slots = new Slots(RANGE);
	expect(slots.next(13n, 17n)).toBe(17n);
	expect(slots.next(13n, 0n)).toBe(17n);
	expect(slots.floor).toBe(17n);
});

test("a ground in the pending slot is as high as a slot can be", () => {
	const slots = new Slots(RANGE);
	expect(slots.next(12n, 21n)).toBe(21n);
	expect(() => slots.next(12n, 22n)).toThrow("above the pending slot 21");
});

test("a chain that goes back to its head has one slot left", () => {
	const slots = new Slots({ ancestor: 10n, newHead: 10n });
	expect(slots.next(30n, 9n)).toBe(11n);
});

test("a head below the ancestor is a defect, not a slot", () => {
	expect(() => new Slots({ ancestor: 10n, newHead: 9n })).toThrow("below the ancestor");
});
