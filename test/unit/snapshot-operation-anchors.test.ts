/** Where an operation's anchors stood, in records of now and of before there could be several. */
import { expect, test } from "vitest";
import type { Hex } from "../../src/domain/ids.ts";
import type { AnchorSet } from "../../src/domain/operation.ts";
import { anchorsToText } from "../../src/memory/operation-codec.ts";
import { anchorsOf } from "../../src/snapshots/operation-anchors.ts";
import { decodeRecord, type OperationRecord } from "../../src/snapshots/snapshot-record.ts";

const FIRST: Hex = `0x${"11".repeat(32)}`;
const LAST: Hex = `0x${"22".repeat(32)}`;
const TRANSACTION: Hex = `0x${"33".repeat(32)}`;

/** As it was written before: a line of a chunk. */
function recordOfBefore(status: string, moved: object): OperationRecord {
	const named = { transactionHash: TRANSACTION, effectsHash: TRANSACTION };
	const anchor = { kind: "transaction", blockHash: FIRST, height: "4", ...named };
	const body = { kind: "delete", namespace: "n", id: "i", operationId: "x", anchor };
	const record = decodeRecord(
		JSON.stringify({
			kind: "operation",
			operationId: "00000000-0000-0000-0000-000000000001",
			position: "1",
			generation: "0",
			status,
			originalSlot: "5",
			judgedSlot: "5",
			body,
			...moved,
		}),
	);
	if (record.kind !== "operation") throw new TypeError(`a ${record.kind} was read`);
	return record;
}

function anchorAt(place: AnchorSet["anchors"][number]["place"]): AnchorSet {
	const target = { transactionHash: TRANSACTION, effectsHash: TRANSACTION };
	return { mode: "all", anchors: [{ kind: "transaction", ...target, place }] };
}

test("a record of before has its one anchor where that stood at last", () => {
	const moved = { anchorBlock: LAST, anchorHeight: "6" };
	const record = recordOfBefore("applied", moved);
	expect(record.suspect).toBe(false);
	expect(anchorsOf(record)).toEqual(anchorAt({ blockHash: LAST, height: 6n }));
});

test("a record of before that was not moved has its anchor where it was at first", () => {
	const record = recordOfBefore("applied", {});
	expect(anchorsOf(record)).toEqual(anchorAt({ blockHash: FIRST, height: 4n }));
});

test("an anchor that a record of before waits for stands nowhere", () => {
	const record = recordOfBefore("suspended", { anchorBlock: LAST, anchorHeight: "6" });
	expect(anchorsOf(record)).toEqual(anchorAt(undefined));
	expect(record.anchorHeight).toBe(6n);
});

test("a record of now says where each anchor stands, whatever the body says", () => {
	const anchors: AnchorSet = {
		mode: "any",
		anchors: [
			{ kind: "block", blockHash: LAST, place: { blockHash: LAST, height: 7n } },
			{ kind: "block", blockHash: FIRST, place: undefined },
		],
	};
	const record = recordOfBefore("suspended", { anchors: anchorsToText(anchors) });
	expect(anchorsOf(record)).toEqual(anchors);
});
