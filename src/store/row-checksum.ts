/**
 * A checksum of each stored row over the columns that never change, so that a damaged row is known
 * by itself: first 8 bytes of SHA-256 over `encodeFields` of the columns as text, in the order below.
 *
 * It is no proof against who can write the database: that is what the state roots are for. It finds
 * flipped bits, wrong columns and rows that were changed by hand; chance hides one in 2^64.
 */
import { hash } from "node:crypto";
import type { BlockHeader } from "../domain/block.ts";
import type { Generation } from "../domain/ids.ts";
import type { Owner } from "../domain/layer.ts";
import type { Version } from "../domain/memory.ts";
import { encodeFields, type Field } from "../memory/canonical.ts";
import type { EmbeddedVersion, LogEntry } from "../writer/commit-batch.ts";
import { vectorBytes } from "./codec.ts";

const CHECKSUM_BYTES = 8;

/**
 * Not `to_block` and `to_gen`, which change; the content hash stands for what the version says. `owner`
 * undefined: its number is none of an owner's.
 */
export function versionChecksum(
	version: Pick<
		Version,
		| "memoryKey"
		| "fromBlock"
		| "fromGen"
		| "versionId"
		| "position"
		| "contentHash"
		| "suspect"
		| "grounds"
	> & { readonly owner: Owner | undefined },
): Uint8Array {
	return checksum("recant.row.versions.v1", [
		version.memoryKey,
		version.fromBlock.toString(),
		version.fromGen.toString(),
		version.versionId.toString(),
		version.position.toString(),
		version.contentHash,
		...restFields(version),
	]);
}

/**
 * What the version rests on, where that is anything but usual: rows that were written before it was kept have
 * no such fields in their checksums, and those of handlers got their own block as grounds since.
 */
function restFields({
	owner,
	fromBlock,
	suspect,
	grounds,
}: Pick<Version, "fromBlock" | "suspect" | "grounds"> & {
	readonly owner: Owner | undefined;
}): readonly Field[] {
	const usual = owner === "handler" ? fromBlock : undefined;
	if (!suspect && grounds === usual) return [];
	return [suspect ? "suspect" : undefined, grounds?.toString()];
}

export function logChecksum(entry: LogEntry): Uint8Array {
	return checksum("recant.row.log.v1", [
		entry.position.toString(),
		entry.generation.toString(),
		entry.height.toString(),
		entry.kind,
		entry.operationId,
		entry.memoryKey,
		entry.body,
	]);
}

export function blockChecksum(block: BlockHeader, fromGen: Generation): Uint8Array {
	return checksum("recant.row.blocks.v1", [
		block.number.toString(),
		fromGen.toString(),
		block.hash,
		block.parentHash,
		block.timestamp.toString(),
	]);
}

/** `roots` and `pointers` as they are stored, JSON. */
export function checkpointChecksum(row: {
	readonly height: bigint;
	readonly fromGen: Generation;
	readonly blockHash: string;
	readonly logPosition: bigint;
	readonly versionId: bigint;
	readonly roots: string;
	readonly pointers: string;
}): Uint8Array {
	return checksum("recant.row.checkpoints.v1", [
		row.height.toString(),
		row.fromGen.toString(),
		row.blockHash,
		row.logPosition.toString(),
		row.versionId.toString(),
		row.roots,
		row.pointers,
	]);
}

export function vectorChecksum(row: EmbeddedVersion): Uint8Array {
	return checksum("recant.row.vector_rows.v1", [
		row.collection,
		row.versionId.toString(),
		row.memoryKey,
		row.namespace,
		row.layer,
		row.fromBlock.toString(),
		vectorBytes(row.vector),
	]);
}

function checksum(tag: string, fields: readonly Field[]): Uint8Array {
	// Hexadecimal comes out of the hash twice as fast as bytes do.
	const digest = hash("sha256", encodeFields(tag, fields), "hex");
	return Buffer.from(digest.slice(0, 2 * CHECKSUM_BYTES), "hex");
}
