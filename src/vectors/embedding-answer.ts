/** The answer of an OpenAI-compatible `/embeddings`, checked before any of it is believed. */
import { unitVector } from "../ranking/unit-vector.ts";
import { embedderInvalid } from "./embedder-errors.ts";

const NOT_COMPATIBLE =
	"check that EMBEDDER names the base URL of an OpenAI-compatible endpoint, such as https://host/v1";

/**
 * One unit vector a text, in the order of the texts: by `index` where the answer has it. Throws
 * `RetryableError("embedder_invalid")` for another count or dimension, for numbers that are not finite,
 * for a vector of zeros, and for an `index` that is missing on some, out of range or twice there.
 */
export function vectorsOf(
	text: string,
	wanted: { readonly count: number; readonly dimensions: number },
): readonly Float32Array[] {
	const items = itemsOf(text);
	if (items.length !== wanted.count) {
		throw embedderInvalid(`${items.length} vectors for ${wanted.count} texts`, NOT_COMPATIBLE);
	}
	return inOrder(items).map((item) => vectorOf(item, wanted.dimensions));
}

function itemsOf(text: string): readonly object[] {
	const answer = parsed(text);
	const data: unknown =
		typeof answer === "object" && answer !== null && "data" in answer ? answer.data : undefined;
	if (Array.isArray(data) && data.every((item) => typeof item === "object" && item !== null)) {
		return data;
	}
	throw embedderInvalid("it has no list `data`", NOT_COMPATIBLE);
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		throw embedderInvalid("it is not JSON", NOT_COMPATIBLE);
	}
}

function inOrder(items: readonly object[]): readonly object[] {
	if (!items.some((item) => "index" in item)) return items;
	const places = new Array<object | undefined>(items.length).fill(undefined);
	for (const item of items) {
		const index: unknown = "index" in item ? item.index : undefined;
		const free = typeof index === "number" && index in places && places[index] === undefined;
		if (!free) {
			const given = typeof index === "number" ? index : `a ${typeof index}`;
			const what = `\`index\` is ${given} where each of 0 to ${items.length - 1} comes once`;
			throw embedderInvalid(what, NOT_COMPATIBLE);
		}
		places[index] = item;
	}
	return places.filter((item) => item !== undefined);
}

function vectorOf(item: object, dimensions: number): Float32Array {
	const numbers: unknown = "embedding" in item ? item.embedding : undefined;
	if (!Array.isArray(numbers)) throw embedderInvalid("it has no `embedding`", NOT_COMPATIBLE);
	return checkedVector(numbers, dimensions);
}

/** At unit length. Throws `RetryableError("embedder_invalid")`. */
export function checkedVector(numbers: readonly unknown[], dimensions: number): Float32Array {
	if (numbers.length !== dimensions) {
		throw embedderInvalid(
			`a vector has ${numbers.length} dimensions, not ${dimensions}`,
			`set EMBEDDER_DIMENSIONS to what the model gives, and start a collection of another name`,
		);
	}
	if (!numbers.every((value) => typeof value === "number" && Number.isFinite(value))) {
		throw embedderInvalid("a vector holds what is no finite number", "check the embedding model");
	}
	const vector = unitVector(numbers as readonly number[]);
	if (vector.every((value) => value === 0 || Number.isNaN(value))) {
		throw embedderInvalid("a vector holds nothing but zeros", "check the embedding model");
	}
	return vector;
}
