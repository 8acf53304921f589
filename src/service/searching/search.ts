/**
 * Search at a coordinate by vector, by words, or by both with their ranks fused. Everything of one search is
 * read in one snapshot: LanceDB at the pointed version ∪ the tail, hydrated from Postgres, which alone decides
 * what is visible. The ways are gone at once: LanceDB has threads of its own, and what one asks Postgres for
 * is sent behind what the other does.
 *
 * A text is embedded before the snapshot is opened: a model may be far away, and connections are few.
 */
import { FatalError, RecantError, RetryableError } from "../../domain/errors.ts";
import type { Height, VersionId } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import { SerialLane } from "../../domain/serial-lane.ts";
import { fuseScores } from "../../ranking/rank-fusion.ts";
import { unitVector } from "../../ranking/unit-vector.ts";
import { queryWords } from "../../ranking/words.ts";
import { withinTime } from "../../resilience/time-limit.ts";
import type { Embedder } from "../../vectors/embedder.ts";
import type { CollectionView, StateView } from "../reading/state-store.ts";
import type { SearchCoverage, SearchRequest } from "../recant-service.ts";
import {
	COMPLETE,
	type Found,
	type SearchContext,
	type SearchedCollection,
	type Turns,
} from "./search-context.ts";
import { isSelective, type SearchFilter, searchedNamespaces } from "./search-filter.ts";
import { searchVectors } from "./vector-search.ts";
import { VisibleCandidates } from "./visible-candidates.ts";
import { searchWords } from "./word-search.ts";

/**
 * Places of each list that hybrid search joins: a memory that is far down in both may belong to the first k.
 * Twice k, and a few more for a small k.
 */
const FUSED_PLACES = 8;

export interface FoundMemory {
	readonly version: Found["memories"][number]["version"];
	readonly score: number;
	/** Cosine similarity and score of the words, where they were looked at. */
	readonly similarity: number | undefined;
	readonly wordScore: number | undefined;
}

/** What the query's text was embedded to. */
export type QueryEmbedding =
	| { readonly type: "none" }
	| { readonly type: "vector"; readonly vector: Float32Array }
	| { readonly type: "failed"; readonly error: RecantError };

type Query = Omit<SearchRequest, "at"> & { readonly collection: string };

/**
 * Never fails for what another attempt may bring, nor waits for it longer than `limitMs`: a search by words
 * needs no embedder. What comes later is kept by embedders that keep anything.
 */
export async function embedQuery(
	{ text, vector, mode }: Pick<Query, "text" | "vector" | "mode">,
	embedder: Pick<Embedder, "embed">,
	limitMs: number = LIMITS.queryEmbedMs,
): Promise<QueryEmbedding> {
	const isUsed = mode !== "text" && !(mode === "hybrid" && vector !== undefined);
	if (text === undefined || !isUsed) return { type: "none" };
	try {
		const embed = () => embedder.embed([text]);
		const [embedded] = await withinTime(limitMs, embed, () => embedderSlow(limitMs));
		return embedded === undefined ? { type: "none" } : { type: "vector", vector: embedded };
	} catch (error) {
		if (error instanceof RecantError && error.retryable) return { type: "failed", error };
		throw error;
	}
}

/**
 * Throws `unknown_collection`, `dimension_mismatch`, `invalid_request`, `forbidden_namespace`,
 * `vectors_unavailable` and what kept the text from being embedded.
 */
export async function search(
	view: StateView,
	query: Query,
	embedding: QueryEmbedding,
	context: SearchContext,
): Promise<{ readonly memories: readonly FoundMemory[]; readonly coverage: SearchCoverage }> {
	const collection = await view.collection(query.collection);
	if (collection === undefined) throw unknownCollection(query.collection);
	const plan = planOf(query, embedding, collection, context.embedder);
	const filter = await filterOf(view, query);
	const searched: SearchedCollection = {
		view,
		name: query.collection,
		collection,
		context: { ...context, scans: scansInTurn(context.scans) },
		visible: new VisibleCandidates(view, filter),
		filter: {
			maxFromBlock: lowest(topOf(view), filter.until),
			mostPass: isUpperHalf(view, filter),
			minFromBlock: filter.since,
			namespaces: searchedNamespaces(query),
			layers: query.layers,
			excludeVersions: [],
		},
	};
	const places = plan.words === undefined || isSelective(filter) ? query.k : fusedPlaces(query.k);
	const { words } = plan;
	const lists = await allEnded([
		...plan.vectors.map((vector) => searchVectors(searched, vector, places)),
		...(words === undefined ? [] : [searchWords(searched, words, places)]),
	]);
	const byVector = lists.slice(0, plan.vectors.length);
	const byWords = lists[plan.vectors.length];
	return {
		memories: joined(byVector, byWords).slice(0, query.k),
		// The least that one of them covers is what the whole covers.
		coverage: leastCoverage([...lists.map((list) => list.coverage), plan.coverage]),
	};
}

/** Waits for all of them in any case: one that goes on would read from a connection that is another's by then. */
async function allEnded(searches: readonly Promise<Found>[]): Promise<readonly Found[]> {
	const ended = await Promise.allSettled(searches);
	return ended.map((each) => {
		if (each.status === "rejected") throw each.reason;
		return each.value;
	});
}

/** One scan of a search at a time, so that a search by several ways waits in one place of the queue. */
function scansInTurn(scans: Turns): Turns {
	const lane = new SerialLane();
	return { run: (work) => lane.run(() => scans.run(work)) };
}

interface Plan {
	readonly vectors: readonly Float32Array[];
	/** Undefined: words are not looked for. */
	readonly words: readonly string[] | undefined;
	readonly coverage: SearchCoverage;
}

function planOf(
	query: Query,
	embedding: QueryEmbedding,
	collection: CollectionView,
	embedder: Embedder,
): Plan {
	const { text, vector } = query;
	const takesTexts = collection.model === embedder.model;
	const mode = query.mode ?? (vector !== undefined ? "vector" : takesTexts ? "hybrid" : "text");
	if (mode !== "vector" && text === undefined) throw textMissing(mode);
	const words =
		mode === "vector" || text === undefined ? undefined : queryWords(text, LIMITS.searchWords);
	const given = vector === undefined ? [] : [checked(unitVector(vector), query, collection)];
	if (mode === "text") return { vectors: [], words, coverage: COMPLETE };
	if (text === undefined || (mode === "hybrid" && vector !== undefined)) {
		if (given.length === 0) throw nothingAsked();
		return { vectors: given, words, coverage: COMPLETE };
	}
	if (!takesTexts) throw otherModel(query.collection, collection.model, embedder.model);
	if (embedding.type === "failed") {
		if (words === undefined) throw embedding.error;
		const reason = `only words were looked for: ${embedding.error.message}`;
		return { vectors: given, words, coverage: { complete: false, reason } };
	}
	const embedded = embedding.type === "vector" ? [embedding.vector] : [];
	const vectors = [...embedded.map((each) => checked(each, query, collection)), ...given];
	return { vectors, words, coverage: COMPLETE };
}

function checked(vector: Float32Array, query: Query, { dimensions }: CollectionView): Float32Array {
	if (vector.length === dimensions) return vector;
	throw new FatalError("dimension_mismatch", {
		message: `the query's vector has ${vector.length} dimensions; collection "${query.collection}" has ${dimensions}`,
		hint: "give a vector of the collection's model",
		fields: { given: vector.length, needed: dimensions },
	});
}

async function filterOf(view: StateView, query: Query): Promise<SearchFilter> {
	const { where, minImportance, minConfidence, minFinality, sinceTime, untilTime } = query;
	const byTime =
		sinceTime === undefined && untilTime === undefined
			? { since: undefined, until: undefined }
			: await view.heightsAt({ from: sinceTime, to: untilTime });
	return {
		...{ where, minImportance, minConfidence, minFinality },
		since: highest(query.since, byTime.since),
		until: lowest(query.until, byTime.until),
	};
}

/**
 * Height above which no row can be visible; undefined where there are hardly any, so that comparing all rows
 * with it would cost more than it spares. Postgres decides in any case.
 */
function topOf({ at, present, marks }: StateView): Height | undefined {
	const isTop = at.generation === present.generation && (at.pending || at.height === marks.head);
	return isTop ? undefined : at.height;
}

/** A guess at whether most rows begin at or below the height: as if they were spread evenly over the blocks. */
function isUpperHalf({ at, marks }: StateView, { until }: SearchFilter): boolean {
	const height = lowest(at.height, until) ?? at.height;
	return marks.head !== undefined && 2n * height >= marks.head;
}

function lowest(a: Height | undefined, b: Height | undefined): Height | undefined {
	if (a === undefined || b === undefined) return a ?? b;
	return a < b ? a : b;
}

function highest(a: Height | undefined, b: Height | undefined): Height | undefined {
	if (a === undefined || b === undefined) return a ?? b;
	return a > b ? a : b;
}

function fusedPlaces(k: number): number {
	return Math.min(LIMITS.searchK, 2 * k + FUSED_PLACES);
}

function joined(byVector: readonly Found[], byWords: Found | undefined): readonly FoundMemory[] {
	const similarities = new Map<VersionId, number>();
	for (const { version, score } of byVector.toReversed().flatMap(({ memories }) => memories)) {
		similarities.set(version.versionId, score);
	}
	const wordScores = new Map(
		byWords?.memories.map(({ version, score }) => [version.versionId, score] as const),
	);
	const lists = [...byVector, ...(byWords === undefined ? [] : [byWords])].map(
		({ memories }) => memories,
	);
	const scored = lists.length === 1 ? (lists[0] ?? []) : fused(lists);
	return scored.map(({ version, score }) => ({
		version,
		score,
		similarity: similarities.get(version.versionId),
		wordScore: wordScores.get(version.versionId),
	}));
}

function fused(lists: readonly Found["memories"][]): Found["memories"] {
	const versions = new Map(
		lists.flat().map(({ version }) => [version.versionId, version] as const),
	);
	const scored = lists.map((list) =>
		list.map(({ version, score }) => ({ id: version.versionId, score })),
	);
	return fuseScores(scored).flatMap(({ id, score }) => {
		const version = versions.get(id);
		return version === undefined ? [] : [{ version, score }];
	});
}

function leastCoverage(coverages: readonly SearchCoverage[]): SearchCoverage {
	return (
		coverages.find(({ complete }) => !complete) ??
		coverages.find(({ reason }) => reason !== undefined) ??
		COMPLETE
	);
}

function embedderSlow(limitMs: number): RetryableError {
	return new RetryableError("embedder_unavailable", {
		message: `the embedder did not embed the query within ${limitMs} ms`,
		hint: "try again later, or search with the mode `text`; /v1/status says how the embedder is doing",
		fields: { limitMs },
	});
}

function unknownCollection(name: string): FatalError {
	return new FatalError("unknown_collection", {
		message: `there is no collection "${name}"`,
		hint: "see the chain's status for its collections",
		fields: { collection: name },
	});
}

function otherModel(collection: string, model: string, ours: string): FatalError {
	return new FatalError("invalid_request", {
		message: `collection "${collection}" holds vectors of model "${model}"; texts are embedded with "${ours}"`,
		hint: "search it by vector, or by words with the mode `text`",
	});
}

function textMissing(mode: string): FatalError {
	return new FatalError("invalid_request", {
		message: `a search of mode "${mode}" needs a text`,
		hint: 'give "text", or search by vector',
	});
}

function nothingAsked(): FatalError {
	return new FatalError("invalid_request", {
		message: "a search needs a text, a vector or both",
		hint: 'give "text" or "vector"',
	});
}
