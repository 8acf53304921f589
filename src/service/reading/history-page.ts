/**
 * A page of a memory's versions. Its cursor names the last row shown, so that versions written
 * meanwhile shift nothing: the next page goes on below that row.
 */
import type { HistoryRange } from "../../domain/coordinate.ts";
import { type ChainId, FOREVER, type MemoryKey } from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import type { HistoryEntryView, Page } from "../recant-service.ts";
import { historyEntry } from "../views.ts";
import {
	cursorBinding,
	cursorNumber,
	decodeCursor,
	encodeCursor,
	requireBinding,
} from "./cursor.ts";
import type { HistoryPlace, StateStore } from "./state-store.ts";

/** Undefined: the memory has no version at all, in the range or out of it. Throws `cursor_invalid`. */
export async function historyPage(
	store: StateStore,
	chainId: ChainId,
	query: {
		readonly key: MemoryKey;
		/** Left out: all versions. */
		readonly range?: HistoryRange | undefined;
		/** Id of who reads; a cursor is theirs alone. */
		readonly reader?: string | undefined;
		readonly limit: number;
		readonly cursor: string | undefined;
	},
): Promise<Page<HistoryEntryView> | undefined> {
	const { key, range, reader, limit, cursor } = query;
	const ends = [range?.from, range?.to, range?.generation].map((end) => end?.toString());
	const binding = cursorBinding(["history", chainId, reader, key, ...ends]);
	const after = cursor === undefined ? undefined : placeOf(cursor, binding);
	const found = await store.history(chainId, key, { range, after, limit: limit + 1 });
	if (found.length === 0 && after === undefined) {
		const any = range && (await store.history(chainId, key, { ...WHOLE, limit: 1 }));
		if (any === undefined || any.length === 0) return undefined;
	}
	const page = found.slice(0, limit);
	const last = found.length > limit ? page.at(-1) : undefined;
	return { items: page.map(historyEntry), cursor: last && cursorAfter(last, binding) };
}

const WHOLE = { range: undefined, after: undefined };

function cursorAfter({ toGen, fromBlock, fromGen }: Version, q: string): string {
	return encodeCursor({ t: toGen.toString(), b: fromBlock.toString(), f: fromGen.toString(), q });
}

function placeOf(cursor: string, binding: string): HistoryPlace {
	const { t, b, f, q } = decodeCursor(cursor, ["t", "b", "f", "q"]);
	requireBinding(q, binding);
	return { toGen: openEnded(t), fromBlock: cursorNumber(b), fromGen: cursorNumber(f) };
}

/** The end of a span may be FOREVER, which is no height or generation of its own. */
function openEnded(value: string): bigint {
	return value === FOREVER.toString() ? FOREVER : cursorNumber(value);
}
