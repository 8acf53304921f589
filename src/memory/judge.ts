/**
 * Effective slots: where agents' operations take effect after the chain went back to `ancestor` and
 * came to `newHead` on another branch.
 *
 * slot = max(min(original slot, newHead + 1), height of the anchor, ancestor + 1),
 * then a running maximum over the applied operations in log order.
 *
 * 1. Slots never fall in log order, so a patch never precedes its put.
 * 2. No slot is at or below the ancestor: those blocks are sealed.
 * 3. No slot is above newHead + 1, the pending slot.
 * 4. Verdicts depend on the log, the anchors and the chain alone, never on earlier verdicts: judging
 *    again on the same chain gives the same.
 *
 * Conditions and patches are not evaluated here; see patch.ts.
 */
import { FatalError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import type { AgentOperation } from "../domain/operation.ts";

/** `transaction_absent`: not included at all, or not with the same effects. */
export type SuspendReason = "block_not_canonical" | "transaction_absent";

export type Verdict =
	| { readonly type: "apply"; readonly operation: AgentOperation; readonly slot: Height }
	| {
			readonly type: "suspend";
			readonly operation: AgentOperation;
			readonly reason: SuspendReason;
	  };

export interface JudgeInput {
	/** In any order; each once. */
	readonly operations: readonly AgentOperation[];
	/** Highest block that stays. */
	readonly ancestor: Height;
	/** Head of the new chain, at or above the ancestor. */
	readonly newHead: Height;
	/**
	 * Height, at most `newHead`, at which the operation's anchor holds on the new chain; undefined: it
	 * is absent, or has other effects. Not asked for operations without an anchor.
	 */
	readonly anchorHeight: (operation: AgentOperation) => Height | undefined;
}

/** Verdicts in log order. Throws `FatalError("internal")` when heights contradict one another. */
export function judge(input: JudgeInput): readonly Verdict[] {
	const { ancestor, newHead } = input;
	if (newHead < ancestor) {
		throw contradiction(`the new head ${newHead} is below the ancestor ${ancestor}`);
	}
	const verdicts: Verdict[] = [];
	let floor = ancestor + 1n;
	for (const operation of input.operations.toSorted(byPosition)) {
		const anchored = operation.anchor.kind === "none" ? 0n : input.anchorHeight(operation);
		if (anchored === undefined) {
			verdicts.push({ type: "suspend", operation, reason: suspendReason(operation) });
			continue;
		}
		floor = slotOf(operation, { anchored, floor, newHead });
		verdicts.push({ type: "apply", operation, slot: floor });
	}
	return verdicts;
}

function slotOf(
	operation: AgentOperation,
	bounds: { readonly anchored: Height; readonly floor: Height; readonly newHead: Height },
): Height {
	const { anchored, floor, newHead } = bounds;
	if (anchored > newHead) {
		throw contradiction(
			`the anchor of operation ${operation.operationId} is at ${anchored}, above the head ${newHead}`,
		);
	}
	return max(max(min(operation.originalSlot, newHead + 1n), anchored), floor);
}

function suspendReason(operation: AgentOperation): SuspendReason {
	return operation.anchor.kind === "block" ? "block_not_canonical" : "transaction_absent";
}

function byPosition(a: AgentOperation, b: AgentOperation): number {
	if (a.position === b.position) return 0;
	return a.position < b.position ? -1 : 1;
}

function min(a: bigint, b: bigint): bigint {
	return a < b ? a : b;
}

function max(a: bigint, b: bigint): bigint {
	return a > b ? a : b;
}

function contradiction(message: string): FatalError {
	return new FatalError("internal", {
		message,
		hint: "this is a defect of Recant; please report it with the log",
	});
}
