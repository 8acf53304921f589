/** What an import makes of the operations that a snapshot lists; the same whatever keeps the rows. */
import type { Height } from "../domain/ids.ts";
import { contentHash } from "../memory/canonical.ts";
import { NOTHING_SAID } from "../memory/nothing-said.ts";
import { fromWire } from "../memory/operation-codec.ts";
import type { OperationRecord } from "../snapshots/snapshot-record.ts";
import type { ImportedState } from "./import-store.ts";
import type { ShadowRow } from "./shadow-store.ts";

/** Of each deleted memory that is still named: the row that says so. */
export function tombstones({ deleted, generation }: ImportedState): readonly ShadowRow[] {
	return deleted.map(({ memoryKey: key, operation }) => {
		const { namespace, id } = fromWire(operation.body).operation;
		const body = {
			namespace,
			id,
			layer: "semantic",
			owner: "agent",
			...NOTHING_SAID,
		} as const;
		return {
			...body,
			memoryKey: key,
			fromBlock: operation.effectiveSlot ?? operation.originalSlot,
			fromGen: generation,
			versionId: operation.versionId ?? 0n,
			position: operation.position,
			contentHash: contentHash(body),
			suspect: false,
			grounds: undefined,
			vector: undefined,
		};
	});
}

/** One that takes effect above the snapshot is not in its state; it is judged again by the next fork. */
export function standsAt(
	record: OperationRecord,
	height: Height,
): Pick<OperationRecord, "status" | "reason" | "effectiveSlot" | "suspect" | "versionId"> {
	const { effectiveSlot } = record;
	if (record.status !== "applied" || effectiveSlot === undefined || effectiveSlot <= height) {
		return record;
	}
	const message = `it took effect at ${effectiveSlot}, above the snapshot's height ${height}`;
	return {
		status: "recanted",
		reason: { code: "after_snapshot", message },
		effectiveSlot: undefined,
		suspect: false,
		versionId: undefined,
	};
}
