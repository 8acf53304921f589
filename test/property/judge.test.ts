/** Effective slots over random logs and chains: order, bounds, and the same verdicts every time. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { AgentOperation } from "../../src/domain/operation.ts";
import { type JudgeInput, judge, type Verdict } from "../../src/memory/judge.ts";
import { type AnchorKind, agentOperation } from "../support/agent-operations.ts";
import { announcedSeed } from "../support/seed.ts";

const SEED = announcedSeed("test/property/judge.test.ts");
const PARAMETERS = { seed: SEED, numRuns: 2_000 };

interface Case {
	readonly input: JudgeInput;
	/** Height at which each operation's anchor holds; missing: absent. */
	readonly anchors: ReadonlyMap<AgentOperation, bigint | undefined>;
}

interface Drawn {
	readonly anchor: AnchorKind;
	readonly originalSlot: bigint;
	/** Where the anchor holds, as a share of the new chain's height; undefined: absent. */
	readonly anchored: number | undefined;
	readonly memory: string;
	readonly effectiveSlot: bigint | undefined;
}

const height = fc.bigInt({ min: 0n, max: 30n });
const drawn: fc.Arbitrary<Drawn> = fc.record({
	anchor: fc.constantFrom<AnchorKind>("none", "block", "transaction"),
	originalSlot: height,
	anchored: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
	memory: fc.constantFrom("a", "b", "c"),
	effectiveSlot: fc.option(height, { nil: undefined }),
});

const aCase: fc.Arbitrary<Case> = fc
	.record({
		operations: fc.uniqueArray(fc.tuple(fc.bigInt({ min: 1n, max: 500n }), drawn), {
			selector: ([position]) => position,
			maxLength: 40,
		}),
		ancestor: height,
		length: height,
	})
	.map(({ operations, ancestor, length }) => {
		const newHead = ancestor + length;
		const anchors = new Map<AgentOperation, bigint | undefined>();
		for (const [position, each] of operations) {
			const at = each.anchored === undefined ? undefined : scaled(newHead, each.anchored);
			anchors.set(agentOperation({ ...each, position }), at);
		}
		const input: JudgeInput = {
			operations: [...anchors.keys()],
			ancestor,
			newHead,
			anchorHeight: (operation) => anchors.get(operation),
		};
		return { input, anchors };
	});

function scaled(newHead: bigint, share: number): bigint {
	return BigInt(Math.floor(Number(newHead) * share));
}

function applied(verdicts: readonly Verdict[]): readonly Extract<Verdict, { type: "apply" }>[] {
	return verdicts.filter((verdict) => verdict.type === "apply");
}

test("slots never fall in log order", () => {
	fc.assert(
		fc.property(aCase, ({ input }) => {
			const slots = applied(judge(input)).map((verdict) => verdict.slot);
			expect(slots).toEqual(slots.toSorted((a, b) => Number(a - b)));
		}),
		PARAMETERS,
	);
});

test("a later operation on a memory never comes before an earlier one", () => {
	fc.assert(
		fc.property(aCase, ({ input }) => {
			const memories = Map.groupBy(applied(judge(input)), (each) => each.operation.operation.id);
			for (const writes of memories.values()) {
				for (const [index, later] of writes.entries()) {
					const earlier = writes[index - 1];
					if (earlier === undefined) continue;
					expect(earlier.operation.position).toBeLessThan(later.operation.position);
					expect(earlier.slot).toBeLessThanOrEqual(later.slot);
				}
			}
		}),
		PARAMETERS,
	);
});

test("a slot is above the ancestor, at or above its anchor, and at most the pending slot", () => {
	fc.assert(
		fc.property(aCase, ({ input, anchors }) => {
			for (const { operation, slot } of applied(judge(input))) {
				expect(slot).toBeGreaterThan(input.ancestor);
				expect(slot).toBeLessThanOrEqual(input.newHead + 1n);
				if (operation.anchor.kind === "none") continue;
				expect(slot).toBeGreaterThanOrEqual(anchors.get(operation) ?? input.newHead + 2n);
			}
		}),
		PARAMETERS,
	);
});

test("every operation has one verdict, suspended exactly when its anchor is absent", () => {
	fc.assert(
		fc.property(aCase, ({ input, anchors }) => {
			const verdicts = judge(input);
			const judged = new Set(verdicts.map((verdict) => verdict.operation));
			expect(verdicts.length).toBe(input.operations.length);
			expect(judged).toEqual(new Set(input.operations));
			for (const { type, operation } of verdicts) {
				const absent = operation.anchor.kind !== "none" && anchors.get(operation) === undefined;
				expect(type).toBe(absent ? "suspend" : "apply");
			}
		}),
		PARAMETERS,
	);
});

test("a slot is no higher than an operation before it, its own bounds, or the ancestor asks for", () => {
	fc.assert(
		fc.property(aCase, ({ input, anchors }) => {
			let before = input.ancestor + 1n;
			for (const { operation, slot } of applied(judge(input))) {
				const anchored = operation.anchor.kind === "none" ? 0n : (anchors.get(operation) ?? 0n);
				expect([before, anchored, operation.originalSlot, input.newHead + 1n]).toContain(slot);
				expect(slot === before || slot <= operation.originalSlot || slot === anchored).toBe(true);
				before = slot;
			}
		}),
		PARAMETERS,
	);
});

test("judging again gives the same, whatever was judged before and in whatever order", () => {
	fc.assert(
		fc.property(aCase, ({ input, anchors }) => {
			const first = judge(input);
			const slots = new Map(first.map((each) => [each.operation.position, slotOf(each)]));
			const heights = new Map([...anchors].map(([each, at]) => [each.position, at]));
			const again = judge({
				...input,
				operations: input.operations.map((each) => withVerdict(each, slots)).toReversed(),
				anchorHeight: (operation) => heights.get(operation.position),
			});
			expect(again.map(slotOf)).toEqual(first.map(slotOf));
		}),
		PARAMETERS,
	);
});

function slotOf(verdict: Verdict): bigint | undefined {
	return verdict.type === "apply" ? verdict.slot : undefined;
}

function withVerdict(
	operation: AgentOperation,
	slots: ReadonlyMap<bigint, bigint | undefined>,
): AgentOperation {
	const effectiveSlot = slots.get(operation.position);
	const status = effectiveSlot === undefined ? "suspended" : "applied";
	return { ...operation, status, effectiveSlot };
}

test("the first branch winning again gives the slots that it gave at first", () => {
	fc.assert(
		fc.property(aCase, height, ({ input }, otherLength) => {
			const other = {
				...input,
				newHead: input.ancestor + otherLength,
				anchorHeight: () => undefined,
			};
			const first = judge(input).map(slotOf);
			const away = judge(other);
			const back = judge({ ...input, operations: away.map((verdict) => verdict.operation) });
			expect(back.map(slotOf)).toEqual(first);
		}),
		PARAMETERS,
	);
});
