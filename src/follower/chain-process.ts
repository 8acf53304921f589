/**
 * One chain in this process: takes the lease, then runs writer, follower and flusher under it, and
 * begins again when the lease was lost. While another process holds the lease this one waits.
 */
import { type Clock, everyInTurn, systemClock } from "../domain/clock.ts";
import { RecantError } from "../domain/errors.ts";
import type { ChainId, LogPosition } from "../domain/ids.ts";
import type { Logger } from "../domain/logger.ts";
import { DEFAULT_COLLECTION } from "../domain/operation.ts";
import type { HandlersStore } from "../rederive/handlers-store.ts";
import { Rederiver } from "../rederive/rederiver.ts";
import type { ShadowStore } from "../restore/shadow-store.ts";
import type { RollbackCoordinator } from "../rollback/coordinator.ts";
import { SnapshotKeeper, type SnapshotWork } from "../snapshots/snapshot-keeper.ts";
import type { Embedder } from "../vectors/embedder.ts";
import type { VectorTables } from "../vectors/vector-tables.ts";
import { ChainWriter } from "../writer/chain-writer.ts";
import type { CollectionChecks } from "../writer/collection-checks.ts";
import type { FlushStore } from "../writer/flush-store.ts";
import { type LogCutter, Retention, type RetentionStore } from "../writer/retention.ts";
import type { Consolidator, WriterSettings } from "../writer/system-work.ts";
import { VectorFlusher } from "../writer/vector-flusher.ts";
import type { WorkingMemories, WorkingMemory } from "../writer/working-memory.ts";
import type { WriterStore } from "../writer/writer-store.ts";
import { BlockCache } from "./block-cache.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { Follower, type FollowerStatus } from "./follower.ts";
import { partOfSpec } from "./part-of-spec.ts";
import { statusToText } from "./status-text.ts";
import { WindowDeriver } from "./window-deriver.ts";

/** A dead process's chain is taken over after this; renewed at a quarter of it. */
const LEASE_MS = 4_000;
/** For Postgres' clock and ours, which run apart: so much earlier the lease counts as lapsed here. */
const LEASE_MARGIN_MS = 1_000;
/** How often a lease that another holds is tried again. */
const LEASE_RETRY_MS = 500;

export interface ChainProcessOptions {
	readonly spec: ChainSpec;
	readonly source: ChainSource;
	readonly holder: string;
	readonly writerStore: WriterStore;
	readonly flushStore: FlushStore;
	readonly retentionStore: RetentionStore;
	readonly coordinator: RollbackCoordinator;
	/** Undefined: handlers that were changed are not looked at. */
	readonly handlers?: { readonly store: HandlersStore; readonly shadows: ShadowStore } | undefined;
	readonly embedder: Embedder;
	readonly tables: VectorTables;
	readonly collections: CollectionChecks;
	readonly settings: WriterSettings;
	readonly consolidator: Consolidator;
	/** Undefined: no copies of short-term memories are kept. */
	readonly workingMemories?: WorkingMemories | undefined;
	/** Undefined: no snapshots are made. */
	readonly snapshots?: SnapshotWork | undefined;
	/** Cuts the log where the chain's file says so; undefined: nothing does. */
	readonly logCutter?: LogCutter | undefined;
	readonly log: Logger;
	readonly inlineRollbacks: boolean;
	readonly flushRows: number;
	readonly clock?: Clock | undefined;
	readonly onCommit: (chainId: ChainId, position: LogPosition) => void;
}

interface Running {
	readonly writer: ChainWriter;
	readonly follower: Follower;
	readonly flusher: VectorFlusher;
	readonly workingMemory: WorkingMemory | undefined;
	readonly retention: Retention;
	readonly snapshots: SnapshotKeeper | undefined;
	readonly fence: bigint;
	readonly lost: Promise<void>;
	/** Gives the chain up: the lease is another's. */
	readonly stepDown: () => void;
}

export class ChainProcess {
	/** Derives the chain's blocks, also while another process holds the lease. */
	readonly deriver: WindowDeriver;
	readonly #options: ChainProcessOptions;
	readonly #blocks: BlockCache;
	readonly #ending = new AbortController();
	readonly #clock: Clock;
	#running: Running | undefined;
	/** Until then nobody else can have the lease; on the clock of `clock.now()`. */
	#leaseHeldUntilMs = 0;
	#heldBy: string | undefined;
	/** What is to be done under the next lease before the chain is followed again. */
	#errand: ((fence: bigint) => Promise<void>) | undefined;
	#problem: FollowerStatus["problem"];
	#loop: Promise<void> = Promise.resolve();

	constructor(options: ChainProcessOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
		this.#blocks = new BlockCache(options.source);
		this.deriver = new WindowDeriver(options.spec, options.source, this.#blocks);
	}

	get spec(): ChainSpec {
		return this.#options.spec;
	}

	/** Name of this process in leases. */
	get holder(): string {
		return this.#options.holder;
	}

	/** Undefined while this process does not hold the lease. */
	get writer(): ChainWriter | undefined {
		return this.#running?.writer;
	}

	get follower(): Follower | undefined {
		return this.#running?.follower;
	}

	get snapshots(): SnapshotKeeper | undefined {
		return this.#running?.snapshots;
	}

	get flusher(): VectorFlusher | undefined {
		return this.#running?.flusher;
	}

	status(): FollowerStatus {
		if (this.#running !== undefined) return this.#running.follower.status;
		const problem =
			this.#heldBy === undefined
				? this.#problem
				: {
						code: "lease_held",
						message: `another process follows this chain: ${this.#heldBy}`,
						hint: "it is taken over when that process ends",
					};
		return { state: problem === undefined ? "starting" : "waiting", problem, nodeHead: undefined };
	}

	start(): void {
		this.#loop = this.#run();
	}

	/** Operations wait in the inbox that another process put there. Nothing while this one does not write. */
	inboxDue(): void {
		const writer = this.#running?.writer;
		if (writer === undefined || writer.window === undefined || writer.halted !== undefined) return;
		writer.drained().catch((error: unknown) => {
			// The writer has logged it, and tries again by itself.
			if (!(error instanceof RecantError)) throw error;
		});
	}

	/**
	 * Has `work` done under a lease while the chain is not followed here, and follows it again with what
	 * the database says then. Resolves at once; a later call takes the place of one that has not begun.
	 */
	whileStopped(work: (fence: bigint) => Promise<void>): void {
		this.#errand = work;
		this.#running?.stepDown();
	}

	/** Ends the round under way and gives the lease up. */
	async stop(): Promise<void> {
		this.#ending.abort();
		await this.#loop;
	}

	async #run(): Promise<void> {
		const { signal } = this.#ending;
		const ended = new Promise<void>((resolve) => {
			signal.addEventListener("abort", () => resolve(), { once: true });
		});
		while (!signal.aborted) {
			try {
				const running = await this.#begin();
				if (running === undefined) {
					await this.#clock.sleep(LEASE_RETRY_MS, signal);
					continue;
				}
				this.#running = running;
				const stopBeating = this.#renew(running.fence, running.stepDown);
				await Promise.race([running.lost, ended]);
				stopBeating();
				await this.#end(running);
			} catch (error) {
				if (!(error instanceof RecantError)) throw error;
				this.#problem = { code: error.code, message: error.message, hint: error.hint };
				this.#options.log.warn(
					{ chain: this.spec.name, err: error },
					"the chain could not be started",
				);
				await this.#clock.sleep(LEASE_RETRY_MS, signal);
			}
		}
	}

	async #begin(): Promise<Running | undefined> {
		const { spec, writerStore, holder, collections } = this.#options;
		const askedMs = this.#clock.now();
		const lease = await writerStore.acquireLease(spec.id, holder, LEASE_MS);
		if ("heldBy" in lease) {
			this.#heldBy = lease.heldBy;
			this.#giveErrandUp();
			return undefined;
		}
		this.#heldBy = undefined;
		// Before what may take minutes: every renewal says more.
		this.#leaseHeldUntilMs = askedMs + LEASE_MS - LEASE_MARGIN_MS;
		const errand = this.#errand;
		this.#errand = undefined;
		if (errand !== undefined) {
			await this.#underLease(lease.fence, () => errand(lease.fence));
			collections.forget();
		}
		const lost = Promise.withResolvers<void>();
		const running = await this.#underLease(lease.fence, async () => {
			await collections.ensure(DEFAULT_COLLECTION);
			return this.#build(lease.fence, lost);
		});
		running.flusher.start();
		running.retention.start();
		running.snapshots?.start();
		running.follower.start();
		return running;
	}

	/** It was meant for the chain as it stood; what another process makes of that may be worth keeping. */
	#giveErrandUp(): void {
		if (this.#errand === undefined) return;
		this.#errand = undefined;
		this.#options.log.warn(
			{ chain: this.spec.name },
			"another process took the chain; the snapshot that was to be imported is not",
		);
	}

	/** Renews the lease meanwhile: an errand may take minutes, a tree of millions of memories seconds. */
	async #underLease<Result>(fence: bigint, work: () => Promise<Result>): Promise<Result> {
		const stopBeating = this.#renew(fence, () => undefined);
		try {
			return await work();
		} finally {
			stopBeating();
		}
	}

	async #build(fence: bigint, lost: PromiseWithResolvers<void>): Promise<Running> {
		const options = this.#options;
		const { spec, writerStore, embedder, log } = options;
		let flusher: VectorFlusher | undefined;
		const isLeaseHeld = () => this.#clock.now() < this.#leaseHeldUntilMs;
		const workingMemory = options.workingMemories?.open(spec.id, isLeaseHeld);
		const writer = await ChainWriter.open({
			chainId: spec.id,
			fence,
			store: writerStore,
			embedder,
			collections: options.collections,
			settings: options.settings,
			consolidator: options.consolidator,
			log,
			vectors: {
				room: async () => flusher?.room(),
				added: (rows) => flusher?.added(rows),
			},
			workingMemory,
			windowBlocks: spec.windowBlocks,
			onCommit: options.onCommit,
			onLeaseLost: lost.resolve,
			clock: this.#clock,
		});
		flusher = new VectorFlusher({
			chainId: spec.id,
			tables: options.tables,
			store: options.flushStore,
			state: () => writer.state,
			onPointer: (collection, pointer) => writer.pointerMoved(collection, pointer),
			log,
			flushRows: options.flushRows,
			clock: this.#clock,
		});
		const follower = new Follower({
			...options,
			writer,
			blocks: this.#blocks,
			deriver: this.deriver,
			rederiver: this.#rederiver(),
		});
		const retention = new Retention({
			store: options.retentionStore,
			logCutter: spec.logKeep === "all" ? undefined : options.logCutter,
			state: () => writer.state,
			log,
			clock: this.#clock,
		});
		const snapshots =
			options.snapshots &&
			new SnapshotKeeper({
				clock: this.#clock,
				...options.snapshots,
				chainId: spec.id,
				schedule: spec.snapshots,
				state: () => writer.state,
			});
		return {
			writer,
			follower,
			flusher,
			workingMemory,
			retention,
			snapshots,
			fence,
			lost: lost.promise,
			stepDown: lost.resolve,
		};
	}

	#rederiver(): Rederiver | undefined {
		const { spec, handlers, source } = this.#options;
		if (handlers === undefined) return undefined;
		const { id: chainId, startBlock, handlersHash, parts, namespaces } = spec;
		return new Rederiver({
			...handlers,
			chainId,
			startBlock,
			handlersHash,
			parts,
			namespaces,
			policy: spec.onHandlersChange ?? "derive",
			deriverOf: (names) =>
				names === undefined
					? this.deriver
					: new WindowDeriver(partOfSpec(spec, new Set(names)), source, this.#blocks),
		});
	}

	#renew(fence: bigint, stepDown: () => void): () => void {
		const { spec, writerStore, log } = this.#options;
		// One may wait for minutes behind a commit; more of them would take up every connection.
		return everyInTurn(this.#clock, LEASE_MS / 4, () => {
			const askedMs = this.#clock.now();
			return writerStore
				.renewLease({ chainId: spec.id, fence, ttlMs: LEASE_MS, status: this.#statusText() })
				.then((held) => {
					this.#leaseHeldUntilMs = held ? askedMs + LEASE_MS - LEASE_MARGIN_MS : 0;
					if (!held) stepDown();
				})
				.catch((error: unknown) =>
					log.warn({ chain: spec.name, err: error }, "the lease was not renewed"),
				);
		});
	}

	/** Undefined while this process only begins to follow. */
	#statusText(): string | undefined {
		return this.#running && statusToText(this.#running.follower.status);
	}

	async #end(running: Running): Promise<void> {
		// Together: a round may be waiting for the flusher to make room.
		await Promise.all([running.follower.stop(), running.flusher.stop()]);
		await Promise.all([running.retention.stop(), running.snapshots?.stop()]);
		await running.writer.idle();
		// Before the lease is given back: what another process writes then is not known here.
		running.workingMemory?.close();
		this.#running = undefined;
		const { spec, writerStore, log } = this.#options;
		await writerStore.releaseLease(spec.id, running.fence).catch((error: unknown) => {
			log.warn(
				{ chain: spec.name, err: error },
				"the lease was not given back; it lapses by itself",
			);
		});
	}
}
