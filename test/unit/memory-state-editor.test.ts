import { describe, expect, test } from "vitest";
import { FOREVER } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { StateEditor } from "../../src/memory/state-editor.ts";
import { InconsistentChanges, VersionRows } from "../simulation/fakes/version-rows.ts";
import { keyOf, newVersion, row, TOMBSTONE } from "../support/versions.ts";

const KEY = keyOf("a");
const NOTHING = { closeBlock: [], closeGen: [], insert: [], newMemories: [] };

function editing(generation: bigint, rows: readonly Version[] = []): StateEditor {
	const editor = new StateEditor(generation);
	editor.load(KEY, rows);
	return editor;
}

function ended(version: Version) {
	return { memoryKey: KEY, fromBlock: version.fromBlock, fromGen: version.fromGen };
}

describe("writing", () => {
	test("the first version of a memory brings its identity", () => {
		const editor = editing(0n);
		const written = editor.put(newVersion("a", 1n), 5n);
		expect(written).toEqual(row("a", 1n, { fromBlock: 5n }));
		const newMemories = [{ memoryKey: KEY, namespace: "test", id: "a", layer: "semantic" }];
		expect(editor.changes()).toEqual({ ...NOTHING, insert: [written], newMemories });
	});

	test("a memory that was deleted and comes back in another layer is named there too", () => {
		const gone = row("a", 1n, { fromBlock: 3n, ...TOMBSTONE });
		const editor = editing(0n, [gone]);
		editor.put(newVersion("a", 2n, { layer: "episodic" }), 5n);
		editor.put(newVersion("a", 3n, { layer: "episodic" }), 6n);
		const newMemories = [{ memoryKey: KEY, namespace: "test", id: "a", layer: "episodic" }];
		expect(editor.changes().newMemories).toEqual(newMemories);
	});

	test("a row of this generation is shortened and the new one inserted", () => {
		const before = row("a", 1n, { fromBlock: 3n });
		const editor = editing(0n, [before]);
		const written = editor.put(newVersion("a", 2n), 5n);
		const closeBlock = [{ ...ended(before), toBlock: 5n }];
		expect(editor.changes()).toEqual({ ...NOTHING, closeBlock, insert: [written] });
	});

	test("overwriting the copy of an older row again only shrinks the copy", () => {
		const before = row("a", 1n, { fromBlock: 3n });
		const after = row("a", 2n, { fromBlock: 9n });
		const editor = editing(1n, [{ ...before, toBlock: 9n }, after]);
		editor.rewind(6n);
		const written = editor.put(newVersion("a", 3n), 8n);
		const copy = { ...before, toBlock: 8n, fromGen: 1n };
		expect(editor.changes()).toEqual({
			...NOTHING,
			closeGen: [
				{ ...ended(before), toGen: 1n },
				{ ...ended(after), toGen: 1n },
			],
			insert: [copy, written],
		});
	});

	test("the older row goes on when the fork ends it at the same height", () => {
		const before = row("a", 1n, { fromBlock: 3n, toBlock: 9n });
		const after = row("a", 2n, { fromBlock: 9n });
		const editor = editing(1n, [before, after]);
		editor.rewind(6n);
		const written = editor.put(newVersion("a", 3n), 9n);
		const closeGen = [{ ...ended(after), toGen: 1n }];
		expect(editor.changes()).toEqual({ ...NOTHING, closeGen, insert: [written] });
	});

	test("a slot written twice in the editor leaves one row", () => {
		const editor = editing(0n, [row("a", 1n, { fromBlock: 3n })]);
		editor.put(newVersion("a", 2n), 5n);
		const later = editor.put(newVersion("a", 3n), 5n);
		expect(editor.changes().insert).toEqual([later]);
		expect(editor.changes().closeBlock).toHaveLength(1);
	});

	test("a slot written before and now again takes its row over, shortened or not", () => {
		const editor = editing(0n, [row("a", 1n, { fromBlock: 5n })]);
		const later = editor.put(newVersion("a", 2n), 5n);
		expect(editor.changes()).toEqual({ ...NOTHING, insert: [later] });
		const next = editor.put(newVersion("a", 3n), 6n);
		expect(editor.changes()).toEqual({ ...NOTHING, insert: [{ ...later, toBlock: 6n }, next] });
	});

	test("a tombstone is a row and is not visible", () => {
		const editor = editing(0n, [row("a", 1n, { fromBlock: 3n })]);
		const tombstone = editor.put(newVersion("a", 2n, TOMBSTONE), 5n);
		expect(editor.visible(KEY, 5n)).toBeUndefined();
		expect(editor.visible(KEY, 4n)?.versionId).toBe(1n);
		expect(editor.latest(KEY)).toBe(tombstone);
	});

	test("a version that expires is visible until then, and the one before it does not return", () => {
		const editor = editing(0n, [row("a", 1n, { fromBlock: 3n })]);
		editor.put(newVersion("a", 2n, { expiresBlock: 7n }), 5n);
		expect([4n, 5n, 6n, 7n].map((height) => editor.visible(KEY, height)?.versionId)).toEqual([
			1n,
			2n,
			2n,
			undefined,
		]);
	});

	test("one that has expired at its slot ends what was there and leaves a tombstone", () => {
		const editor = editing(0n, [row("a", 1n, { fromBlock: 3n })]);
		const late = newVersion("a", 2n, { expiresBlock: 5n, text: "late", importance: 0.5 });
		const written = editor.put(late, 5n);
		expect(written).toMatchObject({ content: undefined, text: undefined, toBlock: FOREVER });
		expect(written.contentHash).toBe(contentHash(written));
		expect(editor.visible(KEY, 5n)).toBeUndefined();
	});

	test("nothing written is nothing changed", () => {
		expect(editing(0n, [row("a", 1n)]).changes()).toEqual(NOTHING);
		expect(editing(0n).changes()).toEqual(NOTHING);
	});
});

describe("rewinding", () => {
	const before = row("a", 1n, { fromBlock: 3n, toBlock: 8n });
	const after = row("a", 2n, { fromBlock: 8n });

	test.each(["before", "after"])("reaches rows that are loaded %s it", (when) => {
		const editor = new StateEditor(1n);
		if (when === "after") editor.rewind(6n);
		editor.load(KEY, [after, before]);
		if (when === "before") editor.rewind(6n);
		expect(editor.latest(KEY)).toEqual({ ...before, toBlock: FOREVER, fromGen: 1n });
		expect(editor.visible(KEY, 8n)?.versionId).toBe(1n);
	});

	test("a memory that began above the ancestor is gone, and is new when written again", () => {
		const editor = editing(1n, [after]);
		editor.rewind(6n);
		expect(editor.latest(KEY)).toBeUndefined();
		expect(editor.changes()).toEqual({ ...NOTHING, closeGen: [{ ...ended(after), toGen: 1n }] });
		const written = editor.put(newVersion("a", 3n), 8n);
		expect(editor.changes().insert).toEqual([written]);
		expect(editor.changes().newMemories).toEqual([]);
	});
});

describe("misuse is refused", () => {
	test.each<[string, () => unknown]>([
		["was not loaded", () => new StateEditor(0n).put(newVersion("a", 1n), 1n)],
		["was not loaded", () => new StateEditor(0n).visible(KEY, 1n)],
		["was loaded twice", () => editing(0n).load(KEY, [])],
		["a row of", () => editing(0n).load(keyOf("b"), [row("a", 1n)])],
		["ended at generation 1", () => editing(1n, [row("a", 1n, { toGen: 1n })])],
		["overlap at height 4", () => editing(0n, [row("a", 1n), row("a", 2n, { fromBlock: 4n })])],
	])("%s", (message, misuse) => {
		expect(misuse).toThrow(expect.objectContaining({ code: "internal" }));
		expect(misuse).toThrow(message);
	});

	test("a rewind comes once, and before all writes", () => {
		const written = editing(1n);
		written.put(newVersion("a", 1n), 5n);
		expect(() => written.rewind(3n)).toThrow("rewound after a write");
		const rewound = editing(1n);
		rewound.rewind(3n);
		expect(() => rewound.rewind(2n)).toThrow("rewound twice");
	});

	test("no write at or below the ancestor", () => {
		const editor = editing(1n);
		editor.rewind(6n);
		expect(() => editor.put(newVersion("a", 1n), 6n)).toThrow("would change a sealed block");
	});
});

describe("the rows that the property test writes to refuse", () => {
	const held = row("a", 1n, { fromBlock: 3n });
	const identity = { memoryKey: KEY, namespace: "test", id: "a", layer: "semantic" } as const;

	function holding(): VersionRows {
		const rows = new VersionRows();
		rows.apply({ ...NOTHING, insert: [held], newMemories: [identity] }, 0n);
		return rows;
	}

	test.each([
		["an older row closed in place", 1n, { closeBlock: [{ ...ended(held), toBlock: 5n }] }],
		["a row closed to nothing", 0n, { closeBlock: [{ ...ended(held), toBlock: 3n }] }],
		[
			"a row that does not exist",
			0n,
			{ closeBlock: [{ ...ended(held), fromBlock: 4n, toBlock: 5n }] },
		],
		["a row closed at its own generation", 0n, { closeGen: [{ ...ended(held), toGen: 0n }] }],
		["a row closed at another generation", 1n, { closeGen: [{ ...ended(held), toGen: 2n }] }],
		["an overlap", 0n, { insert: [row("a", 2n, { fromBlock: 5n })] }],
		["an insert of another generation", 0n, { insert: [row("a", 2n, { fromGen: 1n })] }],
		["the same row inserted again", 0n, { insert: [held] }],
		["a row without an identity", 0n, { insert: [row("b", 2n)] }],
		["an identity without a row", 0n, { newMemories: [{ ...identity, memoryKey: keyOf("b") }] }],
		[
			"one row in two lists",
			0n,
			{ closeBlock: [{ ...ended(held), toBlock: 5n }], insert: [{ ...held, versionId: 2n }] },
		],
	])("%s", (_what, generation, changes) => {
		const rows = holding();
		expect(() => rows.apply({ ...NOTHING, ...changes }, generation)).toThrow(InconsistentChanges);
		expect(rows.of(KEY)).toEqual([held]);
	});
});
