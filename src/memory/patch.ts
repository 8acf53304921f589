/**
 * What one operation makes of the version that is visible at its slot: what to write, or why it fails.
 * Pure; run when an operation is first applied, and again at every replay.
 */
import type { FatalCode } from "../domain/errors.ts";
import { unreachable } from "../domain/errors.ts";
import type { VersionId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { linkContent } from "../domain/link.ts";
import type { Version } from "../domain/memory.ts";
import {
	DEFAULT_COLLECTION,
	type JsonObject,
	type LinkOperation,
	type MemoryBody,
	type Operation,
	type OperationKind,
	type PatchOperation,
} from "../domain/operation.ts";
import { canonicalJson } from "./canonical.ts";

export interface EvaluationFailure {
	readonly type: "fail";
	readonly code: Extract<
		FatalCode,
		| "append_only"
		| "layer_conflict"
		| "limit_exceeded"
		| "memory_exists"
		| "memory_not_found"
		| "version_conflict"
	>;
	readonly message: string;
	readonly hint: string;
	readonly fields: Readonly<Record<string, string | number>>;
}

export type Evaluation =
	| {
			readonly type: "put";
			readonly body: MemoryBody;
			/**
			 * The version whose vector is carried on, because a patch left the text alone; undefined: the
			 * vector is `body.vector`, else is embedded from `body.text`, else there is none.
			 */
			readonly keepVectorOf: VersionId | undefined;
	  }
	| { readonly type: "delete" }
	/** It writes nothing by itself: what comes of it is written by the chain's writer. */
	| { readonly type: "consolidate" }
	| EvaluationFailure;

/**
 * Whether the version that a condition names is the one that is present. Version ids are new after a
 * replay, so the caller may tell them otherwise; without it, ids are compared.
 */
export type SameVersion = (expected: VersionId, present: Version) => boolean;

/** `current` is the version visible at the slot; undefined, and a tombstone, mean that there is none. */
export function evaluate(
	operation: Operation,
	current: Version | undefined,
	sameVersion: SameVersion = (expected, present) => expected === present.versionId,
): Evaluation {
	const present = current?.content === undefined ? undefined : current;
	const conflict = checkCondition(operation, present, sameVersion);
	if (conflict !== undefined) return conflict;
	switch (operation.kind) {
		case "put":
		case "action":
			return evaluatePut(operation, operation.body, present);
		case "link":
			return evaluatePut(operation, linkBody(operation), present);
		case "patch":
			return present === undefined ? notFound(operation) : evaluatePatch(operation, present);
		case "delete":
		case "unlink":
			return present === undefined ? notFound(operation) : { type: "delete" };
		case "consolidate":
			return { type: "consolidate" };
		default:
			return unreachable(operation);
	}
}

function checkCondition(
	operation: Operation,
	present: Version | undefined,
	sameVersion: SameVersion,
): EvaluationFailure | undefined {
	const expected = operation.ifVersion;
	if (expected === undefined) return undefined;
	if (expected === 0n) return present === undefined ? undefined : exists(operation, present);
	if (present !== undefined && sameVersion(expected, present)) return undefined;
	const found = present === undefined ? "none" : present.versionId.toString();
	return {
		type: "fail",
		code: "version_conflict",
		message: `${name(operation)} has version ${found}, not ${expected} as ifVersion says`,
		hint: "read the memory again and decide on what it says now",
		fields: { ...where(operation), expectedVersion: expected.toString(), presentVersion: found },
	};
}

/** A link is a memory; what it says follows from the operation. */
function linkBody({ link, weight, properties }: LinkOperation): MemoryBody {
	return {
		layer: "semantic",
		content: linkContent(link, weight, properties),
		text: undefined,
		vector: undefined,
		collection: undefined,
		importance: undefined,
		confidence: undefined,
		expiresAtBlock: undefined,
		expiresAtTime: undefined,
	};
}

function evaluatePut(
	operation: Operation,
	body: MemoryBody,
	present: Version | undefined,
): Evaluation {
	if (present !== undefined && present.layer !== body.layer) {
		return {
			type: "fail",
			code: "layer_conflict",
			message: `${name(operation)} is in layer ${present.layer}, not ${body.layer}`,
			hint: "delete the memory first, or use another id",
			fields: { ...where(operation), presentLayer: present.layer, layer: body.layer },
		};
	}
	if (present?.layer === "episodic") return appendOnly(operation);
	return checkSize(operation, body.content) ?? { type: "put", body, keepVectorOf: undefined };
}

function evaluatePatch(operation: PatchOperation, present: Version): Evaluation {
	if (present.layer === "episodic") return appendOnly(operation);
	const content = merge(present.content ?? {}, operation.content);
	const tooLarge = checkSize(operation, content);
	if (tooLarge !== undefined) return tooLarge;
	// A memory that had no text is searchable from its first one on.
	const added = operation.text === undefined ? undefined : DEFAULT_COLLECTION;
	const keepsVector = operation.text === undefined && present.collection !== undefined;
	return {
		type: "put",
		body: {
			layer: present.layer,
			content,
			text: operation.text ?? present.text,
			vector: undefined,
			collection: present.collection ?? added,
			importance: operation.importance ?? present.importance,
			confidence: operation.confidence ?? present.confidence,
			expiresAtBlock: present.expiresBlock,
			expiresAtTime: present.expiresTime,
		},
		keepVectorOf: keepsVector ? present.versionId : undefined,
	};
}

/** Shallow: a field of the patch takes the field's place whole; a null removes it. */
function merge(content: JsonObject, patch: JsonObject): JsonObject {
	const merged = Object.entries({ ...content, ...patch });
	return Object.fromEntries(
		merged.filter(([key, value]) => value !== null || !Object.hasOwn(patch, key)),
	);
}

function checkSize(operation: Operation, content: JsonObject): EvaluationFailure | undefined {
	const sizeBytes = Buffer.byteLength(canonicalJson(content), "utf8");
	if (sizeBytes <= LIMITS.contentBytes) return undefined;
	return {
		type: "fail",
		code: "limit_exceeded",
		message: `content of ${name(operation)} would be ${sizeBytes} bytes, the limit is ${LIMITS.contentBytes}`,
		hint: "keep large documents elsewhere and remember where",
		fields: { ...where(operation), limit: "contentBytes", max: LIMITS.contentBytes, sizeBytes },
	};
}

function exists(operation: Operation, present: Version): EvaluationFailure {
	return {
		type: "fail",
		code: "memory_exists",
		message: `${name(operation)} has version ${present.versionId}, though ifVersion 0 says it must not exist`,
		hint: "leave ifVersion out to overwrite it, or name the version that you have read",
		fields: {
			...where(operation),
			expectedVersion: "0",
			presentVersion: present.versionId.toString(),
		},
	};
}

function appendOnly(operation: Operation): EvaluationFailure {
	return {
		type: "fail",
		code: "append_only",
		message: `${name(operation)} is an episode, which is not changed once it is written`,
		hint: "write another episode, and link it to this one with causedBy; or delete this one to forget it",
		fields: where(operation),
	};
}

function notFound(operation: Operation): EvaluationFailure {
	return {
		type: "fail",
		code: "memory_not_found",
		message: `${name(operation)} does not exist at the operation's slot, so it cannot be ${UNDONE[operation.kind] ?? "changed"}`,
		hint: "put the memory first",
		fields: where(operation),
	};
}

const UNDONE: Partial<Record<OperationKind, string>> = {
	delete: "deleted",
	patch: "patched",
	unlink: "taken away",
};

function where(operation: Operation): { readonly namespace: string; readonly id: string } {
	return { namespace: operation.namespace, id: operation.id };
}

function name(operation: Operation): string {
	return `memory ${JSON.stringify(operation.id)} of namespace ${JSON.stringify(operation.namespace)}`;
}
