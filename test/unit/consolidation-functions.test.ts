import { describe, expect, test } from "vitest";
import type { Version } from "../../src/domain/memory.ts";
import type { ConsolidationRule } from "../../src/domain/namespace-settings.ts";
import type { JsonValue } from "../../src/domain/operation.ts";
import type { ConsolidationFunction } from "../../src/follower/define-chain.ts";
import { consolidate } from "../../src/memory/consolidate.ts";
import { inputHashOf } from "../../src/memory/input-hash.ts";
import { ConsolidationFunctions } from "../../src/service/layers/consolidation-functions.ts";
import type { Recorded } from "../../src/service/records/recorded-results.ts";
import { row } from "../support/versions.ts";

const RULE: ConsolidationRule = {
	name: "themes",
	layers: ["episodic"],
	groupBy: undefined,
	take: { kind: "function", name: "find" },
	everyBlocks: undefined,
	halfLifeBlocks: undefined,
};

const episode = (id: string, position: bigint, parts: Partial<Version> = {}) =>
	row(id, position, { layer: "episodic", content: { of: id }, ...parts });

/** Records as the service does, in a map. */
function recorder(): { readonly recorded: Recorded; readonly outputs: Map<string, JsonValue> } {
	const outputs = new Map<string, JsonValue>();
	const recorded: Recorded = async ({ namespace, model, input }, compute) => {
		const key = JSON.stringify([namespace, model, inputHashOf(input)]);
		const output = outputs.get(key) ?? (await compute());
		outputs.set(key, output);
		return structuredClone(output);
	};
	return { recorded, outputs };
}

function find(
	answer: ConsolidationFunction | unknown,
	members: readonly Version[],
	recorded = recorder().recorded,
) {
	const own = typeof answer === "function" ? answer : () => answer;
	const functions = new Map([["find", own as ConsolidationFunction]]);
	const run = new ConsolidationFunctions({ functions, recorded });
	return run.patterns({ rule: RULE, namespace: "test", members });
}

describe("a consolidation function", () => {
	test("gets copies of the rule's members in the order of writing", async () => {
		const given: unknown[] = [];
		const members = [episode("b", 2n), episode("a", 1n), row("c", 3n, { layer: "semantic" })];
		await find((seen: { content: object }[], context: object) => {
			given.push(structuredClone(seen), context);
			for (const member of seen) member.content = {};
			return [];
		}, members);
		expect(given).toMatchObject([
			[
				{ id: "a", content: { of: "a" } },
				{ id: "b", content: { of: "b" } },
			],
			{ namespace: "test", rule: "themes" },
		]);
		expect(members[1]?.content).toEqual({ of: "a" });
	});

	test("is asked once for what says the same, whatever the slots and versions", async () => {
		let calls = 0;
		const { recorded } = recorder();
		const ask = async () => {
			calls += 1;
			return [{ group: "g", content: { n: calls } }];
		};
		const first = await find(ask, [episode("a", 1n), episode("b", 2n)], recorded);
		const moved = [episode("a", 70n, { fromBlock: 9n }), episode("b", 80n, { versionId: 900n })];
		expect(await find(ask, moved, recorded)).toEqual(first);
		expect(calls).toBe(1);
		await find(ask, [...moved, episode("c", 90n)], recorded);
		expect(calls).toBe(2);
	});

	test("makes long-term memories of what it finds, supported by those that it names", async () => {
		const members = [episode("a", 1n), episode("b", 2n), episode("c", 3n)];
		const patterns = await find(
			[{ group: "g", content: { says: "x" }, members: ["a", "c"], text: "x" }],
			members,
		);
		const input = {
			rule: RULE,
			namespace: "test",
			height: 5n,
			members,
			before: new Map(),
			patterns,
		};
		const { puts } = consolidate(input);
		expect(puts).toMatchObject([
			{
				id: "consolidated:themes:g",
				body: {
					layer: "long_term",
					content: { rule: "themes", group: "g", pattern: { says: "x" }, support: 2 },
					text: "x",
					collection: "default",
					confidence: 0.75,
				},
			},
		]);
		expect(puts[0]?.sources.map((set) => set.map(({ id }) => id))).toEqual([["a", "c"]]);
	});

	test.each<[string, unknown]>([
		["no list", { group: "g", content: {} }],
		[
			"a group twice",
			[
				{ group: "g", content: {} },
				{ group: "g", content: {} },
			],
		],
		["no group", [{ group: "", content: {} }]],
		["a field that is none", [{ group: "g", content: {}, more: 1 }]],
		["what is no JSON", [{ group: "g", content: { at: 1n } }]],
		["a promise inside", [{ group: "g", content: { later: Promise.resolve() } }]],
		["confidence past 1", [{ group: "g", content: {}, confidence: 1.1 }]],
		["text that cannot be stored", [{ group: "g", content: {}, text: "a\u0000" }]],
		["more than there is room for", [{ group: "g", content: { a: "x".repeat(40_000) } }]],
	])("that answers %s fails, and records nothing", async (_what, answer) => {
		const { recorded, outputs } = recorder();
		await expect(find(answer, [episode("a", 1n)], recorded)).rejects.toMatchObject({
			code: "consolidation_failed",
			fields: { function: "find", rule: "themes" },
		});
		expect(outputs.size).toBe(0);
	});

	test("that throws fails with what it said", async () => {
		const threw = () => {
			throw new TypeError("no model today");
		};
		await expect(find(threw, [])).rejects.toMatchObject({
			code: "consolidation_failed",
			message: 'consolidation "find" of rule "themes" failed: no model today',
		});
	});
});
