/**
 * The first stage: what a rollback touches, and which way it takes to the ancestor's state.
 */
import { HeaderWindow } from "../chain/header-window.ts";
import { FatalError, RetryableError } from "../domain/errors.ts";
import type { Height, MemoryKey, VersionId } from "../domain/ids.ts";
import { type HandlersStore, isDerived, type Rederivation } from "../rederive/handlers-store.ts";
import type { GroupDeriver } from "../restore/group-deriver.ts";
import type { Restorer } from "../restore/restorer.ts";
import type { ChainState } from "../writer/chain-state.ts";
import type { Checkpoint, VectorPointer, VectorPointers } from "../writer/commit-batch.ts";
import type { OpenOperation, WriterStore } from "../writer/writer-store.ts";
import { openAgain } from "./replay.ts";
import type { RestoredStates, UsableSnapshot } from "./restored-states.ts";
import { type RollbackRecord, type Strategy, targetOf } from "./rollback-record.ts";
import type { RollbackStore } from "./rollback-store.ts";
import { chooseStrategy, type StrategyChoice } from "./strategy.ts";

export interface PlanContext {
	readonly store: RollbackStore;
	readonly writerStore: WriterStore;
	readonly restorer: Restorer;
	readonly states: RestoredStates;
	/** Undefined: no rollback of cause `handlers` is planned here. */
	readonly handlers?: HandlersStore | undefined;
	readonly deriver?: Pick<GroupDeriver, "handlersHash"> | undefined;
	/** Memories that a rewind may touch. */
	readonly changesLimit: number;
}

export interface RollbackPlan {
	readonly state: ChainState;
	readonly head: Height;
	/** Of the ancestor's block, in seconds. */
	readonly ancestorTime: bigint;
	/** The ancestor's; a rewind has one. */
	readonly checkpoint: Checkpoint | undefined;
	/** Of a rewind whole; else at least the limit's number, if there are so many. */
	readonly touched: readonly MemoryKey[];
	readonly open: readonly OpenOperation[];
	readonly strategy: Strategy;
	/** To begin a restore from; undefined: from nothing. */
	readonly snapshot: UsableSnapshot | undefined;
	/** What handlers derived anew up to the ancestor, which takes the place of a restore. */
	readonly rederivation: Rederivation | undefined;
	/** Whether the ancestor is below what was final: a recovery lets it. */
	readonly isBelowFinality: boolean;
}

/** Plans, and records the choice. Throws when the rollback does not fit the chain as it stands. */
export async function makePlan(
	rollback: RollbackRecord,
	context: PlanContext,
): Promise<RollbackPlan> {
	const { chainId, ancestor, rollbackId, attempt } = rollback;
	const { state: present, window } = await context.writerStore.loadChain(chainId);
	const rederivation = await derivedAnew(rollback, context);
	// What was derived anew has the first ids behind those that were given out.
	const state =
		rederivation === undefined
			? present
			: { ...present, versionSeq: present.versionSeq + rederivation.versions };
	if (state.head === undefined || state.generation !== rollback.fromGeneration) {
		throw outdated(rollback, `the chain is in generation ${state.generation}`);
	}
	const { recoveryId } = rollback;
	const stands =
		recoveryId === undefined
			? HeaderWindow.of(window, present.windowBlocks).at(ancestor.height)
			: await context.store.block(chainId, ancestor.height);
	if (stands?.hash !== ancestor.hash) {
		throw outdated(rollback, `block ${ancestor.hash} is not in the window`);
	}
	const isBelowFinality = isBelow(ancestor.height, state);
	if (isBelowFinality && recoveryId === undefined) throw belowFinality(rollback, state.finalized);
	const { found, base, choice } =
		rederivation === undefined
			? await weigh(rollback, state, context)
			: { found: await look(rollback, state, context), base: NO_BASE, choice: DERIVED_ANEW };
	if (choice.type === "stuck") throw stuck(rollback, choice.reason);
	const { strategy, reason } = choice;
	await context.store.planned(rollbackId, attempt, { strategy, reason });
	const { checkpoint, touched, open } = found;
	const snapshot = strategy === "snapshot" ? base.snapshot : undefined;
	const { timestamp: ancestorTime } = stands;
	const head = state.head.number;
	return {
		state,
		head,
		ancestorTime,
		checkpoint,
		touched,
		open,
		strategy,
		snapshot,
		rederivation,
		isBelowFinality,
	};
}

const DERIVED_ANEW: StrategyChoice = {
	type: "go",
	strategy: "rebuild",
	reason: "the chain's handlers were changed, and have derived the ancestor's state anew",
};

/** What a rollback of cause `handlers` puts in place. Throws where it is not whole, or other handlers derived it. */
async function derivedAnew(
	rollback: RollbackRecord,
	{ handlers, deriver }: PlanContext,
): Promise<Rederivation | undefined> {
	if (rollback.cause !== "handlers") return undefined;
	const found = await handlers?.current(rollback.chainId);
	const fits =
		found !== undefined &&
		isDerived(found) &&
		found.handlersHash === deriver?.handlersHash &&
		found.target.hash === rollback.ancestor.hash;
	if (fits) return found;
	throw outdated(rollback, "other handlers derive its state, or it is not whole");
}

/** A rollback, or what one would be: enough to weigh it. */
export type Weighable = Pick<
	RollbackRecord,
	"ancestor" | "branch" | "chainId" | "error" | "strategy" | "strategyReason" | "wantedStrategy"
>;

export interface Weighed {
	readonly found: Found;
	readonly base: RestoreBase;
	readonly choice: StrategyChoice;
}

/** What a rollback touches, and how it would get the ancestor's state. Changes nothing. */
export async function weigh(
	rollback: Weighable,
	state: ChainState,
	context: PlanContext,
): Promise<Weighed> {
	const found = await look(rollback, state, context);
	const facts = {
		wanted: rollback.wantedStrategy,
		before: earlier(rollback),
		checkpoint: found.checkpoint !== undefined,
		touched: found.touched.length,
		limit: context.changesLimit,
	};
	// What a restore could begin from is looked up in the whole log: a plain fork does not pay for it.
	const plain = chooseStrategy({ ...facts, snapshotHeight: undefined, logWhole: false });
	if (plain.type === "go") return { found, base: NO_BASE, choice: plain };
	const base = await restoreBase(rollback, context);
	const { snapshot, logWhole } = base;
	return {
		found,
		base,
		choice: chooseStrategy({ ...facts, snapshotHeight: snapshot?.height, logWhole }),
	};
}

function isBelow(height: Height, { finalized }: Pick<ChainState, "finalized">): boolean {
	return height < (finalized ?? 0n);
}

/**
 * Where the collections stood at the ancestor; one that was made later goes back to empty. So do all
 * where that is not known, where everything is made again, and below finality, whose table versions are
 * not kept.
 */
export function pointersAt({
	state,
	checkpoint,
	strategy,
	isBelowFinality,
	rederivation,
}: RollbackPlan): VectorPointers {
	// Ids go on, so what the tables hold stays, and what is new comes on top.
	if (rederivation !== undefined) return state.pointers;
	const isKept = strategy !== "rebuild" && !isBelowFinality;
	const known = isKept ? (checkpoint?.pointers ?? {}) : {};
	const made = Object.keys(state.pointers).map((name) => [name, known[name] ?? EMPTY] as const);
	return Object.fromEntries(made);
}

const EMPTY: VectorPointer = { tableVersion: 0n, versionId: 0n as VersionId, at: 0 };

interface Found {
	readonly checkpoint: Checkpoint | undefined;
	readonly touched: readonly MemoryKey[];
	readonly open: readonly OpenOperation[];
}

/** What a restore can begin from. */
interface RestoreBase {
	readonly snapshot: UsableSnapshot | undefined;
	readonly logWhole: boolean;
}

const NO_BASE: RestoreBase = { snapshot: undefined, logWhole: false };

async function look(
	rollback: Weighable,
	state: ChainState,
	{ store, writerStore, changesLimit }: PlanContext,
): Promise<Found> {
	const { chainId, ancestor } = rollback;
	const target = targetOf(rollback).height;
	const head = state.head?.number ?? target;
	const finality = isBelow(ancestor.height, state) ? ancestor.height : undefined;
	const [checkpoint, touched, open] = await Promise.all([
		store.checkpoint(chainId, ancestor.height),
		store.touched(chainId, {
			ancestor: ancestor.height,
			to: head > target ? head : target,
			limit: changesLimit,
		}),
		writerStore.openOperations(chainId, { judgedAbove: ancestor.height, finality }),
	]);
	return {
		checkpoint,
		touched,
		open: open.filter((operation) => openAgain(operation, ancestor.height)),
	};
}

async function restoreBase(
	rollback: Weighable,
	{ restorer, states }: PlanContext,
): Promise<RestoreBase> {
	const [snapshot, cutTo] = await Promise.all([
		usableSnapshot(rollback, { restorer, states }),
		restorer.log.cutTo(rollback.chainId),
	]);
	return { snapshot, logWhole: cutTo === 0n };
}

/**
 * The newest verified snapshot at or below the ancestor whose block is canonical still (no later rollback
 * went back below it) and from which the log reaches forward.
 */
async function usableSnapshot(
	{ chainId, ancestor }: Weighable,
	{ restorer, states }: Pick<PlanContext, "restorer" | "states">,
): Promise<UsableSnapshot | undefined> {
	if (restorer.snapshots === undefined) return undefined;
	const snapshots = await states.snapshots(chainId, ancestor.height);
	if (snapshots.length === 0) return undefined;
	const [rollbacks, cutTo] = await Promise.all([
		restorer.log.rollbacks(chainId),
		restorer.log.cutTo(chainId),
	]);
	return snapshots.find(
		({ height, logPosition }) =>
			cutTo <= logPosition &&
			rollbacks.every((mark) => mark.position <= logPosition || mark.ancestor >= height),
	);
}

function earlier({ strategy, strategyReason, error }: Weighable) {
	if (strategy === undefined) return undefined;
	return { strategy, reason: strategyReason ?? "", failure: error };
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

function stuck(rollback: RollbackRecord, reason: string): FatalError {
	return new FatalError("rollback_failed", {
		message: `the state at block ${rollback.ancestor.height} cannot be had: ${reason}`,
		hint: "choose a higher block or another strategy; for a fork, import a snapshot or start anew with an empty database",
		fields: { rollbackId: rollback.rollbackId, height: rollback.ancestor.height.toString() },
	});
}
