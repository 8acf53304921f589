/**
 * Judges agents' operations in the order in which they were written, and applies each in its effective
 * slot as soon as it is judged: what it rests on may be what one before it has just said again.
 *
 * 1. What has lost its ground is suspended, or kept and flagged, as its policy says; an action is always
 *    kept, and told.
 * 2. What was suspended comes back in the slot in which its ground does: also when what gives it back was
 *    written later.
 */
import { unreachable } from "../domain/errors.ts";
import type { Height, OperationId } from "../domain/ids.ts";
import { afterRewind, type FoundAnchor, withFound } from "../memory/anchors.ts";
import type { Ground } from "../memory/ground.ts";
import { Slots } from "../memory/judge.ts";
import type { Assembly, Outcome } from "../writer/assembly.ts";
import { originalOf } from "../writer/open-operation.ts";
import type { SystemWork } from "../writer/system-work.ts";
import { type Settled, WaitingOperations } from "../writer/waiting-operations.ts";
import type { OpenOperation } from "../writer/writer-store.ts";
import type { BranchBlocks } from "./branch-blocks.ts";
import type { ReportBuilder, Verdict, VerdictLine } from "./report.ts";

type Absent = Extract<Ground, { readonly type: "absent" }>;

export interface AgentReplayContext {
	readonly ancestor: Height;
	readonly newHead: Height;
	/** Anchors on the new branch. */
	readonly found: ReadonlyMap<OperationId, readonly FoundAnchor[]>;
	readonly branch: BranchBlocks;
	readonly system: SystemWork;
	readonly report: ReportBuilder;
}

export class AgentReplay {
	readonly #assembly: Assembly;
	readonly #context: AgentReplayContext;
	readonly #slots: Slots;
	readonly #waiting = new WaitingOperations();
	/** Those that were suspect before the rollback. */
	readonly #wereSuspect = new Set<OperationId>();
	/** Those that the rollback makes suspect, until they are cleared in it. */
	readonly #flagged = new Map<OperationId, () => void>();
	/** Those that are suspended by the rollback, as they were before it, until they come back in it. */
	readonly #suspended = new Map<
		OperationId,
		{ readonly was: OpenOperation; readonly ground: Absent }
	>();

	constructor(assembly: Assembly, context: AgentReplayContext) {
		this.#assembly = assembly;
		this.#context = context;
		this.#slots = new Slots(context);
	}

	/** `open` by rising position; `onJudged` hears how many of them are done. */
	async run(
		open: readonly OpenOperation[],
		onJudged: (done: number) => void = () => undefined,
	): Promise<void> {
		for (const each of open) {
			if (each.suspect) this.#wereSuspect.add(each.stored.operationId);
			if (this.#stands(each)) this.#waiting.mark(each);
		}
		for (const [index, each] of open.entries()) {
			await this.#judge(this.#moved(each));
			onJudged(index + 1);
		}
	}

	/** After the last block: what the writer did itself there may be what is waited for. */
	async finish(): Promise<void> {
		await this.#settle();
		for (const { was, ground } of this.#suspended.values()) {
			this.#line("suspended", was, undefined, ground);
		}
		for (const tell of this.#flagged.values()) tell();
	}

	/** With its anchors where they stand on the new branch. */
	#moved(each: OpenOperation): OpenOperation {
		const { ancestor, found } = this.#context;
		const { stored } = each;
		const anchors = withFound(
			afterRewind(stored.anchors, ancestor),
			found.get(stored.operationId) ?? [],
		);
		return { ...each, stored: { ...stored, anchors } };
	}

	async #judge(each: OpenOperation): Promise<void> {
		const ground = this.#assembly.ground(each.stored);
		if (this.#stands(each)) return this.#lookAgain(each, ground);
		if (ground.type === "absent" && each.stored.policy === "recant") {
			return this.#suspend(each, ground);
		}
		const slot = this.#slots.next(each.originalSlot, ground.type === "holds" ? ground.slot : 0n);
		await this.#context.branch.enter(slot);
		const verdict = each.status === "applied" ? "replayed" : "reinstated";
		const outcome = this.#assembly.reapply(each.stored, slot, originalOf(each), {
			verdict,
			ground,
		});
		this.#tell(each, outcome, { verdict, slot, ground });
		if (outcome.type !== "applied") return;
		this.#context.branch.carried(1);
		const isSuspect = ground.type === "holds" ? ground.suspect : each.stored.policy === "flag";
		if (isSuspect) {
			this.#waiting.add({ ...each, status: "applied", suspect: true, effectiveSlot: slot });
		}
		const { operation } = each.stored;
		if (operation.kind === "consolidate") {
			await this.#context.system.consolidate(operation.namespace, operation.rule, slot);
		}
		await this.#settle();
	}

	/** Applied at or below the ancestor: only whether it is suspect is in question. */
	#stands({ status, effectiveSlot }: OpenOperation): boolean {
		return (
			status === "applied" && effectiveSlot !== undefined && effectiveSlot <= this.#context.ancestor
		);
	}

	/** It was suspect at the ancestor, and is still, or was cleared above it. */
	async #lookAgain(each: OpenOperation, ground: Ground): Promise<void> {
		const suspect: OpenOperation = { ...each, suspect: true };
		if (ground.type === "absent" || ground.suspect) {
			this.#waiting.add(suspect);
			this.#assembly.stillSuspect(each.stored, this.#slots.pending, {
				...originalOf(each),
				effectiveSlot: each.effectiveSlot,
			});
			this.#flag(each, each.effectiveSlot, ground.type === "absent" ? ground.lost : []);
			return;
		}
		const slot = this.#slots.next(0n, ground.slot);
		await this.#context.branch.enter(slot);
		this.#waiting.clear(this.#assembly, { operation: each, ground }, slot);
		this.#cleared(each, slot);
		await this.#settle();
	}

	#suspend(each: OpenOperation, ground: Absent): void {
		this.#waiting.add({ ...each, status: "suspended", effectiveSlot: undefined });
		if (each.status === "suspended") {
			this.#assembly.moved(each.stored, this.#slots.pending, originalOf(each), ground);
			return;
		}
		this.#assembly.suspend(each.stored, this.#slots.pending, originalOf(each), ground);
		this.#suspended.set(each.stored.operationId, { was: each, ground });
	}

	/** What waits no longer, each in the slot that has been reached, or in that of its ground. */
	async #settle(): Promise<void> {
		for (;;) {
			const ready = this.#waiting.next(this.#assembly, this.#slots.pending);
			if (ready === undefined) return;
			const slot = this.#slots.next(0n, ready.ground.slot);
			await this.#context.branch.enter(slot);
			const settled = this.#waiting.settleOne(this.#assembly, ready, slot);
			this.#context.branch.carried(1);
			this.#tellSettled(settled, { slot, ground: ready.ground });
		}
	}

	#tellSettled(settled: Settled, at: { readonly slot: Height; readonly ground: Ground }): void {
		switch (settled.type) {
			case "cleared":
				this.#cleared(settled.operation, at.slot);
				break;
			case "reinstated": {
				const { operationId } = settled.operation.stored;
				const wasApplied = this.#suspended.get(operationId)?.was.status === "applied";
				this.#suspended.delete(operationId);
				const verdict = wasApplied ? "replayed" : "reinstated";
				this.#tell(settled.operation, settled.outcome, { verdict, ...at });
				break;
			}
			default:
				unreachable(settled);
		}
	}

	#wasSuspect({ stored }: OpenOperation): boolean {
		return this.#wereSuspect.has(stored.operationId);
	}

	/** One that had been cleared on the branch that is left is what it was. */
	#cleared(each: OpenOperation, slot: Height): void {
		this.#flagged.delete(each.stored.operationId);
		if (this.#wasSuspect(each)) this.#line("cleared", each, slot, { lost: [] });
	}

	/** To be told when all is judged: it may be cleared before. */
	#flag(each: OpenOperation, slot: Height | undefined, lost: VerdictLine["lost"]): void {
		if (this.#wasSuspect(each)) return;
		const tell = () => this.#line("flagged", each, slot, { lost });
		this.#flagged.set(each.stored.operationId, tell);
	}

	#tell(
		each: OpenOperation,
		outcome: Outcome,
		as: {
			readonly verdict: "replayed" | "reinstated";
			readonly slot: Height;
			readonly ground: Ground;
		},
	): void {
		const { verdict, slot, ground } = as;
		const lost = ground.type === "absent" ? ground.lost : [];
		if (outcome.type === "failed") {
			this.#line("withdrawn", each, undefined, { reason: outcome.code, lost });
			return;
		}
		this.#line(verdict, each, slot, { lost });
		const { operation, policy } = each.stored;
		const flagged = ground.type === "holds" ? ground.suspect : policy === "flag";
		if (!flagged) this.#cleared(each, slot);
		else this.#flag(each, slot, lost);
		if (operation.kind !== "action" || ground.type === "holds") return;
		this.#context.report.action({
			operationId: each.stored.operationId,
			namespace: operation.namespace,
			id: operation.id,
			position: each.position,
			content: operation.body.content,
			lost,
		});
	}

	#line(
		verdict: Verdict,
		each: OpenOperation,
		effectiveSlot: Height | undefined,
		why: { readonly reason?: string; readonly lost: VerdictLine["lost"] },
	): void {
		const { stored, originalSlot } = each;
		const { namespace, id } = stored.operation;
		const { reason, lost } = why;
		this.#context.report.verdict(verdict, {
			operationId: stored.operationId,
			namespace,
			id,
			originalSlot,
			effectiveSlot,
			reason,
			lost,
		});
	}
}
