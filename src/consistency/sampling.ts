/**
 * Sampling for a state that is too large to be read whole: how many memories, and which.
 *
 * Keys of memories are bits of a SHA-256, so they lie evenly over the key space, whatever was
 * written. A sample is a set of prefixes of the key space, drawn without repetition: every memory
 * is in it with the same probability, whether its rows are there or not. That is the point of
 * prefixes: a row that was deleted cannot be drawn from its table, but the state tree still has a
 * leaf under its prefix.
 */
import { hash } from "node:crypto";
import type { MemoryKey } from "../domain/ids.ts";
import { encodeFields } from "../memory/canonical.ts";

export interface SampleRequest {
	/** Text; the same seed draws the same prefixes again. */
	readonly seed: string;
	/** Probability, in (0, 1), of finding something when the tolerated share or more is damaged. */
	readonly confidence: number;
	/** Share of damaged memories, in (0, 1), from which on the confidence holds. */
	readonly tolerance: number;
}

/** Keys that begin with the same digits: both bounds inclusive, in the order of Postgres' uuid. */
export interface KeyRange {
	/** Digits `0` to `3`, as the state tree takes them. */
	readonly path: string;
	readonly from: MemoryKey;
	readonly to: MemoryKey;
}

/** What a sampled run reads. */
export interface DrawnSample {
	readonly request: SampleRequest;
	/** By rising key, none twice. */
	readonly ranges: readonly KeyRange[];
	/** Memories that the sample was to hold. */
	readonly wanted: number;
}

/**
 * Memories that a sample must hold: the least n with (1 − tolerance)^n ≤ 1 − confidence, which is
 * ⌈ln(1 − confidence) / ln(1 − tolerance)⌉. The chance that n independent draws all miss a share
 * `tolerance` is (1 − tolerance)^n; near 95 % it is the "rule of three", n ≈ 3 / tolerance (Hanley
 * and Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249, 1983). Drawing
 * without repetition, as here, misses less often.
 */
export function sampleSize({
	confidence,
	tolerance,
}: Pick<SampleRequest, "confidence" | "tolerance">): number {
	return Math.ceil(Math.log1p(-confidence) / Math.log1p(-tolerance));
}

/** Digits of a key, two bits each. */
const KEY_DIGITS = 64;

/** Digits at which a prefix holds about one of so many memories: the least d with 4^d ≥ memories. */
export function prefixDepth(memories: number): number {
	return Math.min(KEY_DIGITS, Math.ceil(Math.log2(Math.max(1, memories)) / 2));
}

/**
 * Prefixes of that many digits, each once, in an order that only the seed decides: draw i is the
 * head of SHA-256 over `encodeFields("recant.sample.v1", [seed, i])`. Ends when all are drawn;
 * depth 16 has more prefixes than any state has memories.
 */
export function* drawPrefixes(seed: string, depth: number): Generator<readonly number[], void> {
	const all = 4 ** depth;
	const seen = new Set<string>();
	for (let draw = 0; seen.size < all; draw += 1) {
		const digits = digitsOf(hash("sha256", sampleInput(seed, draw), "buffer"), depth);
		const name = digits.join("");
		if (seen.has(name)) continue;
		seen.add(name);
		yield digits;
	}
}

function sampleInput(seed: string, draw: number): Uint8Array {
	return encodeFields("recant.sample.v1", [seed, draw.toString()]);
}

/** Digit i is bits 2i and 2i + 1, counted from the most significant bit of byte 0. */
function digitsOf(bytes: Uint8Array, count: number): readonly number[] {
	return Array.from(
		{ length: count },
		(_, index) => ((bytes[index >> 2] ?? 0) >> (6 - 2 * (index & 3))) & 3,
	);
}

/** Keys that begin with these digits. */
export function rangeOf(prefix: readonly number[]): KeyRange {
	return { path: prefix.join(""), from: keyOf(prefix, 0), to: keyOf(prefix, 3) };
}

/** All keys. */
export const WHOLE_RANGE: KeyRange = rangeOf([]);

/**
 * Draws prefixes until they hold as many of the tree's memories as the request wants, or all are
 * drawn. `memories`: how many there are; `countBelow`: how many begin with a path.
 */
export function drawSample(
	request: SampleRequest,
	memories: number,
	countBelow: (path: string) => number,
): DrawnSample {
	const wanted = sampleSize(request);
	const ranges: KeyRange[] = [];
	let held = 0;
	for (const prefix of drawPrefixes(request.seed, prefixDepth(memories))) {
		if (held >= wanted) break;
		const range = rangeOf(prefix);
		ranges.push(range);
		held += countBelow(range.path);
	}
	ranges.sort((a, b) => (a.from < b.from ? -1 : 1));
	return { request, ranges, wanted };
}

function keyOf(prefix: readonly number[], rest: number): MemoryKey {
	const bytes = new Uint8Array(KEY_DIGITS / 4);
	for (let index = 0; index < KEY_DIGITS; index += 1) {
		const digit = prefix[index] ?? rest;
		bytes[index >> 2] = (bytes[index >> 2] ?? 0) | (digit << (6 - 2 * (index & 3)));
	}
	return uuidOf(bytes);
}

/** 16 bytes as a memory's key is written. */
function uuidOf(bytes: Uint8Array): MemoryKey {
	const hex = Buffer.from(bytes).toString("hex");
	const groups = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
	return `${groups.join("-")}-${hex.slice(20)}` as MemoryKey;
}
