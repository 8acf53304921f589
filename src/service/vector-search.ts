/**
 * The memories of a collection by their similarity to a vector: LanceDB at the pointed version ∪ the tail.
 *
 * Candidates come in the order of their similarity, and are taken until k of them are visible and pass the
 * filters; when too many do not, more are asked for. A large table is asked by its index first. What that
 * does not give is looked for exactly, and what LanceDB cannot give is read from Postgres.
 */
import { LIMITS } from "../domain/limits.ts";
import type { VectorCandidate } from "../domain/vector.ts";
import { compareCandidates } from "../ranking/exact-scan.ts";
import { scanDatabase } from "./database-scan.ts";
import {
	COMPLETE,
	FIRST_CANDIDATES,
	type Found,
	GROWTH,
	isAnsweredWithout,
	isInTail,
	type SearchedCollection,
} from "./search-context.ts";
import type { FoundMemory } from "./visible-candidates.ts";

/** Throws `vectors_unavailable` when too many searches wait for Postgres already. */
export async function searchVectors(
	searched: SearchedCollection,
	vector: Float32Array,
	k: number,
): Promise<Found> {
	try {
		const memories = await fromTableAndTail(searched, vector, k);
		if (memories !== undefined) return { memories, coverage: COMPLETE };
	} catch (error) {
		if (!isAnsweredWithout(error)) throw error;
		return searched.context.scans.run(() => byScan(searched, vector, k, error.message));
	}
	const why = `of ${LIMITS.searchCandidates} candidates too few pass the filters`;
	return searched.context.scans.run(() => byScan(searched, vector, k, why));
}

/** `why`: LanceDB is left out. */
async function byScan(
	{ view, name, collection, filter, visible }: SearchedCollection,
	vector: Float32Array,
	k: number,
	why: string,
): Promise<Found> {
	const scan = await scanDatabase(view, name, collection, { vector, filter });
	const memories = await visible.take(scan.candidates, k);
	const looked = scan.isWhole
		? `all ${scan.rows} embedded versions were read from Postgres`
		: `the newest ${scan.rows} embedded versions were read from Postgres, older ones were not looked at`;
	return { memories, coverage: { complete: scan.isWhole, reason: `${looked}: ${why}` } };
}

/** Undefined: too many candidates do not pass. */
async function fromTableAndTail(
	searched: SearchedCollection,
	vector: Float32Array,
	k: number,
): Promise<readonly FoundMemory[] | undefined> {
	const { collection, filter, context, visible } = searched;
	const { tableVersion } = collection.pointer;
	const tail = await fromTail(searched, vector);
	let wanted = Math.max(FIRST_CANDIDATES, 2 * k);
	const indexed =
		tableVersion === 0n
			? undefined
			: await context.tables.searchIndexed(collection.table, tableVersion, {
					vector,
					k: wanted,
					filter,
				});
	if (indexed !== undefined) {
		const found = await visible.take(together(indexed, tail, wanted), k);
		if (found.length >= k) return found;
		// Fewer than were asked for: not all partitions were looked into.
		wanted *= GROWTH;
	}
	for (;;) {
		const stored =
			tableVersion === 0n
				? []
				: await context.tables.search(collection.table, tableVersion, {
						vector,
						k: wanted,
						filter,
					});
		const found = await visible.take(together(stored, tail, wanted), k);
		if (found.length >= k || stored.length < wanted) return found;
		if (wanted === LIMITS.searchCandidates) return undefined;
		wanted = Math.min(LIMITS.searchCandidates, GROWTH * wanted);
	}
}

/** In order; of the tail only what no row that was not fetched can stand before. */
function together(
	stored: readonly VectorCandidate[],
	tail: readonly VectorCandidate[],
	wanted: number,
): readonly VectorCandidate[] {
	const worst = stored.length < wanted ? undefined : stored.at(-1)?.similarity;
	const certain =
		worst === undefined ? tail : tail.filter(({ similarity }) => similarity >= worst);
	return [...stored, ...certain].sort(compareCandidates);
}

async function fromTail(
	searched: SearchedCollection,
	vector: Float32Array,
): Promise<readonly VectorCandidate[]> {
	const { view, name, collection, context } = searched;
	const { scan } = await context.tails.tail(view, name, collection);
	return scan.search({ vector, k: scan.size, accept: (row) => isInTail(searched, row) });
}
