/** Reads the bodies of log entries as writer/log-draft.ts and writer/assembly.ts wrote them. */
import { FatalError } from "../domain/errors.ts";
import type { Height, LogPosition, OperationId, VersionId } from "../domain/ids.ts";
import { isLayer } from "../domain/layer.ts";
import type { JsonObject, JsonValue, MemoryBody, Operation } from "../domain/operation.ts";
import { DEFAULT_COLLECTION } from "../domain/operation.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import { fromWire } from "../memory/operation-codec.ts";
import type { OpenOperation } from "../writer/writer-store.ts";
import type { Admitted, LoggedEntry } from "./log-reader.ts";

/** A whole number, which JSON has as such or as a decimal string. */
export function numberIn(body: JsonObject, field: string, position: LogPosition): bigint {
	const value = body[field];
	const written = typeof value === "string" && /^\d+$/.test(value);
	if (written || (typeof value === "number" && Number.isSafeInteger(value))) return BigInt(value);
	throw unreadable(position, field);
}

export function heightIn(body: JsonObject, field: string, position: LogPosition): Height {
	return numberIn(body, field, position);
}

/** Where a derived group begins. */
export function baseOf(
	body: JsonObject,
	position: LogPosition,
): { readonly position: LogPosition; readonly versionId: VersionId } {
	const base = body["base"];
	if (!isObject(base)) throw unreadable(position, "base");
	return {
		position: numberIn(base, "position", position),
		versionId: numberIn(base, "versionId", position),
	};
}

/** What an agent asked for, with the position of the version that its condition names. */
export function agentOperation(body: JsonObject): {
	readonly operation: Operation;
	readonly conditionPosition: LogPosition | undefined;
} {
	const named = body["conditionPosition"];
	return {
		operation: fromWire(body).operation,
		conditionPosition: named === undefined ? undefined : BigInt(String(named)),
	};
}

/** What a handler derived. */
export function handlerOperation({ position, body }: LoggedEntry): HandlerOperation {
	const { kind, namespace, id } = body;
	if (typeof namespace !== "string" || typeof id !== "string") throw unreadable(position, "id");
	if (kind === "delete") return { kind, namespace, id };
	return { kind: "put", namespace, id, body: handlerBody(body, position) };
}

function handlerBody(body: JsonObject, position: LogPosition): MemoryBody {
	const { layer, content, text, collection, expiresAtBlock, expiresAtTime } = body;
	if (!isLayer(layer) || !isObject(content)) throw unreadable(position, "content");
	return {
		layer,
		content,
		text: typeof text === "string" ? text : undefined,
		vector: undefined,
		collection:
			typeof text !== "string"
				? undefined
				: typeof collection === "string"
					? collection
					: DEFAULT_COLLECTION,
		importance: weightIn(body, "importance"),
		confidence: weightIn(body, "confidence"),
		expiresAtBlock:
			expiresAtBlock === undefined ? undefined : heightIn(body, "expiresAtBlock", position),
		expiresAtTime:
			expiresAtTime === undefined ? undefined : numberIn(body, "expiresAtTime", position),
	};
}

/** A suspended operation as it stood when a group's verdict on it was given. */
export function openAt(verdict: LoggedEntry, admitted: Admitted): OpenOperation {
	const stored = fromWire(admitted.body);
	const { operation, anchor } = stored;
	return {
		stored,
		judged: {
			operationId: stored.operationId as OperationId,
			position: admitted.position,
			operation,
			anchor,
			originalSlot: admitted.height,
			status: "suspended",
			effectiveSlot: undefined,
		},
		judgedSlot: verdict.height,
		conditionPosition: agentOperation(admitted.body).conditionPosition,
	};
}

function weightIn(body: JsonObject, field: "importance" | "confidence"): number | undefined {
	const value = body[field];
	return typeof value === "number" ? value : undefined;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unreadable(position: LogPosition, field: string): FatalError {
	return new FatalError("verification_failed", {
		message: `the log entry at position ${position} has no "${field}" that can be read`,
		hint: "the log was changed outside of Recant, or written by another version of it",
		fields: { position: position.toString(), field },
	});
}
