/**
 * What differs between two coordinates, a page at a time. Both are read in one snapshot, and the
 * cursor pins them, so that the next page compares the same two though blocks came meanwhile.
 */
import type { AnsweredAt, AtRequest } from "../../domain/coordinate.ts";
import type { ChainId, MemoryKey } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Version } from "../../domain/memory.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import type { DiffEntry, Page } from "../recant-service.ts";
import { memoryView } from "../views.ts";
import {
	cursorBinding,
	cursorInvalid,
	cursorNumber,
	decodeCursor,
	encodeCursor,
	requireBinding,
} from "./cursor.ts";
import type { StateStore, StateView, TakenBack } from "./state-store.ts";

/** Pages of candidates that one answer looks through; past it the cursor goes on with fewer items. */
const LOOKS = 20;

export interface DiffQuery {
	readonly from: AtRequest;
	readonly to: AtRequest;
	readonly namespace: string | undefined;
	/** Without `namespace`: only of these; undefined: of all. */
	readonly namespaces?: readonly string[] | undefined;
	/** Id of who reads; a cursor is theirs alone. */
	readonly reader?: string | undefined;
	readonly limit: number;
	readonly cursor: string | undefined;
}

interface Compared {
	readonly from: StateView;
	readonly to: StateView;
	readonly takenBack: () => Promise<readonly TakenBack[]>;
}

export async function diffPage(
	store: StateStore,
	chainId: ChainId,
	query: DiffQuery,
): Promise<{ readonly from: AnsweredAt; readonly to: AnsweredAt } & Page<DiffEntry>> {
	const limit = Math.min(query.limit, LIMITS.diffPage);
	const { namespace, reader } = query;
	const namespaces = namespace === undefined ? query.namespaces : [namespace];
	const binding = cursorBinding(["diff", chainId, reader, namespaces]);
	const place = query.cursor === undefined ? undefined : pinnedPlace(query.cursor, binding);
	return store.compare(chainId, place ?? query, async (views) => {
		const items: DiffEntry[] = [];
		let after = place?.after;
		let ended = false;
		for (let look = 0; look < LOOKS && items.length < limit && !ended; look += 1) {
			const keys = await views.candidates({ after, namespaces, limit });
			ended = keys.length < limit;
			const [before, now] = await Promise.all([views.from.memories(keys), views.to.memories(keys)]);
			for (const key of keys) {
				after = key;
				const entry = entryOf(before.get(key), now.get(key));
				if (entry === undefined) continue;
				items.push(entry);
				if (items.length < limit) continue;
				ended &&= key === keys.at(-1);
				break;
			}
		}
		const ends = { from: views.from.at, to: views.to.at };
		return {
			...ends,
			items: await withCauses(views, items),
			cursor: ended ? undefined : cursorAfter(after, ends, binding),
		};
	});
}

/**
 * Which rollback took back what the older generation said last of each: the first that went below where
 * it began, or ended by itself. What differs only since then is the new branch's doing, and no rollback's.
 */
async function withCauses(
	{ from, to, takenBack }: Compared,
	items: readonly DiffEntry[],
): Promise<readonly DiffEntry[]> {
	if (from.at.generation === to.at.generation || items.length === 0) return items;
	const older = from.at.generation < to.at.generation ? from : to;
	const keys = items.map(({ namespace, id }) => memoryKey(namespace, id));
	const [said, rollbacks] = await Promise.all([older.lastSaid(keys), takenBack()]);
	return items.map((item) => {
		const last = said.get(memoryKey(item.namespace, item.id));
		if (last === undefined) return item;
		const since = last.toBlock <= older.at.height ? last.toBlock : last.fromBlock;
		const cause = rollbacks.find(({ ancestor }) => ancestor < since)?.rollbackId;
		return cause === undefined ? item : { ...item, cause };
	});
}

function entryOf(before: Version | undefined, after: Version | undefined): DiffEntry | undefined {
	const named = after ?? before;
	if (named === undefined || before?.contentHash === after?.contentHash) return undefined;
	return {
		namespace: named.namespace,
		id: named.id,
		change: before === undefined ? "added" : after === undefined ? "removed" : "changed",
		before: before && memoryView(before),
		after: after && memoryView(after),
	};
}

function cursorAfter(
	key: MemoryKey | undefined,
	{ from, to }: { readonly from: AnsweredAt; readonly to: AnsweredAt },
	binding: string,
): string | undefined {
	return (
		key &&
		encodeCursor({
			k: key,
			fh: from.height.toString(),
			fg: from.generation.toString(),
			th: to.height.toString(),
			tg: to.generation.toString(),
			q: binding,
		})
	);
}

function pinnedPlace(
	cursor: string,
	binding: string,
): {
	readonly from: AtRequest;
	readonly to: AtRequest;
	readonly after: MemoryKey;
} {
	const { k, fh, fg, th, tg, q } = decodeCursor(cursor, ["k", "fh", "fg", "th", "tg", "q"]);
	requireBinding(q, binding);
	if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(k)) throw cursorInvalid();
	return { from: pinned(fh, fg), to: pinned(th, tg), after: k as MemoryKey };
}

function pinned(height: string, generation: string): AtRequest {
	return {
		at: { kind: "height", height: cursorNumber(height) },
		generation: cursorNumber(generation),
	};
}
