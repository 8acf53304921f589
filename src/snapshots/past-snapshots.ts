/** Takes away snapshots past their keeping, and the files that nothing names any more. */
import type { ChainId, Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ArchiveSource } from "./archive-source.ts";
import type { ManifestId } from "./manifest.ts";
import { chunkName, manifestName } from "./snapshot-archive.ts";
import { pastKeeping } from "./snapshot-plan.ts";
import type { Lease, SnapshotStore } from "./snapshot-store.ts";

/**
 * Rows go first: files without a row are waste, a row without files is a lie. A chunk goes when no
 * snapshot that stays names it; chunks are few beside their bytes, so that their names fit into memory.
 */
export async function takeAway(what: {
	readonly store: SnapshotStore;
	readonly source: ArchiveSource;
	readonly chainId: ChainId;
	readonly lease: Lease;
	readonly keep: number | undefined;
}): Promise<void> {
	const { store, source, chainId, lease, keep } = what;
	if (keep === undefined) return;
	const rows = await store.list(chainId, { limit: LIMITS.snapshotHistory, after: undefined });
	const past = pastKeeping(rows, keep);
	if (past.length === 0) return;
	const ids = new Set(past.flatMap(({ manifestId }) => manifestId ?? []));
	await store.remove(
		chainId,
		lease,
		past.map(({ snapshotId }) => snapshotId),
	);
	// Of every chain: equal chunks are one file.
	const kept = new Set(await store.manifestIds());
	const spare = [...ids].filter((id) => !kept.has(id));
	const named = await chunksOf(source, kept);
	for (const hash of await chunksOf(source, spare)) {
		if (!named.has(hash)) await source.archive.remove(chunkName(hash));
	}
	for (const id of spare) await source.archive.remove(manifestName(id));
}

async function chunksOf(
	source: ArchiveSource,
	ids: Iterable<ManifestId>,
): Promise<ReadonlySet<Hex>> {
	const hashes = new Set<Hex>();
	for (const id of ids) {
		const { chunks } = await source.manifest(id);
		for (const { hash } of chunks) hashes.add(hash);
	}
	return hashes;
}
