/** What a restore or an import needs of snapshots. The engine is archive-source.ts. */
import { LIMITS } from "../domain/limits.ts";
import type { Manifest, ManifestId } from "./manifest.ts";
import { manifestDamaged } from "./snapshot-errors.ts";
import type { SnapshotRecord } from "./snapshot-record.ts";

/**
 * Reads snapshots and checks every checksum on the way: what does not match is never handed out.
 *
 * A snapshot's state is its chain of parents applied oldest first; walking that chain is the
 * caller's. Of one snapshot the records come in this order, and a later one replaces what an earlier
 * one, or a parent's, said of the same thing:
 *
 * 1. collections: all that there are, also in an increment
 * 2. headers by rising height: those of an increment lie above its parent's height
 * 3. operations by rising position: all that were not final, also in an increment; a parent's do not
 *    count any more
 * 4. memories and goners by (memory key, order of LAYERS); one record for a pair at most. A memory that
 *    changed its layer is gone from the old one and there in the new one, so each is of its layer
 */
export interface SnapshotSource {
	/**
	 * Throws `FatalError`: `snapshot_incomplete` where it is not in the archive, `snapshot_damaged`,
	 * `snapshot_format_newer`; and `RetryableError("archive_unavailable")`.
	 */
	manifest(id: ManifestId): Promise<Manifest>;
	/** The records of one chunk at a time, at most LIMITS.chunkBytes uncompressed. Throws as `manifest`. */
	records(id: ManifestId): AsyncIterable<readonly SnapshotRecord[]>;
}

/** Manifests from the full one to `id`, oldest first. Throws as `SnapshotSource.manifest`. */
export async function manifestChain(
	source: Pick<SnapshotSource, "manifest">,
	id: ManifestId,
): Promise<readonly { readonly id: ManifestId; readonly manifest: Manifest }[]> {
	const chain: { readonly id: ManifestId; readonly manifest: Manifest }[] = [];
	for (let next: ManifestId | undefined = id; next !== undefined; ) {
		const manifest: Manifest = await source.manifest(next);
		chain.push({ id: next, manifest });
		if (chain.length > LIMITS.snapshotParents + 1) {
			throw manifestDamaged(id, `it has more than ${LIMITS.snapshotParents} parents`);
		}
		next = manifest.parent;
	}
	return chain.reverse();
}
