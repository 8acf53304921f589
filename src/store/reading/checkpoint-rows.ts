/** Rows of `checkpoints` as Postgres has them. */
import type { StateRoots } from "../../commitment/state-root.ts";
import type { Hex } from "../../domain/ids.ts";
import type { Checkpoint, VectorPointer } from "../../writer/commit-batch.ts";

export interface CheckpointRow {
	readonly height: bigint;
	readonly from_gen: bigint;
	readonly to_gen: bigint;
	readonly block_hash: Hex;
	readonly log_position: bigint;
	readonly version_id: bigint;
	readonly roots: string;
	readonly pointers: string;
}

export function checkpointOf(row: CheckpointRow): Checkpoint {
	return {
		height: row.height,
		blockHash: row.block_hash,
		logPosition: row.log_position,
		versionId: row.version_id,
		roots: JSON.parse(row.roots) as StateRoots,
		pointers: pointersOf(row.pointers),
	};
}

/** Reads pointers as `toJson` wrote them. */
export function pointersOf(json: string): Readonly<Record<string, VectorPointer>> {
	const wire = JSON.parse(json) as Record<
		string,
		{ readonly tableVersion: string; readonly versionId: string; readonly at: number }
	>;
	return Object.fromEntries(
		Object.entries(wire).map(([name, pointer]) => [
			name,
			{
				tableVersion: BigInt(pointer.tableVersion),
				versionId: BigInt(pointer.versionId),
				at: pointer.at,
			},
		]),
	);
}
