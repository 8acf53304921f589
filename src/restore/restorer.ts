/**
 * Builds the true state of a chain at (a generation, a sealed height) into a shadow, from a snapshot or
 * from nothing, by the log.
 *
 * 1. Nothing that readers see is changed or trusted: rows come from the snapshot's records, whose hashes
 *    its manifest fixes, and from the log. Every row is hashed again at the end.
 * 2. The result has the roots that were sealed there, or the restore fails; then the shadow is of no use.
 * 3. Memory is bounded by a group of operations, not by the state or by the log.
 * 4. Restored rows have the version ids, positions and heights of those that they restore.
 */
import type { StateRoots } from "../commitment/state-root.ts";
import { FatalError } from "../domain/errors.ts";
import type { ChainId, Generation, Height, LogPosition, MemoryKey } from "../domain/ids.ts";
import type { Layer, Owner } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Manifest, ManifestId } from "../snapshots/manifest.ts";
import type { SnapshotSource } from "../snapshots/snapshot-source.ts";
import { applySteps, writeKey } from "./apply-steps.ts";
import { deriveGroup } from "./derived-group.ts";
import type { GroupDeriver } from "./group-deriver.ts";
import { type LoadedSnapshot, loadSnapshot } from "./load-snapshot.ts";
import type { LoggedEntry, LogReader, RollbackMark } from "./log-reader.ts";
import { FROM_NOTHING, LogWalk, type Step, type WalkStart, type WriteStep } from "./log-walk.ts";
import type { Shadow, ShadowRow, ShadowStore } from "./shadow-store.ts";
import { verifyShadow } from "./verify-shadow.ts";

export interface RestoreRequest {
	readonly shadow: Shadow;
	/** Generation whose state is wanted; the height is the shadow's. */
	readonly generation: Generation;
	/** Generation in which rows begin that are not there yet. */
	readonly fromGen: Generation;
	/** Last log entry that counts. */
	readonly logPosition: LogPosition;
	/** Snapshot to begin from; undefined: nothing. */
	readonly snapshot: ManifestId | undefined;
	/** Roots that were sealed at the height; undefined: none are known, see `Restored`. */
	readonly roots: StateRoots | undefined;
	/** Only these memories; undefined: all. Then roots cannot be checked, and are not. */
	readonly only: ReadonlySet<MemoryKey> | undefined;
	/** Undefined where groups cannot be derived here. */
	readonly deriver: GroupDeriver | undefined;
	/** Whether the node may have another chain above the height; then no group is derived beyond it. */
	readonly isForked?: boolean | undefined;
	readonly onProgress: (progress: RestoreProgress) => void;
}

export interface RestoreProgress {
	readonly step: "snapshot" | "log" | "verify";
	/** Records, log positions, memories. */
	readonly done: number;
	readonly total: number;
}

export interface Restored {
	readonly shadowId: string;
	/** Of the whole state; undefined for a restore of some memories. */
	readonly roots: StateRoots | undefined;
	readonly memories: number;
	/** Of the snapshot that it began from. */
	readonly snapshot: LoadedSnapshot | undefined;
}

export interface RestorerOptions {
	readonly shadows: ShadowStore;
	readonly log: LogReader;
	/** Undefined where no archive is set up. */
	readonly snapshots: SnapshotSource | undefined;
}

export class Restorer {
	readonly #options: RestorerOptions;

	constructor(options: RestorerOptions) {
		this.#options = options;
	}

	get shadows(): ShadowStore {
		return this.#options.shadows;
	}

	get log(): LogReader {
		return this.#options.log;
	}

	get snapshots(): SnapshotSource | undefined {
		return this.#options.snapshots;
	}

	/** Throws what `SnapshotSource.manifest` throws. */
	async manifest(id: ManifestId): Promise<Manifest> {
		const source = this.#options.snapshots;
		if (source === undefined) throw noArchive(id);
		return source.manifest(id);
	}

	/**
	 * Fills the request's shadow. Throws `FatalError`: `history_pruned` when the log does not reach down
	 * to where it begins, `handlers_differ`, `verification_failed`, and what `SnapshotSource` throws.
	 */
	async restore(request: RestoreRequest): Promise<Restored> {
		const { shadow, only } = request;
		await this.shadows.begin(shadow);
		const loaded = await this.#load(request);
		await this.#replay(request, loaded);
		const report = (done: number, total: number) =>
			request.onProgress({ step: "verify", done, total });
		const verified = await verifyShadow(this.shadows, shadow, {
			// The snapshot's own, where nothing was replayed on top of it.
			roots: only === undefined ? (request.roots ?? rootsOf(loaded, shadow.height)) : undefined,
			onRows: (done) => report(done, done),
		});
		return {
			shadowId: shadow.shadowId,
			roots: only === undefined ? verified.roots : undefined,
			memories: verified.memories,
			snapshot: loaded,
		};
	}

	async #load(request: RestoreRequest): Promise<LoadedSnapshot | undefined> {
		const { shadow, snapshot, fromGen } = request;
		if (snapshot === undefined) return undefined;
		const source = this.#options.snapshots;
		if (source === undefined) throw noArchive(snapshot);
		const manifest = await source.manifest(snapshot);
		requireBelow(shadow, manifest);
		const total = manifest.counts.memories;
		return loadSnapshot(snapshot, {
			source,
			shadows: this.shadows,
			shadowId: shadow.shadowId,
			generation: fromGen,
			wanted: await this.#filter(request, manifest.logPosition),
			onRecords: (done) => request.onProgress({ step: "snapshot", done, total }),
		});
	}

	async #replay(request: RestoreRequest, loaded: LoadedSnapshot | undefined): Promise<void> {
		const { shadow, generation, logPosition } = request;
		const { chainId, height } = shadow;
		const start = loaded === undefined ? FROM_NOTHING : startOf(loaded);
		const admitted = admittedBefore(loaded);
		if (start.height === height) return;
		const cutTo = await this.log.cutTo(chainId);
		if (cutTo > start.position) throw logCut(chainId, cutTo, start);
		const rollbacks = await this.#rollbacks(chainId, { generation, logPosition });
		const walk = new LogWalk(start, {
			height,
			rollbacks: rollbacks.filter(({ position }) => position > start.position),
			isForked: request.isForked,
		});
		const wanted = await this.#filter(request, start.position);
		const total = Number(logPosition - start.position);
		const range = { above: start.position, to: logPosition };
		for await (const { entries, last } of this.#pages(chainId, range)) {
			const steps = [...walk.take(entries.map(admitted)), ...(last ? walk.end() : [])];
			await this.#apply(steps, request, wanted);
			const reached = last ? logPosition : (entries.at(-1)?.position ?? start.position);
			request.onProgress({ step: "log", done: Number(reached - start.position), total });
		}
	}

	/** Reads the next page while one is worked on. */
	async *#pages(
		chainId: ChainId,
		{ above, to }: { readonly above: LogPosition; readonly to: LogPosition },
	): AsyncGenerator<{ readonly entries: readonly LoggedEntry[]; readonly last: boolean }> {
		const limit = LIMITS.restoreEntries;
		let next = this.log.entries(chainId, { above, to, limit });
		for (;;) {
			const entries = await next;
			const reached = entries.at(-1)?.position;
			const last = reached === undefined || entries.length < limit;
			if (!last) {
				next = this.log.entries(chainId, { above: reached, to, limit });
				// A failure is the next turn's.
				next.catch(() => undefined);
			}
			yield { entries, last };
			if (last) return;
		}
	}

	/** Rollbacks that lead to the generation. */
	async #rollbacks(
		chainId: ChainId,
		to: { readonly generation: Generation; readonly logPosition: LogPosition },
	): Promise<readonly RollbackMark[]> {
		const all = await this.log.rollbacks(chainId);
		return all.filter(
			(mark) => mark.generation <= to.generation && mark.position <= to.logPosition,
		);
	}

	/** Runs of operations together, each group by itself. */
	async #apply(steps: readonly Step[], request: RestoreRequest, wanted: Wanted): Promise<void> {
		let run: WriteStep[] = [];
		for (const step of steps) {
			if (step.type !== "group") {
				if (wanted({ memoryKey: writeKey(step), owner: ownerOf(step) })) run.push(step);
				continue;
			}
			await this.#write(run, request);
			run = [];
			await this.#derive(step, request, wanted);
		}
		await this.#write(run, request);
	}

	async #write(run: readonly WriteStep[], request: RestoreRequest): Promise<void> {
		if (run.length === 0) return;
		const { shadow, fromGen, only } = request;
		const keys = [...new Set(run.map(writeKey))];
		const loaded = await this.shadows.rows(shadow.shadowId, keys);
		const steps = only === undefined ? run : ofKnown(run, new Set([...only, ...loaded.keys()]));
		await this.#put(shadow, applySteps(steps, loaded, fromGen));
	}

	async #derive(
		step: Extract<Step, { readonly type: "group" }>,
		{ shadow, fromGen, deriver, only }: RestoreRequest,
		wanted: Wanted,
	): Promise<void> {
		if (deriver === undefined) throw noDeriver(step);
		const { chainId, shadowId, height: upTo } = shadow;
		const rows = await deriveGroup(step, {
			chainId,
			shadowId,
			generation: fromGen,
			shadows: this.shadows,
			deriver,
			upTo,
			only,
		});
		await this.#put(shadow, rows.filter(wanted));
	}

	/** Each layer on a connection of its own. */
	async #put({ shadowId }: Shadow, rows: readonly ShadowRow[]): Promise<void> {
		const layers = Map.groupBy(rows, (row) => row.layer).values();
		await Promise.all([...layers].map((each) => this.shadows.put(shadowId, each)));
	}

	/**
	 * Memories that are worked on. Handlers read memories of theirs, so where a group is derived again
	 * all that they own is needed.
	 */
	async #filter(
		{ only, shadow, logPosition }: RestoreRequest,
		above: LogPosition,
	): Promise<Wanted> {
		if (only === undefined) return () => true;
		const groups = await this.log.hasGroups(shadow.chainId, { above, to: logPosition });
		return ({ memoryKey, owner }) => only.has(memoryKey) || (groups && owner === "handler");
	}
}

type Wanted = (memory: { readonly memoryKey: MemoryKey; readonly owner: Owner }) => boolean;

/** Whose the memory may be: an end does not say it. */
function ownerOf({ type }: WriteStep): Owner {
	return type === "handler" || type === "ended" ? "handler" : "agent";
}

/** Without the ends of memories that are not worked on, which may be agents'. */
function ofKnown(run: readonly WriteStep[], known: ReadonlySet<MemoryKey>): readonly WriteStep[] {
	const written = new Set(run.flatMap((step) => (step.type === "ended" ? [] : [writeKey(step)])));
	return run.filter((step) => {
		const key = writeKey(step);
		return step.type !== "ended" || known.has(key) || written.has(key);
	});
}

/** The entry of an operation may be cut when the operation is final; the snapshot has it still. */
function admittedBefore(loaded: LoadedSnapshot | undefined): (entry: LoggedEntry) => LoggedEntry {
	const known = new Map(
		loaded?.operations.map(({ operationId, position, originalSlot, body }) => [
			operationId,
			{ position, height: originalSlot, body },
		]),
	);
	return (entry) =>
		entry.kind !== "verdict" || entry.admitted !== undefined || entry.operationId === undefined
			? entry
			: { ...entry, admitted: known.get(entry.operationId) };
}

function startOf({ manifest }: LoadedSnapshot): WalkStart {
	const { height, logPosition: position, versionSeq } = manifest;
	return { height, position, versionSeq };
}

function rootsOf(
	loaded: LoadedSnapshot | undefined,
	height: Height,
): Readonly<Record<Layer, `0x${string}`>> | undefined {
	return loaded?.manifest.height === height ? loaded.manifest.roots : undefined;
}

function requireBelow(
	{ chainId, height }: Shadow,
	manifest: { readonly chainId: ChainId; readonly height: Height },
): void {
	if (manifest.chainId === chainId && manifest.height <= height) return;
	throw new FatalError("internal", {
		message: `a snapshot of chain ${manifest.chainId} at ${manifest.height} is no base for chain ${chainId} at ${height}`,
		hint: "this is a defect of Recant; please report it with the log",
	});
}

function logCut(chainId: ChainId, cutTo: LogPosition, start: WalkStart): FatalError {
	return new FatalError("history_pruned", {
		message: `the log of chain ${chainId} is cut up to position ${cutTo}, and position ${start.position + 1n} is needed`,
		hint: "restore from a newer snapshot",
		fields: { chainId, cutTo: cutTo.toString(), needed: (start.position + 1n).toString() },
	});
}

function noArchive(snapshot: ManifestId): FatalError {
	return new FatalError("snapshot_incomplete", {
		message: `snapshot ${snapshot} cannot be read: no archive is set up`,
		hint: "set RECANT_SNAPSHOTS to the directory or bucket of the snapshots",
		fields: { manifest: snapshot },
	});
}

function noDeriver({ from, to }: { readonly from: Height; readonly to: Height }): FatalError {
	return new FatalError("handlers_differ", {
		message: `blocks ${from} to ${to} have to be derived again, and this process does not know the chain's handlers`,
		hint: "run it where the chain's file is",
		fields: { from: from.toString(), to: to.toString() },
	});
}
