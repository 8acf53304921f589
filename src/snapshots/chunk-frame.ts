/**
 * The bytes of a stored chunk: a zstd frame, and behind it a skippable frame that holds the frame's
 * SHA-256. zstd's own tools pass over the second, so that they read a chunk as any other file.
 *
 * | bytes | what |
 * | --- | --- |
 * | n | a zstd frame of the records |
 * | 4 | 0x50 0x2A 0x4D 0x18, which begins a skippable frame |
 * | 4 | its length, 32, little-endian |
 * | 32 | SHA-256 of the first n bytes |
 *
 * Why: a frame has bits that no decoder looks at, and bytes behind it are passed over. The records'
 * hash, which names the chunk, would not tell that they were altered.
 */
import { hash } from "node:crypto";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import type { Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

const HASH_BYTES = 32;
const SEAL_HEAD = Buffer.from([0x50, 0x2a, 0x4d, 0x18, HASH_BYTES, 0, 0, 0]);
const SEAL_BYTES = SEAL_HEAD.length + HASH_BYTES;

/** The name of a chunk: SHA-256 of its records, uncompressed. */
export function chunkHash(raw: Uint8Array): Hex {
	return `0x${hash("sha256", raw)}`;
}

export async function packFrame(raw: Uint8Array): Promise<Uint8Array> {
	const frame = await compress(raw);
	return Buffer.concat([frame, SEAL_HEAD, hash("sha256", frame, "buffer")]);
}

export type Unpacked =
	| { readonly raw: Uint8Array; readonly flaw: undefined }
	| { readonly raw: undefined; readonly flaw: string };

/** The records, or why the bytes are not the chunk of that name. Never unpacks more than LIMITS.chunkBytes. */
export async function unpackFrame(stored: Uint8Array, name: Hex): Promise<Unpacked> {
	const frame = stored.subarray(0, Math.max(0, stored.length - SEAL_BYTES));
	const seal = Buffer.concat([SEAL_HEAD, hash("sha256", frame, "buffer")]);
	if (!seal.equals(stored.subarray(frame.length))) return flawed("its bytes do not fit its seal");
	const raw = await decompress(frame, { maxOutputLength: LIMITS.chunkBytes }).catch(
		(cause: unknown) => (cause instanceof Error ? cause.message : String(cause)),
	);
	if (typeof raw === "string") return flawed(`it cannot be unpacked: ${raw}`);
	const found = chunkHash(raw);
	return found === name ? { raw, flaw: undefined } : flawed(`its records hash to ${found}`);
}

function flawed(flaw: string): Unpacked {
	return { raw: undefined, flaw };
}
