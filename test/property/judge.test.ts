/** Effective slots over random logs and chains: order, bounds, and the formula. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Slots } from "../../src/memory/judge.ts";
import { announcedSeed } from "../support/seed.ts";

const SEED = announcedSeed("test/property/judge.test.ts");
const PARAMETERS = { seed: SEED, numRuns: 2_000 };

const height = fc.bigInt({ min: 0n, max: 30n });
const aCase = fc
	.record({
		ancestor: height,
		length: height,
		operations: fc.array(
			fc.record({ originalSlot: height, ground: fc.double({ min: 0, max: 1, noNaN: true }) }),
			{ maxLength: 40 },
		),
	})
	.map(({ ancestor, length, operations }) => {
		const newHead = ancestor + length;
		return {
			ancestor,
			newHead,
			operations: operations.map(({ originalSlot, ground }) => ({
				originalSlot,
				groundSlot: BigInt(Math.round(ground * Number(newHead + 1n))),
			})),
		};
	});

type Case = typeof aCase extends fc.Arbitrary<infer Of> ? Of : never;

function given({ operations, ...range }: Case): readonly bigint[] {
	const slots = new Slots(range);
	return operations.map(({ originalSlot, groundSlot }) => slots.next(originalSlot, groundSlot));
}

test("slots never fall, and stay above the ancestor and at or below the pending slot", () => {
	fc.assert(
		fc.property(aCase, (drawn) => {
			const slots = given(drawn);
			for (const [index, slot] of slots.entries()) {
				expect(slot).toBeGreaterThan(drawn.ancestor);
				expect(slot).toBeLessThanOrEqual(drawn.newHead + 1n);
				expect(slot).toBeGreaterThanOrEqual(slots[index - 1] ?? 0n);
			}
		}),
		PARAMETERS,
	);
});

test("a slot is the highest that was asked for so far, of its own and of its grounds", () => {
	fc.assert(
		fc.property(aCase, (drawn) => {
			const { ancestor, newHead, operations } = drawn;
			const asked = operations.map(({ originalSlot, groundSlot }) => [
				originalSlot > newHead ? newHead + 1n : originalSlot,
				groundSlot,
			]);
			for (const [index, slot] of given(drawn).entries()) {
				const bounds = [ancestor + 1n, ...asked.slice(0, index + 1).flat()];
				expect(slot).toBe(bounds.reduce((a, b) => (a > b ? a : b)));
			}
		}),
		PARAMETERS,
	);
});
