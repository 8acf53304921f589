/** What the writer ends by itself: never more than it has loaded, and by the newest word of each memory. */

import { expect, test } from "vitest";
import { LEAST_WINDOW } from "../../src/chain/window-size.ts";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import type { MemoryKey } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import { NO_SETTINGS } from "../../src/domain/namespace-settings.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { Assembly } from "../../src/writer/assembly.ts";
import { ShortTermMembers } from "../../src/writer/short-term.ts";
import { StateDraft } from "../../src/writer/state-draft.ts";
import { SystemWork } from "../../src/writer/system-work.ts";

const STATE = {
	chainId: 1,
	generation: 0n,
	fence: 1n,
	logPosition: 100_000n,
	versionSeq: 100_000n,
	roots: EMPTY_ROOTS,
	head: { number: 9n, hash: "0x09", parentHash: "0x08", timestamp: 50n },
	startBlock: 0n,
	safe: undefined,
	finalized: undefined,
	...LEAST_WINDOW,
	pointers: {},
} as const;

function version(id: string, position: bigint, of: Partial<Version> = {}): Version {
	return {
		memoryKey: memoryKey("n", id),
		namespace: "n",
		id,
		layer: "short_term",
		owner: "agent",
		content: { id },
		text: undefined,
		collection: undefined,
		importance: undefined,
		confidence: undefined,
		vectorHash: undefined,
		contentHash: `0x${position.toString(16).padStart(64, "0")}`,
		versionId: position,
		position,
		suspect: false,
		grounds: undefined,
		fromBlock: 1n,
		toBlock: 2n ** 63n - 1n,
		fromGen: 0n,
		toGen: 2n ** 63n - 1n,
		expiresBlock: undefined,
		expiresTime: undefined,
		...of,
	};
}

function put(id: string) {
	return {
		operationId: `00000000-0000-4000-8000-${id.padStart(12, "0")}` as never,
		operation: {
			kind: "put",
			namespace: "n",
			id,
			ifVersion: undefined,
			body: {
				layer: "short_term",
				content: { id },
				text: undefined,
				vector: undefined,
				collection: undefined,
				importance: undefined,
				confidence: undefined,
				expiresAtBlock: undefined,
				expiresAtTime: undefined,
			},
		},
		anchors: { mode: "all", anchors: [] },
		sources: [],
		policy: "recant",
	} as const;
}

/** A namespace with so many short-term memories, of which the first ends by time. */
function crowded(count: number, capacity: number) {
	const rows = new Map<MemoryKey, Version>();
	for (let index = 0; index < count; index += 1) {
		const of = index === 0 ? { expiresTime: 60n } : {};
		const each = version(`m${index}`, BigInt(index + 1), of);
		rows.set(each.memoryKey, each);
	}
	const store = {
		latestVersions: async (_chain: number, keys: readonly MemoryKey[]) =>
			new Map(keys.flatMap((key) => (rows.has(key) ? [[key, [rows.get(key) as Version]]] : []))),
		population: async () => [],
		writingOrder: async (_chain: number, { limit }: { readonly limit: number }) =>
			[...rows.values()].slice(0, limit),
	};
	const settings = new Map([["n", { ...NO_SETTINGS, shortTermCapacity: capacity }]]);
	const consolidator = { consolidate: async () => [] };
	const shortTerm = new Map<string, ShortTermMembers>();
	const assembly = new Assembly(STATE);
	const context = {
		chainId: 1,
		store: store as never,
		settings,
		consolidator,
		shortTerm,
		height: 10n,
	};
	return { assembly, rows, shortTerm, system: new SystemWork(assembly, context) };
}

test("a capacity that was lowered by thousands is reached over several commits", async () => {
	const { assembly, system, shortTerm } = crowded(5_000, 10);
	await system.prepare({ writes: new Map([["n", 3]]), heights: undefined, asked: [] });
	for (const id of ["a", "b", "c"]) assembly.state.load(memoryKey("n", id), []);
	for (const id of ["a", "b", "c"]) expect(assembly.admit(put(id), 10n).type).toBe("applied");
	expect(
		assembly.batch([], STATE).log.filter(({ body }) => body.includes("capacity")),
	).toHaveLength(1_003);
	expect(shortTerm.get("n")?.isWhole).toBe(false);
});

test("what ends by time pushes out nothing, whatever the capacity is by now", async () => {
	const { assembly, system, shortTerm, rows } = crowded(100, 10);
	shortTerm.set("n", new ShortTermMembers([...rows.values()]));
	await system.prepare({ writes: new Map(), heights: { from: 10n, to: 10n }, asked: [] });
	const [first] = rows.values();
	assembly.state.load((first as Version).memoryKey, [first as Version]);
	await system.endOfBlock({ number: 10n, hash: "0x0a", parentHash: "0x09", timestamp: 60n });
	expect(assembly.batch([], STATE).log.map(({ body }) => JSON.parse(body).reason)).toEqual([
		"time",
	]);
});

test("a memory that was written over ends when its newest version says", () => {
	for (const [older, newer] of [
		[1_000n, 100n],
		[100n, 1_000n],
	] as const) {
		const rows = [
			version("x", 2n, { fromBlock: 5n, expiresTime: newer }),
			version("x", 1n, { fromBlock: 1n, toBlock: 5n, expiresTime: older }),
		];
		const draft = new StateDraft(STATE, 0n);
		draft.load(memoryKey("n", "x"), rows);
		const ended = [99n, 100n, 999n, 1_000n].map((time) => draft.timedOut(10n, time).length);
		expect(ended.indexOf(1)).toBe(newer === 100n ? 1 : 3);
	}
});

test("the deletion of what a consolidation made holds when both are made anew", () => {
	const id = "consolidated:rule";
	const of = { layer: "long_term", fromBlock: 10n } as const;
	const deletion = {
		...put(id),
		operation: { kind: "delete", namespace: "n", id, ifVersion: undefined },
	} as const;
	const original = { position: 90_000n, originalSlot: 12n, conditionPosition: undefined };
	const made = (fromBlock: bigint) => {
		const assembly = new Assembly({ ...STATE, head: { ...STATE.head, number: 12n } });
		// Its position is new: the log has gone on since it was first made.
		assembly.state.load(memoryKey("n", id), [version(id, 99_000n, { ...of, fromBlock })]);
		const ground = assembly.ground(deletion);
		return assembly.reapply(deletion, 13n, original, { verdict: "replayed", ground });
	};
	expect(made(10n)).toMatchObject({ type: "applied" });
	expect(made(13n)).toMatchObject({ type: "failed", code: "overwritten_later" });
});
