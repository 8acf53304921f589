import { describe, expect, test } from "vitest";
import type { Version } from "../../src/domain/memory.ts";
import { canonicalJson } from "../../src/memory/canonical.ts";
import {
	differs,
	laterSide,
	mergeBy,
	type SaidPair,
	type SideRule,
	saidAt,
} from "../../src/memory/merge-rules.ts";
import { row, TOMBSTONE } from "../support/versions.ts";

const HEIGHT = 20n;

function pair(ours: Version | undefined, theirs: Version | undefined): SaidPair {
	return { ours: saidAt(ours, HEIGHT), theirs: saidAt(theirs, HEIGHT) };
}

function merged(rule: SideRule, ours: Version | undefined, theirs: Version | undefined) {
	return mergeBy(rule, pair(ours, theirs))?.content;
}

const LATEST: SideRule = { kind: "latest" };
const [FIVE, SIX, GONE] = [row("a", 5n), row("a", 6n), row("a", 7n, TOMBSTONE)];

describe("what a coordinate says", () => {
	test("is nothing where nothing was written, or a deletion, or an end that is past", () => {
		expect(saidAt(undefined, HEIGHT)).toBeUndefined();
		expect(saidAt(GONE, HEIGHT)).toMatchObject({ last: GONE, visible: undefined });
		const ending = row("a", 5n, { expiresBlock: HEIGHT });
		expect(saidAt(ending, HEIGHT)?.visible).toBeUndefined();
		expect(saidAt(ending, HEIGHT - 1n)?.visible).toEqual(ending);
	});

	test("differs by what is visible alone", () => {
		expect(differs(pair(FIVE, { ...FIVE, versionId: 9n, position: 9n }))).toBe(false);
		expect(differs(pair(FIVE, { ...FIVE, contentHash: "0x12" }))).toBe(true);
		expect(differs(pair(FIVE, GONE))).toBe(true);
		expect(differs(pair(undefined, GONE))).toBe(false);
	});
});

describe("latest", () => {
	test("is the later position on whichever side", () => {
		expect(merged(LATEST, FIVE, SIX)).toEqual(SIX.content);
		expect(merged(LATEST, SIX, FIVE)).toEqual(SIX.content);
	});

	test("counts a deletion as a writing", () => {
		expect(merged(LATEST, SIX, GONE)).toBeUndefined();
		expect(merged(LATEST, GONE, SIX)).toBeUndefined();
		expect(merged(LATEST, GONE, row("a", 8n))).toEqual({ version: "8" });
	});

	test("counts what has ended by itself at its writing", () => {
		const ended = row("a", 6n, { expiresBlock: 10n });
		expect(merged(LATEST, ended, FIVE)).toBeUndefined();
		expect(merged(LATEST, ended, row("a", 8n))).toEqual({ version: "8" });
	});

	test("is the side that says something, where the other never did", () => {
		expect(merged(LATEST, undefined, FIVE)).toEqual(FIVE.content);
		expect(merged(LATEST, FIVE, undefined)).toEqual(FIVE.content);
	});

	test("is ours where both are one operation", () => {
		const [ours, theirs] = [row("a", 5n), { ...row("a", 6n), position: 5n }];
		expect(laterSide(pair(ours, theirs))).toBe("ours");
		expect(merged(LATEST, ours, theirs)).toEqual(ours.content);
	});
});

describe("field", () => {
	const ours = row("a", 5n, { content: { x: 1, y: 1, only: 1 }, text: "ours", importance: 0.1 });
	const theirs = row("a", 6n, { content: { x: 2, y: 2, z: 2 }, text: "theirs", importance: 0.9 });

	test("takes each field from its side, and the rest as otherwise says", () => {
		const rule = {
			kind: "field",
			fields: { x: "theirs", z: "theirs", y: "latest" },
			otherwise: "ours",
		} as const;
		expect(mergeBy(rule, pair(ours, theirs))).toMatchObject({
			content: { x: 2, y: 2, z: 2, only: 1 },
			text: "ours",
			importance: 0.1,
		});
	});

	test("leaves out a field that its side does not have", () => {
		const rule = {
			kind: "field",
			fields: { only: "theirs", z: "ours" },
			otherwise: "latest",
		} as const;
		expect(merged(rule, ours, theirs)).toEqual({ x: 2, y: 2 });
	});

	test("takes the memory whole where only one side has it", () => {
		const fields = { x: "theirs" } as const;
		expect(merged({ kind: "field", fields, otherwise: "ours" }, ours, GONE)).toEqual(ours.content);
		expect(merged({ kind: "field", fields, otherwise: "theirs" }, ours, GONE)).toBeUndefined();
	});

	test("has no field that an object only inherits, and keeps one that is named like it", () => {
		const named = JSON.parse('{"__proto__":{"a":1}}');
		const fields = JSON.parse('{"__proto__":"theirs","toString":"theirs"}');
		const rule: SideRule = { kind: "field", fields, otherwise: "ours" };
		const content = merged(rule, row("a", 5n, { content: {} }), row("a", 6n, { content: named }));
		expect(canonicalJson(content ?? {})).toBe('{"__proto__":{"a":1}}');
	});
});
