/** What differs between two coordinates, a page at a time. Both are read in one snapshot. */
import type { AnsweredAt, AtRequest } from "../domain/coordinate.ts";
import { FatalError } from "../domain/errors.ts";
import type { ChainId, MemoryKey } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Version } from "../domain/memory.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import type { DiffEntry, Page } from "./recant-service.ts";
import type { StateStore } from "./state-store.ts";
import { memoryView } from "./views.ts";

export interface DiffQuery {
	readonly from: AtRequest;
	readonly to: AtRequest;
	readonly namespace: string | undefined;
	readonly limit: number;
	readonly cursor: string | undefined;
}

export async function diffPage(
	store: StateStore,
	chainId: ChainId,
	query: DiffQuery,
): Promise<{ readonly from: AnsweredAt; readonly to: AnsweredAt } & Page<DiffEntry>> {
	const limit = Math.min(query.limit, LIMITS.diffPage);
	return store.compare(chainId, query, async (views) => {
		const items: DiffEntry[] = [];
		let after = query.cursor === undefined ? undefined : cursorKey(query.cursor);
		let ended = false;
		while (items.length < limit && !ended) {
			const keys = await views.candidates({ after, namespace: query.namespace, limit });
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
		const cursor = ended || after === undefined ? undefined : encodeCursor({ k: after });
		return { from: views.from.at, to: views.to.at, items, cursor };
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

function cursorKey(cursor: string): MemoryKey {
	const { k } = decodeCursor(cursor, ["k"]);
	if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(k)) return k as MemoryKey;
	throw new FatalError("cursor_invalid", {
		message: "the cursor is not one that this route gave",
		hint: "begin again without a cursor",
	});
}
