/**
 * The canonical encoding of a memory: equal content and meaning give equal bytes, on every instance,
 * whatever the order of the object's keys and however often a fork wrote it again.
 *
 * 1. `canonicalJson` is a function of the value alone (RFC 8785).
 * 2. Every field of an encoding is preceded by its presence and length, so that no two different
 *    lists of fields give the same bytes.
 * 3. Each kind of encoding begins with a tag of its own, so that no hash of one kind can be passed
 *    off as a hash of another.
 *
 * What cannot be encoded is refused with `invalid_request`; nothing is repaired silently.
 */
import { hash } from "node:crypto";
import { FatalError } from "../domain/errors.ts";
import type { Height, Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { VersionBody } from "../domain/memory.ts";
import type { JsonObject, JsonValue } from "../domain/operation.ts";

/** Content may stand inside a request's envelope, which is no deeper than content itself may be. */
const MAX_DEPTH = 2 * LIMITS.contentDepth;

const CONTENT_TAG = "recant.memory.v1";

/** A field of an encoding: text (taken as UTF-8), bytes, or undefined where it is absent. */
export type Field = string | Uint8Array | undefined;

/**
 * JSON of `value` as RFC 8785 writes it: no spaces, keys sorted by UTF-16 code units, numbers and
 * strings as ECMAScript prints them (so -0 is `0`). Throws `FatalError("invalid_request")` for a
 * number that is not finite, a lone surrogate, a nesting deeper than 64, and for what is not JSON.
 */
export function canonicalJson(value: JsonValue): string {
	return print(value, 0);
}

/** Of content that stands in a version: hash, row and log entry of one version need the same text. */
const texts = new WeakMap<JsonObject, string>();

/** `canonicalJson` of a version's content, which no one changes any more: made once. */
export function contentText(content: JsonObject): string {
	const known = texts.get(content);
	if (known !== undefined) return known;
	const text = canonicalJson(content);
	texts.set(content, text);
	return text;
}

/** Content of its own from canonical text that was just made. */
export function contentOf(text: string): JsonObject {
	const content = parseContent(text);
	texts.set(content, text);
	return content;
}

function print(value: JsonValue, depth: number): string {
	if (typeof value === "string") return printString(value);
	if (value === null || typeof value === "boolean") return String(value);
	if (typeof value === "number") return printNumber(value);
	if (typeof value !== "object") throw notCanonical(`a ${typeof value}`);
	if (depth >= MAX_DEPTH) throw notCanonical(`nesting deeper than ${MAX_DEPTH}`);
	return isArray(value) ? printArray(value, depth + 1) : printObject(value, depth + 1);
}

/** Grown by `+=`: content is printed for every write, and lists of parts would only be garbage. */
function printArray(items: readonly JsonValue[], depth: number): string {
	let out = "[";
	for (let index = 0; index < items.length; index += 1) {
		// A hole is undefined, and refused as such.
		out += (index === 0 ? "" : ",") + print(items[index] as JsonValue, depth);
	}
	return `${out}]`;
}

function printObject(value: JsonObject, depth: number): string {
	let out = "{";
	for (const key of sortedKeys(value)) {
		out += `${out.length === 1 ? "" : ","}${printString(key)}:${print(value[key] as JsonValue, depth)}`;
	}
	return `${out}}`;
}

/** `sort` compares strings by UTF-16 code units, which is the order that RFC 8785 asks for. */
function sortedKeys(value: JsonObject): readonly string[] {
	const keys = Object.keys(value);
	for (let index = 1; index < keys.length; index += 1) {
		if ((keys[index - 1] as string) > (keys[index] as string)) return keys.sort();
	}
	return keys;
}

/** `Array.isArray` does not narrow readonly arrays. */
function isArray(value: JsonObject | readonly JsonValue[]): value is readonly JsonValue[] {
	return Array.isArray(value);
}

/** What JSON writes otherwise than it stands, and surrogates, which may be alone. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON escapes them
const NOT_AS_IT_STANDS = /["\\\u0000-\u001f\ud800-\udfff]/;

function printString(value: string): string {
	if (!NOT_AS_IT_STANDS.test(value)) return `"${value}"`;
	if (!value.isWellFormed()) throw notCanonical("a string with a lone surrogate");
	return JSON.stringify(value);
}

function printNumber(value: number): string {
	if (!Number.isFinite(value)) throw notCanonical(`the number ${value}`);
	return JSON.stringify(value);
}

function notCanonical(what: string): FatalError {
	return new FatalError("invalid_request", {
		message: `content holds ${what}, which has no canonical JSON`,
		hint: "send JSON of null, booleans, finite numbers, well-formed strings, arrays and objects",
	});
}

/**
 * Reads content back from its stored text. Throws `FatalError("verification_failed")` when the text
 * is not a JSON object: it was checked when it was written, so it has been damaged since.
 */
export function parseContent(text: string): JsonObject {
	const value = parseJson(text);
	if (value === null || typeof value !== "object" || isArray(value)) {
		throw damaged(text, undefined);
	}
	return value;
}

function parseJson(text: string): JsonValue {
	try {
		return JSON.parse(text);
	} catch (cause) {
		throw damaged(text, cause);
	}
}

function damaged(text: string, cause: unknown): FatalError {
	return new FatalError("verification_failed", {
		message: `stored content of ${text.length} characters is not a JSON object`,
		hint: "the row was changed outside of Recant; restore it from a backup",
		fields: { length: text.length },
		cause,
	});
}

/**
 * Bytes of a tag and of fields in order:
 *
 * | bytes | what |
 * | --- | --- |
 * | n | the tag in ASCII |
 * | 1 | 0x00, which ends the tag |
 * | 1 | of each field: 0x00 absent, and nothing follows; 0x01 present |
 * | 4 | of a present field: its length in bytes, unsigned, big-endian |
 * | n | of a present field: its bytes; text as UTF-8 |
 */
export function encodeFields(tag: string, fields: readonly Field[]): Uint8Array {
	// In one piece: every row is hashed more than once, and pieces cost more than the hash itself.
	const bytes = Buffer.allocUnsafe(mostBytes(tag, fields));
	let end = bytes.write(`${tag}\0`, "ascii");
	for (const field of fields) end = writeField(bytes, field, end);
	return bytes.subarray(0, end);
}

/** Presence and length of a field. */
const HEAD_BYTES = 5;
/** UTF-8 takes at most so many bytes for what takes one place in a string. */
const UTF8_BYTES = 3;

function mostBytes(tag: string, fields: readonly Field[]): number {
	let bytes = tag.length + 1;
	for (const field of fields) {
		const size = field?.length ?? 0;
		bytes += HEAD_BYTES + (typeof field === "string" ? UTF8_BYTES * size : size);
	}
	return bytes;
}

/** Answers where it ends. */
function writeField(bytes: Buffer, field: Field, at: number): number {
	bytes[at] = field === undefined ? 0 : 1;
	if (field === undefined) return at + 1;
	const from = at + HEAD_BYTES;
	const length = typeof field === "string" ? writeUtf8(bytes, field, from) : field.length;
	if (typeof field !== "string") bytes.set(field, from);
	bytes.writeUInt32BE(length, at + 1);
	return from + length;
}

/** UTF-8 has no lone surrogates: encoding one would make two different names equal. */
function writeUtf8(bytes: Buffer, text: string, at: number): number {
	if (!text.isWellFormed()) throw notCanonical("a string with a lone surrogate");
	return bytes.write(text, at, "utf8");
}

/**
 * SHA-256 of what a memory says: its content and meaning, and neither position, generation, span,
 * operation, version id nor wall time. So a fork that writes the same again gives the same hash.
 *
 * The input is `encodeFields("recant.memory.v1", …)` over eleven fields:
 *
 * | field | bytes |
 * | --- | --- |
 * | namespace, id | UTF-8 |
 * | layer | ASCII: short_term, long_term, episodic, semantic |
 * | owner | ASCII: handler, agent |
 * | content | canonical JSON in UTF-8; absent: a tombstone |
 * | text | UTF-8; absent: none |
 * | collection | UTF-8; absent: none |
 * | importance, confidence | the number as canonical JSON; absent: none |
 * | expiry | the height in decimal digits, or `@` and the seconds of its time in decimal digits; absent: it stays |
 * | vectorHash | SHA-256 of the vector that the caller gave, 32 bytes; absent: none was |
 *
 * Throws `FatalError("invalid_request")` for what `canonicalJson` refuses, and for a memory that ends both
 * at a height and at a time: one of the two would not be bound.
 */
export function contentHash(
	body: VersionBody & { readonly expiresBlock: Height | undefined },
): Hex {
	const fields: readonly Field[] = [
		body.namespace,
		body.id,
		body.layer,
		body.owner,
		body.content === undefined ? undefined : contentText(body.content),
		body.text,
		body.collection,
		body.importance === undefined ? undefined : printNumber(body.importance),
		body.confidence === undefined ? undefined : printNumber(body.confidence),
		expiryField(body),
		body.vectorHash === undefined ? undefined : Buffer.from(body.vectorHash.slice(2), "hex"),
	];
	return `0x${hash("sha256", encodeFields(CONTENT_TAG, fields))}`;
}

function expiryField({
	expiresBlock,
	expiresTime,
}: Pick<VersionBody, "expiresTime"> & { readonly expiresBlock: Height | undefined }): Field {
	if (expiresTime === undefined) return expiresBlock?.toString();
	if (expiresBlock === undefined) return `@${expiresTime}`;
	throw new FatalError("invalid_request", {
		message: `a memory cannot end both at block ${expiresBlock} and at time ${expiresTime}`,
		hint: "give expiresAtBlock or expiresAtTime, not both",
		fields: { expiresAtBlock: expiresBlock.toString(), expiresAtTime: expiresTime.toString() },
	});
}
