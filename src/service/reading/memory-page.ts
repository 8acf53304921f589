/**
 * A page of memories. Its cursor pins the coordinate, so all pages are of one state: sealed heights say
 * the same for ever, in the generation in which they were read, and `at.rolledBack` says when that is not
 * what is believed any more. In the pending slot what is written meanwhile shows.
 */
import type { AnsweredAt, AtRequest } from "../../domain/coordinate.ts";
import type { ChainId } from "../../domain/ids.ts";
import { isLayer, type Layer } from "../../domain/layer.ts";
import type { MemoryView, Page } from "../recant-service.ts";
import { memoryView } from "../views.ts";
import {
	cursorBinding,
	cursorInvalid,
	cursorNumber,
	decodeCursor,
	encodeCursor,
	requireBinding,
} from "./cursor.ts";
import type { MemoryName, StateStore } from "./state-store.ts";

export interface MemoryQuery {
	readonly at: AtRequest;
	readonly layer: Layer | undefined;
	readonly namespace: string | undefined;
	/** Without `namespace`: only of these; undefined: of all. */
	readonly namespaces?: readonly string[] | undefined;
	/** Id of who reads; a cursor is theirs alone. */
	readonly reader?: string | undefined;
	readonly limit: number;
	readonly cursor: string | undefined;
}

export async function memoryPage(
	store: StateStore,
	chainId: ChainId,
	query: MemoryQuery,
): Promise<{ readonly at: AnsweredAt } & Page<MemoryView>> {
	const { namespace, layer, reader } = query;
	const namespaces = namespace === undefined ? query.namespaces : [namespace];
	const binding = cursorBinding(["memories", chainId, reader, namespaces, layer]);
	const pinned = query.cursor === undefined ? undefined : pinnedPlace(query.cursor, binding);
	return store.read(chainId, pinned?.at ?? query.at, async (view) => {
		const versions = await view.page({
			namespaces,
			layer,
			after: pinned?.after,
			limit: query.limit + 1,
		});
		const page = versions.slice(0, query.limit);
		const last = versions.length > query.limit ? page.at(-1) : undefined;
		const cursor = last && cursorAfter(last, view.at, binding);
		const items = page.map((version) => memoryView(version, view.at.height, view.marks));
		return { at: view.at, items, cursor };
	});
}

function cursorAfter(last: MemoryName, at: AnsweredAt, binding: string): string {
	return encodeCursor({
		h: at.height.toString(),
		g: at.generation.toString(),
		n: last.namespace,
		l: last.layer,
		i: last.id,
		q: binding,
	});
}

function pinnedPlace(
	cursor: string,
	binding: string,
): { readonly at: AtRequest; readonly after: MemoryName } {
	const fields = decodeCursor(cursor, ["h", "g", "n", "l", "i", "q"]);
	requireBinding(fields.q, binding);
	if (!isLayer(fields.l)) throw cursorInvalid();
	return {
		at: {
			at: { kind: "height", height: cursorNumber(fields.h) },
			generation: cursorNumber(fields.g),
		},
		after: { namespace: fields.n, layer: fields.l, id: fields.i },
	};
}
