/**
 * How well a text fits the words that are looked for: BM25 (Robertson and Zaragoza, "The Probabilistic
 * Relevance Framework", 2009) without anything that depends on other texts.
 *
 * A score follows from the text and the query alone. So it is the same at every coordinate, on every
 * replica, before and after a flush and on either side of a fork; the numbers of a corpus are none of that,
 * since superseded and orphaned versions stand in it too. In place of a word's rarity there is its length,
 * which goes with it (Zipf's law of abbreviation): an address says more than "paid".
 */

/** Saturation and length normalisation; a memory is short, so its length says less than a document's. */
const K1 = 1.2;
const B = 0.4;
/** Words of an ordinary memory: a text of that length is neither favoured nor not. */
const ORDINARY_WORDS = 24;
/** A word of so many letters or more weighs most: three times one of a single letter. */
const LONG_WORD = 16;

/** Words of a text by how often they stand in it. */
export interface WordBag {
	readonly words: number;
	readonly counts: ReadonlyMap<string, number>;
}

export function wordBag(words: readonly string[]): WordBag {
	const counts = new Map<string, number>();
	for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
	return { words: words.length, counts };
}

/** In (0, 1); undefined: none of the words stands in the text. `query`: distinct words. */
export function wordScore(query: readonly string[], bag: WordBag): number | undefined {
	return wordScorer(query)(bag);
}

/** The same for many texts. */
export function wordScorer(query: readonly string[]): (bag: WordBag) => number | undefined {
	const weights = query.map(weightOf);
	const most = weights.reduce((sum, weight) => sum + weight, 0);
	return ({ words, counts }) => {
		const length = K1 * (1 - B + (B * words) / ORDINARY_WORDS);
		let found = 0;
		for (let index = 0; index < query.length; index++) {
			const count = counts.get(query[index] ?? "");
			if (count !== undefined) found += ((weights[index] ?? 0) * count) / (count + length);
		}
		return found === 0 ? undefined : found / most;
	};
}

function weightOf(word: string): number {
	return 1 + (2 * Math.min(word.length, LONG_WORD)) / LONG_WORD;
}
