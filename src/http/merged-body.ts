/** What a merge function answers, checked as the body of a put is. */
import { z } from "@hono/zod-openapi";
import { DEFAULT_COLLECTION, type MemoryBody } from "../domain/operation.ts";
import { requestError } from "./invalid-request.ts";
import { requirePlain } from "./json-body.ts";
import { bodyFields, requireOneEnd } from "./operation-schema.ts";

const schema = z.strictObject(bodyFields).superRefine(requireOneEnd);

/** Throws `FatalError("invalid_request")` or `FatalError("limit_exceeded")` with every problem. */
export function mergedBody(body: unknown): MemoryBody {
	requirePlain(body);
	const checked = schema.safeParse(body);
	if (!checked.success) throw requestError("body", checked.error);
	const { layer, content, text, vector, collection, importance, confidence } = checked.data;
	const embedded = text !== undefined || vector !== undefined;
	return {
		layer,
		content,
		text,
		vector,
		collection: embedded ? (collection ?? DEFAULT_COLLECTION) : undefined,
		importance,
		confidence,
		expiresAtBlock: checked.data.expiresAtBlock,
		expiresAtTime: checked.data.expiresAtTime,
	};
}
