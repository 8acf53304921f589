/** Puts the wish for a snapshot down; the keeper of the chain's lease makes it. */
import { randomUUID } from "node:crypto";
import { LIMITS } from "../domain/limits.ts";
import type { SnapshotKind } from "./snapshot-kind.ts";
import { chooseKind } from "./snapshot-plan.ts";
import type { SnapshotCause, SnapshotCut } from "./snapshot-row.ts";
import type { SnapshotStore } from "./snapshot-store.ts";

/** Answers the row's id. Throws `FatalError("snapshot_not_found")` for an increment of nothing. */
export async function recordSnapshot(
	store: SnapshotStore,
	wish: {
		readonly cut: SnapshotCut;
		readonly cause: SnapshotCause;
		/** Undefined: as the schedule has it. */
		readonly kind: SnapshotKind | undefined;
		readonly fullEvery: number;
	},
): Promise<string> {
	const { cut, cause } = wish;
	const candidates = await store.whole(cut.chainId, {
		below: cut.height,
		limit: LIMITS.snapshotParents + 1,
	});
	const { kind, parent } = chooseKind(candidates, wish.kind, wish.fullEvery);
	const snapshotId = randomUUID();
	await store.record({ ...cut, snapshotId, kind, parentId: parent?.snapshotId, cause });
	return snapshotId;
}
