/**
 * The stages that prepare a rollback: plan, rewind, replay. They read, compute and leave a change set
 * under (rollback, attempt), which nobody reads before it is verified and committed by the lease holder.
 * Any process can do it.
 *
 * 1. Nothing that readers see is changed here.
 * 2. The change set is made against one log position; the commit refuses it if that moved.
 * 3. Every stage names its attempt when it writes, so one that was overtaken stops at its next step.
 */

import { retractFinality, rewindFinality } from "../chain/finality.ts";
import { FatalError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { NamespaceSettings } from "../domain/namespace-settings.ts";
import type { HandlersStore } from "../rederive/handlers-store.ts";
import type { Restorer } from "../restore/restorer.ts";
import type { Embedder } from "../vectors/embedder.ts";
import { Assembly } from "../writer/assembly.ts";
import type { UnrootedBatch } from "../writer/commit-batch.ts";
import { embedVectors, requestedTexts, type VectorCollections } from "../writer/embed-vectors.ts";
import type { Consolidator } from "../writer/system-work.ts";
import type { WriterStore } from "../writer/writer-store.ts";
import type { AncestorState } from "./ancestor-state.ts";
import type { BranchDeriver } from "./branch-deriver.ts";
import { type ChangeSet, encodeChangeSet } from "./change-set.ts";
import type { FanOut } from "./fan-out.ts";
import type { KnownMemories } from "./known-memories.ts";
import { pointersAt, type RollbackPlan } from "./plan.ts";
import { replay } from "./replay.ts";
import { ReportBuilder } from "./report.ts";
import { restoreAncestor } from "./restore-ancestor.ts";
import type { RestoredStates } from "./restored-states.ts";
import { rewindTo } from "./rewind.ts";
import { type Counts, type RollbackRecord, targetOf } from "./rollback-record.ts";
import type { RollbackStore } from "./rollback-store.ts";
import type { StageClock } from "./stage-clock.ts";

export interface PrepareContext {
	readonly store: RollbackStore;
	readonly writerStore: WriterStore;
	readonly restorer: Restorer;
	readonly states: RestoredStates;
	readonly handlers: HandlersStore | undefined;
	readonly deriver: BranchDeriver;
	readonly embedder: Embedder;
	readonly collections: VectorCollections;
	readonly settings: ReadonlyMap<string, NamespaceSettings>;
	readonly consolidator: Consolidator;
	readonly clock: StageClock;
	/** Undefined: this process does everything itself. */
	readonly fanOut: Pick<FanOut, "embed"> | undefined;
	/** Undefined: the lease is another's, or nothing is known. */
	readonly memories: KnownMemories | undefined;
}

/** A change set that this process made. */
export interface PreparedChanges {
	readonly changes: ChangeSet;
	readonly counts: Counts;
	/** Ends when it is recorded as prepared, and throws where it is not. Whoever uses it waits for that. */
	readonly written: Promise<void>;
}

/**
 * Gets the ancestor's state as planned, replays the new branch on it, and leaves the change set. Throws
 * what stopped it; nothing is half done then. What it answers is being written, or was: see `written`.
 */
export async function prepare(
	rollback: RollbackRecord,
	plan: RollbackPlan,
	context: PrepareContext,
): Promise<PreparedChanges> {
	const { clock } = context;
	const isRewind = plan.strategy === "rewind";
	const { chainId } = rollback;
	const around = await clock.beginWith("rewind", plan.touched.length, async () =>
		isRewind ? context.store.versionsAround(chainId, plan.touched, rollback.ancestor.height) : NONE,
	);
	const assembly = newAssembly(plan, rollback);
	const ancestor = isRewind
		? rewind(assembly, { plan, around }, rollback, context)
		: await restore(assembly, plan, rollback, context);
	await clock.begin("replay", itemsOf(rollback, plan));
	const report = new ReportBuilder();
	const writerStore = ancestor.reader;
	const known = isRewind ? context.memories?.in(plan.state) : undefined;
	await replay(assembly, rollback, { ...plan, ...context, writerStore, report, known });
	return finish(assembly, { rollback, plan, ancestor, report }, context);
}

const NONE: ReadonlyMap<MemoryKey, readonly Version[]> = new Map();

function newAssembly(plan: RollbackPlan, rollback: RollbackRecord): Assembly {
	const head = { ...rollback.ancestor, number: rollback.ancestor.height };
	return new Assembly(
		{
			...plan.state,
			pointers: pointersAt(plan),
			head: {
				number: head.height,
				hash: head.hash,
				parentHash: head.hash,
				timestamp: plan.ancestorTime,
			},
		},
		rollback.fromGeneration + 1n,
	);
}

function rewind(
	assembly: Assembly,
	{
		plan,
		around,
	}: {
		readonly plan: RollbackPlan;
		readonly around: ReadonlyMap<MemoryKey, readonly Version[]>;
	},
	rollback: RollbackRecord,
	{ writerStore }: PrepareContext,
): AncestorState {
	const { chainId, ancestor } = rollback;
	const { checkpoint, touched } = plan;
	if (checkpoint === undefined) throw noCheckpoint(rollback);
	const rows = new Map(touched.map((key) => [key, around.get(key) ?? []]));
	const at = { ancestor: ancestor.height, head: plan.head };
	const { before, changes } = rewindTo(assembly, rows, at);
	return {
		reader: writerStore,
		vectorsOf: (ids) => writerStore.vectors(chainId, ids),
		changes,
		roots: checkpoint.roots,
		shadow: undefined,
		pointers: pointersAt(plan),
		compare: async (report, now) => {
			report.compare(before, (key) => now.editor.visible(key, now.at));
		},
	};
}

async function restore(
	assembly: Assembly,
	plan: RollbackPlan,
	rollback: RollbackRecord,
	context: PrepareContext,
): Promise<AncestorState> {
	const pointers = pointersAt(plan);
	return restoreAncestor(
		rollback,
		assembly,
		{ ...plan, pointers },
		{
			...context,
			onProgress: ({ done, total }) => context.clock.advance(done, total),
		},
	);
}

/** Blocks that are derived, and agents' operations that are judged. */
function itemsOf({ branch }: RollbackRecord, { open }: RollbackPlan): number {
	return branch.length + open.length;
}

interface Prepared {
	readonly rollback: RollbackRecord;
	readonly plan: RollbackPlan;
	readonly ancestor: AncestorState;
	readonly report: ReportBuilder;
}

async function finish(
	assembly: Assembly,
	{ rollback, plan, report, ancestor: from }: Prepared,
	context: PrepareContext,
): Promise<PreparedChanges> {
	const { changes, pointers, roots, shadow, vectorsOf } = from;
	const { rollbackId, attempt, ancestor } = rollback;
	const at = targetOf(rollback).height + 1n;
	await from.compare(report, { editor: assembly.state.editor, at });
	assembly.note("report", ancestor.height, report.summary(rollbackId));
	// Its commit ends the chain's halt.
	if (rollback.recoveryId !== undefined) assembly.note("halt", ancestor.height, { isOver: true });
	const texts = await requestedTexts(assembly.state.vectorRequests, context.collections);
	// Embedding may be most of the work: its texts are items of the stage as well.
	const replayed = itemsOf(rollback, plan);
	const all = replayed + texts.length;
	context.clock.advance(replayed, all);
	await context.fanOut?.embed({ rollbackId, attempt }, texts, (share) => {
		// Told from a timer, where nobody would catch what an attempt that is over throws.
		if (!context.clock.isOver) {
			context.clock.advance(replayed + Math.floor(share * texts.length), all);
		}
	});
	context.clock.requireGoing();
	const vectors = await embedVectors(assembly.state.vectorRequests, { ...context, vectorsOf });
	const before = { safe: plan.state.safe ?? 0n, finalized: plan.state.finalized ?? 0n };
	const finality = plan.isBelowFinality
		? retractFinality(before, ancestor.height)
		: rewindFinality(before, ancestor.height);
	const batch = withHead(assembly.batch(vectors, finality), rollback);
	const made: ChangeSet = {
		batch,
		back: { checkpoint: { height: ancestor.height, roots }, changes },
		shadow: shadow && { shadowId: shadow.shadowId, height: shadow.height },
		pointers,
		report: report.toJson(),
	};
	const parts = await encodeChangeSet(made);
	context.clock.requireGoing();
	const written = context.store.prepared(rollbackId, attempt, { parts, counts: report.counts });
	// A large one takes long: that is not done while the chain's commits wait.
	if (parts.length > 1) await written;
	// Whoever waits for it is told.
	written.catch(() => undefined);
	return { changes: made, counts: report.counts, written };
}

/** After a manual rollback the head is the ancestor, whose header is stored already. */
function withHead(batch: UnrootedBatch, rollback: RollbackRecord): UnrootedBatch {
	const head = rollback.branch.at(-1) ?? batch.head;
	return { ...batch, head };
}

function noCheckpoint(rollback: RollbackRecord): FatalError {
	return new FatalError("unknown_checkpoint", {
		message: `there is no checkpoint at block ${rollback.ancestor.height}`,
		hint: "choose a block of the window; see the chain's checkpoints",
		fields: { height: rollback.ancestor.height.toString() },
	});
}
