/** An agent's request as an operation. */
import { randomUUID } from "node:crypto";
import { DEFAULT_COLLECTION, type Operation } from "../domain/operation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { OperationRequest } from "./recant-service.ts";

const DEFAULT_NAMESPACE = "default";

/** An id of our own for a put without one; a repeated request gets the same. */
export function operationOf(
	request: OperationRequest,
	idempotencyKey: string | undefined,
	index: number,
): Operation {
	const target = {
		namespace: request.namespace ?? DEFAULT_NAMESPACE,
		ifVersion: request.ifVersion,
	};
	switch (request.kind) {
		case "put": {
			const made =
				idempotencyKey === undefined ? randomUUID() : memoryKey(idempotencyKey, `${index}`);
			const embedded = request.text !== undefined || request.vector !== undefined;
			return {
				kind: "put",
				...target,
				id: request.id ?? `memory:${made}`,
				body: {
					layer: request.layer,
					content: request.content,
					text: request.text,
					vector: request.vector,
					collection: embedded ? (request.collection ?? DEFAULT_COLLECTION) : undefined,
					importance: request.importance,
					confidence: request.confidence,
					expiresAtBlock: request.expiresAtBlock,
					expiresAtTime: request.expiresAtTime,
				},
			};
		}
		case "patch":
			return {
				kind: "patch",
				...target,
				id: request.id,
				content: request.content,
				text: request.text,
				importance: request.importance,
				confidence: request.confidence,
			};
		case "delete":
			return { kind: "delete", ...target, id: request.id };
	}
}
