/**
 * The memories of a collection by their similarity to a vector: LanceDB at the pointed version ∪ the tail, or
 * all of them from memory while they are few.
 *
 * Candidates come in the order of their similarity, and are taken until k of them are visible and pass the
 * filters; when too many do not, more are asked for. A large table is asked by its index first. What that
 * does not give is looked for exactly, and what LanceDB cannot give is read from Postgres.
 */
import { LIMITS } from "../../domain/limits.ts";
import type { VectorCandidate } from "../../domain/vector.ts";
import { compareCandidates, type ScannedRow } from "../../ranking/exact-scan.ts";
import { scanDatabase } from "./database-scan.ts";
import type { AtHand } from "./rows-at-hand.ts";
import {
	COMPLETE,
	FIRST_CANDIDATES,
	type Found,
	GROWTH,
	isAnsweredWithout,
	isAsked,
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
	const { visible, view, name, collection, context } = searched;
	const atHand = await context.rows.of(view, name, collection);
	if (atHand.isWhole) return fromMemory(searched, atHand, vector, k);
	let wanted = Math.max(FIRST_CANDIDATES, 2 * k);
	// Together: LanceDB works on threads of its own while the tail is looked through here.
	const [first, tail] = await Promise.all([
		firstStored(searched, vector, wanted),
		inMemory(searched, atHand, vector),
	]);
	const found = await visible.take(together(first.stored, tail, wanted), k);
	if (found.length >= k) return found;
	// Fewer than were asked for, by the index: not all of its partitions were looked into.
	if (!first.byIndex && first.stored.length < wanted) return found;
	while (wanted < LIMITS.searchCandidates) {
		wanted = Math.min(LIMITS.searchCandidates, GROWTH * wanted);
		const stored = await exactlyStored(searched, vector, wanted);
		const more = await visible.take(together(stored, tail, wanted), k);
		if (more.length >= k || stored.length < wanted) return more;
	}
	return undefined;
}

/** As many of the best as are looked at; most searches are content with the first few. */
async function fromMemory(
	searched: SearchedCollection,
	atHand: AtHand,
	vector: Float32Array,
	k: number,
): Promise<readonly FoundMemory[]> {
	const accept = (row: ScannedRow) => isAsked(searched, atHand, row);
	const { scan } = await atHand.load();
	for (let wanted = Math.max(FIRST_CANDIDATES, 2 * k); ; wanted *= GROWTH) {
		const candidates = scan.search({ vector, k: wanted, accept });
		const found = await searched.visible.take(candidates, k);
		if (found.length >= k || candidates.length < wanted) return found;
	}
}

interface Stored {
	readonly stored: readonly VectorCandidate[];
	/** False: every vector was compared. */
	readonly byIndex: boolean;
}

async function firstStored(
	searched: SearchedCollection,
	vector: Float32Array,
	k: number,
): Promise<Stored> {
	const { collection, filter, context } = searched;
	const { tableVersion } = collection.pointer;
	if (tableVersion === 0n) return { stored: [], byIndex: false };
	const query = { vector, k, filter };
	const indexed = await context.tables.searchIndexed(collection.table, tableVersion, query);
	if (indexed !== undefined) return { stored: indexed, byIndex: true };
	return { stored: await exactlyStored(searched, vector, k), byIndex: false };
}

async function exactlyStored(
	{ collection, filter, context }: SearchedCollection,
	vector: Float32Array,
	k: number,
): Promise<readonly VectorCandidate[]> {
	return context.tables.search(collection.table, collection.pointer.tableVersion, {
		vector,
		k,
		filter,
	});
}

/** In order; of the tail only what no row that was not fetched can stand before. */
function together(
	stored: readonly VectorCandidate[],
	tail: readonly VectorCandidate[],
	wanted: number,
): readonly VectorCandidate[] {
	const worst = stored.length < wanted ? undefined : stored.at(-1)?.similarity;
	const certain = worst === undefined ? tail : tail.filter(({ similarity }) => similarity >= worst);
	return [...stored, ...certain].sort(compareCandidates);
}

async function inMemory(
	searched: SearchedCollection,
	atHand: AtHand,
	vector: Float32Array,
): Promise<readonly VectorCandidate[]> {
	const { scan } = await atHand.load();
	return scan.search({ vector, k: scan.size, accept: (row) => isAsked(searched, atHand, row) });
}
