/** How values stand in rows. Numbers in rows are stable: a layer's number never changes. */
import type { Hex, MemoryKey } from "../domain/ids.ts";
import { LAYERS, type Layer, type Owner } from "../domain/layer.ts";
import type { Version } from "../domain/memory.ts";
import { parseContent } from "../memory/canonical.ts";

const OWNERS: readonly Owner[] = ["handler", "agent"];

export function layerNumber(layer: Layer): number {
	return LAYERS.indexOf(layer);
}

export function layerOf(number: number): Layer {
	return LAYERS[number] ?? "semantic";
}

export function ownerNumber(owner: Owner): number {
	return OWNERS.indexOf(owner);
}

export function hexBytes(hex: Hex): Buffer {
	return Buffer.from(hex.slice(2), "hex");
}

function bytesHex(bytes: Uint8Array): Hex {
	return `0x${Buffer.from(bytes).toString("hex")}`;
}

/** A row of `versions` as the driver gives it. */
export interface VersionRow {
	readonly memory_key: string;
	readonly from_block: bigint;
	readonly from_gen: bigint;
	readonly to_block: bigint;
	readonly to_gen: bigint;
	readonly expires_block: bigint | null;
	readonly expires_time: bigint | null;
	readonly suspect: boolean;
	readonly grounds_block: bigint | null;
	readonly version_id: bigint;
	readonly position: bigint;
	readonly layer: number;
	readonly owner: number;
	readonly namespace: string;
	readonly id: string;
	readonly content: string | null;
	readonly text: string | null;
	readonly collection: string | null;
	readonly importance: number | null;
	readonly confidence: number | null;
	readonly vector_hash: Uint8Array | null;
	readonly content_hash: Uint8Array;
}

export function versionOf(row: VersionRow): Version {
	return {
		memoryKey: row.memory_key as MemoryKey,
		fromBlock: row.from_block,
		fromGen: row.from_gen,
		toBlock: row.to_block,
		toGen: row.to_gen,
		expiresBlock: row.expires_block ?? undefined,
		expiresTime: row.expires_time ?? undefined,
		suspect: row.suspect,
		grounds: row.grounds_block ?? undefined,
		versionId: row.version_id,
		position: row.position,
		layer: layerOf(row.layer),
		owner: OWNERS[row.owner] ?? "handler",
		namespace: row.namespace,
		id: row.id,
		content: row.content === null ? undefined : parseContent(row.content),
		text: row.text ?? undefined,
		collection: row.collection ?? undefined,
		importance: row.importance ?? undefined,
		confidence: row.confidence ?? undefined,
		vectorHash: row.vector_hash === null ? undefined : bytesHex(row.vector_hash),
		contentHash: bytesHex(row.content_hash),
	};
}

/** Little-endian float32, which is what every platform of Node has. */
export function vectorBytes(vector: Float32Array): Uint8Array {
	return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}

export function bytesVector(bytes: Uint8Array): Float32Array {
	// A copy: the driver's buffers are pooled, and `Buffer.slice` would share them.
	return new Float32Array(Uint8Array.from(bytes).buffer);
}

/** JSON of an object whose values may be bigints; they become decimal strings. */
export function toJson(value: unknown): string {
	return JSON.stringify(value, (_key, item: unknown) =>
		typeof item === "bigint" ? item.toString() : item,
	);
}
