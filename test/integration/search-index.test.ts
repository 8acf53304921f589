/**
 * The index of vectors on real LanceDB: made by upkeep above a size, named by the pointer, measured; and searches
 * by it at a height, after deletions, and at the hash of a branch that lost.
 */
import { beforeAll, expect, test } from "vitest";
import type { AtRequest } from "../../src/domain/coordinate.ts";
import { cosineSimilarity } from "../../src/ranking/exact-scan.ts";
import { RowsAtHand } from "../../src/service/searching/rows-at-hand.ts";
import { search } from "../../src/service/searching/search.ts";
import type { SearchContext } from "../../src/service/searching/search-context.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresStateStore } from "../../src/store/reading/postgres-state-store.ts";
import { PostgresFlushStore } from "../../src/store/writing/postgres-flush-store.ts";
import { createHashingEmbedder } from "../../src/vectors/hashing-embedder.ts";
import { type LanceStore, openLanceTables } from "../../src/vectors/lance-tables.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { Random } from "../support/random.ts";
import { CHAIN, COLLECTION, hashOf, SearchedHistory } from "../support/searched-history.ts";
import { testDir } from "../support/temp-dir.ts";

const DIMENSIONS = 32;
const MEMORIES = 600;
const TABLE = "indexed";
const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };

let database: Database;
let tables: LanceStore;
let history: SearchedHistory;
const random = new Random(7);

beforeAll(async () => {
	const { url } = await createTestDatabase("search_index");
	database = await Database.open(url);
	tables = await openLanceTables({ uri: testDir("search-index"), exactRows: 500 });
	history = await SearchedHistory.open(database, tables, { table: TABLE, dimensions: DIMENSIONS });
	for (let n = 0; n < MEMORIES; n += 1) {
		put(`memory ${n}`);
		if (n % 100 === 99) history.seal();
	}
	await history.sync({ flushes: true, upkeep: true });
	return async () => {
		await tables.close();
		await database.close();
	};
}, 120_000);

function put(id: string, vector = randomVector()): Float32Array {
	history.put({
		id,
		...{ namespace: "test", layer: "semantic", content: { id }, text: `says ${id}`, vector },
		...{ importance: undefined, confidence: undefined, suspect: false, grounds: undefined },
	});
	return vector;
}

function randomVector(): Float32Array {
	return Float32Array.from({ length: DIMENSIONS }, () => random.next() - 0.5);
}

async function found(vector: Float32Array, at: AtRequest, k = 10): Promise<readonly string[]> {
	const turns = { run: <Result>(work: () => Promise<Result>) => work() };
	const context: SearchContext = {
		...{ tables, turns, scans: turns },
		embedder: createHashingEmbedder(),
		rows: new RowsAtHand(0),
	};
	return new PostgresStateStore(database).read(CHAIN, at, async (view) => {
		const query = {
			...{ collection: COLLECTION, text: undefined, vector: [...vector], k },
			...{ namespace: undefined, layers: undefined, where: undefined },
			...{ minImportance: undefined, minConfidence: undefined },
		};
		const { memories } = await search(view, query, { type: "none" }, context);
		return memories.map(({ version }) => version.id);
	});
}

/** The true nearest at a coordinate. */
function nearest(
	vector: Float32Array,
	at: { readonly height: number; readonly generation: number },
) {
	return history
		.visible(at)
		.map(({ id, vector: other }) => ({ id, similarity: cosineSimilarity(other ?? vector, vector) }))
		.sort((a, b) => (b.similarity ?? 0) - (a.similarity ?? 0))
		.map(({ id }) => id);
}

async function pointed() {
	const [target] = await new PostgresFlushStore(database).targets(CHAIN);
	return target?.pointer.tableVersion ?? 0n;
}

async function recallAt(at: AtRequest, place: { height: number; generation: number }, asked = 20) {
	let hits = 0;
	for (let n = 0; n < asked; n += 1) {
		const vector = randomVector();
		const truth = new Set(nearest(vector, place).slice(0, 10));
		hits += (await found(vector, at)).filter((id) => truth.has(id)).length;
	}
	return hits / (10 * asked);
}

test("upkeep makes the indexes, points at the version that has them, and measures recall", async () => {
	const figures = await tables.figures(TABLE, await pointed());
	expect(figures).toMatchObject({ rows: MEMORIES, hasVectorIndex: true, lacksIndex: false });
	expect(figures.indexes.map(({ name, unindexedRows }) => [name, unindexedRows]).sort()).toEqual(
		["from_block_idx", "layer_idx", "namespace_idx", "vector_idx", "words_idx"].map((name) => [
			name,
			0,
		]),
	);
	const recall = await tables.recall(TABLE, await pointed());
	expect(recall).toMatchObject({ k: 10, rows: MEMORIES });
	expect(recall?.recall).toBeGreaterThan(0.9);
});

test("a search by the index finds nearly what is nearest, at pending and at a height", async () => {
	const { head } = history;
	expect(await recallAt(PENDING, { height: head + 1, generation: 0 })).toBeGreaterThan(0.9);
	const at: AtRequest = { at: { kind: "height", height: 6n }, generation: undefined };
	expect(await recallAt(at, { height: 6, generation: 0 })).toBeGreaterThan(0.9);
});

test("k is reached although the index is asked for fewer than are invisible", async () => {
	const vector = put("hot");
	for (let n = 0; n < 60; n += 1) {
		history.seal();
		put("hot", vector);
	}
	history.seal();
	await history.sync({ flushes: true, upkeep: true });
	const ids = await found(vector, PENDING);
	expect(ids).toHaveLength(10);
	expect(ids[0]).toBe("hot");
	expect(new Set(ids).size).toBe(10);
});

test("what is deleted is gone from there on, and an orphaned hash finds what was believed then", async () => {
	const asked = put("deleted later");
	history.seal(2);
	const before = history.head;
	history.delete("deleted later");
	const onlyThere = put("only on the branch that lost");
	history.seal();
	const lost = { hash: hashOf(0, history.head), height: history.head };
	await history.sync({ flushes: true, upkeep: true });
	const beforeIt: AtRequest = {
		at: { kind: "height", height: BigInt(before) },
		generation: undefined,
	};
	expect((await found(asked, PENDING))[0]).not.toBe("deleted later");
	expect((await found(asked, beforeIt))[0]).toBe("deleted later");
	expect((await found(onlyThere, PENDING))[0]).toBe("only on the branch that lost");

	history.fork(1, true);
	history.seal();
	put("on the branch that won");
	history.seal();
	await history.sync({ flushes: true });
	const atLost: AtRequest = { at: { kind: "hash", hash: lost.hash }, generation: undefined };
	// The deletion was on the lost branch: it is taken back, and was true there.
	expect((await found(asked, PENDING))[0]).toBe("deleted later");
	expect((await found(asked, atLost))[0]).not.toBe("deleted later");
	expect((await found(onlyThere, PENDING))[0]).not.toBe("only on the branch that lost");
	expect((await found(onlyThere, atLost))[0]).toBe("only on the branch that lost");
	expect(await recallAt(atLost, { height: lost.height, generation: 0 })).toBeGreaterThan(0.9);
});

test("a pointer that went back to before the index gets one again", async () => {
	// The fork above took the pointer back to one of before; its flush found the index missing.
	expect(await tables.figures(TABLE, await pointed())).toMatchObject({ hasVectorIndex: true });
});
