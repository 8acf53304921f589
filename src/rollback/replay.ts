/**
 * Replay: carries state forward on the new branch. Handlers ran again on its blocks; agents'
 * operations of the orphaned range are judged and applied in their effective slots.
 */
import type { Height, MemoryKey, OperationId } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import { judge, type Verdict } from "../memory/judge.ts";
import { handlerKey, keyOf, movedAnchor, originalOf } from "../writer/assemble.ts";
import type { Assembly } from "../writer/assembly.ts";
import type { ChainState } from "../writer/chain-state.ts";
import type { DerivedBlock, FoundAnchor } from "../writer/derived-blocks.ts";
import type { OpenOperation, WriterStore } from "../writer/writer-store.ts";
import type { BranchDeriver } from "./branch-deriver.ts";
import type { ReportBuilder, VerdictLine } from "./report.ts";
import { type RollbackRecord, targetOf } from "./rollback-record.ts";
import type { StageClock } from "./stage-clock.ts";

export interface Replay {
	readonly blocks: readonly DerivedBlock[];
}

interface ReplayContext {
	readonly state: ChainState;
	readonly open: readonly OpenOperation[];
	/** Rows at the ancestor of memories that are not loaded. */
	readonly writerStore: Pick<WriterStore, "latestVersions">;
	readonly deriver: Pick<BranchDeriver, "derive">;
	readonly clock: Pick<StageClock, "advance">;
	readonly report: ReportBuilder;
}

/** Whether a fork at that ancestor puts the operation in question. */
export function openAgain(operation: OpenOperation, ancestor: Height): boolean {
	const { status, effectiveSlot } = operation.judged;
	switch (status) {
		case "applied":
			return effectiveSlot !== undefined && effectiveSlot > ancestor;
		case "suspended":
			return true;
		case "recanted":
			return operation.judgedSlot > ancestor;
	}
}

export async function replay(
	assembly: Assembly,
	rollback: RollbackRecord,
	context: ReplayContext,
): Promise<Replay> {
	const anchored = context.open.filter((each) => each.stored.anchor.kind !== "none");
	const blocks = await context.deriver.derive(
		rollback.branch,
		anchored,
		(key) => atAncestor(assembly, key, rollback, context.writerStore),
		(done) => context.clock.advance(done),
	);
	const verdicts = judgeOperations(rollback, context.open, blocks);
	await loadAll(assembly, rollback, context, blocks);
	assembly.note("rollback", rollback.ancestor.height, {
		rollbackId: rollback.rollbackId,
		cause: rollback.cause,
		ancestor: { height: rollback.ancestor.height.toString(), hash: rollback.ancestor.hash },
		from: headOf(context.state, rollback),
		to: { height: targetOf(rollback).height.toString(), hash: targetOf(rollback).hash },
	});
	applyAll(assembly, { rollback, blocks, verdicts, context });
	return { blocks };
}

/** The head that is left: it may have moved since the record. */
function headOf({ head }: ChainState, { from }: RollbackRecord) {
	return { height: (head?.number ?? from.height).toString(), hash: head?.hash ?? from.hash };
}

/** Handler-owned state at the ancestor: what was rewound, or else what stands. */
async function atAncestor(
	assembly: Assembly,
	key: MemoryKey,
	rollback: RollbackRecord,
	store: Pick<WriterStore, "latestVersions">,
): Promise<Version | undefined> {
	if (!assembly.state.editor.isLoaded(key)) {
		const found = await store.latestVersions(rollback.chainId, [key]);
		assembly.state.load(key, found.get(key) ?? []);
	}
	return assembly.state.editor.visible(key, rollback.ancestor.height);
}

function judgeOperations(
	rollback: RollbackRecord,
	open: readonly OpenOperation[],
	blocks: readonly DerivedBlock[],
): readonly Verdict[] {
	const found = foundAnchors(blocks);
	return judge({
		operations: open.map((each) => each.judged),
		ancestor: rollback.ancestor.height,
		newHead: targetOf(rollback).height,
		anchorHeight: (operation) => {
			const onBranch = found.get(operation.operationId)?.height;
			if (onBranch !== undefined) return onBranch;
			// At or below the ancestor both branches are the same, so what was found there still holds.
			const { anchor, status } = operation;
			const below = anchor.kind !== "none" && anchor.height <= rollback.ancestor.height;
			return below && status !== "suspended" ? anchor.height : undefined;
		},
	});
}

async function loadAll(
	assembly: Assembly,
	rollback: RollbackRecord,
	context: ReplayContext,
	blocks: readonly DerivedBlock[],
): Promise<void> {
	const keys = new Set([
		...blocks.flatMap((block) => block.operations.map(handlerKey)),
		...context.open.map((each) => keyOf(each.stored)),
	]);
	const missing = [...keys].filter((key) => !assembly.state.editor.isLoaded(key));
	const found = await context.writerStore.latestVersions(rollback.chainId, missing);
	for (const key of missing) assembly.state.load(key, found.get(key) ?? []);
}

interface Work {
	readonly rollback: RollbackRecord;
	readonly blocks: readonly DerivedBlock[];
	readonly verdicts: readonly Verdict[];
	readonly context: ReplayContext;
}

function applyAll(assembly: Assembly, work: Work): void {
	const { rollback, blocks, context } = work;
	const agents = new AgentReplay(assembly, work);
	agents.suspend();
	for (const block of blocks) {
		const slot = block.header.number;
		assembly.reach(slot);
		const carried = agents.applyUpTo(slot);
		for (const operation of block.operations) {
			assembly.derive(operation, slot, true);
			context.report.derived({ namespace: operation.namespace, id: operation.id, slot });
		}
		const operations = block.operations.length + carried;
		assembly.seal(block.header, { checkpoint: true, logged: true, operations });
	}
	agents.applyUpTo(targetOf(rollback).height + 1n);
}

/** Applies verdicts in log order, which is the order of their slots as well. */
class AgentReplay {
	readonly #assembly: Assembly;
	readonly #report: ReportBuilder;
	readonly #verdicts: readonly Verdict[];
	readonly #operations: ReadonlyMap<OperationId, OpenOperation>;
	readonly #found: ReadonlyMap<OperationId, FoundAnchor>;
	readonly #pending: Height;
	#next = 0;

	constructor(assembly: Assembly, { rollback, blocks, verdicts, context }: Work) {
		this.#assembly = assembly;
		this.#report = context.report;
		this.#verdicts = verdicts.filter((verdict) => verdict.type === "apply");
		this.#suspensions = verdicts.filter((verdict) => verdict.type === "suspend");
		this.#operations = new Map(context.open.map((each) => [each.stored.operationId, each]));
		this.#found = foundAnchors(blocks);
		this.#pending = targetOf(rollback).height + 1n;
	}

	readonly #suspensions: readonly Verdict[];

	/** Withdraws what lost its anchor; what was withdrawn already stays as it is, without an entry. */
	suspend(): void {
		for (const verdict of this.#suspensions) {
			const each = this.#operations.get(verdict.operation.operationId);
			if (each === undefined || verdict.type !== "suspend") continue;
			if (each.judged.status === "suspended") continue;
			this.#assembly.suspend(each.stored, this.#pending, originalOf(each), verdict.reason);
			this.#report.verdict("suspended", lineOf(each, undefined, verdict.reason));
		}
	}

	/** Answers how many were applied. */
	applyUpTo(slot: Height): number {
		let applied = 0;
		for (; this.#next < this.#verdicts.length; this.#next += 1) {
			const verdict = this.#verdicts[this.#next];
			if (verdict?.type !== "apply" || verdict.slot > slot) break;
			const each = this.#operations.get(verdict.operation.operationId);
			if (each !== undefined && this.#apply(each, verdict.slot)) applied += 1;
		}
		return applied;
	}

	#apply(each: OpenOperation, slot: Height): boolean {
		const kind = each.judged.status === "applied" ? "replayed" : "reinstated";
		const stored = { ...each.stored, anchor: movedAnchor(each, this.#found) };
		const outcome = this.#assembly.reapply(stored, slot, originalOf(each), kind);
		if (outcome.type === "applied") {
			this.#report.verdict(kind, lineOf(each, slot, undefined));
			return true;
		}
		this.#report.verdict("withdrawn", lineOf(each, undefined, outcome.code));
		return false;
	}
}

function lineOf(
	each: OpenOperation,
	effectiveSlot: Height | undefined,
	reason: string | undefined,
): VerdictLine {
	return {
		operationId: each.stored.operationId,
		namespace: each.stored.operation.namespace,
		id: each.stored.operation.id,
		originalSlot: each.judged.originalSlot,
		effectiveSlot,
		reason,
	};
}

function foundAnchors(blocks: readonly DerivedBlock[]): ReadonlyMap<OperationId, FoundAnchor> {
	return new Map(blocks.flatMap((block) => [...block.anchors]));
}
