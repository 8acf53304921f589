/**
 * Records of a snapshot's chunks: one line of canonical JSON each. `kind` tells what a line is of;
 * bigints are decimal strings, vectors base64 of little-endian float32, what has no value is left out.
 */
import * as z from "zod";
import type { BlockHeader } from "../domain/block.ts";
import type {
	Generation,
	Height,
	Hex,
	LogPosition,
	MemoryKey,
	OperationId,
	VersionId,
} from "../domain/ids.ts";
import { LAYERS, type Layer } from "../domain/layer.ts";
import type { VersionBody } from "../domain/memory.ts";
import type { JsonObject } from "../domain/operation.ts";
import { canonicalJson } from "../memory/canonical.ts";
import type { SnapshotCollection } from "./manifest.ts";
import { decimal, hex32, uuid } from "./wire-fields.ts";

/** A memory that is visible at the coordinate. */
export interface MemoryRecord extends VersionBody {
	readonly kind: "memory";
	readonly memoryKey: MemoryKey;
	readonly content: JsonObject;
	readonly versionId: VersionId;
	readonly position: LogPosition;
	readonly fromBlock: Height;
	readonly expiresBlock: Height | undefined;
	readonly contentHash: Hex;
	/** Left out where it is false. */
	readonly suspect: boolean;
	/** Left out: a handler's own block, none of an agent's. */
	readonly grounds: Height | undefined;
	/** As it is searched; undefined: the memory is in no collection. */
	readonly vector: Float32Array | undefined;
}

/** Only in increments: visible in that layer at the parent's coordinate, and not here. */
export interface GoneRecord {
	readonly kind: "gone";
	readonly layer: Layer;
	readonly memoryKey: MemoryKey;
}

export interface CollectionRecord extends SnapshotCollection {
	readonly kind: "collection";
}

/** A canonical header at or below the height, at most as many as the window may hold and linked. */
export interface HeaderRecord extends BlockHeader {
	readonly kind: "header";
}

/**
 * An agent's operation that a fork may still touch, as it stood at the checkpoint's log position. Its
 * effective slot may lie above the height: then the state does not show it yet.
 */
export interface OperationRecord {
	readonly kind: "operation";
	readonly operationId: OperationId;
	/** Position that it first got. */
	readonly position: LogPosition;
	/** Generation of that log entry. */
	readonly generation: Generation;
	readonly status: "applied" | "suspended" | "recanted";
	/** JSON {code, message}. */
	readonly reason: JsonObject | undefined;
	readonly originalSlot: Height;
	readonly effectiveSlot: Height | undefined;
	readonly judgedSlot: Height;
	/** Undefined: it wrote none, or has been judged again since. */
	readonly versionId: VersionId | undefined;
	/** Kept although what it rests on is gone. Left out where it is false. */
	readonly suspect: boolean;
	/**
	 * JSON of the anchors and where each stood at last, see memory/operation-codec.ts; the body has where they
	 * were at first. Left out: there are none, or the record is one of before, see operation-anchors.ts.
	 */
	readonly anchors: string | undefined;
	/** Only in records of before: block that the one anchor stood in at last. */
	readonly anchorBlock: Hex | undefined;
	/** Highest block that an anchor was ever in. */
	readonly anchorHeight: Height | undefined;
	/** The log entry's: owner, version id, condition, and the operation as operation-codec.ts has it. */
	readonly body: JsonObject;
}

export type SnapshotRecord =
	| MemoryRecord
	| GoneRecord
	| CollectionRecord
	| HeaderRecord
	| OperationRecord;

const json = z.custom<JsonObject>(
	(value) => typeof value === "object" && value !== null && !Array.isArray(value),
	"must be an object",
);
const key = uuid.transform((text) => text as MemoryKey);

const memorySchema = z.strictObject({
	kind: z.literal("memory"),
	memoryKey: key,
	namespace: z.string(),
	id: z.string(),
	layer: z.enum(LAYERS),
	owner: z.enum(["handler", "agent"]),
	content: json,
	text: z.string().optional(),
	collection: z.string().optional(),
	importance: z.number().optional(),
	confidence: z.number().optional(),
	vectorHash: hex32.optional(),
	versionId: decimal,
	position: decimal,
	fromBlock: decimal,
	expiresBlock: decimal.optional(),
	expiresTime: decimal.optional(),
	contentHash: hex32,
	suspect: z.literal(true).optional(),
	grounds: decimal.optional(),
	vector: z.base64().transform(vectorOf).optional(),
});

const recordSchema = z.discriminatedUnion("kind", [
	memorySchema,
	z.strictObject({ kind: z.literal("gone"), layer: z.enum(LAYERS), memoryKey: key }),
	z.strictObject({
		kind: z.literal("collection"),
		name: z.string(),
		model: z.string(),
		dimensions: z.int().positive(),
	}),
	z.strictObject({
		kind: z.literal("header"),
		number: decimal,
		hash: hex32,
		parentHash: hex32,
		timestamp: decimal,
	}),
	z.strictObject({
		kind: z.literal("operation"),
		operationId: uuid.transform((text) => text as OperationId),
		position: decimal,
		generation: decimal,
		status: z.enum(["applied", "suspended", "recanted"]),
		reason: json.optional(),
		originalSlot: decimal,
		effectiveSlot: decimal.optional(),
		judgedSlot: decimal,
		versionId: decimal.optional(),
		suspect: z.literal(true).optional(),
		anchors: z.string().optional(),
		anchorBlock: hex32.optional(),
		anchorHeight: decimal.optional(),
		body: json,
	}),
]);

/** One line, without its end. Throws `FatalError("invalid_request")` for what has no canonical JSON. */
export function encodeRecord(record: SnapshotRecord): string {
	return canonicalJson(recordJson(record));
}

/** Throws what JSON and zod throw: whoever reads a chunk names it in the error. */
export function decodeRecord(line: string): SnapshotRecord {
	const record = recordSchema.parse(JSON.parse(line));
	switch (record.kind) {
		case "memory":
			return {
				...record,
				text: record.text,
				collection: record.collection,
				importance: record.importance,
				confidence: record.confidence,
				vectorHash: record.vectorHash,
				expiresBlock: record.expiresBlock,
				expiresTime: record.expiresTime,
				suspect: record.suspect ?? false,
				grounds: record.grounds ?? usualGrounds(record),
				vector: record.vector,
			};
		case "operation":
			return {
				...record,
				reason: record.reason,
				effectiveSlot: record.effectiveSlot,
				versionId: record.versionId,
				suspect: record.suspect ?? false,
				anchors: record.anchors,
				anchorBlock: record.anchorBlock,
				anchorHeight: record.anchorHeight,
			};
		default:
			return record;
	}
}

function recordJson(record: SnapshotRecord): JsonObject {
	const entries = Object.entries(record)
		.filter(([name, value]) => value !== undefined && !isUsual(record, name))
		.map(([name, value]) => [name, fieldJson(value)]);
	return Object.fromEntries(entries) as JsonObject;
}

/** What records of before did not have is left out where it says what they mean. */
function isUsual(record: SnapshotRecord, name: string): boolean {
	if (record.kind !== "memory" && record.kind !== "operation") return false;
	if (name === "suspect") return !record.suspect;
	return record.kind === "memory" && name === "grounds" && record.grounds === usualGrounds(record);
}

function usualGrounds({
	owner,
	fromBlock,
}: Pick<MemoryRecord, "owner" | "fromBlock">): Height | undefined {
	return owner === "handler" ? fromBlock : undefined;
}

function fieldJson(value: unknown): unknown {
	if (typeof value === "bigint") return value.toString();
	return value instanceof Float32Array ? base64Of(value) : value;
}

function base64Of(vector: Float32Array): string {
	return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");
}

function vectorOf(text: string, context: z.RefinementCtx): Float32Array {
	const bytes = Buffer.from(text, "base64");
	if (bytes.length > 0 && bytes.length % Float32Array.BYTES_PER_ELEMENT === 0) {
		// A copy: Buffer's pool need not begin at a multiple of four bytes.
		return new Float32Array(Uint8Array.from(bytes).buffer);
	}
	context.addIssue(`a vector of ${bytes.length} bytes`);
	return z.NEVER;
}
