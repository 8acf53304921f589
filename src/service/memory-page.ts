/** A page of memories. Its cursor pins the coordinate, so all pages are of one state. */
import type { AnsweredAt, AtRequest } from "../domain/coordinate.ts";
import type { ChainId } from "../domain/ids.ts";
import { isLayer, type Layer } from "../domain/layer.ts";
import { cursorInvalid, cursorNumber, decodeCursor, encodeCursor } from "./cursor.ts";
import type { MemoryView, Page } from "./recant-service.ts";
import type { MemoryName, StateStore } from "./state-store.ts";
import { memoryView } from "./views.ts";

export interface MemoryQuery {
	readonly at: AtRequest;
	readonly layer: Layer | undefined;
	readonly namespace: string | undefined;
	readonly limit: number;
	readonly cursor: string | undefined;
}

export async function memoryPage(
	store: StateStore,
	chainId: ChainId,
	query: MemoryQuery,
): Promise<{ readonly at: AnsweredAt } & Page<MemoryView>> {
	const pinned = query.cursor === undefined ? undefined : pinnedPlace(query.cursor);
	return store.read(chainId, pinned?.at ?? query.at, async (view) => {
		const { namespace, layer } = query;
		const versions = await view.page({
			namespace,
			layer,
			after: pinned?.after,
			limit: query.limit + 1,
		});
		const page = versions.slice(0, query.limit);
		const last = versions.length > query.limit ? page.at(-1) : undefined;
		const cursor =
			last &&
			encodeCursor({
				h: view.at.height.toString(),
				g: view.at.generation.toString(),
				n: last.namespace,
				l: last.layer,
				i: last.id,
			});
		return { at: view.at, items: page.map(memoryView), cursor };
	});
}

function pinnedPlace(cursor: string): { readonly at: AtRequest; readonly after: MemoryName } {
	const fields = decodeCursor(cursor, ["h", "g", "n", "l", "i"]);
	if (!isLayer(fields.l)) throw cursorInvalid();
	return {
		at: {
			at: { kind: "height", height: cursorNumber(fields.h) },
			generation: cursorNumber(fields.g),
		},
		after: { namespace: fields.n, layer: fields.l, id: fields.i },
	};
}
