/**
 * Search at a coordinate: LanceDB at the pointed version ∪ the tail, hydrated from Postgres, which
 * alone decides what is visible. Everything of one search is read in one snapshot.
 *
 * Exact: candidates come in the order of their similarity, and are taken until k of them are visible
 * and pass the filters; when too many do not, more are asked for.
 *
 * When LanceDB does not answer, or does not have that version any more, the embedded versions are read
 * from Postgres instead, up to a limit; `coverage` says so.
 */
import { FatalError, RecantError } from "../domain/errors.ts";
import type { MemoryKey, VersionId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Version } from "../domain/memory.ts";
import type { VectorCandidate } from "../domain/vector.ts";
import { compareCandidates } from "../ranking/exact-scan.ts";
import { fuseRanks } from "../ranking/rank-fusion.ts";
import { unitVector } from "../ranking/unit-vector.ts";
import type { Embedder } from "../vectors/embedder.ts";
import type { VectorFilter, VectorTables } from "../vectors/vector-tables.ts";
import { scanDatabase } from "./database-scan.ts";
import type { SearchCoverage, SearchRequest } from "./recant-service.ts";
import type { CollectionView, StateView } from "./state-store.ts";
import type { TailCache } from "./tail-cache.ts";

/** Candidates asked for at first, at least; a request to LanceDB costs the same for a few more. */
const FIRST_CANDIDATES = 32;
/** Each round asks for so many times as many, up to LIMITS.searchCandidates; then the search says so. */
const GROWTH = 4;

export interface FoundMemory {
	readonly version: Version;
	readonly score: number;
}

export interface Found {
	readonly memories: readonly FoundMemory[];
	readonly coverage: SearchCoverage;
}

/** Lets so many at once through, and throws when too many wait. */
export interface Turns {
	run<Result>(work: () => Promise<Result>): Promise<Result>;
}

export interface SearchContext {
	readonly tables: VectorTables;
	readonly embedder: Embedder;
	readonly tails: TailCache;
	/** Whole searches; taken before their snapshot, which holds a connection. */
	readonly turns: Turns;
	/** Scans of Postgres. */
	readonly scans: Turns;
}

const COMPLETE: SearchCoverage = { complete: true, reason: undefined };
/** What LanceDB cannot answer, and Postgres can. */
const ANSWERED_WITHOUT = ["vectors_unavailable", "data_directory_corrupt", "history_pruned"];

type Query = Omit<SearchRequest, "at"> & { readonly collection: string };

/** Throws `unknown_collection`, `dimension_mismatch`, `invalid_request`, `vectors_unavailable`. */
export async function search(
	view: StateView,
	query: Query,
	context: SearchContext,
): Promise<Found> {
	const collection = await view.collection(query.collection);
	if (collection === undefined) throw unknownCollection(query.collection);
	const vectors = await queryVectors(query, collection, context.embedder);
	const lists: Found[] = [];
	for (const vector of vectors) {
		lists.push(await ranked(view, { ...query, vector }, collection, context));
	}
	const [only] = lists;
	if (lists.length === 1 && only !== undefined) return only;
	const memories = fused(
		lists.map((list) => list.memories),
		query.k,
	);
	// The least that one of them covers is what the whole covers.
	const coverages = lists.map((list) => list.coverage);
	const coverage =
		coverages.find(({ complete }) => !complete) ??
		coverages.find(({ reason }) => reason !== undefined);
	return { memories, coverage: coverage ?? COMPLETE };
}

async function queryVectors(
	query: Query,
	collection: CollectionView,
	embedder: Embedder,
): Promise<readonly Float32Array[]> {
	const vectors: Float32Array[] = [];
	if (query.text !== undefined) {
		if (collection.model !== embedder.model) {
			throw new FatalError("invalid_request", {
				message: `collection "${query.collection}" holds vectors of model "${collection.model}"; texts are embedded with "${embedder.model}"`,
				hint: "search it by vector",
			});
		}
		vectors.push(...(await embedder.embed([query.text])));
	}
	if (query.vector !== undefined) vectors.push(unitVector(query.vector));
	for (const vector of vectors) {
		if (vector.length === collection.dimensions) continue;
		throw new FatalError("dimension_mismatch", {
			message: `the query's vector has ${vector.length} dimensions; collection "${query.collection}" has ${collection.dimensions}`,
			hint: "give a vector of the collection's model",
			fields: { given: vector.length, needed: collection.dimensions },
		});
	}
	if (vectors.length > 0) return vectors;
	throw new FatalError("invalid_request", {
		message: "a search needs a text, a vector or both",
		hint: 'give "text" or "vector"',
	});
}

type VectorSearch = Omit<Query, "vector"> & { readonly vector: Float32Array };

async function ranked(
	view: StateView,
	query: VectorSearch,
	collection: CollectionView,
	context: SearchContext,
): Promise<Found> {
	try {
		const memories = await rankedByTable(view, query, collection, context);
		return { memories, coverage: COMPLETE };
	} catch (error) {
		if (!(error instanceof RecantError) || !ANSWERED_WITHOUT.includes(error.code)) throw error;
		return context.scans.run(() => rankedByScan(view, query, collection, error));
	}
}

/** `cause` is why LanceDB is left out. */
async function rankedByScan(
	view: StateView,
	query: VectorSearch,
	collection: CollectionView,
	cause: RecantError,
): Promise<Found> {
	const { vector, namespace, layers } = query;
	const filter = { maxFromBlock: view.at.height, namespace, layers };
	const scan = await scanDatabase(view, query.collection, collection, { vector, filter });
	const memories = await take(view, scan.candidates, new Map(), query);
	const looked = scan.isWhole
		? `all ${scan.rows} embedded versions were read from Postgres`
		: `the newest ${scan.rows} embedded versions were read from Postgres, older ones were not looked at`;
	const coverage = { complete: scan.isWhole, reason: `${looked}: ${cause.message}` };
	return { memories, coverage };
}

async function rankedByTable(
	view: StateView,
	query: VectorSearch,
	collection: CollectionView,
	context: SearchContext,
): Promise<readonly FoundMemory[]> {
	const filter: VectorFilter = {
		maxFromBlock: view.at.height,
		namespace: query.namespace,
		layers: query.layers,
		excludeVersions: [],
	};
	const tail = await fromTail(view, query, collection, context);
	const judged = new Map<VersionId, Version | undefined>();
	let wanted = Math.max(FIRST_CANDIDATES, 2 * query.k);
	for (;;) {
		const stored = await fromTable(
			collection,
			{ vector: query.vector, k: wanted, filter },
			context,
		);
		const exhausted = stored.length < wanted;
		const worst = stored.at(-1)?.similarity ?? Number.NEGATIVE_INFINITY;
		const certain = [...stored, ...tail]
			.filter((candidate) => exhausted || candidate.similarity >= worst)
			.sort(compareCandidates);
		const found = await take(view, certain, judged, query);
		if (found.length >= query.k || exhausted) return found;
		if (wanted === LIMITS.searchCandidates) throw tooManyCandidates(query.k);
		wanted = Math.min(LIMITS.searchCandidates, GROWTH * wanted);
	}
}

function tooManyCandidates(k: number): FatalError {
	return new FatalError("limit_exceeded", {
		message: `${LIMITS.searchCandidates} candidates were looked at without finding ${k} that match`,
		hint: "ask for fewer results, or narrow the search by namespace or layer",
		fields: { limit: "searchCandidates", max: LIMITS.searchCandidates, k },
	});
}

/** The first k candidates that are visible and pass the filters, in order. */
async function take(
	view: StateView,
	candidates: readonly VectorCandidate[],
	judged: Map<VersionId, Version | undefined>,
	query: Pick<Query, "k" | "where" | "minImportance" | "minConfidence">,
): Promise<readonly FoundMemory[]> {
	const found: FoundMemory[] = [];
	const step = Math.max(FIRST_CANDIDATES, 2 * query.k);
	for (let start = 0; start < candidates.length && found.length < query.k; start += step) {
		const slice = candidates.slice(start, start + step);
		await judge(view, slice, judged);
		for (const { versionId, similarity } of slice) {
			const version = judged.get(versionId);
			if (version !== undefined && passes(version, query))
				found.push({ version, score: similarity });
		}
	}
	return found.slice(0, query.k);
}

/** Looks up which of them are the visible version of their memory. */
async function judge(
	view: StateView,
	candidates: readonly VectorCandidate[],
	judged: Map<VersionId, Version | undefined>,
): Promise<void> {
	const open = candidates.filter((candidate) => !judged.has(candidate.versionId));
	const keys = new Set<MemoryKey>(open.map((candidate) => candidate.memoryKey));
	const visible = await view.memories([...keys]);
	for (const { versionId, memoryKey } of open) {
		const version = visible.get(memoryKey);
		judged.set(versionId, version?.versionId === versionId ? version : undefined);
	}
}

function passes(
	version: Version,
	query: Pick<Query, "where" | "minImportance" | "minConfidence">,
): boolean {
	const { where, minImportance, minConfidence } = query;
	if (minImportance !== undefined && (version.importance ?? 0) < minImportance) return false;
	if (minConfidence !== undefined && (version.confidence ?? 0) < minConfidence) return false;
	return Object.entries(where ?? {}).every(([field, value]) => version.content?.[field] === value);
}

async function fromTail(
	view: StateView,
	query: VectorSearch,
	collection: CollectionView,
	{ tails }: SearchContext,
): Promise<readonly VectorCandidate[]> {
	const tail = await tails.tail(view, query.collection, collection);
	return tail.search({
		vector: query.vector,
		k: tail.size,
		accept: (row) =>
			row.fromBlock <= view.at.height &&
			row.versionId > collection.pointer.versionId &&
			row.versionId <= collection.lastVersionId &&
			(query.namespace === undefined || row.namespace === query.namespace) &&
			(query.layers === undefined || query.layers.includes(row.layer)),
	});
}

async function fromTable(
	collection: CollectionView,
	query: Parameters<VectorTables["search"]>[2],
	{ tables }: SearchContext,
): Promise<readonly VectorCandidate[]> {
	const { tableVersion } = collection.pointer;
	if (tableVersion === 0n) return [];
	return tables.search(collection.table, tableVersion, query);
}

function fused(lists: readonly (readonly FoundMemory[])[], k: number): readonly FoundMemory[] {
	const versions = new Map(
		lists.flat().map(({ version }) => [version.versionId, version] as const),
	);
	return fuseRanks(lists.map((list) => list.map(({ version }) => version.versionId)))
		.slice(0, k)
		.flatMap(({ id, score }) => {
			const version = versions.get(id);
			return version === undefined ? [] : [{ version, score }];
		});
}

function unknownCollection(name: string): FatalError {
	return new FatalError("unknown_collection", {
		message: `there is no collection "${name}"`,
		hint: "see the chain's status for its collections",
		fields: { collection: name },
	});
}
