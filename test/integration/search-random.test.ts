/**
 * Search on real Postgres and real LanceDB against everything that is visible, looked through one by one:
 * random histories with forks, at random coordinates, in every mode and with random filters.
 */
import { beforeAll, expect, test } from "vitest";
import { RetryableError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { LINK_ID_PREFIX } from "../../src/domain/link.ts";
import type { Finality } from "../../src/domain/provenance.ts";
import { cosineSimilarity } from "../../src/ranking/exact-scan.ts";
import type { SearchMode, SearchRequest } from "../../src/service/recant-service.ts";
import { RowsAtHand } from "../../src/service/searching/rows-at-hand.ts";
import { search } from "../../src/service/searching/search.ts";
import type { SearchContext } from "../../src/service/searching/search-context.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresStateStore } from "../../src/store/reading/postgres-state-store.ts";
import { createHashingEmbedder } from "../../src/vectors/hashing-embedder.ts";
import { type LanceStore, openLanceTables } from "../../src/vectors/lance-tables.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { Random } from "../support/random.ts";
import {
	CHAIN,
	COLLECTION,
	type Said,
	SearchedHistory,
	timeOf,
} from "../support/searched-history.ts";
import { announcedSeed } from "../support/seed.ts";
import { testDir } from "../support/temp-dir.ts";

const SEED = announcedSeed("test/integration/search-random.test.ts");
const HISTORIES = 12;
const STEPS = 60;
const QUESTIONS = 60;
const DIMENSIONS = 8;
const IDS = Array.from({ length: 14 }, (_, n) => `memory ${n}`);
const NAMESPACES = ["one", "two", "three"];
const LAYERS = ["short_term", "long_term", "episodic", "semantic"] as const;
const WORDS = "payment transfer alice bob kyoto temple garden visit token swap".split(" ");
const FINALITIES: readonly Finality[] = ["pending", "latest", "safe", "finalized"];

type Query = Omit<SearchRequest, "at"> & { readonly collection: string };

let database: Database;
let tables: LanceStore;

beforeAll(async () => {
	const { url } = await createTestDatabase("search_random");
	database = await Database.open(url);
	tables = await openLanceTables({ uri: testDir("search-random") });
	return async () => {
		await tables.close();
		await database.close();
	};
});

test("finds at every coordinate what a look through all that is visible finds", {
	timeout: 240_000,
}, async () => {
	const random = new Random(SEED);
	let compared = 0;
	let found = 0;
	for (let each = 0; each < HISTORIES; each += 1) {
		const history = await SearchedHistory.open(database, tables, {
			table: `random_${each}`,
			dimensions: DIMENSIONS,
		});
		const ask = asker(database, tables, { wholeBytes: 0 });
		const askWithout = asker(database, away(), { wholeBytes: 0 });
		// Of a small collection all is in memory, kept from question to question: LanceDB is not missed.
		const askWhole = asker(database, away(), { wholeBytes: LIMITS.wholeCollectionBytes });
		for (let step = 0; step < STEPS; step += 1) {
			await takeStep(history, random);
			if (step % 8 !== 7) continue;
			await history.sync({ flushes: random.chance(0.3) });
			const { at, query } = question(history, random);
			const said = `seed ${SEED}, history ${each}, step ${step}: ${JSON.stringify({ at, query }, plain)}`;
			expect(await askWhole(at, query), said).toEqual(expectedOf(history, at, query));
		}
		await history.sync({ flushes: random.chance(0.3) });
		for (let n = 0; n < QUESTIONS; n += 1) {
			const { at, query } = question(history, random);
			const answer = await ask(at, query);
			const expected = expectedOf(history, at, query);
			const said = `seed ${SEED}, history ${each}, question ${n}: ${JSON.stringify({ at, query }, plain)}`;
			expect(answer, said).toEqual(expected);
			// Without LanceDB the same is read from Postgres.
			if (n % 4 === 0) expect(await askWithout(at, query), said).toEqual(expected);
			expect(await askWhole(at, query), said).toEqual(expected);
			compared += 1;
			found += expected.length;
		}
	}
	console.info(`search: ${compared} answers compared, ${found} results`);
	expect(found).toBeGreaterThan(compared / 2);
});

async function takeStep(history: SearchedHistory, random: Random): Promise<void> {
	const draw = random.next();
	if (draw < 0.6) history.put(randomSaid(history, random));
	else if (draw < 0.66) history.delete(random.oneOf(IDS));
	else if (draw < 0.85) history.seal(random.between(1, 2));
	else if (draw < 0.92) history.fork(random.between(0, 6), random.chance(0.5));
	else await history.sync({ flushes: true, upkeep: random.chance(0.3) });
	history.safe = Math.min(history.safe, history.head);
	history.finalized = Math.min(history.finalized, history.safe);
	if (random.chance(0.3)) history.safe = random.between(history.safe, history.head);
	if (random.chance(0.2)) history.finalized = random.between(history.finalized, history.safe);
}

function randomSaid(history: SearchedHistory, random: Random): Omit<Said, "versionId" | "slot"> {
	const id = random.chance(0.05) ? `${LINK_ID_PREFIX}1` : random.oneOf(IDS);
	const vector = random.chance(0.9) ? randomVector(random) : undefined;
	const text = Array.from({ length: random.between(1, 5) }, () => random.oneOf(WORDS)).join(" ");
	return {
		id,
		namespace: NAMESPACES[id.length % 3] ?? "one",
		layer: LAYERS[id.charCodeAt(7) % 4] ?? "semantic",
		content: { kind: random.oneOf(WORDS), amount: random.between(0, 9) },
		text: random.chance(0.9) ? text : undefined,
		vector,
		importance: random.chance(0.7) ? random.next() : undefined,
		confidence: random.chance(0.7) ? random.next() : undefined,
		suspect: random.chance(0.1),
		grounds: random.chance(0.7) ? BigInt(random.between(0, history.head + 1)) : undefined,
	};
}

/** Few directions, so that some vectors are equal. */
function randomVector(random: Random): Float32Array {
	return Float32Array.from({ length: DIMENSIONS }, (_, n) => (n === 0 ? 1 : random.between(-2, 2)));
}

interface Place {
	readonly height: number;
	readonly generation: number;
}

function question(history: SearchedHistory, random: Random) {
	const generation = random.between(0, history.generation);
	const height = random.between(0, history.lastHeight(generation) + 1);
	const mode = random.oneOf<SearchMode>(["vector", "text", "hybrid"]);
	const maybe = <Value>(share: number, value: () => Value) =>
		random.chance(share) ? value() : undefined;
	const query: Query = {
		mode,
		collection: COLLECTION,
		text: mode === "vector" ? undefined : `${random.oneOf(WORDS)} the ${random.oneOf(WORDS)}s`,
		vector: mode === "text" ? undefined : [...randomVector(random)],
		namespace: maybe(0.2, () => random.oneOf(NAMESPACES)),
		namespaceIn: undefined,
		layers: maybe(0.3, () => [random.oneOf(LAYERS), random.oneOf(LAYERS)]),
		where: maybe(0.2, () => ({ amount: { gte: random.between(0, 5), lt: 9 } })),
		minImportance: maybe(0.1, () => random.next()),
		minConfidence: maybe(0.1, () => random.next()),
		minFinality: maybe(0.3, () => random.oneOf(FINALITIES)),
		since: maybe(0.1, () => BigInt(random.between(0, height))),
		until: maybe(0.1, () => BigInt(random.between(0, height))),
		sinceTime: maybe(0.1, () => BigInt(timeOf(random.between(0, height)) + random.between(-5, 5))),
		untilTime: maybe(0.1, () => BigInt(timeOf(random.between(0, height)) + random.between(-5, 5))),
		k: random.oneOf([1, 3, 10, 200]),
	};
	return { at: { height, generation }, query };
}

/** LanceDB that does not answer. */
function away(): LanceStore {
	const refuse = async () => {
		throw new RetryableError("vectors_unavailable", { message: "it is away", hint: "wait" });
	};
	return { ...tables, search: refuse, searchIndexed: refuse, searchWords: refuse };
}

function asker(of: Database, lance: LanceStore, { wholeBytes }: { readonly wholeBytes: number }) {
	const state = new PostgresStateStore(of);
	const turns = { run: <Result>(work: () => Promise<Result>) => work() };
	const embedder = createHashingEmbedder();
	const context: SearchContext = {
		tables: lance,
		embedder,
		rows: new RowsAtHand(wholeBytes),
		turns,
		scans: turns,
	};
	return async ({ height, generation }: Place, query: Query) => {
		const at = { kind: "height", height: BigInt(height) } as const;
		const request = { at, generation: BigInt(generation) };
		return state.read(CHAIN, request, async (view) => {
			const { memories, coverage } = await search(view, query, { type: "none" }, context);
			expect(coverage.complete).toBe(true);
			if (lance === tables || wholeBytes > 0) expect(coverage.reason).toBeUndefined();
			return memories.map(({ version }) => `${version.id}@${version.versionId}`);
		});
	};
}

/** Everything that is visible, one by one. */
function expectedOf(history: SearchedHistory, at: Place, query: Query): readonly string[] {
	const candidates = history
		.visible(at)
		.filter((said) => said.vector !== undefined && fits(said, history, at, query));
	const byVector = ranked(candidates, ({ vector }) => {
		if (query.vector === undefined || vector === undefined) return undefined;
		return cosineSimilarity(vector, unit(query.vector));
	});
	const asked = (query.text ?? "").split(" ").map((word) => word.replace(/s$/, ""));
	const byWords = ranked(candidates, ({ text }) =>
		text === undefined ? undefined : naiveWordScore(asked, text),
	);
	const names = (list: readonly Ranked[]) =>
		list.slice(0, query.k).map(({ said }) => `${said.id}@${said.versionId}`);
	if (query.mode === "vector") return names(byVector);
	if (query.mode === "text") return names(byWords);
	const selective = [query.where, query.minImportance, query.minConfidence, query.minFinality];
	const places = selective.some((each) => each !== undefined)
		? query.k
		: Math.min(200, 2 * query.k + 8);
	return names(naivelyFused([byVector.slice(0, places), byWords.slice(0, places)]));
}

function fits(said: Said, history: SearchedHistory, at: Place, query: Query): boolean {
	const { namespace, layers, where, minImportance, minConfidence, minFinality } = query;
	const { since, until, sinceTime, untilTime } = query;
	const amount = Number(said.content["amount"]);
	const isSealed = said.slot <= history.lastHeight(at.generation);
	const time = isSealed ? timeOf(said.slot) : Number.POSITIVE_INFINITY;
	const last = timeOf(history.lastHeight(at.generation));
	const bounds = (where?.["amount"] ?? {}) as { readonly gte?: number; readonly lt?: number };
	return [
		!said.id.startsWith(LINK_ID_PREFIX),
		namespace === undefined || said.namespace === namespace,
		layers === undefined || layers.includes(said.layer),
		bounds.gte === undefined || (amount >= bounds.gte && amount < (bounds.lt ?? 0)),
		minImportance === undefined || (said.importance ?? 0) >= minImportance,
		minConfidence === undefined || (said.confidence ?? 0) >= minConfidence,
		minFinality === undefined ||
			FINALITIES.indexOf(naiveFinality(said, history, at)) >= FINALITIES.indexOf(minFinality),
		since === undefined || BigInt(said.slot) >= since,
		until === undefined || BigInt(said.slot) <= until,
		sinceTime === undefined || time >= Number(sinceTime),
		// The pending slot is no earlier than the last block, and nobody knows how much later.
		untilTime === undefined ||
			time <= Number(untilTime) ||
			(!isSealed && last <= Number(untilTime)),
	].every(Boolean);
}

function naiveFinality(said: Said, history: SearchedHistory, { generation }: Place): Finality {
	if (said.suspect) return "pending";
	if (said.grounds === undefined) return "finalized";
	const grounds = Number(said.grounds);
	if (grounds > history.sharedHeight(generation) || grounds > history.head) return "pending";
	if (grounds <= history.finalized) return "finalized";
	return grounds <= history.safe ? "safe" : "latest";
}

interface Ranked {
	readonly said: Said;
	readonly score: number;
}

function ranked(
	candidates: readonly Said[],
	score: (said: Said) => number | undefined,
): readonly Ranked[] {
	return candidates
		.flatMap((said) => {
			const found = score(said);
			return found === undefined ? [] : [{ said, score: found }];
		})
		.sort((a, b) => b.score - a.score || (a.said.versionId < b.said.versionId ? -1 : 1));
}

/** The formula of ranking/word-score.ts once more, over single words without endings. */
function naiveWordScore(query: readonly string[], text: string): number | undefined {
	const words = text.split(" ");
	const asked = [...new Set(query)]
		.filter((word) => word !== "the")
		.sort((a, b) => b.length - a.length);
	const weight = (word: string) => 1 + (2 * Math.min(word.length, 16)) / 16;
	const length = 1.2 * (1 - 0.4 + (0.4 * words.length) / 24);
	let sum = 0;
	for (const word of asked) {
		const count = words.filter((each) => each === word).length;
		if (count > 0) sum += (weight(word) * count) / (count + length);
	}
	const most = asked.reduce((all, word) => all + weight(word), 0);
	return sum === 0 ? undefined : sum / most;
}

/** Equals share the first one's place. */
function naivelyFused(lists: readonly (readonly Ranked[])[]): readonly Ranked[] {
	const all = new Map<Said, { score: number; best: number }>();
	for (const list of lists) {
		for (const { said, score } of list) {
			const place = 1 + list.filter((other) => other.score > score).length;
			const before = all.get(said) ?? { score: 0, best: place };
			all.set(said, {
				score: before.score + 1 / (60 + place),
				best: Math.min(before.best, place),
			});
		}
	}
	return [...all]
		.map(([said, { score, best }]) => ({ said, score, best }))
		.sort(
			(a, b) =>
				b.score - a.score || a.best - b.best || (a.said.versionId < b.said.versionId ? -1 : 1),
		);
}

function unit(vector: readonly number[]): Float32Array {
	const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
	return Float32Array.from(vector, (value) => value / length);
}

function plain(_key: string, value: unknown): unknown {
	return typeof value === "bigint" ? value.toString() : value;
}
