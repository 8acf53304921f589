/** What every part of a search works with. */
import { RecantError } from "../../domain/errors.ts";
import type { Embedder } from "../../vectors/embedder.ts";
import type { VectorFilter, VectorTables } from "../../vectors/vector-tables.ts";
import type { CollectionView, StateView } from "../reading/state-store.ts";
import type { SearchCoverage } from "../recant-service.ts";
import type { AtHand, RowsAtHand } from "./rows-at-hand.ts";
import type { FoundMemory, VisibleCandidates } from "./visible-candidates.ts";

/** Candidates asked for at first, at least; a request to LanceDB costs the same for a few more. */
export const FIRST_CANDIDATES = 16;
/** Each round asks for so many times as many, up to LIMITS.searchCandidates; then Postgres is read. */
export const GROWTH = 8;
export const COMPLETE: SearchCoverage = { complete: true, reason: undefined };
/** What LanceDB cannot answer, and Postgres can. */
const ANSWERED_WITHOUT = ["vectors_unavailable", "data_directory_corrupt", "history_pruned"];

/** Lets so many at once through, and throws when too many wait. */
export interface Turns {
	run<Result>(work: () => Promise<Result>): Promise<Result>;
}

export interface SearchContext {
	readonly tables: VectorTables;
	readonly embedder: Embedder;
	readonly rows: RowsAtHand;
	/** Whole searches; taken before their snapshot, which holds a connection. */
	readonly turns: Turns;
	/** Scans of Postgres. */
	readonly scans: Turns;
}

/** One collection at one coordinate, and what is asked of it. */
export interface SearchedCollection {
	readonly view: StateView;
	readonly name: string;
	readonly collection: CollectionView;
	readonly filter: VectorFilter;
	readonly visible: VisibleCandidates;
	readonly context: SearchContext;
}

export interface Found {
	readonly memories: readonly FoundMemory[];
	readonly coverage: SearchCoverage;
}

export function isAnsweredWithout(error: unknown): error is RecantError {
	return error instanceof RecantError && ANSWERED_WITHOUT.includes(error.code);
}

/** Whether a row at hand belongs to the coordinate, and LanceDB does not answer with it. */
export function isAsked(
	{ filter, collection }: SearchedCollection,
	{ isWhole }: AtHand,
	row: {
		readonly versionId: bigint;
		readonly fromBlock: bigint;
		readonly namespace: string;
		readonly layer: NonNullable<VectorFilter["layers"]>[number];
	},
): boolean {
	const { maxFromBlock, minFromBlock, namespaces, layers } = filter;
	return (
		(isWhole || row.versionId > collection.pointer.versionId) &&
		row.versionId <= collection.lastVersionId &&
		(maxFromBlock === undefined || row.fromBlock <= maxFromBlock) &&
		(minFromBlock === undefined || row.fromBlock >= minFromBlock) &&
		(namespaces === undefined || namespaces.includes(row.namespace)) &&
		(layers === undefined || layers.includes(row.layer))
	);
}
