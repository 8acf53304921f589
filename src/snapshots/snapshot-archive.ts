/** Where snapshots are kept. The adapters are in archive/. */
import type { Hex } from "../domain/ids.ts";
import type { ManifestId } from "./manifest.ts";

/**
 * Files by name, each written once. Every call throws `RetryableError("archive_unavailable")` when the
 * place does not answer, and `FatalError("configuration_invalid")` when it refuses us.
 */
export interface SnapshotArchive {
	/** For messages and the status, without credentials. */
	readonly place: string;
	/** Undefined: there is none. Throws `FatalError("snapshot_damaged")` for more than `maxBytes`. */
	read(name: string, maxBytes: number): Promise<Uint8Array | undefined>;
	/** Whether there is one, by its name alone: not a byte of it is read. */
	has(name: string): Promise<boolean>;
	/** Whole or not at all, and durable when it resolves; replaces what is there. */
	write(name: string, bytes: Uint8Array): Promise<void>;
	/** No error where there is none. */
	remove(name: string): Promise<void>;
	close(): Promise<void>;
}

/** Bytes of a manifest at most: LIMITS.snapshotChunks chunks of some 200 bytes, and the rest. */
export const MANIFEST_BYTES = 4_194_304;

/** Spread over folders: a directory of 16,384 entries is slow to list on some file systems. */
export function chunkName(hash: Hex): string {
	return `chunks/${hash.slice(2, 4)}/${hash.slice(2)}.zst`;
}

export function manifestName(id: ManifestId): string {
	return `manifests/${id.slice(2)}.json`;
}
