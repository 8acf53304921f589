/** A page of a memory's links. Its cursor pins the coordinate, so all pages are of one graph. */
import type { AnsweredAt } from "../../domain/coordinate.ts";
import type { ChainId, MemoryKey } from "../../domain/ids.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import {
	cursorBinding,
	cursorInvalid,
	cursorNumber,
	decodeCursor,
	encodeCursor,
	requireBinding,
} from "../reading/cursor.ts";
import { memoryNotFound } from "../reading/unknown-memory.ts";
import type { Page } from "../recant-service.ts";
import { memoryView } from "../views.ts";
import type { LinksQuery, NeighbourView } from "./graph-service.ts";
import type { GraphStore, GraphView, LinkDirection, LinkPlace } from "./graph-store.ts";
import { heldLinks, isSeen } from "./held-links.ts";

/** Links that one look takes; most of them hold. */
const LOOK = 500;
/** Looks of one answer; past it the cursor goes on with fewer items. */
const LOOKS = 20;

interface Place {
	readonly direction: LinkDirection;
	readonly after: LinkPlace | undefined;
}

/** Throws `cursor_invalid` and `memory_not_found`. */
export async function linkPage(
	store: GraphStore,
	chainId: ChainId,
	query: LinksQuery,
): Promise<{ readonly at: AnsweredAt } & Page<NeighbourView>> {
	const { namespace, id, direction, types, minWeight, namespaces, reader } = query;
	const asked = [namespace, id, direction, types, minWeight];
	const binding = cursorBinding(["links", chainId, reader, namespaces, ...asked]);
	const pinned = query.cursor === undefined ? undefined : pinnedPlace(query.cursor, binding);
	return store.read(chainId, pinned?.at ?? query.at, async (view) => {
		const key = memoryKey(namespace, id);
		const near = (await view.memories([key])).get(key);
		if (near === undefined || !isSeen(query, near.namespace)) {
			throw memoryNotFound(query, view.at.height);
		}
		const begin = pinned ?? { direction: firstOf(direction), after: undefined };
		const { items, place } = await collect(view, { key, begin, query });
		return { at: view.at, items, cursor: place && cursorAt(place, view.at, binding) };
	});
}

/** Looks through one direction after the other; `place`: where it goes on, undefined: nowhere. */
async function collect(
	view: GraphView,
	of: { readonly key: MemoryKey; readonly begin: Place; readonly query: LinksQuery },
): Promise<{ readonly items: readonly NeighbourView[]; readonly place: Place | undefined }> {
	const { key, query } = of;
	const items: NeighbourView[] = [];
	let place: Place | undefined = of.begin;
	for (let look = 0; look < LOOKS && place !== undefined; look += 1) {
		const { direction, after }: Place = place;
		const { types, namespaces, minWeight } = query;
		const rows = await view.links({
			keys: [key],
			direction,
			types,
			namespaces,
			after,
			limit: LOOK,
		});
		const held = await heldLinks(view, rows, { namespaces, minWeight });
		for (const { row, link, far } of held) {
			// A link of a memory to itself goes out of it, and is not told twice.
			if (query.direction === "both" && direction === "in" && row.farKey === key) continue;
			// Only what is known to come next leaves a place for it.
			if (items.length === query.limit) return { items, place };
			items.push({ direction, link, memory: memoryView(far, view.at.height) });
			place = { direction, after: { type: row.type, linkKey: row.linkKey } };
		}
		const last = rows.at(-1);
		const ended = rows.length < LOOK || last === undefined;
		place = ended ? nextOf(direction, query) : { direction, after: last };
	}
	return { items, place };
}

function firstOf(direction: LinksQuery["direction"]): LinkDirection {
	return direction === "in" ? "in" : "out";
}

function nextOf(direction: LinkDirection, query: LinksQuery): Place | undefined {
	if (direction === "in" || query.direction !== "both") return undefined;
	return { direction: "in", after: undefined };
}

/** A place before every link of its direction has neither type nor key. */
function cursorAt({ direction, after }: Place, at: AnsweredAt, binding: string): string {
	return encodeCursor({
		h: at.height.toString(),
		g: at.generation.toString(),
		d: direction,
		t: after?.type ?? "",
		k: after?.linkKey ?? "",
		q: binding,
	});
}

function pinnedPlace(cursor: string, binding: string): Place & { readonly at: LinksQuery["at"] } {
	const { h, g, d, t, k, q } = decodeCursor(cursor, ["h", "g", "d", "t", "k", "q"]);
	requireBinding(q, binding);
	if (d !== "out" && d !== "in") throw cursorInvalid();
	return {
		at: { at: { kind: "height", height: cursorNumber(h) }, generation: cursorNumber(g) },
		direction: d,
		after: k === "" ? undefined : { type: t, linkKey: linkKeyOf(k) },
	};
}

function linkKeyOf(text: string): MemoryKey {
	if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) throw cursorInvalid();
	return text as MemoryKey;
}
