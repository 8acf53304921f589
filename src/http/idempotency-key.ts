import { z } from "@hono/zod-openapi";
import { LIMITS } from "../domain/limits.ts";
import { addExcess } from "./invalid-request.ts";

/** The header of requests that may be repeated. */
export const idempotencyKey = z
	.string()
	.regex(/^[\x21-\x7e]+$/, "must be printable ASCII without spaces")
	.superRefine((key, context) => {
		if (key.length <= LIMITS.idempotencyKeyLength) return;
		const message = `has ${key.length} characters, at most ${LIMITS.idempotencyKeyLength} are taken`;
		addExcess(context, { limit: "idempotencyKeyLength", value: key.length, message });
	})
	.openapi({
		description:
			"A repeated key answers the same operation ids with their present status and applies nothing. With another body: 409 `idempotency_conflict`.",
		maxLength: LIMITS.idempotencyKeyLength,
	});
