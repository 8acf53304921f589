/** Where the anchors of an operation's record stood at last. Pure. */
import type { AnchorSet } from "../domain/operation.ts";
import { anchorsFromText, fromWire } from "../memory/operation-codec.ts";
import type { OperationRecord } from "./snapshot-record.ts";

/** In a record of before there is at most one, and one that is waited for stands nowhere. */
export function anchorsOf(record: OperationRecord): AnchorSet {
	if (record.anchors !== undefined) return anchorsFromText(record.anchors);
	const { anchors: set } = fromWire(record.body);
	const { status, anchorBlock, anchorHeight } = record;
	const anchors = set.anchors.map(({ place: first, ...target }) => {
		const last =
			anchorBlock === undefined || anchorHeight === undefined
				? first
				: { blockHash: anchorBlock, height: anchorHeight };
		return { ...target, place: status === "suspended" ? undefined : last };
	});
	return { ...set, anchors };
}
