/**
 * The ancestor's state for a rollback of cause `handlers`: what handlers own as it was derived anew, and
 * everything else as it stands there. Built into a shadow of the rollback's own; the one that was derived
 * stays as it is, for another attempt.
 */
import type { StateRoots } from "../commitment/state-root.ts";
import type { Generation, LogPosition, MemoryKey, VersionId } from "../domain/ids.ts";
import type { SourceRef } from "../domain/provenance.ts";
import { type Held, type HeldKey, heldKey, sourceKey } from "../memory/ground.ts";
import { isThere, type Shadow, type ShadowStore, shadowRows } from "../restore/shadow-store.ts";
import { verifyShadow } from "../restore/verify-shadow.ts";
import { FROM_ROLLBACK, type HandlersStore, type Rederivation } from "./handlers-store.ts";

export interface AncestorRequest {
	readonly shadow: Shadow;
	readonly rederivation: Rederivation;
	/** Log position and last version id before the rollback's commit. */
	readonly base: { readonly position: LogPosition; readonly versionId: VersionId };
	readonly fromGen: Generation;
	readonly onRows: (done: number) => void;
}

/** Answers the roots of the state in the shadow. */
export async function buildAncestor(
	{ shadow, rederivation, base, fromGen, onRows }: AncestorRequest,
	{ handlers, shadows }: { readonly handlers: HandlersStore; readonly shadows: ShadowStore },
): Promise<StateRoots> {
	await shadows.begin(shadow);
	for await (const rows of shadowRows(shadows, rederivation.shadowId)) {
		const there = rows.filter((row) => isThere(row, shadow.height));
		const placed = there.map((row) => ({
			...row,
			fromGen,
			versionId: base.versionId + row.versionId,
			position: base.position + FROM_ROLLBACK,
		}));
		if (placed.length > 0) await shadows.put(shadow.shadowId, placed);
	}
	await handlers.takeOver(shadow, { rederivation, fromGen });
	const { roots } = await verifyShadow(shadows, shadow, { roots: undefined, onRows });
	return roots;
}

/**
 * Sources in namespaces that are derived anew: they hold where the shadow says so. What was said there and
 * written over at or below its height is not known, and counts as not said.
 */
export async function heldAnew(
	sources: readonly SourceRef[],
	{ shadowId, shadows }: { readonly shadowId: string; readonly shadows: ShadowStore },
): Promise<ReadonlyMap<HeldKey, Held>> {
	const rows = await shadows.rows(shadowId, [...new Set(sources.map(sourceKey))] as MemoryKey[]);
	return new Map(
		sources.flatMap((source) => {
			const key = sourceKey(source);
			const row = rows.get(key);
			if (row?.content === undefined || row.contentHash !== source.contentHash) return [];
			const held = { slot: row.fromBlock, grounds: row.grounds, suspect: false, depth: 0 };
			return [[heldKey(key, source.contentHash), held] as const];
		}),
	);
}

export function isDerivedAnew(source: SourceRef, { namespaces }: Rederivation): boolean {
	return namespaces.includes(source.namespace);
}
