/**
 * The words of a text, as they are searched. One recipe for what is stored, for the tail and for the
 * query, so that a memory is found by the same words wherever it lies; LanceDB is given words, and cuts
 * them at spaces alone.
 *
 * 1. Unicode NFKC, lower case, and the accents of Latin, Greek and Cyrillic letters left out.
 * 2. A word is a run of letters, marks and digits. Scripts that are written without spaces give each of
 *    their characters and each two neighbours.
 * 3. English plurals lose their ending (the S stemmer: Harman, "How effective is suffixing?", 1991).
 *    Nothing else is stemmed: what a longer rule would join, it would part elsewhere.
 * 4. What is longer than LONGEST is cut there; an address, a hash and a UUID fit.
 */
const LONGEST = 80;
/** Words that say nothing of what is looked for; left out of queries that have others. */
const STOP_WORDS = new Set(
	"a an and are as at be by did do does for from had has have how i in is it its of on or that the their they this to was we were what when where which who why will with you".split(
		" ",
	),
);

const NOT_ASCII = /[^\0-\x7f]/;
const UNSPACED =
	"\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}";
const RUN = new RegExp(`([${UNSPACED}]+)|(?:(?![${UNSPACED}])[\\p{L}\\p{M}\\p{N}])+`, "gu");
const ASCII_RUN = /[a-z0-9]+/g;
const PLURAL = /^[a-z]{3,}s$/;

/** In their order, each as often as it stands there. */
export function wordsOf(text: string): readonly string[] {
	if (!NOT_ASCII.test(text)) return (text.toLowerCase().match(ASCII_RUN) ?? []).map(wordOf);
	const words: string[] = [];
	for (const [run, unspaced] of folded(text).matchAll(RUN)) {
		if (unspaced === undefined) words.push(wordOf(run));
		else words.push(...neighbours(unspaced));
	}
	return words;
}

/**
 * Distinct words to look for, at most `most`, those that say most first. Of neighbours in a script
 * without spaces only the pairs are looked for.
 */
export function queryWords(text: string, most: number): readonly string[] {
	const all = [...new Set(wordsOf(text))];
	const telling = all.filter((word) => !STOP_WORDS.has(word));
	const words = withoutParts(telling.length === 0 ? all : telling);
	return words.toSorted((a, b) => b.length - a.length).slice(0, most);
}

function folded(text: string): string {
	return text
		.normalize("NFKC")
		.toLowerCase()
		.normalize("NFD")
		.replaceAll(/[\u0300-\u036f]/g, "")
		.normalize("NFC");
}

function wordOf(run: string): string {
	return singular(run).slice(0, LONGEST);
}

function singular(word: string): string {
	if (!PLURAL.test(word)) return word;
	if (word.endsWith("ies")) return /[ae]ies$/.test(word) ? word : `${word.slice(0, -3)}y`;
	if (word.endsWith("es")) return /[aeo]es$/.test(word) ? word : word.slice(0, -1);
	return /[us]s$/.test(word) ? word : word.slice(0, -1);
}

function neighbours(run: string): readonly string[] {
	const characters = [...run];
	return characters.flatMap((each, index) => {
		const next = characters[index + 1];
		return next === undefined ? [each] : [each, each + next];
	});
}

const ONE_UNSPACED = new RegExp(`^[${UNSPACED}]$`, "u");

/** A single character that stands in a pair of the query adds nothing to the pair. */
function withoutParts(words: readonly string[]): readonly string[] {
	const pairs = words.filter((word) => [...word].length === 2);
	return words.filter(
		(word) => !(ONE_UNSPACED.test(word) && pairs.some((pair) => pair.includes(word))),
	);
}
