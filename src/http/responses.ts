/** Responses of a documented route: the answer, and the problems that its codes lead to. */
import { z } from "@hono/zod-openapi";
import type { ErrorCode } from "../domain/errors.ts";
import { PROBLEM_TYPE, type ProblemStatus, STATUS_OF } from "./problem.ts";

/** RFC 9457; the fields of each error stand beside these. */
const problemSchema = z
	.looseObject({
		type: z.string(),
		title: z.string(),
		status: z.int(),
		detail: z.string().openapi({ description: "What happened, with the values." }),
		code: z.string().openapi({ description: "Stable; compare this one." }),
		hint: z.string().openapi({ description: "What the reader can do about it." }),
		instance: z.string(),
		retryable: z.boolean().openapi({ description: "The same request may succeed later." }),
		problems: z
			.array(z.object({ path: z.string(), code: z.string().optional(), message: z.string() }))
			.optional()
			.openapi({ description: "Every problem of an invalid request." }),
	})
	.openapi("Problem");

export function answer<Schema extends z.ZodType>(description: string, schema: Schema) {
	return { description, content: { "application/json": { schema } } };
}

/** Every route can answer these. */
const ALWAYS: readonly ErrorCode[] = [
	"invalid_request",
	"limit_exceeded",
	"unauthorized",
	"rate_limited",
	"forbidden_host",
	"forbidden_namespace",
	"forbidden_scope",
	"not_ready",
	"database_unavailable",
	"internal",
];

/** Every route under a chain can answer these as well. */
export const OF_CHAIN = ["unknown_chain"] as const satisfies readonly ErrorCode[];

/** Reading state at a coordinate. */
export const OF_COORDINATE = [
	"height_in_future",
	"height_not_retained",
	"history_pruned",
	"unknown_block",
] as const satisfies readonly ErrorCode[];

/** Taking a body. */
export const OF_BODY = [
	"body_too_large",
	"unsupported_media_type",
	"forbidden_origin",
] as const satisfies readonly ErrorCode[];

type ProblemResponses = Partial<
	Record<
		ProblemStatus,
		{
			readonly description: string;
			readonly content: { readonly "application/problem+json": { schema: typeof problemSchema } };
		}
	>
>;

/** One response a status, whose description names the codes. */
export function problems(...codes: readonly ErrorCode[]): ProblemResponses {
	const byStatus = Map.groupBy(new Set([...codes, ...ALWAYS]), (code) => STATUS_OF[code]);
	return Object.fromEntries(
		[...byStatus].map(([status, members]) => [
			status,
			{
				description: members.map((code) => `\`${code}\``).join(", "),
				content: { [PROBLEM_TYPE]: { schema: problemSchema } },
			},
		]),
	);
}
