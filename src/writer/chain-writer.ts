/**
 * The one writer of a chain. It holds the lease and turns everything that changes the chain's state
 * into commits, one at a time.
 *
 * Invariants
 * 1. Commits of one writer never overlap: all go through one lane.
 * 2. `state` and `window` are those of the last commit that is known to have succeeded. After a commit
 *    of unknown outcome they are read again before anything else is done.
 * 3. While a rollback is under way the inbox waits: what agents write then is durable, and is admitted
 *    to the generation that follows. So a rollback's change set is never made against a state that moved.
 * 4. A commit whose fence is no longer the newest changes nothing and ends this writer.
 * 5. `states` holds the tree of `state`: it is built from rows at the start, tried on before a commit, and
 *    kept or set back with the commit. Rows that do not give the recorded roots halt the chain until they do.
 *
 * When a commit fails, the caller gets the error, nothing is lost: the inbox keeps its entries and the
 * follower its blocks.
 */

import { HeaderWindow } from "../chain/header-window.ts";
import { higher, lower } from "../chain/height.ts";
import { differingLayers } from "../commitment/state-root.ts";
import type { StateTree } from "../commitment/state-tree.ts";
import { type Clock, systemClock } from "../domain/clock.ts";
import { RecantError } from "../domain/errors.ts";
import type { ChainId, Height, Hex, LogPosition } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import { SerialLane } from "../domain/serial-lane.ts";
import type { Embedder } from "../vectors/embedder.ts";
import { type AssembleContext, assembleBlocks, assembleInbox } from "./assemble.ts";
import type { Assembly } from "./assembly.ts";
import type { ChainState } from "./chain-state.ts";
import { type CommitBatch, isChain, movedBack, type VectorPointer } from "./commit-batch.ts";
import { addsVectors, type DerivedGroup } from "./derived-blocks.ts";
import { embedAhead, embedVectors, type VectorCollections } from "./embed-vectors.ts";
import { isOfRows, rowsDiffer, treeOf } from "./load-tree.ts";
import { floorOf, loadOwnChain, windowOf } from "./own-chain.ts";
import { SealedStates } from "./sealed-states.ts";
import type { ShortTermMembers } from "./short-term.ts";
import type { Consolidator, WriterSettings } from "./system-work.ts";
import { changedMemories, type WorkingMemory } from "./working-memory.ts";
import { leaseLost, standingStill } from "./writer-errors.ts";
import type { OpenOperation, Problem, WriterStore } from "./writer-store.ts";

const WAITING_ONLY = { judgedAbove: undefined };
/** How long an operation may lie in the inbox that no process here was told of. */
const INBOX_LOOK_MS = 5_000;
/** Groups that one drain of the inbox takes: the whole inbox, and as much again that came meanwhile. */
const DRAIN_GROUPS = (2 * LIMITS.inboxOperations) / LIMITS.groupOperations;

export interface VectorSink {
	/** Resolves when the tail has room. Throws `RetryableError("tail_full")` while it cannot be flushed. */
	room(): Promise<void>;
	added(rows: number): void;
}

export interface ChainWriterOptions {
	readonly chainId: ChainId;
	readonly fence: bigint;
	readonly store: WriterStore;
	readonly embedder: Embedder;
	readonly consolidator: Consolidator;
	readonly settings: WriterSettings;
	readonly log: Logger;
	readonly collections: VectorCollections;
	/** Where vectors go: waits for room, and hears of rows that were committed. */
	readonly vectors: VectorSink;
	readonly workingMemory?: WorkingMemory | undefined;
	/** Cap of the window by the chain's file; undefined: as it is. */
	readonly windowBlocks?: number | undefined;
	/** Called after every commit, with the chain's new log position. */
	readonly onCommit: (chainId: ChainId, position: LogPosition) => void;
	/** Called once when the lease is another's; the writer is of no use any more. */
	readonly onLeaseLost: () => void;
	readonly clock?: Clock | undefined;
}

export class ChainWriter {
	readonly #options: ChainWriterOptions;
	readonly #lane = new SerialLane();
	readonly #clock: Clock;
	#state: ChainState;
	#states: SealedStates;
	#window: HeaderWindow | undefined;
	#halt: Problem | undefined;
	#genesis: Hex | undefined;
	#waiting: readonly OpenOperation[];
	/** See SystemContext. */
	readonly #shortTerm = new Map<string, ShortTermMembers>();
	/** Finalized height up to which operations were marked; commits move `state.finalized` alone. */
	#settledTo: Height | undefined;
	#stale = false;
	/** Pointers that moved since the state was last asked for. */
	readonly #movedMeanwhile = new Map<string, VectorPointer>();
	#inboxLookedAt = 0;
	#lost = false;
	#drain: Promise<void> | undefined;
	/** The inbox may hold entries for which no drain is to come; always so after a start. */
	#inboxDue = true;
	/** Resolves when the rollback that holds the inbox is over; undefined: none does. */
	#hold: { readonly over: Promise<void>; readonly release: () => void } | undefined;

	private constructor(
		options: ChainWriterOptions,
		loaded: Awaited<ReturnType<WriterStore["loadChain"]>>,
		tree: StateTree,
		waiting: readonly OpenOperation[],
	) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
		this.#states = new SealedStates(tree);
		this.#state = loaded.state;
		this.#window = windowOf(loaded);
		this.#halt = loaded.halt;
		this.#genesis = loaded.genesis;
		this.#waiting = waiting;
		this.#trimWindow();
	}

	static async open(options: ChainWriterOptions): Promise<ChainWriter> {
		const loaded = await loadOwnChain(options.store, options);
		const tree = await treeOf(options.store, options.chainId);
		const open = await options.store.openOperations(options.chainId, WAITING_ONLY);
		const writer = new ChainWriter(options, loaded, tree, open);
		await writer.#checkTree();
		options.workingMemory?.resume(loaded.state);
		return writer;
	}

	get chainId(): ChainId {
		return this.#options.chainId;
	}

	get state(): ChainState {
		return this.#state;
	}

	/** State tree of the last commit, and of the window's sealed blocks as far as they are held. */
	get states(): SealedStates {
		return this.#states;
	}

	/** Undefined before the first block. */
	get window(): HeaderWindow | undefined {
		return this.#window;
	}

	get halted(): Problem | undefined {
		return this.#halt;
	}

	/** Hash of block 0 as it was first seen; undefined: it is not known. */
	get genesis(): Hex | undefined {
		return this.#genesis;
	}

	async recordGenesis(hash: Hex): Promise<void> {
		await this.#options.store.recordGenesis(this.chainId, this.#state.fence, hash);
		this.#genesis = hash;
	}

	/** Operations that wait for what they rest on. */
	get waiting(): readonly OpenOperation[] {
		return this.#waiting;
	}

	/** Reads the state again if the last commit's outcome is unknown. */
	async refresh(): Promise<void> {
		await this.#lane.run(() => this.#ensureFresh());
	}

	/** Resolves when everything that was in the inbox at the call has its outcome. */
	async drained(): Promise<void> {
		while (this.#hold !== undefined) await this.#hold.over;
		this.#drain ??= this.#lane.run(async () => {
			this.#drain = undefined;
			this.#inboxDue = false;
			await this.#admitInbox().catch((error: unknown) => {
				this.#inboxDue = true;
				this.#options.log.warn(
					{ err: error },
					"the inbox could not be admitted; it is tried again",
				);
				throw error;
			});
		});
		await this.#drain;
	}

	/**
	 * Admits what nobody waits for: left by a process that ended or gave the chain up, or by an attempt
	 * that failed. Another process's leavings are found by looking now and then.
	 */
	async drainDue(): Promise<void> {
		const now = this.#clock.now();
		const due = this.#inboxDue || now - this.#inboxLookedAt > INBOX_LOOK_MS;
		if (!due || this.#window === undefined) return;
		this.#inboxLookedAt = now;
		await this.drained();
	}

	/** Commits a group of blocks on top of the present head. */
	async commitBlocks(group: DerivedGroup): Promise<void> {
		if (addsVectors(group)) await this.#options.vectors.room();
		// Outside the lane: while an embedder is waited for, agents' writes go on.
		await embedAhead(group, this.#options);
		await this.#lane.run(async () => {
			await this.#ensureFresh();
			const context = await this.#context();
			await this.#commitWhole(assembleBlocks(this.#state, group, context), group.finality);
		});
	}

	/** Records that finality moved, and settles what no fork can touch any more. */
	async settle(finality: { readonly safe: bigint; readonly finalized: bigint }): Promise<void> {
		const { finalized, safe } = this.#state;
		const recorded = finalized === finality.finalized && safe === finality.safe;
		if (recorded && this.#settledTo === finality.finalized) return;
		await this.#lane.run(async () => {
			await this.#ensureFresh();
			await this.#options.store.settleFinal(this.chainId, this.#state.fence, finality);
			this.#settledTo = finality.finalized;
			this.#state = { ...this.#state, ...finality };
			if (this.#waiting.length > 0) this.#waiting = await this.#readWaiting();
			this.#trimWindow();
		});
	}

	/** The inbox waits from here to `release`. */
	hold(): void {
		if (this.#hold !== undefined) return;
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#hold = { over: promise, release: resolve };
	}

	release(): void {
		this.#hold?.release();
		this.#hold = undefined;
	}

	/** Runs `work` between two commits, then reads the state again: what it committed was not ours. */
	async exclusive<Result>(
		work: (state: ChainState, states: SealedStates) => Promise<Result>,
	): Promise<Result> {
		return this.#lane.run(async () => {
			await this.#ensureFresh();
			this.#stale = true;
			this.#options.workingMemory?.suspend();
			const { pointers } = this.#state;
			try {
				return await work(this.#state, this.#states);
			} finally {
				await this.#ensureFresh();
				// A table that went back to an older version has its later rows in the tail again.
				if (movedBack(pointers, this.#state.pointers))
					this.#options.vectors.added(LIMITS.tailFlushRows);
				this.#options.onCommit(this.chainId, this.#state.logPosition);
			}
		});
	}

	/** Runs `work`, which only reads, between two commits. */
	async between<Result>(
		work: (state: ChainState, states: SealedStates) => Promise<Result>,
	): Promise<Result> {
		return this.#lane.run(async () => {
			await this.#ensureFresh();
			return work(this.#state, this.#states);
		});
	}

	/** A collection's table moved on; checkpoints name the new pointer from here. */
	pointerMoved(collection: string, pointer: VectorPointer): void {
		this.#movedMeanwhile.set(collection, pointer);
		this.#state = {
			...this.#state,
			pointers: { ...this.#state.pointers, [collection]: pointer },
		};
	}

	/** Stops the chain until an operator acts; undefined lets it go on. */
	async halt(problem: Problem | undefined): Promise<void> {
		await this.#lane.run(async () => {
			await this.#ensureFresh();
			await this.#halts(problem);
		});
	}

	async #halts(problem: Problem | undefined): Promise<void> {
		const { store, log, workingMemory, onCommit } = this.#options;
		const position = await store.halt(this.chainId, this.#state.fence, problem);
		this.#halt = problem;
		if (problem !== undefined) {
			log.error({ chainId: this.chainId, ...problem }, "the chain is halted, read-only");
		}
		if (position === undefined) return;
		this.#state = { ...this.#state, logPosition: position };
		workingMemory?.resume(this.#state);
		onCommit(this.chainId, position);
	}

	/** Resolves when no commit is under way. */
	async idle(): Promise<void> {
		await this.#lane.idle();
	}

	async #admitInbox(): Promise<void> {
		for (let group = 0; group < DRAIN_GROUPS; group += 1) {
			await this.#ensureFresh();
			const entries = await this.#options.store.inbox(this.chainId, LIMITS.groupOperations);
			if (entries.length === 0) return;
			const { settings } = this.#options;
			const context = {
				...(await this.#context()),
				window: this.#window,
				contentProblem: settings.contentProblem.bind(settings),
			};
			await this.#commitWhole(assembleInbox(this.#state, entries, context), this.#state);
		}
	}

	/** What an assembly has noted of short-term memories goes with it when it is not committed. */
	async #commitWhole(
		assembling: Promise<Assembly>,
		finality: Parameters<Assembly["batch"]>[1],
	): Promise<void> {
		try {
			await this.#commit(await assembling, finality);
		} catch (error) {
			this.#shortTerm.clear();
			throw error;
		}
	}

	async #commit(assembly: Assembly, finality: Parameters<Assembly["batch"]>[1]): Promise<void> {
		// On top of rows that are not what was committed, new roots would make them so.
		if (this.#halt !== undefined) throw standingStill(this.chainId, this.#halt);
		const { store, embedder } = this.#options;
		const vectors = await embedVectors(assembly.state.vectorRequests, {
			embedder,
			collections: this.#options.collections,
			vectorsOf: (ids) => store.vectors(this.chainId, ids),
		});
		const batch = this.#states.attempt(assembly.batch(vectors, finality));
		this.#stale = true;
		this.#options.workingMemory?.changing(changedMemories(batch.changes));
		try {
			await store.commit(batch, this.#state);
		} catch (error) {
			this.#options.workingMemory?.suspend();
			if (error instanceof RecantError && error.code === "lease_lost") await this.#ensureFresh();
			throw error;
		}
		this.#states.keep();
		this.#follow(batch);
		if (this.#movesWaiting(batch)) this.#waiting = await this.#readWaiting();
		this.#stale = false;
		this.#options.workingMemory?.changed(this.#state, batch.changes.insert);
		if (vectors.length > 0) this.#options.vectors.added(vectors.length);
		this.#options.onCommit(this.chainId, batch.logPosition);
	}

	/** What an assembly works with. */
	async #context(): Promise<AssembleContext> {
		const { store, consolidator, settings } = this.#options;
		await settings.refresh();
		return {
			store,
			waiting: this.#waiting,
			settings: settings.all(),
			consolidator,
			shortTerm: this.#shortTerm,
		};
	}

	#readWaiting(): Promise<readonly OpenOperation[]> {
		return this.#options.store.openOperations(this.chainId, WAITING_ONLY);
	}

	/** Whether the batch changed which operations wait, or for what. */
	#movesWaiting({ operations }: CommitBatch): boolean {
		const waiting = new Set(this.#waiting.map(({ stored }) => stored.operationId));
		return operations.some(
			({ operationId, status, suspect }) =>
				suspect || status === "suspended" || waiting.has(operationId),
		);
	}

	#follow(batch: CommitBatch): void {
		this.#state = {
			...this.#state,
			logPosition: batch.logPosition,
			versionSeq: batch.versionSeq,
			roots: batch.roots,
			head: batch.head,
			safe: batch.safe,
			finalized: batch.finalized,
			windowFrom: lower(this.#state.windowFrom, batch.head?.number ?? this.#state.windowFrom),
		};
		const { windowBlocks } = this.#state;
		const tip = this.#window?.tip;
		const first = batch.blocks[0];
		if (first === undefined) return;
		const linked = tip !== undefined && first.parentHash === tip.hash;
		this.#window = isChain(batch)
			? linked
				? this.#window?.append(batch.blocks)
				: HeaderWindow.of(batch.blocks, windowBlocks)
			: HeaderWindow.of(batch.blocks.slice(-1), windowBlocks);
		this.#trimWindow();
	}

	#trimWindow(): void {
		const { head } = this.#state;
		const floor = floorOf(this.#state);
		if (this.#window === undefined || head === undefined || floor === undefined) return;
		this.#window = this.#window.trimBelow(floor);
		// Of a longer window the states below are had from rows: each that is held keeps what changed since.
		this.#states.trimBelow(higher(floor, head.number - BigInt(LIMITS.windowBlocks) + 1n));
	}

	/** The tree as the database says that the last commit ended. */
	async #settleTree({ logPosition, roots }: ChainState, halt: Problem | undefined): Promise<void> {
		const committed = logPosition !== this.#state.logPosition;
		if (committed) this.#states.keep();
		else this.#states.drop();
		// What was built from damaged rows proves nothing, whatever its roots.
		if (!isOfRows(halt) && differingLayers(this.#states.roots, roots).length === 0) return;
		this.#states = new SealedStates(await treeOf(this.#options.store, this.chainId));
	}

	/** Halts the chain when its rows are not what was committed, and ends that halt when they are again. */
	async #checkTree(): Promise<void> {
		const differing = differingLayers(this.#states.roots, this.#state.roots);
		const isSound = differing.length === 0;
		if (isSound ? !isOfRows(this.#halt) : this.#halt !== undefined) return;
		await this.#halts(isSound ? undefined : rowsDiffer(differing));
	}

	/** A flush may have moved a pointer since the state was read; what a new generation says stands. */
	#withMoved(loaded: ChainState): ChainState {
		if (loaded.generation !== this.#state.generation) return loaded;
		const moved = Object.fromEntries(this.#movedMeanwhile);
		return { ...loaded, pointers: { ...loaded.pointers, ...moved } };
	}

	async #ensureFresh(): Promise<void> {
		if (this.#lost) throw leaseLost(this.chainId);
		if (!this.#stale) return;
		const { store } = this.#options;
		this.#movedMeanwhile.clear();
		const [loaded, waiting] = await Promise.all([
			store.loadChain(this.chainId),
			this.#readWaiting(),
		]);
		if (loaded.state.fence !== this.#state.fence) {
			this.#lost = true;
			this.#options.workingMemory?.suspend();
			this.#options.onLeaseLost();
			throw leaseLost(this.chainId);
		}
		this.#waiting = waiting;
		this.#shortTerm.clear();
		await this.#settleTree(loaded.state, loaded.halt);
		this.#state = this.#withMoved(loaded.state);
		this.#halt = loaded.halt;
		this.#window = windowOf(loaded);
		// A recovery takes finality back: what it opened again is to be settled anew.
		if ((loaded.state.finalized ?? 0n) < (this.#settledTo ?? 0n)) this.#settledTo = undefined;
		this.#trimWindow();
		await this.#checkTree();
		this.#stale = false;
		this.#options.workingMemory?.resume(loaded.state);
	}
}
