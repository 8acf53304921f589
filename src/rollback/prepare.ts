/**
 * The stages that prepare a rollback: plan, rewind, replay, verify. They read, compute and leave a
 * change set under (rollback, attempt), which nobody reads before the commit. Any process can do it.
 *
 * 1. Nothing that readers see is changed here.
 * 2. The change set is made against one log position; the commit refuses it if that moved.
 * 3. Every stage names its attempt when it writes, so one that was overtaken stops at its next step.
 */

import { rewindFinality } from "../chain/finality.ts";
import { HeaderWindow } from "../chain/header-window.ts";
import { FatalError, RetryableError } from "../domain/errors.ts";
import type { Height, MemoryKey, VersionId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Embedder } from "../vectors/embedder.ts";
import { Assembly } from "../writer/assembly.ts";
import type { ChainState } from "../writer/chain-state.ts";
import type { Checkpoint, CommitBatch, VectorPointers } from "../writer/commit-batch.ts";
import { embedVectors, type VectorCollections } from "../writer/embed-vectors.ts";
import type { OpenOperation, WriterStore } from "../writer/writer-store.ts";
import type { BranchDeriver } from "./branch-deriver.ts";
import { encodeChangeSet } from "./change-set.ts";
import { openAgain, type Replay, replay } from "./replay.ts";
import { ReportBuilder } from "./report.ts";
import { type Rewound, rewindTo, verifyRewound } from "./rewind.ts";
import { type RollbackRecord, targetOf } from "./rollback-record.ts";
import type { RollbackStore } from "./rollback-store.ts";
import type { StageClock } from "./stage-clock.ts";

export interface PrepareContext {
	readonly store: RollbackStore;
	readonly writerStore: WriterStore;
	readonly deriver: BranchDeriver;
	readonly embedder: Embedder;
	readonly collections: VectorCollections;
	readonly clock: StageClock;
}

interface Plan {
	readonly state: ChainState;
	readonly head: Height;
	readonly checkpoint: Checkpoint;
	readonly touched: readonly MemoryKey[];
	readonly open: readonly OpenOperation[];
}

/** Runs the stages and leaves the change set. Throws what stopped it; nothing is half done then. */
export async function prepare(rollback: RollbackRecord, context: PrepareContext): Promise<void> {
	const { clock } = context;
	await clock.begin("plan", 1);
	const plan = await makePlan(rollback, context);
	await clock.begin("rewind", plan.touched.length);
	const assembly = newAssembly(plan, rollback);
	const rewound = await rewind(assembly, plan, rollback, context);
	await clock.begin("replay", rollback.branch.length + plan.open.length);
	const report = new ReportBuilder();
	const replayed = await replay(assembly, rollback, { ...plan, ...context, report });
	await clock.begin("verify", plan.touched.length);
	await finish(assembly, { rollback, plan, rewound, replayed, report }, context);
}

async function makePlan(rollback: RollbackRecord, context: PrepareContext): Promise<Plan> {
	const { chainId, ancestor } = rollback;
	const { state, window } = await context.writerStore.loadChain(chainId);
	if (state.head === undefined || state.generation !== rollback.fromGeneration) {
		throw outdated(rollback, `the chain is in generation ${state.generation}`);
	}
	if (HeaderWindow.of(window).at(ancestor.height)?.hash !== ancestor.hash) {
		throw outdated(rollback, `block ${ancestor.hash} is not in the window`);
	}
	if (ancestor.height < (state.finalized ?? 0n)) throw belowFinality(rollback, state.finalized);
	const head = state.head.number;
	const [checkpoint, touched, open] = await Promise.all([
		context.store.checkpoint(chainId, ancestor.height),
		context.store.touched(chainId, {
			ancestor: ancestor.height,
			to: head > targetOf(rollback).height ? head : targetOf(rollback).height,
			limit: LIMITS.rollbackChanges,
		}),
		context.writerStore.openOperations(chainId, { judgedAbove: ancestor.height }),
	]);
	if (checkpoint === undefined) throw noCheckpoint(rollback);
	if (touched.length > LIMITS.rollbackChanges) throw tooManyChanges(rollback);
	return {
		state,
		head,
		checkpoint,
		touched,
		open: open.filter((operation) => openAgain(operation, ancestor.height)),
	};
}

function newAssembly(plan: Plan, rollback: RollbackRecord): Assembly {
	const pointers = pointersAt(plan);
	const head = { ...rollback.ancestor, number: rollback.ancestor.height };
	return new Assembly(
		{
			...plan.state,
			pointers,
			head: { number: head.height, hash: head.hash, parentHash: head.hash, timestamp: 0n },
		},
		rollback.fromGeneration + 1n,
	);
}

async function rewind(
	assembly: Assembly,
	plan: Plan,
	rollback: RollbackRecord,
	context: PrepareContext,
): Promise<Rewound> {
	const found = await context.store.versionsAround(
		rollback.chainId,
		plan.touched,
		rollback.ancestor.height,
	);
	const rows = new Map(plan.touched.map((key) => [key, found.get(key) ?? []]));
	const at = { ancestor: rollback.ancestor.height, head: plan.head };
	const rewound = rewindTo(assembly, rows, at);
	verifyRewound(assembly, plan.checkpoint);
	return rewound;
}

interface Prepared {
	readonly rollback: RollbackRecord;
	readonly plan: Plan;
	readonly rewound: Rewound;
	readonly replayed: Replay;
	readonly report: ReportBuilder;
}

async function finish(assembly: Assembly, made: Prepared, context: PrepareContext): Promise<void> {
	const { rollback, plan, report } = made;
	const { chainId, rollbackId, attempt, ancestor } = rollback;
	const pending = targetOf(rollback).height + 1n;
	report.compare(made.rewound.before, (key) => assembly.state.editor.visible(key, pending));
	const vectors = await embedVectors(assembly.state.vectorRequests, {
		...context,
		vectorsOf: (ids) => context.writerStore.vectors(chainId, ids),
	});
	const finality = rewindFinality(
		{ safe: plan.state.safe ?? 0n, finalized: plan.state.finalized ?? 0n },
		ancestor.height,
	);
	const batch = withHead(assembly.batch(vectors, finality), rollback);
	await context.store.prepared(rollbackId, attempt, {
		parts: encodeChangeSet({ batch, pointers: pointersAt(plan), report: report.toJson() }),
		counts: report.counts,
	});
}

/** After a manual rollback the head is the ancestor, whose header is stored already. */
function withHead(batch: CommitBatch, rollback: RollbackRecord): CommitBatch {
	const head = rollback.branch.at(-1) ?? batch.head;
	return { ...batch, head };
}

/** Where the collections stood at the ancestor; one that was made later goes back to empty. */
function pointersAt(plan: Plan): VectorPointers {
	const made = Object.keys(plan.state.pointers).map((name) => {
		const pointer = plan.checkpoint.pointers[name];
		return [name, pointer ?? { tableVersion: 0n, versionId: 0n as VersionId, at: 0 }] as const;
	});
	return Object.fromEntries(made);
}

function outdated(rollback: RollbackRecord, why: string): RetryableError {
	return new RetryableError("rollback_fenced", {
		message: `rollback ${rollback.rollbackId} was made for another state: ${why}`,
		hint: "the chain moved meanwhile; the follower looks at it again",
		fields: { rollbackId: rollback.rollbackId },
	});
}

function belowFinality(rollback: RollbackRecord, finalized: Height | undefined): FatalError {
	return new FatalError("below_finality", {
		message: `block ${rollback.ancestor.height} is below the finalized block ${finalized}`,
		hint: "what is finalized is not taken back; choose a height at or above it",
		fields: { toBlock: rollback.ancestor.height.toString(), finalized: String(finalized) },
	});
}

function tooManyChanges(rollback: RollbackRecord): FatalError {
	return new FatalError("limit_exceeded", {
		message: `going back to block ${rollback.ancestor.height} changes more than ${LIMITS.rollbackChanges} memories`,
		hint: "choose a higher block; for a fork, start anew with an empty RECANT_DATA_DIR or database",
		fields: { limit: "rollbackChanges", value: LIMITS.rollbackChanges },
	});
}

function noCheckpoint(rollback: RollbackRecord): FatalError {
	return new FatalError("unknown_checkpoint", {
		message: `there is no checkpoint at block ${rollback.ancestor.height}`,
		hint: "choose a block of the window; see the chain's checkpoints",
		fields: { height: rollback.ancestor.height.toString() },
	});
}
