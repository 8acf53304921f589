/**
 * Gets the ancestor's state by a restore instead of a rewind: builds it into a shadow, marks what stands
 * of it already, and makes vectors that are missing. Nothing that readers see is changed.
 */
import { randomUUID } from "node:crypto";
import { FatalError } from "../domain/errors.ts";
import type { Generation, Height, MemoryKey, VersionId } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import { buildAncestor, heldAnew, isDerivedAnew } from "../rederive/derived-ancestor.ts";
import type { HandlersStore, Rederivation } from "../rederive/handlers-store.ts";
import type { GroupDeriver } from "../restore/group-deriver.ts";
import type { RestoreProgress, Restorer } from "../restore/restorer.ts";
import type { Shadow, ShadowRow } from "../restore/shadow-store.ts";
import type { Assembly } from "../writer/assembly.ts";
import type { ChainState } from "../writer/chain-state.ts";
import type { Checkpoint, VectorPointers } from "../writer/commit-batch.ts";
import { type EmbedContext, embedVectors } from "../writer/embed-vectors.ts";
import type { AncestorState, Believed } from "./ancestor-state.ts";
import type { ReplayStore } from "./replay.ts";
import type { ReportBuilder } from "./report.ts";
import type { RestoredStates, UsableSnapshot } from "./restored-states.ts";
import { type RollbackRecord, targetOf } from "./rollback-record.ts";
import { isSnapshotsOwn } from "./strategy.ts";

/** Memories that are compared, or embedded, at a time. */
const PAGE = 500;

export interface RestoreContext extends Omit<EmbedContext, "vectorsOf"> {
	readonly restorer: Restorer;
	readonly states: RestoredStates;
	readonly handlers: HandlersStore | undefined;
	readonly deriver: GroupDeriver;
	/** Of what a shadow does not have: it is there in the rows up to the ancestor. */
	readonly writerStore: Pick<ReplayStore, "heldSources" | "linksFrom" | "nextPuts">;
	readonly onProgress: (progress: RestoreProgress) => void;
}

export interface RestorePlan {
	readonly state: ChainState;
	readonly checkpoint: Checkpoint | undefined;
	/** Undefined: from nothing. */
	readonly snapshot: UsableSnapshot | undefined;
	readonly rederivation: Rederivation | undefined;
	/** Where the collections go back to. */
	readonly pointers: VectorPointers;
}

/** Loads what will end by itself on the new branch into the assembly. */
export async function restoreAncestor(
	rollback: RollbackRecord,
	assembly: Assembly,
	plan: RestorePlan,
	context: RestoreContext,
): Promise<AncestorState> {
	const { rollbackId, chainId, ancestor, fromGeneration } = rollback;
	const { states, restorer } = context;
	const shadow: Shadow = {
		shadowId: randomUUID(),
		chainId,
		purpose: "rollback",
		ownerId: rollbackId,
		height: ancestor.height,
	};
	const next: Generation = fromGeneration + 1n;
	const { rederivation } = plan;
	const { roots } =
		rederivation === undefined
			? await restored(shadow, rollback, plan, context)
			: await derived(shadow, rollback, { ...plan, rederivation }, context);
	if (rederivation === undefined) await states.settle(shadow, next);
	const isAnew = plan.snapshot === undefined && rederivation === undefined;
	await embedMissing(shadow, isAnew, context);
	const range = {
		above: ancestor.height,
		to: targetOf(rollback).height,
		time: rollback.branch.at(-1)?.timestamp ?? 0n,
	};
	const ending = await restorer.shadows.expiring(shadow.shadowId, range);
	const rows = await states.latestVersions(shadow, ending);
	for (const key of ending) assembly.state.load(key, rows.get(key) ?? []);
	const believed = {
		at: (plan.state.head?.number ?? ancestor.height) + 1n,
		expiringTo: range.to,
		expiringTime: range.time,
	};
	return {
		reader: replayReader(shadow, rederivation, context),
		vectorsOf: (ids) => states.vectors(shadow, ids),
		changes: undefined,
		roots,
		shadow,
		pointers: plan.pointers,
		compare: (report, now) => compareAll(shadow, believed, { states, report, now, rederivation }),
	};
}

/** Instead of a restore: see rederive/. */
async function derived(
	shadow: Shadow,
	{ fromGeneration }: RollbackRecord,
	{ state, rederivation }: RestorePlan & { readonly rederivation: Rederivation },
	{ handlers, restorer, onProgress }: RestoreContext,
) {
	if (handlers === undefined) throw new FatalError("internal", NO_ROOTS);
	const { logPosition: position, versionSeq } = state;
	const request = {
		shadow,
		rederivation,
		base: { position, versionId: versionSeq - rederivation.versions },
		fromGen: fromGeneration + 1n,
		onRows: (done: number) => onProgress({ step: "verify", done, total: done }),
	};
	return { roots: await buildAncestor(request, { handlers, shadows: restorer.shadows }) };
}

function replayReader(
	shadow: Shadow,
	rederivation: Rederivation | undefined,
	{ states, restorer, writerStore }: RestoreContext,
): ReplayStore {
	return {
		latestVersions: (_chain, keys) => states.latestVersions(shadow, keys),
		expiring: (_chain, range) => restorer.shadows.expiring(shadow.shadowId, range),
		population: (_chain, query) => states.population(shadow, query),
		writingOrder: (_chain, query) => states.writingOrder(shadow, query),
		heldSources: async (chainId, sources, upTo) => {
			if (rederivation === undefined) return writerStore.heldSources(chainId, sources, upTo);
			const [anew = [], others = []] = [true, false].map((isAnew) =>
				sources.filter((source) => isDerivedAnew(source, rederivation) === isAnew),
			);
			const { shadowId } = shadow;
			const found = await Promise.all([
				heldAnew(anew, { shadowId, shadows: restorer.shadows }),
				writerStore.heldSources(chainId, others, upTo),
			]);
			return new Map(found.flatMap((each) => [...each]));
		},
		linksFrom: (...query) => writerStore.linksFrom(...query),
		nextPuts: (...query) => writerStore.nextPuts(...query),
	};
}

/** A snapshot that proves to be of no use is not taken again. */
async function restored(
	shadow: Shadow,
	{ fromGeneration }: RollbackRecord,
	{ state, checkpoint, snapshot }: RestorePlan,
	{ restorer, states, deriver, onProgress }: RestoreContext,
) {
	try {
		const { roots } = await restorer.restore({
			shadow,
			generation: fromGeneration,
			fromGen: fromGeneration + 1n,
			logPosition: state.logPosition,
			snapshot: snapshot?.manifest,
			roots: checkpoint?.roots,
			only: undefined,
			deriver,
			isForked: true,
			onProgress,
		});
		if (roots === undefined) throw new FatalError("internal", NO_ROOTS);
		return { roots };
	} catch (error) {
		if (snapshot !== undefined && error instanceof FatalError && isSnapshotsOwn(error)) {
			await states.snapshotDamaged(snapshot.snapshotId, error);
		}
		throw error;
	}
}

const NO_ROOTS = {
	message: "a whole state was restored without roots",
	hint: "this is a defect of Recant; please report it with the log",
};

/** `anew`: also what has a vector already. */
async function embedMissing(
	shadow: Shadow,
	anew: boolean,
	{ states, embedder, collections }: RestoreContext,
): Promise<void> {
	let after: MemoryKey | undefined;
	for (;;) {
		const rows: readonly ShadowRow[] = await states.unembedded(shadow, {
			anew,
			after,
			limit: PAGE,
		});
		const embedded = await embedVectors(rows.flatMap(vectorRequest), {
			embedder,
			collections,
			vectorsOf: async () => new Map<VersionId, Float32Array>(),
		});
		await states.giveVectors(
			shadow,
			new Map(embedded.map(({ memoryKey, vector }) => [memoryKey, vector])),
		);
		after = rows.at(-1)?.memoryKey;
		if (after === undefined || rows.length < PAGE) return;
	}
}

function vectorRequest(row: ShadowRow) {
	const { collection, text } = row;
	if (collection === undefined || text === undefined) return [];
	return [{ version: { ...row, collection }, source: { type: "text", text } as const }];
}

/** Page by page: a restored state may differ in any number of memories. */
async function compareAll(
	shadow: Shadow,
	range: { readonly at: Height; readonly expiringTo: Height; readonly expiringTime: bigint },
	{ states, report, now, rederivation }: CompareContext,
): Promise<void> {
	let after: MemoryKey | undefined;
	for (;;) {
		const query = { ...range, after, limit: PAGE };
		const believed: readonly Version[] = await states.believedOtherwise(shadow, query);
		const keys = believed.map(({ memoryKey }) => memoryKey);
		const others = await states.latestVersions(
			shadow,
			keys.filter((key) => !now.editor.isLoaded(key)),
		);
		// What was said at or below the ancestor was taken back by nobody, whatever is said now.
		const orphaned = believed.filter(
			({ fromBlock, owner }) =>
				fromBlock > shadow.height || (rederivation !== undefined && owner === "handler"),
		);
		report.compare(new Map(orphaned.map((version) => [version.memoryKey, version])), (key) =>
			now.editor.isLoaded(key)
				? now.editor.visible(key, now.at)
				: others.get(key)?.find((version) => isBelieved(version, now.at)),
		);
		after = keys.at(-1);
		if (after === undefined || keys.length < PAGE) return;
	}
}

interface CompareContext {
	readonly states: RestoredStates;
	readonly rederivation: Rederivation | undefined;
	readonly report: ReportBuilder;
	readonly now: Believed;
}

function isBelieved(version: Version, slot: Height): boolean {
	return version.content !== undefined && version.fromBlock <= slot && version.toBlock > slot;
}
