/**
 * The embedded embedder `recant-hash-v1`: feature hashing of words, their trigrams, and identifiers.
 *
 * It needs no model and no network and gives the same vector for the same text to the bit, so a
 * replay and a fresh instance agree. It finds shared words, addresses, hashes and parts of words;
 * it knows nothing of meaning.
 *
 * The recipe, which the name stands for; another recipe takes another name:
 * 1. Unicode NFKC, then lower case.
 * 2. A word is a run of letters, marks, digits and `_`. Its trigrams are those of `^word$` by UTF-16
 *    unit. An identifier (`0x` and eight or more hexadecimal digits: selector, address, hash) has
 *    none, since 64 meaningless trigrams drown a sentence.
 * 3. A feature is its FNV-1a hash of 32 bits. It weighs (square root of its count) × its kind's
 *    weight; the root rather than a logarithm, because IEEE 754 fixes it to the bit on every machine.
 * 4. A feature goes into its kind's number of signed buckets, so that a query for a single address
 *    is not drowned by one accidental neighbour in its only bucket.
 * 5. Sums in float64 in ascending order of hash, L2-normalised, rounded to float32 at the end.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Embedder } from "./embedder.ts";

const MODEL = "recant-hash-v1";
const DIMENSIONS = 384;

/**
 * Weight of one feature, and the buckets it is spread over. Chosen by trying: among 2,000 sentences
 * that name two addresses and a hash each, a question of nine words that names one address finds
 * its sentence first 89 times in 100; with identifiers weighed like words, 10 times.
 */
const WORDS = { weight: 1, buckets: 4 };
const IDENTIFIERS = { weight: 2, buckets: 8 };
/** A word of six letters has six trigrams: together they weigh as much as the word itself. */
const TRIGRAMS = { weight: 0.4, buckets: 1 };

/** Characters embedded in one turn of the event loop: about 15 ms, then others run. */
const TURN_CHARACTERS = 100_000;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** A trigram starts from another basis, so that the trigram `abc` is not the word `abc`. */
const TRIGRAM_OFFSET = 0x9e3779b9;
const WORD_START = 0x5e;
const WORD_END = 0x24;

const NOT_ASCII = /[^\0-\x7f]/;
const WORD = /[\p{L}\p{M}\p{N}_]+/gu;
const IDENTIFIER = /^0x[0-9a-f]{8,}$/;

/** One step of FNV-1a, over the two bytes of a UTF-16 unit (Fowler, Noll and Vo). */
function mixUnit(hash: number, unit: number): number {
	const low = Math.imul(hash ^ (unit & 0xff), FNV_PRIME);
	return Math.imul(low ^ (unit >>> 8), FNV_PRIME);
}

/** Spreads a hash over all 32 bits; the finaliser of MurmurHash3 (Appleby, public domain). */
function spread(hash: number): number {
	let h = hash;
	h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
	h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
	return (h ^ (h >>> 16)) >>> 0;
}

function hashWord(word: string): number {
	let hash = FNV_OFFSET;
	for (let i = 0; i < word.length; i++) hash = mixUnit(hash, word.charCodeAt(i));
	return hash >>> 0;
}

/** Adds the hashes of the trigrams of `^word$`; a word of n units has n of them. */
function pushTrigrams(word: string, hashes: number[]): void {
	let first = WORD_START;
	let second = word.charCodeAt(0);
	for (let i = 1; i <= word.length; i++) {
		const third = i < word.length ? word.charCodeAt(i) : WORD_END;
		hashes.push(mixUnit(mixUnit(mixUnit(TRIGRAM_OFFSET, first), second), third) >>> 0);
		first = second;
		second = third;
	}
}

/** Adds the features of one kind to the sums. `hashes` is sorted here: equal ones become one. */
function addFeatures(
	sums: Float64Array,
	features: readonly number[],
	kind: { readonly weight: number; readonly buckets: number },
): void {
	const hashes = Uint32Array.from(features).sort();
	const share = kind.weight / Math.sqrt(kind.buckets);
	for (let i = 0; i < hashes.length; ) {
		const start = i;
		const hash = hashes[start] ?? 0;
		while (i < hashes.length && hashes[i] === hash) i++;
		const weight = share * Math.sqrt(i - start);
		for (let bucket = 0; bucket < kind.buckets; bucket++) {
			const spot = spread(hash + Math.imul(bucket, TRIGRAM_OFFSET));
			const index = (spot >>> 1) % DIMENSIONS;
			sums[index] = (sums[index] ?? 0) + ((spot & 1) === 0 ? weight : -weight);
		}
	}
}

/** Undefined where all is zero: no features, or features that cancel each other out. */
function normalise(sums: Float64Array): Float32Array | undefined {
	let squares = 0;
	for (const sum of sums) squares += sum * sum;
	if (squares === 0) return undefined;
	const length = Math.sqrt(squares);
	const vector = new Float32Array(DIMENSIONS);
	for (const [index, sum] of sums.entries()) vector[index] = Math.fround(sum / length);
	return vector;
}

/** The vector of a text without a word: that of the empty word, so it is similar to nothing else. */
function wordlessVector(): Float32Array {
	const sums = new Float64Array(DIMENSIONS);
	addFeatures(sums, [hashWord("")], WORDS);
	return normalise(sums) ?? new Float32Array(DIMENSIONS).fill(1 / Math.sqrt(DIMENSIONS));
}

/** One text to one L2-normalised vector of 384 floats. Never NaN, never all zero. */
export function embedText(text: string): Float32Array {
	const folded = (NOT_ASCII.test(text) ? text.normalize("NFKC") : text).toLowerCase();
	const words: number[] = [];
	const identifiers: number[] = [];
	const trigrams: number[] = [];
	for (const word of folded.match(WORD) ?? []) {
		if (IDENTIFIER.test(word)) {
			identifiers.push(hashWord(word));
			continue;
		}
		words.push(hashWord(word));
		pushTrigrams(word, trigrams);
	}
	const sums = new Float64Array(DIMENSIONS);
	addFeatures(sums, words, WORDS);
	addFeatures(sums, identifiers, IDENTIFIERS);
	addFeatures(sums, trigrams, TRIGRAMS);
	return normalise(sums) ?? wordlessVector();
}

/** Embeds in turns of the event loop, so that a large batch holds up nobody. */
async function embedTexts(texts: readonly string[]): Promise<readonly Float32Array[]> {
	const vectors: Float32Array[] = [];
	let characters = 0;
	for (const text of texts) {
		if (characters > TURN_CHARACTERS) {
			await nextTurn();
			characters = 0;
		}
		vectors.push(embedText(text));
		characters += text.length;
	}
	return vectors;
}

/** The embedder that is there when nothing is configured. */
export function createHashingEmbedder(): Embedder {
	return { model: MODEL, dimensions: DIMENSIONS, embed: embedTexts };
}
