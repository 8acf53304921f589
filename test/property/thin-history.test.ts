/** Of a thinned group every height that stays readable shows what the whole group shows there. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keptAtOrAbove, missingAt } from "../../src/domain/thinned-range.ts";
import type { HandlerOperation } from "../../src/memory/handler-operation.ts";
import type { DerivedBlock } from "../../src/writer/derived-blocks.ts";
import { thinHistory } from "../../src/writer/thin-history.ts";

const EVERY = fc.constantFrom(2, 3, 7, 50, 400, 999, 1_000, 2_500);
const FROM = 3n;

/** What stands at each height: by id the value, as the operations up to there leave it. */
function shownAt(blocks: readonly DerivedBlock[], height: bigint): ReadonlyMap<string, string> {
	const state = new Map<string, string>();
	for (const { header, operations } of blocks) {
		if (header.number > height) break;
		for (const each of operations) {
			if (each.kind === "delete") state.delete(each.id);
			else state.set(each.id, JSON.stringify(each.body.content));
		}
	}
	return state;
}

function blocksOf(writes: readonly (readonly (readonly [string, number | undefined])[])[]) {
	return writes.map((each, index): DerivedBlock => {
		const height = FROM + BigInt(index) * 13n;
		const hash = `0x${height.toString(16).padStart(64, "0")}` as const;
		return {
			header: { number: height, hash, parentHash: hash, timestamp: height },
			operations: each.map(([id, value]) => operation(id, value)),
			anchors: new Map(),
		};
	});
}

function operation(id: string, value: number | undefined): HandlerOperation {
	const name = { namespace: "events", id };
	if (value === undefined) return { kind: "delete", ...name };
	const meaning = { text: undefined, vector: undefined, collection: undefined };
	const weights = { importance: undefined, confidence: undefined };
	const ends = { expiresAtBlock: undefined, expiresAtTime: undefined };
	const body = { layer: "semantic", content: { value }, ...meaning, ...weights, ...ends } as const;
	return { kind: "put", ...name, body };
}

const WRITE = fc.tuple(
	fc.constantFrom("a", "b", "c"),
	fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined, freq: 4 }),
);
const BLOCKS = fc.array(fc.array(WRITE, { maxLength: 5 }), { minLength: 1, maxLength: 200 });

function groupOf(blocks: readonly DerivedBlock[], historyEvery: number | undefined) {
	const finality = { safe: undefined, finalized: undefined };
	return {
		mode: "backfill",
		blocks,
		from: FROM,
		finality,
		handlersHash: "0x",
		historyEvery,
	} as const;
}

describe("a thinned group", () => {
	test("shows at every kept height, and at its end, what the whole one shows", () => {
		fc.assert(
			fc.property(BLOCKS, EVERY, (writes, every) => {
				const whole = blocksOf(writes);
				const thin = thinHistory(groupOf(whole, every)).blocks;
				const to = whole.at(-1)?.header.number ?? FROM;
				for (let height = FROM; height <= to; height += 1n) {
					if (missingAt(height, { from: FROM, to, every }) !== undefined) continue;
					expect(shownAt(thin, height)).toEqual(shownAt(whole, height));
				}
			}),
		);
	});

	test("writes a memory once between two kept heights, and keeps every block", () => {
		fc.assert(
			fc.property(BLOCKS, EVERY, (writes, every) => {
				const whole = blocksOf(writes);
				const thin = thinHistory(groupOf(whole, every)).blocks;
				expect(thin.map(({ header }) => header)).toEqual(whole.map(({ header }) => header));
				const written = thin.flatMap(({ header, operations }) =>
					operations.map(({ id }) => `${id} ${keptAtOrAbove(header.number, every)}`),
				);
				expect(new Set(written).size).toBe(written.length);
			}),
		);
	});

	test("is the whole one where every height is kept, or in the window", () => {
		const blocks = blocksOf([[["a", 1]], [["a", 2]]]);
		expect(thinHistory(groupOf(blocks, undefined)).blocks).toBe(blocks);
		expect(thinHistory({ ...groupOf(blocks, 50), mode: "window" }).blocks).toBe(blocks);
	});
});

describe("a height of a thinned range", () => {
	const range = { from: 501n, to: 2_730n, every: 300 };

	test.each([
		[500n, undefined],
		[501n, { below: 500n, above: 600n }],
		[600n, undefined],
		[899n, { below: 600n, above: 900n }],
		[901n, { below: 900n, above: 1_000n }],
		[1_000n, undefined],
		[2_701n, { below: 2_700n, above: 2_730n }],
		[2_730n, undefined],
		[2_731n, undefined],
	])("%s", (height, missing) => {
		expect(missingAt(height, range)).toEqual(missing);
	});
});
