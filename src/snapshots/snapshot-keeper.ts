/**
 * Works on a chain's snapshots under its lease, one thing at a time: writes those that are wanted (also
 * what a process that ended left half), verifies them, records those that the chain's schedule asks for,
 * and takes away those past their keeping.
 *
 * What fails for a reason that passes (archive, database) is tried again later and the row says why;
 * what fails for good ends the row. A lost lease ends the work silently: the next holder goes on.
 */
import { differingLayers } from "../commitment/state-root.ts";
import { type Clock, systemClock } from "../domain/clock.ts";
import { RecantError, RetryableError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import type { Logger } from "../domain/logger.ts";
import type { ChainState } from "../writer/chain-state.ts";
import type { Problem } from "../writer/writer-store.ts";
import type { ArchiveSource } from "./archive-source.ts";
import { createSnapshot } from "./create-snapshot.ts";
import { Pace } from "./pace.ts";
import { takeAway } from "./past-snapshots.ts";
import { recordSnapshot } from "./record-snapshot.ts";
import { rootDiffers } from "./snapshot-errors.ts";
import type { ImportOptions, SnapshotImporter } from "./snapshot-importer.ts";
import { dueCause, type SnapshotSchedule } from "./snapshot-plan.ts";
import type { SnapshotRow, VerifyProgress } from "./snapshot-row.ts";
import type { SnapshotReader, SnapshotStore } from "./snapshot-store.ts";
import { verifySnapshot } from "./verify-snapshot.ts";

/** How soon a wish of another process is seen; one of this process wakes the keeper at once. */
const LOOK_MS = 1_000;
/** Wait after a failure, doubled up to the longest. */
const RETRY_MS = { first: 1_000, longest: 30_000 };
/** How often a verification says how far it is. */
const SAY_MS = 500;

export interface SnapshotWork {
	readonly store: SnapshotStore;
	readonly reader: SnapshotReader;
	readonly source: ArchiveSource;
	/** Undefined: nobody makes snapshots the chain's state here. */
	readonly importer: SnapshotImporter | undefined;
	/**
	 * Ends what waits for an import that nobody does, whoever was to do it; called at every look, while none is
	 * under way. Undefined: nothing waits for imports.
	 */
	readonly settleImports?: ((chainId: ChainId, fence: bigint) => Promise<void>) | undefined;
	readonly log: Logger;
}

export interface KeeperOptions extends SnapshotWork {
	readonly chainId: ChainId;
	readonly schedule: SnapshotSchedule;
	/** Of the writer that holds the lease. */
	readonly state: () => ChainState;
	readonly clock?: Clock | undefined;
}

export class SnapshotKeeper {
	readonly #options: KeeperOptions;
	readonly #clock: Clock;
	readonly #ending = new AbortController();
	#wake = Promise.withResolvers<void>();
	#failures = 0;
	/** Something ended since snapshots past their keeping were looked for. */
	#mayPrune = true;
	/** An import is restored, and done as soon as this lease is given up; the next lease's keeper looks what came of it. */
	#isHandedOver = false;
	#loop: Promise<void> = Promise.resolve();

	constructor(options: KeeperOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
	}

	start(): void {
		this.#loop = this.#run();
	}

	/** Something was wanted. */
	poke(): void {
		this.#wake.resolve();
	}

	/** Ends behind the chunk under way. */
	async stop(): Promise<void> {
		this.#ending.abort();
		this.#wake.resolve();
		await this.#loop;
	}

	async #run(): Promise<void> {
		const { signal } = this.#ending;
		while (!signal.aborted) {
			this.#wake = Promise.withResolvers<void>();
			const busy = await this.#step().then(
				(did) => {
					this.#failures = 0;
					return did;
				},
				(error: unknown) => this.#failed(error),
			);
			if (busy) continue;
			const cancel = this.#clock.after(this.#waitMs(), this.#wake.resolve);
			await this.#wake.promise;
			cancel();
		}
	}

	/** Answers whether there may be more to do at once. */
	async #step(): Promise<boolean> {
		const { store, chainId } = this.#options;
		const row = await store.due(chainId);
		if (!this.#isHandedOver) await this.#options.settleImports?.(chainId, this.#lease.fence);
		if (row !== undefined) {
			await this.#work(row);
			this.#mayPrune = true;
			return true;
		}
		if (await this.#schedule()) return true;
		if (this.#mayPrune) await this.#prune();
		this.#mayPrune = false;
		return false;
	}

	async #work(row: SnapshotRow): Promise<void> {
		try {
			if (row.progress?.phase === "verify") await this.#verify(row, row.progress);
			else await this.#create(row);
		} catch (error) {
			if (this.#ending.signal.aborted) throw error;
			if (error instanceof RetryableError) await this.#heldUp(row, error);
			else await this.#endBadly(row, error);
		}
	}

	async #endBadly(row: SnapshotRow, error: unknown): Promise<void> {
		const { log, chainId, store } = this.#options;
		const { snapshotId } = row;
		log.warn({ chainId, snapshotId, err: error }, "a snapshot came to a bad end");
		await store.ended(row, this.#lease, { state: endOf(row, error), error: problemOf(error) });
	}

	/** It is tried again by whoever holds the lease. */
	async #heldUp(row: SnapshotRow, error: RetryableError): Promise<never> {
		if (error.code !== "lease_lost") {
			await this.#options.store.heldUp(row, this.#lease, problemOf(error));
		}
		throw error;
	}

	async #create(row: SnapshotRow): Promise<void> {
		const { signal } = this.#ending;
		await createSnapshot(row, { ...this.#options, lease: this.#lease, signal });
	}

	async #verify(row: SnapshotRow, progress: VerifyProgress): Promise<void> {
		const { source, store, chainId, log } = this.#options;
		if (row.manifestId === undefined) return;
		await verifySnapshot(row.manifestId, source, this.#sayHowFar(row, progress));
		await this.#requireCheckpoint(row);
		await store.ended(row, this.#lease, { state: "verified" });
		const { snapshotId, height } = row;
		log.info({ chainId, snapshotId, height: height.toString() }, "a snapshot was verified");
		if (progress.apply !== undefined) await this.#import(row, progress.apply);
	}

	/**
	 * What was made here gives what the writer committed at that block. One from elsewhere holds what
	 * agents wrote elsewhere; and below the window not every checkpoint is kept.
	 */
	async #requireCheckpoint(row: SnapshotRow): Promise<void> {
		if (row.cause === "import") return;
		const { reader } = this.#options;
		const cut = await reader.cutAtOrBelow(row.chainId, row.height);
		if (cut?.height !== row.height || cut.blockHash !== row.blockHash) return;
		// A block that a rollback left and that came back holds what agents wrote since in other slots.
		const isKnown = await reader.isCanonical(row);
		if (isKnown && !(await reader.isCanonical(row, row.generation))) return;
		const [layer] = differingLayers(row.roots, cut.roots);
		if (layer === undefined) return;
		throw rootDiffers({
			manifest: row.manifestId ?? row.snapshotId,
			what: `for ${layer} at height ${row.height} the root`,
			found: row.roots[layer],
			stated: cut.roots[layer],
		});
	}

	/** The snapshot is good whatever comes of it: what is wrong then is told beside its state. */
	async #import(row: SnapshotRow, options: ImportOptions): Promise<void> {
		const { importer, store, chainId, log } = this.#options;
		const { snapshotId } = row;
		try {
			await importer?.start(chainId, snapshotId, options, this.#ending.signal);
			this.#isHandedOver = importer !== undefined && !options.dryRun;
		} catch (error) {
			// The lease may be another's by now: it is asked for anew.
			if (this.#ending.signal.aborted) throw error;
			log.warn({ chainId, snapshotId, err: error }, "a snapshot was not imported");
			await store.heldUp(row, this.#lease, problemOf(error));
		}
	}

	/** Also where the work notices that it has to stop. */
	#sayHowFar(
		row: SnapshotRow,
		begun: VerifyProgress,
	): (bytes: number, total: number) => Promise<void> {
		const { store } = this.#options;
		const pace = new Pace();
		let done = 0;
		let saidMs = this.#clock.now();
		return async (bytes, total) => {
			this.#ending.signal.throwIfAborted();
			done += bytes;
			pace.went(bytes);
			if (this.#clock.now() - saidMs < SAY_MS) return;
			saidMs = this.#clock.now();
			const ratePerS = pace.perSecond();
			await store.progress(row, this.#lease, { ...begun, done, total, ratePerS });
		};
	}

	async #schedule(): Promise<boolean> {
		const { schedule, state, reader, store, chainId } = this.#options;
		const { everyBlocks, everyMs } = schedule;
		const { finalized } = state();
		if ((everyBlocks ?? everyMs) === undefined || finalized === undefined) return false;
		const cut = await reader.cutAtOrBelow(chainId, finalized);
		if (cut === undefined) return false;
		const cause = dueCause(schedule, await store.newest(chainId), { cut, ms: Date.now() });
		if (cause === undefined) return false;
		await recordSnapshot(store, { cut, cause, kind: undefined, fullEvery: schedule.fullEvery });
		return true;
	}

	async #prune(): Promise<void> {
		const { schedule, store, source, chainId } = this.#options;
		await takeAway({ store, source, chainId, lease: this.#lease, keep: schedule.keep });
	}

	/** Answers whether to go on at once: never. */
	#failed(error: unknown): boolean {
		if (this.#ending.signal.aborted) return false;
		this.#failures += 1;
		const { log, chainId } = this.#options;
		const known = error instanceof RecantError;
		if (known && error.code === "lease_lost") return false;
		if (known) log.warn({ chainId, err: error }, "snapshots are held up; tried again");
		else log.error({ chainId, err: error }, "snapshots met an error that was not expected");
		return false;
	}

	#waitMs(): number {
		if (this.#failures === 0) return LOOK_MS;
		return Math.min(RETRY_MS.longest, RETRY_MS.first * 2 ** (this.#failures - 1));
	}

	get #lease() {
		return { fence: this.#options.state().fence };
	}
}

function endOf(row: SnapshotRow, error: unknown): "cancelled" | "damaged" | "failed" {
	const known = error instanceof RecantError;
	if (known && error.code === "snapshot_orphaned") return "cancelled";
	return known && row.progress?.phase === "verify" ? "damaged" : "failed";
}

/** What was not thrown on purpose says nothing of its inside; the log has it. */
function problemOf(error: unknown): Problem {
	if (error instanceof RecantError) {
		const { code, message, hint } = error;
		return { code, message, hint };
	}
	return {
		code: "internal",
		message: "an error came that was not expected",
		hint: "this is a defect of Recant; please report it with the log",
	};
}
