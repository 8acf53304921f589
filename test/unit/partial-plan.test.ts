import { describe, expect, test } from "vitest";
import type { AnsweredAt, AtRequest } from "../../src/domain/coordinate.ts";
import type { MemoryKey, VersionId } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { Version } from "../../src/domain/memory.ts";
import { bodyHash, bodyOf } from "../../src/memory/compensation.ts";
import { givenVectorHash } from "../../src/memory/given-vector.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import type { StateStore, StateView } from "../../src/service/reading/state-store.ts";
import {
	makePlan,
	type PlanRequest,
	planView,
	type Wanted,
} from "../../src/service/restoring/partial-plan.ts";
import { row } from "../support/versions.ts";

const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };
const VECTOR = [0.6, 0.8].map(Math.fround);

type Memories = ReadonlyMap<MemoryKey, Version>;

interface Stored {
	readonly now: readonly Version[];
	readonly before: readonly Version[];
	readonly vectors?: ReadonlyMap<VersionId, Float32Array>;
}

function said(id: string, versionId: bigint, parts: Partial<Version> = {}): Version {
	const version = { ...row(id, versionId, parts), memoryKey: memoryKey("test", id) };
	const { content } = version;
	if (content === undefined) return version;
	const vector = version.vectorHash === undefined ? undefined : VECTOR;
	return { ...version, contentHash: bodyHash(version, bodyOf({ ...version, content }, vector)) };
}

/** Answers what stands in two lists; everything that is asked for beyond that fails. */
function storeOf({ now, before, vectors = new Map() }: Stored): Pick<StateStore, "compare"> {
	const at = (height: bigint, pending: boolean): AnsweredAt => ({
		chainId: 1,
		height,
		generation: 0n,
		blockHash: undefined,
		logPosition: 9n,
		pending,
	});
	const view = (memories: Memories, place: AnsweredAt) =>
		({
			at: place,
			present: { generation: 0n, versionSeq: 9n },
			lastSaid: async (keys: readonly MemoryKey[]) =>
				new Map(keys.flatMap((key) => [...entry(memories, key)])),
			vectors: async () => vectors,
		}) as unknown as StateView;
	const from = view(byKey(now), at(20n, true));
	const to = view(byKey(before), at(10n, false));
	const all = [...now, ...before];
	return {
		compare: (_chain, _places, work) =>
			work({
				from,
				to,
				pending: async () => from,
				takenBack: async () => [],
				candidates: async ({ namespaces, limit }) =>
					[...byKey(all.filter((each) => namespaces?.includes(each.namespace) ?? true))]
						.map(([key]) => key)
						.slice(0, limit),
			}),
	};
}

function byKey(versions: readonly Version[]): Memories {
	return new Map(versions.map((version) => [version.memoryKey, version]));
}

function entry(memories: Memories, key: MemoryKey): readonly [MemoryKey, Version][] {
	const found = memories.get(key);
	return found === undefined ? [] : [[key, found]];
}

function plan(stored: Stored, parts: Partial<PlanRequest> = {}) {
	return makePlan(storeOf(stored), 1, {
		ours: PENDING,
		theirs: PENDING,
		selection: { namespaces: undefined, layers: undefined, collections: undefined },
		handlers: ["ledger"],
		wanted: ({ pair, vectorOf }): Wanted => {
			const version = pair.theirs?.visible;
			const vector = version && vectorOf(version);
			if (version?.vectorHash !== undefined && vector === undefined)
				return { type: "vector_missing" };
			return { type: "body", body: version && bodyOf(version, vector), fresh: false };
		},
		...parts,
	});
}

function many(count: number, parts: Partial<Version> = {}): readonly Version[] {
	return Array.from({ length: count }, (_, index) => said(`m${index}`, BigInt(index + 1), parts));
}

describe("a plan", () => {
	test("is in one order, whatever the order of keys", async () => {
		const { entries } = await plan({ now: many(30), before: [] });
		const ids = entries.map(({ id }) => id);
		expect(ids).toEqual(ids.toSorted());
		expect(new Set(ids).size).toBe(30);
	});

	test("leaves out what handlers own, by its namespace or by who wrote it", async () => {
		const theirs = said("a", 1n, { namespace: "ledger" });
		const written = said("b", 2n, { owner: "handler" });
		const formerly = said("c", 3n, { owner: "handler", content: undefined });
		const made = await plan({ now: [theirs, written, said("c", 4n)], before: [formerly] });
		expect(made.entries).toEqual([]);
		expect(made.skipped.map(({ reason }) => reason)).toEqual(Array(3).fill("handler_owned"));
	});

	test("carries a given vector, and skips a memory whose vector is not the one that was given", async () => {
		const before = [said("a", 1n, { vectorHash: givenVectorHash(VECTOR), collection: "default" })];
		const kept = await plan({
			now: [],
			before,
			vectors: new Map([[1n, new Float32Array(VECTOR)]]),
		});
		expect(kept.entries[0]?.after?.vector).toEqual(VECTOR);
		for (const vectors of [new Map(), new Map([[1n, new Float32Array([1, 0])]])]) {
			const made = await plan({ now: [], before, vectors });
			expect(made.entries).toEqual([]);
			expect(made.skipped).toMatchObject([{ id: "a", reason: "vector_missing" }]);
		}
	});

	test("has a hash that says every operation", async () => {
		const hash = async (stored: Stored) => planView(await plan(stored)).planHash;
		const one = { now: [], before: [said("a", 1n)] };
		expect(await hash(one)).toBe(await hash({ now: [], before: [said("a", 1n)] }));
		const others = [
			{ now: [], before: [said("a", 1n, { importance: 0.5 })] },
			{ now: [said("a", 2n, { content: {} })], before: [said("a", 1n)] },
			{ now: [], before: [said("a", 1n), said("b", 1n)] },
			{ now: [], before: [] },
		];
		const hashes = await Promise.all([one, ...others].map(hash));
		expect(new Set(hashes).size).toBe(5);
	});

	test("is answered with its first entries and whole counts", async () => {
		const view = planView(await plan({ now: many(LIMITS.partialItems + 1), before: [] }));
		expect(view).toMatchObject({ truncated: true, counts: { remove: LIMITS.partialItems + 1 } });
		expect(view.items).toHaveLength(LIMITS.partialItems);
	});
});

describe("a plan past a limit is refused by name", () => {
	test("of memories that change", async () => {
		expect((await plan({ now: many(LIMITS.partialMemories), before: [] })).entries).toHaveLength(
			LIMITS.partialMemories,
		);
		await expect(plan({ now: many(LIMITS.partialMemories + 1), before: [] })).rejects.toMatchObject(
			{
				code: "limit_exceeded",
				fields: { limit: "partialMemories", value: 5_001, max: 5_000 },
			},
		);
	});

	test("of bytes that are written", async () => {
		const text = "x".repeat(LIMITS.textBytes);
		const count = LIMITS.partialBytes / LIMITS.textBytes;
		const before = many(count, { text, collection: "default" });
		await expect(plan({ now: [], before })).rejects.toMatchObject({
			fields: { limit: "partialBytes" },
		});
	});

	test("of memories that are compared, over all namespaces together", async () => {
		const half = LIMITS.partialCompared / 2;
		const named = (namespace: string, count: number) =>
			many(count, { namespace }).map((version) => ({
				...version,
				memoryKey: memoryKey(namespace, version.id),
			}));
		const now = [...named("one", half), ...named("two", half + 1)];
		const selection = { layers: undefined, collections: undefined };
		const one = await plan(
			{ now, before: now },
			{ selection: { ...selection, namespaces: ["one", "one"] } },
		);
		expect(one.entries).toEqual([]);
		await expect(
			plan({ now, before: now }, { selection: { ...selection, namespaces: ["one", "two"] } }),
		).rejects.toMatchObject({ fields: { limit: "partialCompared" } });
	});
});
