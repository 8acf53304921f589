import type { Hex, OperationId } from "../../src/domain/ids.ts";
import type { AgentOperation, Anchor } from "../../src/domain/operation.ts";

export type AnchorKind = Anchor["kind"];

const HASH: Hex = `0x${"22".repeat(32)}`;

/** A patch of `memory` as the judge sees it; unanchored, applied at slot 1, unless said otherwise. */
export function agentOperation(parts: {
	readonly position: bigint;
	readonly anchor?: AnchorKind;
	readonly originalSlot?: bigint;
	readonly effectiveSlot?: bigint | undefined;
	readonly memory?: string;
}): AgentOperation {
	const { position, anchor = "none", originalSlot = 1n, memory = "a" } = parts;
	return {
		operationId: `operation-${position}` as OperationId,
		position,
		operation: {
			kind: "patch",
			namespace: "test",
			id: memory,
			ifVersion: undefined,
			content: {},
			text: undefined,
			importance: undefined,
			confidence: undefined,
		},
		anchor: anchorOf(anchor, originalSlot),
		originalSlot,
		status: "applied",
		effectiveSlot: "effectiveSlot" in parts ? parts.effectiveSlot : originalSlot,
	};
}

function anchorOf(kind: AnchorKind, height: bigint): Anchor {
	if (kind === "none") return { kind };
	if (kind === "block") return { kind, blockHash: HASH, height };
	return { kind, transactionHash: HASH, effectsHash: HASH, blockHash: HASH, height };
}
