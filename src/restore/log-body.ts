/** Reads the bodies of log entries as writer/log-draft.ts and writer/assembly.ts wrote them. */
import { FatalError } from "../domain/errors.ts";
import type { Height, LogPosition, VersionId } from "../domain/ids.ts";
import { isLayer } from "../domain/layer.ts";
import type { JsonObject, JsonValue, MemoryBody, Operation } from "../domain/operation.ts";
import { DEFAULT_COLLECTION } from "../domain/operation.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import { fromWire } from "../memory/operation-codec.ts";
import type { Rests } from "../writer/log-draft.ts";
import type { LoggedEntry } from "./log-reader.ts";

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

/** The memory that an entry is about. */
export function namedIn(
	body: JsonObject,
	position: LogPosition,
): { readonly namespace: string; readonly id: string } {
	const { namespace, id } = body;
	if (typeof namespace !== "string" || typeof id !== "string") throw unreadable(position, "id");
	return { namespace, id };
}

/** What an agent asked for. */
export function agentOperation(body: JsonObject): Operation {
	return fromWire(body).operation;
}

/** Position of the version that the operation's condition names. */
export function conditionIn(body: JsonObject, position: LogPosition): LogPosition | undefined {
	if (body["conditionPosition"] === undefined) return undefined;
	return numberIn(body, "conditionPosition", position);
}

/** What the version rests on that the entry makes. */
export function restsIn(body: JsonObject, position: LogPosition): Rests {
	return {
		grounds: body["grounds"] === undefined ? undefined : heightIn(body, "grounds", position),
		suspect: body["suspect"] === true,
	};
}

/** What a handler derived. */
export function handlerOperation({ position, body }: LoggedEntry): HandlerOperation {
	const named = namedIn(body, position);
	if (body["kind"] === "delete") return { kind: "delete", ...named };
	return { kind: "put", ...named, body: putBody(body, position) };
}

/** Body of a put that is not an agent's. */
export function putBody(body: JsonObject, position: LogPosition): MemoryBody {
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
