import { FOREVER, type Generation, type Height } from "../domain/ids.ts";
import type { StoredGeneration } from "./stored-state.ts";

/** What an older generation orphaned is taken away in steps: the row may be there still, or not. */
export function isGoing(
	row: { readonly toGen: Generation },
	generations: readonly StoredGeneration[],
): boolean {
	return row.toGen <= (generations[0]?.generation ?? 0n);
}

/** The same for what was sealed: handlers that derived everything anew left nothing of it. */
export function sealedEnd(
	sealed: { readonly height: Height; readonly fromGen: Generation },
	generations: readonly StoredGeneration[],
): Generation {
	return branchEnd(
		sealed,
		generations.map((each) => (each.isDerivedAnew === true ? { ...each, ancestor: -1n } : each)),
	);
}

/**
 * Generation that orphaned a block which became canonical in `fromGen`: the first later one whose
 * rollback went back below it; FOREVER: none did. `generations` are those that are kept, rising; a
 * row that an older one orphaned is kept no longer.
 */
export function branchEnd(
	block: { readonly height: Height; readonly fromGen: Generation },
	generations: readonly StoredGeneration[],
): Generation {
	const kept = generations[0]?.generation ?? 0n;
	const by = generations.find(
		({ generation, ancestor }) =>
			generation > block.fromGen &&
			generation > kept &&
			ancestor !== undefined &&
			ancestor < block.height,
	);
	return by?.generation ?? FOREVER;
}
