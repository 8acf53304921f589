/**
 * The manifest of a snapshot: which coordinate it holds, under which roots, in which chunks.
 *
 * A manifest is canonical JSON (RFC 8785): bigints are decimal strings, what has no value is left out.
 * Its id is the SHA-256 of these bytes, so a manifest cannot be changed under its name, and an
 * incremental one, which names its parent by id, fixes its whole chain of parents.
 */
import { hash } from "node:crypto";
import * as z from "zod";
import type { ChainId, Generation, Height, Hex, LogPosition, VersionId } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";
import type { JsonObject } from "../domain/operation.ts";
import { canonicalJson } from "../memory/canonical.ts";
import { formatNewer, manifestDamaged } from "./snapshot-errors.ts";
import { SNAPSHOT_KINDS, type SnapshotKind } from "./snapshot-kind.ts";
import { decimal, hex32 } from "./wire-fields.ts";

const SNAPSHOT_FORMAT = "recant-snapshot";
/** Raised when an older Recant would read a snapshot wrongly. */
const SNAPSHOT_FORMAT_VERSION = 1;

/** SHA-256 of a manifest's bytes. */
export type ManifestId = Hex;

/** One chunk; its name is the SHA-256 of its uncompressed bytes. */
export interface ChunkRef {
	readonly hash: Hex;
	/** Bytes of the records, uncompressed; at most LIMITS.chunkBytes. */
	readonly rawBytes: number;
	/** Bytes as they are stored, compressed by zstd. */
	readonly storedBytes: number;
	readonly records: number;
}

export interface SnapshotCollection {
	readonly name: string;
	/** Model that embedded its texts. */
	readonly model: string;
	readonly dimensions: number;
}

export interface SnapshotCounts {
	/** Memories visible at the coordinate, parents' records included. */
	readonly memories: number;
	/** Records of this snapshot's own chunks, by kind. */
	readonly memoryRecords: number;
	readonly goneRecords: number;
	readonly headers: number;
	readonly operations: number;
}

export interface Manifest {
	readonly kind: SnapshotKind;
	/** Snapshot that an incremental one continues; undefined for a full one. */
	readonly parent: ManifestId | undefined;
	readonly chainId: ChainId;
	/** First block that the chain's handlers saw: another one gives another state. */
	readonly startBlock: Height;
	readonly height: Height;
	readonly blockHash: Hex;
	/** Generation in which it was made, for people: a restore gives its rows generations of its own. */
	readonly generation: Generation;
	/** Of the checkpoint at the height. */
	readonly logPosition: LogPosition;
	readonly versionSeq: VersionId;
	readonly roots: Readonly<Record<Layer, Hex>>;
	readonly stateRoot: Hex;
	/** Of the chain's file as it was when the snapshot was made. */
	readonly handlersHash: Hex;
	readonly collections: readonly SnapshotCollection[];
	readonly counts: SnapshotCounts;
	/** In the order of their records. */
	readonly chunks: readonly ChunkRef[];
	/** ISO 8601. */
	readonly createdAt: string;
}

const count = z.int().nonnegative();

const manifestSchema = z.strictObject({
	format: z.literal(SNAPSHOT_FORMAT),
	formatVersion: z.literal(SNAPSHOT_FORMAT_VERSION),
	kind: z.enum(SNAPSHOT_KINDS),
	parent: hex32.optional(),
	chainId: z.int().positive(),
	startBlock: decimal,
	height: decimal,
	blockHash: hex32,
	generation: decimal,
	logPosition: decimal,
	versionSeq: decimal,
	roots: z.strictObject({ short_term: hex32, long_term: hex32, episodic: hex32, semantic: hex32 }),
	stateRoot: hex32,
	handlersHash: hex32,
	collections: z
		.array(
			z.strictObject({
				name: z.string().min(1).max(LIMITS.collectionNameLength),
				model: z.string().min(1),
				dimensions: z.int().positive().max(LIMITS.vectorDimensions),
			}),
		)
		.max(LIMITS.collections),
	counts: z.strictObject({
		memories: count,
		memoryRecords: count,
		goneRecords: count,
		headers: count,
		operations: count,
	}),
	chunks: z
		.array(
			z.strictObject({
				hash: hex32,
				rawBytes: z.int().positive().max(LIMITS.chunkBytes),
				storedBytes: z.int().positive().max(LIMITS.chunkBytes),
				records: z.int().positive(),
			}),
		)
		.max(LIMITS.snapshotChunks),
	createdAt: z.iso.datetime(),
});

const newerSchema = z.object({
	format: z.literal(SNAPSHOT_FORMAT),
	formatVersion: z.int().gt(SNAPSHOT_FORMAT_VERSION),
});

/** The bytes of a manifest: what is stored, hashed and sent. */
export function encodeManifest(manifest: Manifest): Uint8Array {
	return Buffer.from(canonicalJson(manifestJson(manifest)), "utf8");
}

/** The same as a JSON value. */
function manifestJson(manifest: Manifest): JsonObject {
	const { parent, ...rest } = manifest;
	return {
		format: SNAPSHOT_FORMAT,
		formatVersion: SNAPSHOT_FORMAT_VERSION,
		...rest,
		...(parent === undefined ? {} : { parent }),
		startBlock: manifest.startBlock.toString(),
		height: manifest.height.toString(),
		generation: manifest.generation.toString(),
		logPosition: manifest.logPosition.toString(),
		versionSeq: manifest.versionSeq.toString(),
		roots: { ...manifest.roots },
		collections: manifest.collections.map((each) => ({ ...each })),
		counts: { ...manifest.counts },
		chunks: manifest.chunks.map((each) => ({ ...each })),
	};
}

export function manifestId(bytes: Uint8Array): ManifestId {
	return `0x${hash("sha256", bytes)}`;
}

/**
 * Reads stored bytes and checks them against the id that they are stored under. Throws
 * `FatalError("snapshot_format_newer")` and `FatalError("snapshot_damaged")`.
 */
export function decodeManifest(bytes: Uint8Array, id: ManifestId): Manifest {
	const found = manifestId(bytes);
	if (found !== id) throw manifestDamaged(id, `its bytes hash to ${found}`);
	return parseManifest(parseJson(bytes, id), id);
}

/** Checks a JSON value that says it is a manifest; `name` is for messages. Throws as `decodeManifest`. */
export function parseManifest(json: unknown, name: string): Manifest {
	const newer = newerSchema.safeParse(json);
	if (newer.success) throw formatNewer(name, newer.data.formatVersion, SNAPSHOT_FORMAT_VERSION);
	const parsed = manifestSchema.safeParse(json);
	if (!parsed.success) {
		const [first] = parsed.error.issues;
		const where = first === undefined ? "" : `${first.path.join(".")}: ${first.message}`;
		throw manifestDamaged(name, where, parsed.error);
	}
	const { format: _format, formatVersion: _version, parent, ...rest } = parsed.data;
	if ((parent === undefined) !== (rest.kind === "full")) {
		throw manifestDamaged(name, `it is ${rest.kind}, and its parent is ${parent ?? "missing"}`);
	}
	const names = new Set(rest.chunks.map((chunk) => chunk.hash));
	if (names.size < rest.chunks.length) throw manifestDamaged(name, "it names a chunk twice");
	return { ...rest, parent };
}

function parseJson(bytes: Uint8Array, name: string): unknown {
	try {
		return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
	} catch (cause) {
		throw manifestDamaged(name, "it is not JSON", cause);
	}
}
