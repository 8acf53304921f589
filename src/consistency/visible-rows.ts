/** Which row of a memory is in the state tree. Pure. */

import { RecantError } from "../domain/errors.ts";
import { FOREVER, type Generation, type Height, type Hex } from "../domain/ids.ts";
import { contentHash } from "../memory/canonical.ts";
import type { StoredVersion } from "./stored-state.ts";

/**
 * The leaf of the pending slot: what is visible there, or what ends by itself in that very slot and
 * stays a leaf until the slot is sealed.
 */
export function pendingLeaf(
	rows: readonly StoredVersion[],
	slot: Height,
): StoredVersion | undefined {
	const present = rows.filter((row) => row.toGen === FOREVER && row.fromBlock <= slot);
	const visible = present.findLast((row) => row.toBlock > slot);
	const leaf =
		visible ?? present.findLast((row) => row.toBlock === slot && row.expiresBlock === slot);
	return leaf === undefined || leaf.tombstone ? undefined : leaf;
}

/** The leaf of a sealed height. */
export function sealedLeaf(
	rows: readonly StoredVersion[],
	at: { readonly height: Height; readonly generation: Generation },
): StoredVersion | undefined {
	const leaf = rows.findLast(
		(row) =>
			row.fromBlock <= at.height &&
			at.height < row.toBlock &&
			row.fromGen <= at.generation &&
			at.generation < row.toGen,
	);
	return leaf === undefined || leaf.tombstone ? undefined : leaf;
}

/** Several rules of one pass ask for the same hash. */
const HASHES = new WeakMap<StoredVersion, { readonly hash: Hex | undefined }>();

/** Content hash of what the row says; undefined: it cannot be read. */
export function hashedAgain(row: StoredVersion): Hex | undefined {
	const known = HASHES.get(row);
	if (known !== undefined) return known.hash;
	const hash = hashOf(row);
	HASHES.set(row, { hash });
	return hash;
}

function hashOf(row: StoredVersion): Hex | undefined {
	if (row.body === undefined) return undefined;
	try {
		return contentHash({ ...row.body, expiresBlock: row.expiresBlock });
	} catch (error) {
		// Numbers and strings that have no canonical form were never written.
		if (error instanceof RecantError) return undefined;
		throw error;
	}
}
