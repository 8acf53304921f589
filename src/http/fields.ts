/**
 * The building blocks of request schemas: how one field is written, its bounds, and what it becomes.
 * A bound of domain/limits.ts is answered as `limit_exceeded`, everything else as `invalid_request`.
 */
import { z } from "@hono/zod-openapi";
import type { At, AtRequest } from "../domain/coordinate.ts";
import { FOREVER, type Generation, type Hex } from "../domain/ids.ts";
import { LAYERS } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";
import { addExcess, type LimitName } from "./invalid-request.ts";
import { problemOfText } from "./json-body.ts";

export const DEFAULT_NAMESPACE = "default";

const DECIMAL = /^(?:0|[1-9][0-9]*)$/;
const HASH = /^0x[0-9a-fA-F]{64}$/;
const TAGS = ["pending", "latest", "safe", "finalized"] as const;

/** Decimal digits of the largest height; a longer text is refused before it is converted. */
const DECIMAL_DIGITS = FOREVER.toString().length;

/** Non-empty text within a limit on its length, without characters that cannot be stored. */
export function boundedText(limit: LimitName, description: string) {
	return z
		.string()
		.min(1, "must not be empty")
		.superRefine((text, context) => {
			const problem = problemOfText(text);
			if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
			if (text.length <= LIMITS[limit]) return;
			const message = `has ${text.length} characters, at most ${LIMITS[limit]} are taken`;
			addExcess(context, { limit, value: text.length, message });
		})
		.openapi({ type: "string", minLength: 1, maxLength: LIMITS[limit], description });
}

/** A whole number that fits a Postgres bigint and is not the open end of a span. */
function parseDecimal(text: string, context: z.RefinementCtx): bigint {
	if (DECIMAL.test(text) && text.length <= DECIMAL_DIGITS) {
		const value = BigInt(text);
		if (value < FOREVER) return value;
	}
	context.addIssue({
		code: "custom",
		message: `must be a whole number in decimal from 0 to ${FOREVER - 1n}`,
	});
	return z.NEVER;
}

/** A height, generation or version id in a query or a path. */
export function decimalText(description: string) {
	return z
		.string()
		.transform(parseDecimal)
		.openapi({ type: "string", pattern: DECIMAL.source, description, example: "1234" });
}

/** The same in a JSON body, where a number is taken too as long as it is exact. */
export function decimalValue(description: string) {
	return z
		.union([z.string(), z.int("must be a whole number or a decimal string").nonnegative()], {
			error: "must be a decimal string or a non-negative whole number",
		})
		.transform((value, context) => parseDecimal(value.toString(), context))
		.openapi({
			anyOf: [
				{ type: "string", pattern: DECIMAL.source },
				{ type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
			],
			description: `${description} A decimal string, or a number up to 2^53 - 1.`,
		});
}

/** A 32-byte hash; upper case is taken and becomes lower case. */
export function hashValue(description: string) {
	return z
		.string()
		.regex(HASH, "must be 0x and 64 hexadecimal digits")
		.transform((hash): Hex => `0x${hash.slice(2).toLowerCase()}`)
		.openapi({ type: "string", pattern: HASH.source, description });
}

export const layerValue = z.enum(LAYERS).openapi("Layer", {
	description: "short_term, long_term, episodic or semantic",
});

/** A whole number in a query, up to a limit. */
export function countQuery(options: {
	readonly limit: LimitName;
	readonly default: number;
	readonly min: number;
	readonly description: string;
}) {
	const max = LIMITS[options.limit];
	return z
		.string()
		.transform((text, context) => parseCount(text, options, context))
		.default(options.default)
		.openapi({
			type: "integer",
			minimum: options.min,
			maximum: max,
			default: options.default,
			description: options.description,
		});
}

function parseCount(
	text: string,
	{ limit, min }: { readonly limit: LimitName; readonly min: number },
	context: z.RefinementCtx,
): number {
	const value = Number(text);
	if (!DECIMAL.test(text) || !Number.isSafeInteger(value) || value < min) {
		context.addIssue({ code: "custom", message: `must be a whole number from ${min}` });
		return z.NEVER;
	}
	checkCount(value, limit, context);
	return value;
}

/** Adds a problem when a count is past its limit. */
export function checkCount(value: number, limit: LimitName, context: z.RefinementCtx): void {
	if (value <= LIMITS[limit]) return;
	addExcess(context, { limit, value, message: `is ${value}, at most ${LIMITS[limit]} is taken` });
}

const AT_DOC =
	"Where to read: a height in decimal, a block hash (an orphaned one too), or `pending` (what was just written is seen), `latest`, `safe`, `finalized`.";

function parseAt(text: string, context: z.RefinementCtx): At {
	const tag = TAGS.find((name) => name === text);
	if (tag !== undefined) return { kind: "tag", tag };
	if (HASH.test(text)) return { kind: "hash", hash: `0x${text.slice(2).toLowerCase()}` };
	if (DECIMAL.test(text)) return { kind: "height", height: parseDecimal(text, context) };
	context.addIssue({
		code: "custom",
		message: `must be a height in decimal, a block hash of 0x and 64 digits, or one of ${TAGS.join(", ")}`,
	});
	return z.NEVER;
}

export const atQuery = z
	.string()
	.transform(parseAt)
	.openapi({ type: "string", default: "pending", description: AT_DOC });

export const atValue = z
	.union([z.string(), z.int().nonnegative()], { error: "must be a string or a whole number" })
	.transform((value, context) => parseAt(value.toString(), context))
	.openapi({
		anyOf: [{ type: "string" }, { type: "integer", minimum: 0 }],
		default: "pending",
		description: AT_DOC,
	});

const GENERATION_DOC =
	"Generation to read in. Left out: the present one, or for an orphaned hash the last in which it was canonical.";
export const generationQuery = decimalText(GENERATION_DOC);
export const generationValue = decimalValue(GENERATION_DOC);

export function atRequest(at: At | undefined, generation: Generation | undefined): AtRequest {
	return { at: at ?? { kind: "tag", tag: "pending" }, generation };
}

export const cursorQuery = boundedText(
	"cursorLength",
	"`cursor` of the page before; it pins that page's coordinate.",
);

export const chainParam = z
	.string()
	.regex(/^[A-Za-z0-9_-]{1,64}$/, "must be a chain id in decimal or a chain's name")
	.openapi({
		param: { name: "chain", in: "path" },
		description: "Chain id in decimal, or the chain's name.",
		example: "31337",
	});

/** Memory ids may hold any character; `.` and `..` cannot be written in a path. */
export const memoryIdValue = boundedText(
	"idLength",
	"The memory's id: any text; `.` and `..` are refused, since no URL can hold them.",
).refine((id) => id !== "." && id !== "..", "must not be `.` or `..`: no URL can hold it");

export const namespaceValue = boundedText(
	"namespaceLength",
	`Namespace of the memory; \`${DEFAULT_NAMESPACE}\` when left out.`,
);

export const namespaceFilter = boundedText(
	"namespaceLength",
	"Only memories of this namespace; all when left out.",
);

/** UUIDs of operations and rollbacks. */
export function uuidParam(name: string, description: string) {
	return z
		.guid("must be a UUID")
		.transform((id) => id.toLowerCase())
		.openapi({ type: "string", format: "uuid", param: { name, in: "path" }, description });
}
