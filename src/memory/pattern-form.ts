/** The form of what a consolidation function answers; it is the operator's code, and recorded as it stands. */
import * as z from "zod";
import { LIMITS } from "../domain/limits.ts";
import type { JsonObject } from "../domain/operation.ts";
import { canonicalJson } from "./canonical.ts";
import { PATTERN_BYTES, type Pattern } from "./consolidate.ts";

/** Longer names of groups are texts, and belong into the content. */
const GROUP_LENGTH = 256;

/** Text that can be stored. */
const text = z
	.string()
	.refine((value) => value.isWellFormed() && !value.includes("\u0000"), "cannot be stored");

const pattern = z.strictObject({
	group: text.min(1).max(GROUP_LENGTH),
	content: z
		.custom<JsonObject>(
			(value) => !Array.isArray(value) && typeof value === "object" && isPlain(value, 0),
			"must be a JSON object, and hold only what JSON holds",
		)
		.refine(
			(content) => Buffer.byteLength(canonicalJson(content)) <= PATTERN_BYTES,
			`must have at most ${PATTERN_BYTES} bytes as JSON`,
		),
	members: z.array(text).max(LIMITS.consolidationMembers).optional(),
	confidence: z.number().min(0).max(1).optional(),
	importance: z.number().min(0).max(1).optional(),
	text: text
		.refine((value) => Buffer.byteLength(value) <= LIMITS.textBytes, "is too long")
		.optional(),
});

const patterns = z
	.array(pattern)
	.max(LIMITS.consolidationPatterns)
	.refine(
		(list) => new Set(list.map(({ group }) => group)).size === list.length,
		"must name each group once",
	);

/** Dates, maps and promises would become empty objects. What else is no JSON canonicalJson refuses. */
function isPlain(value: unknown, depth: number): boolean {
	if (typeof value !== "object") return true;
	if (value === null) return depth > 0;
	if (depth > LIMITS.contentDepth) return false;
	const prototype: unknown = Object.getPrototypeOf(value);
	if (prototype !== Object.prototype && prototype !== null && !Array.isArray(value)) return false;
	return Object.values(value).every((item) => isPlain(item, depth + 1));
}

/** Throws a `ZodError`, and what `canonicalJson` throws for content that is no JSON. */
export function patternsOf(answer: unknown): readonly Pattern[] {
	return patterns.parse(answer);
}
