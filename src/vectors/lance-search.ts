/**
 * Search in one version of a LanceDB table, exact or by its index.
 *
 * LanceDB finds the nearest rows, cosineSimilarity gives them their number and order. So the answer
 * does not depend on how rows are spread over fragments, nor on which are still in the tail.
 */
import type { Table } from "@lancedb/lancedb";
import type { Height, VersionId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { VectorCandidate } from "../domain/vector.ts";
import { compareCandidates, cosineSimilarity, dimensionMismatch } from "../ranking/exact-scan.ts";
import { checkLimit } from "./lance-errors.ts";
import { exclusionOf, predicateOf } from "./lance-filter.ts";
import { RowReader } from "./lance-rows.ts";
import type { PinnedTable } from "./pinned-tables.ts";
import type { VectorFilter } from "./vector-tables.ts";

/** Versions left out at all: 0.4 to 0.9 s of SQL (measured); past it a scan of versions is cheaper. */
const EXCLUDED_VERSIONS = 50_000;
/**
 * Versions left out by fetching that many more rows, which is as exact as a predicate and costs
 * less: 1,500 more rows add 4 to 8 ms, as many ids in SQL 13 to 33 ms (1,000 and 20,000 rows).
 */
const OVERFETCHED_VERSIONS = 2_048;
/** Rows fetched beyond k, in which the equals of the k-th are looked for; eightfold when too few. */
const TIE_ROWS = 8;
/** Past so many equals of the k-th row LanceDB's order decides which of them come. */
const MOST_TIE_ROWS = 2_048;
/** So many times k are fetched where most rows pass: comparing all heights takes longer than the search. */
const MOST_PASS = 3;
/** More than LanceDB's distance in float32 and ours in float64 differ by. */
const DISTANCE_NOISE = 1e-5;

/** Partitions of an index that one search looks into; more found nothing more (measured at 100,000 rows). */
const PROBES = 20;
/** Rows whose rough distances are put right from the whole vectors, at least: recall 1.00 against 0.82 of 64. */
const REFINED_ROWS = 256;

const FOUND_COLUMNS = ["version_id", "memory_key", "from_block", "vector", "_distance"];

export interface VectorQuery {
	readonly vector: Float32Array;
	readonly k: number;
	readonly filter: VectorFilter;
}

interface Found extends VectorCandidate {
	/** 1 - cosine as LanceDB computed it; rows come in its order. */
	readonly distance: number;
}

/**
 * The k most similar rows, ordered by `compareCandidates`.
 * Throws `FatalError("limit_exceeded")`, `FatalError("dimension_mismatch")`, and LanceDB's errors.
 */
export async function searchTable(
	pinned: PinnedTable,
	query: VectorQuery,
): Promise<readonly VectorCandidate[]> {
	const excluded = new Set(query.filter.excludeVersions);
	checkQuery(pinned, query, excluded);
	if (query.k === 0) return [];
	return best(await nearest(pinned.handle, query, excluded), query.k);
}

/**
 * Nearly the k most similar rows, by the index of vectors; undefined: the version has none. Rows that the
 * index does not know yet are looked at one by one. Throws as `searchTable`.
 */
export async function searchTableIndexed(
	pinned: PinnedTable,
	query: VectorQuery,
): Promise<readonly VectorCandidate[] | undefined> {
	if (!pinned.hasVectorIndex) return undefined;
	const excluded = new Set(query.filter.excludeVersions);
	checkQuery(pinned, query, excluded);
	if (query.k === 0) return [];
	const { where, overfetched } = whereOf(query.filter, excluded);
	const limit = query.k + overfetched;
	const search = handleQuery(pinned.handle, query.vector, where)
		.nprobes(PROBES)
		.refineFactor(Math.max(1, Math.ceil(REFINED_ROWS / limit)));
	const batch = await search.limit(limit).select(FOUND_COLUMNS).toArrow();
	return best(readFound(batch, query.vector, excluded), query.k);
}

function checkQuery(
	{ dimensions }: PinnedTable,
	{ vector, k }: VectorQuery,
	excluded: ReadonlySet<VersionId>,
): void {
	checkLimit("rows of one search", k, LIMITS.searchCandidates);
	checkLimit("versions left out of one search", excluded.size, EXCLUDED_VERSIONS);
	if (vector.length === dimensions) return;
	throw dimensionMismatch({ expected: dimensions, actual: vector.length });
}

function best(found: Found[], k: number): readonly VectorCandidate[] {
	return found
		.sort(compareCandidates)
		.slice(0, k)
		.map(({ versionId, memoryKey, similarity }) => ({ versionId, memoryKey, similarity }));
}

/** At least the k most similar rows and, up to the limit, every equal of the k-th. */
async function nearest(
	handle: Table,
	query: VectorQuery,
	excluded: ReadonlySet<VersionId>,
): Promise<Found[]> {
	const guessed = await nearestOfMost(handle, query, excluded);
	if (guessed !== undefined) return guessed;
	const { where, overfetched } = whereOf(query.filter, excluded);
	for (let ties = TIE_ROWS; ; ties *= 8) {
		const limit = query.k + ties + overfetched;
		const batch = await fetchNearest(handle, { vector: query.vector, where, limit });
		const found = readFound(batch, query.vector, excluded);
		if (batch.numRows < limit || ties >= MOST_TIE_ROWS) return found;
		if (reachesPast(found, query.k)) return found;
	}
}

/**
 * As `nearest`, without the height in the predicate: what was found above it is left out afterwards. Undefined:
 * too few are left, or nobody says that most rows pass.
 */
async function nearestOfMost(
	handle: Table,
	{ vector, k, filter }: VectorQuery,
	excluded: ReadonlySet<VersionId>,
): Promise<Found[] | undefined> {
	const { maxFromBlock, mostPass } = filter;
	if (mostPass !== true || maxFromBlock === undefined) return undefined;
	const { where, overfetched } = whereOf({ ...filter, maxFromBlock: undefined }, excluded);
	const limit = MOST_PASS * k + TIE_ROWS + overfetched;
	const batch = await fetchNearest(handle, { vector, where, limit });
	const found = readFound(batch, vector, excluded, maxFromBlock);
	return batch.numRows < limit || reachesPast(found, k) ? found : undefined;
}

function whereOf(
	filter: VectorFilter,
	excluded: ReadonlySet<VersionId>,
): { readonly where: string | undefined; readonly overfetched: number } {
	const predicate = predicateOf(filter);
	if (excluded.size <= OVERFETCHED_VERSIONS) {
		return { where: predicate, overfetched: excluded.size };
	}
	const left = exclusionOf([...excluded]);
	return { where: predicate === undefined ? left : `${predicate} AND ${left}`, overfetched: 0 };
}

function fetchNearest(
	handle: Table,
	query: {
		readonly vector: Float32Array;
		readonly where: string | undefined;
		readonly limit: number;
	},
) {
	return handleQuery(handle, query.vector, query.where)
		.bypassVectorIndex()
		.limit(query.limit)
		.select(FOUND_COLUMNS)
		.toArrow();
}

function handleQuery(handle: Table, vector: Float32Array, where: string | undefined) {
	const query = handle.query().nearestTo(vector).distanceType("cosine");
	return where === undefined ? query : query.where(where);
}

/** Rows of an answer but the excluded and those without direction, which have no similarity. */
function readFound(
	batch: ConstructorParameters<typeof RowReader>[0],
	vector: Float32Array,
	excluded: ReadonlySet<VersionId>,
	maxFromBlock?: Height,
): Found[] {
	const reader = new RowReader(batch);
	const found: Found[] = [];
	for (let index = 0; index < batch.numRows; index++) {
		const versionId = reader.bigint("version_id", index);
		if (excluded.has(versionId)) continue;
		if (maxFromBlock !== undefined && reader.bigint("from_block", index) > maxFromBlock) continue;
		const similarity = cosineSimilarity(reader.vector(index), vector);
		if (similarity === undefined) continue;
		const memoryKey = reader.memoryKey(index);
		found.push({ versionId, memoryKey, similarity, distance: reader.number("_distance", index) });
	}
	return found;
}

/** True when the last row is farther than the k-th by more than noise: no equal of it is missing. */
function reachesPast(found: readonly Found[], k: number): boolean {
	const kth = found[k - 1];
	const last = found.at(-1);
	if (kth === undefined || last === undefined) return false;
	return last.distance - kth.distance > DISTANCE_NOISE;
}
