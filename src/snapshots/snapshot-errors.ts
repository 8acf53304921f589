/** The errors of snapshots, so that each refusal has one name and one wording. */
import { FatalError } from "../domain/errors.ts";

const AGAIN = "copy it again from where it came from, or use another snapshot";

/** A manifest that does not say what it should, or whose bytes are not those of its id. */
export function manifestDamaged(manifest: string, what: string, cause?: unknown): FatalError {
	return new FatalError("snapshot_damaged", {
		message: `manifest ${manifest} is damaged: ${what}`,
		hint: AGAIN,
		fields: { manifest },
		cause,
	});
}

/** `chunk`: SHA-256 that it is named by. */
export function chunkDamaged(chunk: string, what: string, cause?: unknown): FatalError {
	return new FatalError("snapshot_damaged", {
		message: `chunk ${chunk} is damaged: ${what}`,
		hint: AGAIN,
		fields: { chunk },
		cause,
	});
}

/** Chunks are whole, and yet what they hold cannot be a state: order, content hash, counts. */
export function recordDamaged(chunk: string, record: string, what: string): FatalError {
	return new FatalError("snapshot_damaged", {
		message: `chunk ${chunk}: ${record} ${what}`,
		hint: "the snapshot was not made by Recant, or by one with a defect; use another snapshot",
		fields: { chunk, record },
	});
}

export function formatNewer(manifest: string, found: number, known: number): FatalError {
	return new FatalError("snapshot_format_newer", {
		message: `manifest ${manifest} has format version ${found}; this Recant reads up to ${known}`,
		hint: "use the version of Recant that made it, or a newer one",
		fields: { manifest, formatVersion: found, supported: known },
	});
}

/** A part that should be in the archive and is not. */
export function incomplete(part: "chunk" | "manifest", name: string): FatalError {
	return new FatalError("snapshot_incomplete", {
		message: `${part} ${name} is not in the archive`,
		hint: "upload it, or export the snapshot again from where it was made",
		fields: { part, [part]: name },
	});
}

export function rootDiffers(detail: {
	readonly manifest: string;
	readonly what: string;
	readonly found: string;
	readonly stated: string;
}): FatalError {
	const { manifest, what, found, stated } = detail;
	return new FatalError("snapshot_root_differs", {
		message: `snapshot ${manifest}: its records give ${what} ${found}, and ${stated} is stated`,
		hint: "its records are not the state that it claims; use another snapshot",
		fields: { manifest, found, stated },
	});
}

export function chainDiffers(what: string, theirs: string, ours: string): FatalError {
	return new FatalError("snapshot_chain_differs", {
		message: `the snapshot is of another chain: its ${what} is ${theirs}, and this chain's is ${ours}`,
		hint: "take a snapshot of this chain, made with the same start block",
		fields: { theirs, ours },
	});
}

export function orphaned(height: bigint, blockHash: string): FatalError {
	return new FatalError("snapshot_orphaned", {
		message: `block ${blockHash} at height ${height} is not canonical any more`,
		hint: "take a snapshot of a block that is; one at or below the finalized block stays",
		fields: { height: height.toString(), blockHash },
	});
}

export function notFound(chain: string, snapshotId: string): FatalError {
	return new FatalError("snapshot_not_found", {
		message: `chain ${chain} has no snapshot ${snapshotId}`,
		hint: "see the chain's snapshots",
		fields: { snapshotId },
	});
}

/** It exists, and has not come so far, or will not. */
export function notStored(snapshotId: string, state: string): FatalError {
	return new FatalError("snapshot_incomplete", {
		message: `snapshot ${snapshotId} has no manifest: it is ${state}`,
		hint: "wait until it is stored; one that failed has to be made again",
		fields: { snapshotId, state },
	});
}
