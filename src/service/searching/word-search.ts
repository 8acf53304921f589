/**
 * The memories of a collection in whose text words stand: LanceDB at the pointed version ∪ the tail, as by
 * vector. Where LanceDB cannot answer, the visible texts are read from Postgres.
 *
 * The score follows from the text alone, see ranking/word-score.ts. While all rows that match are looked at,
 * up to LIMITS.searchCandidates, their order is exact; where k are found among fewer of them, LanceDB's own
 * BM25 has said which those are.
 */

import type { MemoryKey } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { VectorCandidate } from "../../domain/vector.ts";
import { compareCandidates } from "../../ranking/exact-scan.ts";
import { wordBag, wordScore } from "../../ranking/word-score.ts";
import { wordsOf } from "../../ranking/words.ts";
import type { AtHand } from "./rows-at-hand.ts";
import {
	COMPLETE,
	type Found,
	GROWTH,
	isAnsweredWithout,
	isAsked,
	type SearchedCollection,
} from "./search-context.ts";
import type { FoundMemory } from "./visible-candidates.ts";

/** Rows that match of which all are looked at, however few are asked for: 4 ms. */
const FIRST_MATCHES = 128;
/** So many times k are looked at otherwise: LanceDB's order is nearly that of the score. */
const MATCHES_PER_RESULT = 8;
/** Texts of one query: 2 MB of ordinary ones. */
const PAGE_TEXTS = 2_000;

/** `words`: distinct. Throws `vectors_unavailable` when too many searches wait for Postgres already. */
export async function searchWords(
	searched: SearchedCollection,
	words: readonly string[],
	k: number,
): Promise<Found> {
	if (words.length === 0) return { memories: [], coverage: COMPLETE };
	try {
		const memories = await fromTableAndTail(searched, words, k);
		if (memories !== undefined) return { memories, coverage: COMPLETE };
	} catch (error) {
		if (!isAnsweredWithout(error)) throw error;
		return searched.context.scans.run(() => byScan(searched, words, k, error.message));
	}
	const why = `of ${LIMITS.searchCandidates} candidates too few pass the filters`;
	return searched.context.scans.run(() => byScan(searched, words, k, why));
}

/** Undefined: too many candidates do not pass. */
async function fromTableAndTail(
	searched: SearchedCollection,
	words: readonly string[],
	k: number,
): Promise<readonly FoundMemory[] | undefined> {
	const { view, name, collection, filter, context, visible } = searched;
	const atHand = await context.rows.of(view, name, collection);
	const isInMemory = atHand.isWhole || collection.pointer.tableVersion === 0n;
	const { table, pointer } = collection;
	let tail: readonly VectorCandidate[] | undefined;
	let wanted = Math.min(LIMITS.searchCandidates, Math.max(FIRST_MATCHES, MATCHES_PER_RESULT * k));
	for (;;) {
		// Together: LanceDB works on threads of its own while the tail is looked through here.
		const [stored, waiting] = await Promise.all([
			isInMemory
				? []
				: context.tables.searchWords(table, pointer.tableVersion, { words, k: wanted, filter }),
			tail ?? inMemory(searched, atHand, words),
		]);
		tail = waiting;
		const found = await visible.take([...stored, ...waiting].sort(compareCandidates), k);
		if (found.length >= k || stored.length < wanted) return found;
		if (wanted === LIMITS.searchCandidates) return undefined;
		wanted = Math.min(LIMITS.searchCandidates, GROWTH * wanted);
	}
}

async function inMemory(
	searched: SearchedCollection,
	atHand: AtHand,
	words: readonly string[],
): Promise<readonly VectorCandidate[]> {
	const { texts } = await atHand.load();
	return texts.search(words, (row) => isAsked(searched, atHand, row));
}

/** `why`: LanceDB is left out. Visible texts alone are read, up to LIMITS.scanBytes. */
async function byScan(
	{ view, name, filter, visible }: SearchedCollection,
	words: readonly string[],
	k: number,
	why: string,
): Promise<Found> {
	const candidates: VectorCandidate[] = [];
	let rows = 0;
	let bytes = 0;
	let after: MemoryKey | undefined;
	let isWhole = false;
	while (!isWhole && bytes < LIMITS.scanBytes) {
		const page = await view.texts(name, { ...filter, after, limit: PAGE_TEXTS });
		for (const { versionId, memoryKey, text = "" } of page) {
			bytes += text.length;
			const similarity = wordScore(words, wordBag(wordsOf(text)));
			if (similarity !== undefined) candidates.push({ versionId, memoryKey, similarity });
		}
		rows += page.length;
		after = page.at(-1)?.memoryKey;
		isWhole = page.length < PAGE_TEXTS;
	}
	const memories = await visible.take(candidates.sort(compareCandidates), k);
	const looked = isWhole
		? `all ${rows} visible texts were read from Postgres`
		: `${rows} visible texts were read from Postgres, others were not looked at`;
	return { memories, coverage: { complete: isWhole, reason: `${looked}: ${why}` } };
}
