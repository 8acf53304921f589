/** Rows as a check sees them: what cannot be read is undefined instead of thrown, and each checksum is tried. */
import type { StateRoots } from "../../commitment/state-root.ts";
import type { StoredLogEntry } from "../../consistency/stored-log-entry.ts";
import type {
	StoredChain,
	StoredCheckpoint,
	StoredCollection,
	StoredGeneration,
	StoredHeader,
	StoredName,
	StoredOperationRow,
	StoredVector,
	StoredVersion,
} from "../../consistency/stored-state.ts";
import { RecantError } from "../../domain/errors.ts";
import type { ChainId, Hex, MemoryKey, OperationId } from "../../domain/ids.ts";
import { LAYERS, type Layer, type Owner } from "../../domain/layer.ts";
import type { VersionBody } from "../../domain/memory.ts";
import { parseContent } from "../../memory/canonical.ts";
import type { LogKind, VectorPointers } from "../../writer/commit-batch.ts";
import { bytesVector, type VersionRow } from "../codec.ts";
import { pointersOf } from "../reading/checkpoint-rows.ts";
import {
	blockChecksum,
	checkpointChecksum,
	logChecksum,
	vectorChecksum,
	versionChecksum,
} from "../row-checksum.ts";

const OWNERS: readonly Owner[] = ["handler", "agent"];

interface Checked {
	readonly checksum: Uint8Array;
}

/** Undefined where `read` finds what Recant never writes. */
function readable<Value>(read: () => Value): Value | undefined {
	try {
		return read();
	} catch (error) {
		const damaged =
			error instanceof SyntaxError || error instanceof RangeError || error instanceof TypeError;
		if (damaged || error instanceof RecantError) return undefined;
		throw error;
	}
}

function fits(checksum: Uint8Array, computed: () => Uint8Array): boolean {
	const expected = readable(computed);
	return expected !== undefined && Buffer.compare(checksum, expected) === 0;
}

function hexOf(bytes: Uint8Array): Hex {
	return `0x${Buffer.from(bytes).toString("hex")}`;
}

function layerNumbered(number: number): Layer | undefined {
	return LAYERS[number];
}

export function storedVersion(row: VersionRow & Checked): StoredVersion {
	const contentHash = hexOf(row.content_hash);
	const stored = {
		memoryKey: row.memory_key as MemoryKey,
		fromBlock: row.from_block,
		fromGen: row.from_gen,
		toBlock: row.to_block,
		toGen: row.to_gen,
		expiresBlock: row.expires_block ?? undefined,
		suspect: row.suspect,
		grounds: row.grounds_block ?? undefined,
		versionId: row.version_id,
		position: row.position,
		namespace: row.namespace,
		id: row.id,
		layer: layerNumbered(row.layer),
		tombstone: row.content === null,
		contentHash,
	};
	const body = once(() => readable(() => bodyOf(row)));
	const owner = OWNERS[row.owner];
	const intact = once(() => fits(row.checksum, () => versionChecksum({ ...stored, owner })));
	return {
		...stored,
		owner,
		get body() {
			return body();
		},
		get intact() {
			return intact();
		},
	};
}

/** Parsing and hashing cost far more than reading, and many who read a row ask for neither. */
function once<Value>(compute: () => Value): () => Value {
	let known: { readonly value: Value } | undefined;
	return () => {
		known ??= { value: compute() };
		return known.value;
	};
}

function bodyOf(row: VersionRow): VersionBody | undefined {
	const layer = layerNumbered(row.layer);
	const owner = OWNERS[row.owner];
	if (layer === undefined || owner === undefined) return undefined;
	return {
		namespace: row.namespace,
		id: row.id,
		layer,
		owner,
		content: row.content === null ? undefined : parseContent(row.content),
		text: row.text ?? undefined,
		collection: row.collection ?? undefined,
		importance: row.importance ?? undefined,
		confidence: row.confidence ?? undefined,
		vectorHash: row.vector_hash === null ? undefined : hexOf(row.vector_hash),
		expiresTime: row.expires_time ?? undefined,
	};
}

export interface VectorRowOf extends Checked {
	readonly collection: string;
	readonly version_id: bigint;
	readonly memory_key: MemoryKey;
	readonly namespace: string;
	readonly layer: number;
	readonly from_block: bigint;
	readonly vector: Uint8Array;
}

export function storedVector(row: VectorRowOf): StoredVector {
	const layer = layerNumbered(row.layer);
	const { collection, namespace, version_id: versionId, memory_key: memoryKey } = row;
	const columns = { collection, namespace, versionId, memoryKey, fromBlock: row.from_block };
	const intact = once(
		() =>
			layer !== undefined &&
			fits(row.checksum, () =>
				vectorChecksum({ ...columns, layer, vector: bytesVector(row.vector) }),
			),
	);
	return {
		...columns,
		layer,
		bytes: row.vector,
		get intact() {
			return intact();
		},
	};
}

export interface LogRowOf extends Checked {
	readonly position: bigint;
	readonly generation: bigint;
	readonly height: bigint;
	readonly kind: string;
	readonly operation_id: string | null;
	readonly memory_key: MemoryKey | null;
	readonly body: string;
}

export function storedLogEntry(row: LogRowOf): StoredLogEntry {
	const { position, generation, height, kind, body } = row;
	const operationId = row.operation_id ?? undefined;
	const memoryKey = row.memory_key ?? undefined;
	const entry = { position, generation, height, kind, operationId, memoryKey, body };
	const intact = fits(row.checksum, () =>
		logChecksum({
			...entry,
			kind: kind as LogKind,
			operationId: operationId as OperationId | undefined,
		}),
	);
	return { ...entry, intact };
}

export interface HeaderRowOf extends Checked {
	readonly height: bigint;
	readonly from_gen: bigint;
	readonly to_gen: bigint;
	readonly hash: Hex;
	readonly parent_hash: Hex;
	readonly timestamp: bigint;
}

export function storedHeader(row: HeaderRowOf): StoredHeader {
	const { height, hash, timestamp, parent_hash: parentHash } = row;
	const header = { number: height, hash, parentHash, timestamp };
	return {
		height,
		fromGen: row.from_gen,
		toGen: row.to_gen,
		hash,
		parentHash,
		intact: fits(row.checksum, () => blockChecksum(header, row.from_gen)),
	};
}

export interface CheckpointRowOf extends Checked {
	readonly height: bigint;
	readonly from_gen: bigint;
	readonly to_gen: bigint;
	readonly block_hash: Hex;
	readonly log_position: bigint;
	readonly version_id: bigint;
	readonly roots: string;
	readonly pointers: string;
}

export function storedCheckpoint(row: CheckpointRowOf): StoredCheckpoint {
	const { height, roots, pointers } = row;
	const columns = {
		height,
		fromGen: row.from_gen,
		blockHash: row.block_hash,
		logPosition: row.log_position,
		versionId: row.version_id,
	};
	return {
		...columns,
		toGen: row.to_gen,
		roots: rootsOf(roots),
		pointers: readable((): VectorPointers => pointersOf(pointers)),
		intact: fits(row.checksum, () => checkpointChecksum({ ...columns, roots, pointers })),
	};
}

/** Roots as `toJson` wrote them; undefined: something else stands there. */
function rootsOf(json: string): StateRoots | undefined {
	const value: unknown = readable(() => JSON.parse(json));
	return isRoots(value) ? value : undefined;
}

function isRoots(value: unknown): value is StateRoots {
	if (typeof value !== "object" || value === null) return false;
	return LAYERS.every((layer) =>
		/^0x[0-9a-f]{64}$/.test(String(Object.getOwnPropertyDescriptor(value, layer)?.value)),
	);
}

export interface NameRow {
	readonly namespace: string;
	readonly layer: number;
	readonly id: string;
	readonly memory_key: MemoryKey;
}

export function storedName(row: NameRow, hasVersions: boolean): StoredName {
	return {
		namespace: row.namespace,
		layer: LAYERS[row.layer],
		id: row.id,
		memoryKey: row.memory_key,
		hasVersions,
	};
}

export interface OperationRow {
	readonly operation_id: string;
	readonly namespace: string;
	readonly id: string;
	readonly status: string;
	readonly position: bigint | null;
	readonly effective_slot: bigint | null;
	readonly version_id: bigint | null;
	readonly logged_as: string | null;
	readonly logged_operation: string | null;
}

export function storedOperation(row: OperationRow): StoredOperationRow {
	return {
		operationId: row.operation_id,
		namespace: row.namespace,
		id: row.id,
		status: row.status,
		position: row.position ?? undefined,
		effectiveSlot: row.effective_slot ?? undefined,
		versionId: row.version_id ?? undefined,
		loggedAs: row.logged_as ?? undefined,
		loggedOperation: row.logged_operation ?? undefined,
	};
}

export interface ChainRow {
	readonly generation: bigint;
	readonly head_height: bigint | null;
	readonly safe_height: bigint | null;
	readonly finalized_height: bigint | null;
	readonly start_block: bigint;
	readonly log_position: bigint;
	readonly log_cut_to: bigint;
	readonly derived_position: bigint;
	readonly fence: bigint;
	readonly retained_from: bigint;
	readonly window_blocks: number;
	readonly window_from: bigint;
	readonly version_seq: bigint;
	readonly roots: string;
}

export interface GenerationRow {
	readonly generation: bigint;
	readonly ancestor_height: bigint | null;
	readonly retained_before: bigint | null;
	readonly last_height: bigint | null;
	readonly last_version_id: bigint | null;
}

export interface CollectionRow {
	readonly name: string;
	readonly model: string;
	readonly dimensions: number;
	readonly table_name: string;
	readonly table_version: bigint;
	readonly pointer_version_id: bigint;
	readonly pointer_at: Date;
}

export function storedChain(chainId: ChainId, row: ChainRow): StoredChain {
	return {
		chainId,
		generation: row.generation,
		head: row.head_height ?? undefined,
		safe: row.safe_height ?? undefined,
		finalized: row.finalized_height ?? undefined,
		startBlock: row.start_block,
		logPosition: row.log_position,
		// What is below gives another state than the present rows have.
		logCutTo: row.derived_position > row.log_cut_to ? row.derived_position : row.log_cut_to,
		fence: row.fence,
		retainedFrom: row.retained_from,
		windowBlocks: row.window_blocks,
		windowFrom: row.window_from,
		versionSeq: row.version_seq,
		roots: rootsOf(row.roots),
	};
}

export function storedGeneration(row: GenerationRow): StoredGeneration {
	return {
		generation: row.generation,
		ancestor: row.ancestor_height ?? undefined,
		isDerivedAnew: row.retained_before !== null,
		lastHeight: row.last_height ?? undefined,
		lastVersionId: row.last_version_id ?? undefined,
	};
}

export function storedCollection(row: CollectionRow): StoredCollection {
	return {
		name: row.name,
		model: row.model,
		dimensions: row.dimensions,
		table: row.table_name,
		pointer: {
			tableVersion: row.table_version,
			versionId: row.pointer_version_id,
			at: row.pointer_at.getTime(),
		},
	};
}
