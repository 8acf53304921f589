/**
 * Search without LanceDB: an exact scan of the embedded versions that Postgres keeps, newest first, as
 * far as LIMITS.scanBytes go. Similarities are those of any other search.
 */
import type { VersionId } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { VectorCandidate } from "../../domain/vector.ts";
import { compareCandidates, cosineSimilarity } from "../../ranking/exact-scan.ts";
import type { VectorFilter } from "../../vectors/vector-tables.ts";
import type { CollectionView, StateView } from "../reading/state-store.ts";

/** Rows of one query: 1.5 MB of 384 floats, whose similarities take a millisecond. */
const PAGE_ROWS = 1_024;
const FLOAT_BYTES = 4;

export interface Scan {
	/** The most similar first. */
	readonly candidates: readonly VectorCandidate[];
	/** Rows that were looked at. */
	readonly rows: number;
	/** False: older rows were left out. */
	readonly isWhole: boolean;
}

export async function scanDatabase(
	view: StateView,
	name: string,
	collection: CollectionView,
	query: {
		readonly vector: Float32Array;
		readonly filter: Omit<VectorFilter, "excludeVersions">;
	},
): Promise<Scan> {
	const mostRows = Math.floor(LIMITS.scanBytes / (collection.dimensions * FLOAT_BYTES));
	const candidates: VectorCandidate[] = [];
	let rows = 0;
	let upTo: VersionId = collection.lastVersionId;
	while (rows < mostRows) {
		const limit = Math.min(PAGE_ROWS, mostRows - rows);
		const page = await view.embedded(name, { ...query.filter, upTo, limit });
		for (const { versionId, memoryKey, vector } of page) {
			const similarity = cosineSimilarity(vector, query.vector);
			if (similarity !== undefined) candidates.push({ versionId, memoryKey, similarity });
		}
		rows += page.length;
		const last = page.at(-1);
		if (last === undefined || page.length < limit) return scan(candidates, rows, true);
		upTo = last.versionId - 1n;
	}
	const [older] = await view.embedded(name, { ...query.filter, upTo, limit: 1 });
	return scan(candidates, rows, older === undefined);
}

function scan(candidates: VectorCandidate[], rows: number, isWhole: boolean): Scan {
	return { candidates: candidates.sort(compareCandidates), rows, isWhole };
}
