/** The ways of one search are gone at once, within the one snapshot that all of them read. */
import { expect, test } from "vitest";
import { FatalError, RetryableError } from "../../src/domain/errors.ts";
import type { MemoryKey } from "../../src/domain/ids.ts";
import type { StateView } from "../../src/service/reading/state-store.ts";
import { RowsAtHand } from "../../src/service/searching/rows-at-hand.ts";
import { search } from "../../src/service/searching/search.ts";
import type { SearchContext, Turns } from "../../src/service/searching/search-context.ts";
import type { VectorTables } from "../../src/vectors/vector-tables.ts";
import { keyOf, row } from "../support/versions.ts";

const ROWS = 40;
const ANY_ROWS = Array.from({ length: ROWS }, (_, index) => ({
	versionId: BigInt(index + 1),
	memoryKey: keyOf(`memory ${index}`),
	similarity: 1 - index / ROWS,
}));
const VERSIONS = new Map(
	ANY_ROWS.map(({ memoryKey, versionId }, index) => [memoryKey, row(`memory ${index}`, versionId)]),
);
const AT_ONCE: Turns = { run: (work) => work() };
const QUERY = {
	mode: "hybrid" as const,
	...{ text: "whales", vector: undefined, collection: "default", k: 5 },
	...{ namespace: undefined, layers: undefined, where: undefined },
	...{ minImportance: undefined, minConfidence: undefined },
};

/** Longer than what needs no other answer takes. */
function pause(): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, 20));
}

/** Searches with what LanceDB answers by vector and by words. */
function searcher(answers: Pick<VectorTables, "search" | "searchWords">, scans: Turns = AT_ONCE) {
	const asked: MemoryKey[] = [];
	const view = {
		at: { chainId: 1, height: 8n, generation: 0n, pending: true },
		present: { generation: 0n, versionSeq: BigInt(ROWS) },
		marks: { head: 7n, safe: 0n, finalized: 0n },
		collection: async () => ({
			...{ model: "any", dimensions: 1, table: "any", lastVersionId: BigInt(ROWS) },
			pointer: { tableVersion: 1n, versionId: BigInt(ROWS), at: 0 },
		}),
		memories: async (keys: readonly MemoryKey[]) => {
			asked.push(...keys);
			await pause();
			return new Map(keys.map((key) => [key, VERSIONS.get(key)]));
		},
		embedded: async () => [],
		texts: async () => [],
	} as unknown as StateView;
	const context: SearchContext = {
		tables: { searchIndexed: async () => undefined, ...answers } as unknown as VectorTables,
		embedder: { model: "any", dimensions: 1, embed: async () => [] },
		...{ rows: new RowsAtHand(0), turns: AT_ONCE, scans },
	};
	const vector = new Float32Array([1]);
	return { asked, run: () => search(view, QUERY, { type: "vector", vector }, context) };
}

test("LanceDB is asked by vector and by words at once, and Postgres for each memory once", async () => {
	const both = Promise.withResolvers<typeof ANY_ROWS>();
	let waiting = 0;
	const answer = () => {
		waiting += 1;
		if (waiting === 2) both.resolve(ANY_ROWS);
		return both.promise;
	};
	const { asked, run } = searcher({ search: answer, searchWords: answer });
	const { memories } = await run();
	expect(memories.map(({ version }) => version.id)).toEqual(
		[0, 1, 2, 3, 4].map((index) => `memory ${index}`),
	);
	expect(asked.length).toBeGreaterThanOrEqual(QUERY.k);
	expect(new Set(asked).size).toBe(asked.length);
});

test("a search that fails by vector has ended by words as well", async () => {
	const words = Promise.withResolvers<typeof ANY_ROWS>();
	const failure = new FatalError("dimension_mismatch", { message: "one of two", hint: "none" });
	const { run } = searcher({
		search: () => Promise.reject(failure),
		searchWords: () => words.promise,
	});
	let hasEnded = false;
	const ended = run().catch((error: unknown) => {
		hasEnded = true;
		return error;
	});
	await pause();
	expect(hasEnded).toBe(false);
	words.resolve(ANY_ROWS);
	expect(await ended).toBe(failure);
});

test("a search without LanceDB scans by one way at a time", async () => {
	const away = () =>
		Promise.reject(new RetryableError("vectors_unavailable", { message: "away", hint: "none" }));
	let running = 0;
	let scanned = 0;
	const scans: Turns = {
		run: async (work) => {
			running += 1;
			scanned += 1;
			expect(running).toBe(1);
			await pause();
			try {
				return await work();
			} finally {
				running -= 1;
			}
		},
	};
	const { run } = searcher({ search: away, searchWords: away }, scans);
	const { coverage } = await run();
	expect(coverage).toMatchObject({ complete: true });
	expect(coverage.reason).toContain("away");
	expect(scanned).toBe(2);
});
