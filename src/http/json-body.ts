/**
 * Reads a request's JSON body. What passes here is plain data: no more bytes than the limit, counted
 * as they arrive; no deeper than a handler may recurse; no key, string or number that a store or a
 * program further in would change or trip over.
 */
import type { MiddlewareHandler } from "hono";
import { FatalError, type RequestProblem } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { bodyBytes } from "./body-bytes.ts";
import { InvalidRequest, LISTED_PROBLEMS, limitExceeded, pathOf } from "./invalid-request.ts";

/** Levels around a memory's content: the body, `operations`, the operation. */
const ENVELOPE_DEPTH = 3;
const MAX_DEPTH = LIMITS.contentDepth + ENVELOPE_DEPTH;

/**
 * Checks the body and leaves its text for the validator, which parses it once more: the price of one
 * schema for checking and documentation, about 1 ms for 200 KB.
 */
export const jsonBody: MiddlewareHandler = async (context, next) => {
	requireJson(context.req.header("content-type"));
	const text = decode(await bodyBytes(context.req.raw, LIMITS.requestBytes, bodyTooLarge));
	requirePlain(parse(text));
	// Hono keeps promises there, and types them as what they give.
	context.req.bodyCache.text = Promise.resolve(text) as never;
	await next();
};

function requireJson(contentType: string | undefined): void {
	const mediaType = contentType?.split(";")[0]?.trim().toLowerCase();
	if (mediaType === "application/json") return;
	throw new FatalError("unsupported_media_type", {
		message: `the body's content type is ${contentType ?? "missing"}`,
		hint: "send JSON with `Content-Type: application/json`",
		fields: { contentType: contentType ?? null },
	});
}

function bodyTooLarge(sizeBytes: number): FatalError {
	return new FatalError("body_too_large", {
		message: `the body has at least ${sizeBytes} bytes; at most ${LIMITS.requestBytes} are taken`,
		hint: "send the operations in several requests",
		fields: { limit: "requestBytes", value: sizeBytes, max: LIMITS.requestBytes },
	});
}

function decode(bytes: Uint8Array): string {
	try {
		return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
	} catch (cause) {
		throw malformed("it is not UTF-8", cause);
	}
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch (cause) {
		throw malformed(cause instanceof Error ? cause.message : String(cause), cause);
	}
}

function malformed(reason: string, cause: unknown): FatalError {
	return new FatalError("invalid_request", {
		message: `the body is not JSON: ${reason}`,
		hint: "send one JSON object in UTF-8",
		cause,
	});
}

/**
 * Refuses what is not plain data: `__proto__` keys (copying one sets a prototype), NUL and lone
 * surrogates (Postgres and UTF-8 cannot keep them), numbers that JSON reads as infinite. Throws with
 * every place. The recursion is bounded by MAX_DEPTH, the list of problems by what is shown.
 */
export function requirePlain(body: unknown): void {
	const problems: RequestProblem[] = [];
	visit(body, [], problems);
	if (problems.length > 0) throw new InvalidRequest(problems);
}

function visit(value: unknown, path: (string | number)[], problems: RequestProblem[]): void {
	if (problems.length >= LISTED_PROBLEMS) return;
	const message = problemOfValue(value);
	if (message !== undefined) problems.push({ path: pathOf("body", path), message });
	if (typeof value !== "object" || value === null) return;
	if (path.length >= MAX_DEPTH) throw tooDeep(path.length + 1);
	const isList = Array.isArray(value);
	const keys = Object.keys(value);
	if (keys.length > LIMITS.jsonEntries) throw tooManyEntries(path, keys.length);
	for (const [key, item] of Object.entries(value)) {
		path.push(isList ? Number(key) : key);
		const wrong = key === "__proto__" ? "no such field" : problemOfText(key);
		if (wrong !== undefined) problems.push({ path: pathOf("body", path), message: wrong });
		visit(item, path, problems);
		path.pop();
	}
}

function tooDeep(levels: number): FatalError {
	return limitExceeded("body", {
		limit: "contentDepth",
		value: levels - ENVELOPE_DEPTH,
		message: `content is nested deeper than ${LIMITS.contentDepth} levels`,
	});
}

function tooManyEntries(path: readonly (string | number)[], value: number): FatalError {
	return limitExceeded(pathOf("body", path), {
		limit: "jsonEntries",
		value,
		message: `has ${value} entries, at most ${LIMITS.jsonEntries} are taken`,
	});
}

function problemOfValue(value: unknown): string | undefined {
	if (typeof value === "string") return problemOfText(value);
	if (typeof value === "number" && !Number.isFinite(value)) return "the number is too large";
	return undefined;
}

/** Why a text cannot be kept, or undefined. */
export function problemOfText(text: string): string | undefined {
	if (text.includes("\u0000")) return "contains the character U+0000, which cannot be stored";
	if (!text.isWellFormed()) return "contains half of a surrogate pair, which is not Unicode text";
	return undefined;
}
