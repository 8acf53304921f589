import { describe, expect, test } from "vitest";
import { FatalError } from "../../src/domain/errors.ts";
import { linkId } from "../../src/domain/link.ts";
import type { Version } from "../../src/domain/memory.ts";
import { NO_SETTINGS } from "../../src/domain/namespace-settings.ts";
import type { JsonObject, MemoryBody, PutOperation } from "../../src/domain/operation.ts";
import { ContentSchemas } from "../../src/service/writing/content-schemas.ts";
import { type PendingState, sourceKey } from "../../src/service/writing/pending-look.ts";
import {
	validateWrites,
	type WriteChecks,
	type WriteToCheck,
} from "../../src/service/writing/validate-writes.ts";
import { keyOf, row } from "../support/versions.ts";

const SCHEMA = { properties: { amount: { type: "integer" } }, required: ["amount"] };
const SETTINGS = { ...NO_SETTINGS, schemas: { semantic: SCHEMA } };
const HASH = `0x${"ab".repeat(32)}` as const;

function put(id: string, content: JsonObject, parts: Partial<MemoryBody> = {}): WriteToCheck {
	const body: MemoryBody = {
		layer: "semantic",
		content,
		text: undefined,
		vector: undefined,
		collection: undefined,
		importance: undefined,
		confidence: undefined,
		expiresAtBlock: undefined,
		expiresAtTime: undefined,
		...parts,
	};
	const operation: PutOperation = {
		kind: "put",
		namespace: "test",
		id,
		ifVersion: undefined,
		body,
	};
	return { operation, sources: [], root: "" };
}

function patch(id: string, content: JsonObject): WriteToCheck {
	const weights = { text: undefined, importance: undefined, confidence: undefined };
	const target = { namespace: "test", id, ifVersion: undefined };
	const operation = { kind: "patch", ...target, content, ...weights } as const;
	return { operation, sources: [], root: "" };
}

function link(from: string, type: string, to: string): WriteToCheck {
	const name = { from: { namespace: "test", id: from }, type, to: { namespace: "test", id: to } };
	const target = { namespace: "test", id: linkId(name), ifVersion: undefined };
	const made = { kind: "link", ...target, link: name, weight: 1, properties: undefined } as const;
	return { operation: made, sources: [], root: "" };
}

function known(...versions: readonly Version[]): PendingState {
	return {
		memories: new Map(versions.map((version) => [keyOf(version.id), version])),
		held: new Set(),
	};
}

async function problemsOf(
	writes: readonly WriteToCheck[],
	state: PendingState | "operations wait" = known(),
): Promise<readonly string[]> {
	const checks: WriteChecks = {
		chainId: 1,
		settings: () => SETTINGS,
		schemas: new ContentSchemas(),
		look: { look: async () => (state === "operations wait" ? undefined : state) },
	};
	try {
		await validateWrites(
			writes.map((write, index) => ({ ...write, root: `operations[${index}]` })),
			checks,
		);
		return [];
	} catch (error) {
		if (!(error instanceof FatalError)) throw error;
		expect(error.code).toBe("invalid_request");
		return error.problems.map(({ path, code }) => `${path} ${code}`);
	}
}

test("one error lists what is wrong with every operation, each with its place and code", async () => {
	const fading = { layer: "long_term" } as const;
	const writes = [
		put("a", { amount: 1 }),
		put("b", { amount: "much" }),
		put("consolidated:x", { amount: 1 }),
		put(
			linkId({
				from: { namespace: "test", id: "a" },
				type: "t",
				to: { namespace: "test", id: "b" },
			}),
			{
				amount: 1,
			},
		),
		put("c", { halfLifeBlocks: 10, lastSupportedBlock: 7 }, fading),
		put("d", { halfLifeBlocks: 1.5 }, { ...fading, confidence: 1 }),
		link("a", "likes", "a"),
		put("e", {}),
	];
	expect(await problemsOf(writes)).toEqual([
		"operations[1].content.amount schema_mismatch",
		"operations[2].id reserved_id",
		"operations[3].id reserved_id",
		"operations[4].confidence layer_rule",
		"operations[4].content.lastSupportedBlock layer_rule",
		"operations[5].content.halfLifeBlocks layer_rule",
		"operations[6].to link_cycle",
		"operations[7].content.amount schema_mismatch",
	]);
});

test("a schema is for its layer, and the other layers say what they like", async () => {
	expect(await problemsOf([put("a", {}, { layer: "short_term" })])).toEqual([]);
});

describe("what the state shows", () => {
	test("is told beside what is wrong with the request, and with itself", async () => {
		const state = known(
			row("episode", 1n, { layer: "episodic" }),
			row("fact", 2n, { content: { amount: 1 } }),
		);
		const writes = [
			patch("none", { amount: 1 }),
			put("episode", { n: 1 }, { layer: "episodic" }),
			put("fact", { n: 1 }, { layer: "short_term" }),
			link("fact", "isA", "episode"),
			link("fact", "causedBy", "gone"),
			{
				...put("x", { amount: 1 }),
				sources: [[{ namespace: "test", id: "fact", contentHash: HASH }]],
			},
		];
		expect(await problemsOf(writes, state)).toEqual([
			"operations[0] memory_not_found",
			"operations[1] append_only",
			"operations[2] layer_conflict",
			"operations[3].to link_end_layer",
			"operations[4].from link_end_layer",
			"operations[4].to link_end_missing",
			"operations[5].derivedFrom[0][0] source_unknown",
		]);
	});

	test("is left to the commit, with a code of its own, where it is the only thing", async () => {
		expect(await problemsOf([patch("none", { amount: 1 })])).toEqual([]);
	});

	test("is not told while operations wait that may change it", async () => {
		const writes = [patch("none", {}), patch("neither", {}), link("one", "likes", "other")];
		expect(await problemsOf(writes, known())).not.toEqual([]);
		expect(await problemsOf(writes, "operations wait")).toEqual([]);
	});

	test("follows from what the operations before it leave", async () => {
		const writes = [
			put("a", { amount: 1 }),
			put("b", { amount: 2 }),
			link("a", "likes", "b"),
			patch("a", { amount: 3 }),
			patch("a", { amount: null }),
			patch("b", { amount: "much" }),
		];
		const wrong = [
			"operations[4].content.amount schema_mismatch",
			"operations[5].content.amount schema_mismatch",
		];
		expect(await problemsOf(writes)).toEqual(wrong);
		expect(await problemsOf(writes, "operations wait")).toEqual(wrong);
	});

	test("takes one set of sources that holds, and what the request itself says", async () => {
		const held = { namespace: "test", id: "fact", contentHash: HASH };
		const unknown = { ...held, id: "other" };
		const state = { ...known(), held: new Set([sourceKey(held)]) };
		const derived = { ...put("x", { amount: 1 }), sources: [[held, unknown], [held]] };
		expect(await problemsOf([derived, put("y", {})], state)).toEqual([
			"operations[1].content.amount schema_mismatch",
		]);
		const none = { ...derived, sources: [[held, unknown], [unknown]] };
		expect(await problemsOf([none, put("y", {})], state)).toEqual([
			"operations[0].derivedFrom[0][1] source_unknown",
			"operations[0].derivedFrom[1][0] source_unknown",
			"operations[1].content.amount schema_mismatch",
		]);
	});
});

test("a request of small patches cannot ask for a long time of checks", async () => {
	const branches = Array.from({ length: 200 }, (_, index) => ({ required: [`field${index}`] }));
	const costly = { properties: { list: { items: { anyOf: branches } } } };
	const settings = { ...NO_SETTINGS, schemas: { semantic: costly } };
	const list = Array.from({ length: 3_000 }, () => ({ field199: 1 }));
	const there = row("a", 1n, { layer: "semantic", content: { list } });
	const checks: WriteChecks = {
		chainId: 1,
		settings: () => settings,
		schemas: new ContentSchemas(),
		look: { look: async () => known(there) },
	};
	const patches = Array.from({ length: 1_000 }, (_, note) => patch("a", { note }));
	const begun = performance.now();
	const refused = validateWrites(patches, checks);
	await expect(refused).rejects.toMatchObject({
		code: "invalid_request",
		message: expect.stringContaining("more than the 8388608 steps"),
	});
	// Without a limit of the steps it takes a minute.
	expect(performance.now() - begun).toBeLessThan(10_000);
	await validateWrites(patches.slice(0, 2), checks);
});
