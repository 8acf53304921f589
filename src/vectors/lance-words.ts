/**
 * Rows of one version of a LanceDB table in which words stand.
 *
 * LanceDB finds them, ranking/word-score.ts gives them their score and order. Where more match than are
 * asked for, its own BM25 says which of them come.
 */
import { MatchQuery } from "@lancedb/lancedb";
import { LIMITS } from "../domain/limits.ts";
import type { VectorCandidate } from "../domain/vector.ts";
import { compareCandidates } from "../ranking/exact-scan.ts";
import { wordBag, wordScore } from "../ranking/word-score.ts";
import { checkLimit } from "./lance-errors.ts";
import { predicateOf } from "./lance-filter.ts";
import { RowReader } from "./lance-rows.ts";
import type { PinnedTable } from "./pinned-tables.ts";
import type { VectorFilter } from "./vector-tables.ts";

const FOUND_COLUMNS = ["version_id", "memory_key", "words", "_score"];

export interface WordsQuery {
	/** Distinct; a row in which one of them stands is found. */
	readonly words: readonly string[];
	readonly k: number;
	readonly filter: VectorFilter;
}

/** At most k rows, the best first. Throws `FatalError("limit_exceeded")`, and LanceDB's errors. */
export async function searchTableWords(
	{ handle }: PinnedTable,
	{ words, k, filter }: WordsQuery,
): Promise<readonly VectorCandidate[]> {
	checkLimit("rows of one search", k, LIMITS.searchCandidates);
	if (words.length === 0 || k === 0) return [];
	const where = predicateOf(filter);
	const query = handle.query().fullTextSearch(new MatchQuery(words.join(" "), "words"));
	const batch = await (where === undefined ? query : query.where(where))
		.select(FOUND_COLUMNS)
		.limit(k)
		.toArrow();
	const reader = new RowReader(batch);
	const found: VectorCandidate[] = [];
	for (let index = 0; index < batch.numRows; index++) {
		const bag = wordBag(reader.string("words", index).split(" "));
		const similarity = wordScore(words, bag);
		if (similarity === undefined) continue;
		const memoryKey = reader.memoryKey(index);
		found.push({ versionId: reader.bigint("version_id", index), memoryKey, similarity });
	}
	return found.sort(compareCandidates);
}
