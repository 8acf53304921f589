/**
 * A page of episodes, in the order in which they happened. Its cursor pins the coordinate and the heights
 * of the window, so that all pages are of one history and a window by time is looked up once.
 *
 * The node is asked outside of the snapshot: a connection to Postgres waits for nobody else.
 */
import type { AnsweredAt, AtRequest } from "../../domain/coordinate.ts";
import type { ChainId, Height } from "../../domain/ids.ts";
import {
	cursorBinding,
	cursorInvalid,
	cursorNumber,
	decodeCursor,
	encodeCursor,
	requireBinding,
} from "../reading/cursor.ts";
import type { Page } from "../recant-service.ts";
import { memoryView } from "../views.ts";
import { type HeightRange, heightWithin, keptHeightAt } from "./block-time.ts";
import type { EpisodesQuery, EpisodeView } from "./graph-service.ts";
import type { EpisodePlace, GraphStore, GraphView, StoredEpisode } from "./graph-store.ts";
import { isSeen } from "./held-links.ts";

/** What a page reads: heights, both inclusive; none where `from` is above `to`. */
interface Window {
	readonly at: AtRequest;
	readonly from: Height;
	readonly to: Height;
	readonly after: EpisodePlace | undefined;
}

/** Throws `cursor_invalid`, and `rpc_unavailable` where times are asked for whose headers are not kept. */
export async function episodePage(
	store: GraphStore,
	chainId: ChainId,
	query: EpisodesQuery,
	timestamp: (height: Height) => Promise<bigint>,
): Promise<{ readonly at: AnsweredAt } & Page<EpisodeView>> {
	const binding = bindingOf(chainId, query);
	const window =
		query.cursor === undefined
			? await windowOf(store, chainId, query, timestamp)
			: pinnedWindow(query.cursor, binding);
	return store.read(chainId, window.at, async (view) => {
		const to = window.to < view.at.height ? window.to : view.at.height;
		const found = await view.episodes({
			from: window.from,
			to,
			after: window.after,
			order: query.order,
			namespaces: namespacesOf(query),
			limit: query.limit + 1,
		});
		const page = found.slice(0, query.limit);
		const last = found.length > query.limit ? page.at(-1) : undefined;
		const pins = { at: view.at, from: window.from, to, binding };
		const cursor = last && cursorAfter(last.place, pins);
		return { at: view.at, items: page.map((each) => episodeView(each, view.at.height)), cursor };
	});
}

function bindingOf(chainId: ChainId, query: EpisodesQuery): string {
	const { namespace, namespaces, from, to, fromTime, toTime, order, reader } = query;
	const bounds = [from, to, fromTime, toTime].map((bound) => bound?.toString());
	return cursorBinding(["episodes", chainId, reader, namespaces, namespace, order, ...bounds]);
}

function namespacesOf(query: EpisodesQuery): readonly string[] | undefined {
	if (query.namespace === undefined) return query.namespaces;
	return isSeen(query, query.namespace) ? [query.namespace] : [];
}

/** The heights that the query is about. Without times nothing is read for it. */
async function windowOf(
	store: GraphStore,
	chainId: ChainId,
	query: EpisodesQuery,
	timestamp: (height: Height) => Promise<bigint>,
): Promise<Window> {
	const { fromTime, toTime } = query;
	const from = query.from ?? 0n;
	if (fromTime === undefined && toTime === undefined) {
		return { at: query.at, from, to: query.to ?? HIGHEST, after: undefined };
	}
	const found = await store.read(chainId, query.at, async (view) => {
		const head = view.at.pending ? view.at.height - 1n : view.at.height;
		return {
			at: view.at,
			first: fromTime === undefined ? undefined : await settled(view, head, fromTime),
			// The first that is too late; with no bound the pending slot belongs to the window.
			end: toTime === undefined ? undefined : await settled(view, head, toTime + 1n),
		};
	});
	const { height, generation } = found.at;
	const first = fromTime === undefined ? 0n : await exactly(found.first, fromTime, timestamp);
	const end = toTime === undefined ? height + 1n : await exactly(found.end, toTime + 1n, timestamp);
	const last = query.to === undefined || end - 1n < query.to ? end - 1n : query.to;
	return {
		at: { at: { kind: "height", height }, generation },
		from: from > first ? from : first,
		to: last,
		after: undefined,
	};
}

/** Above every height that can be read, and below what Postgres cannot hold. */
const HIGHEST: Height = 9_223_372_036_854_775_806n;

/** A gap in which nothing happened may end anywhere: then the node need not be asked. */
async function settled(view: GraphView, head: Height, seconds: bigint): Promise<HeightRange> {
	const range = await keptHeightAt(view, head, seconds);
	if (range.from === range.to) return range;
	const [inside] = await view.episodes({
		from: range.from,
		to: range.to - 1n,
		order: "asc",
		namespaces: undefined,
		after: undefined,
		limit: 1,
	});
	return inside === undefined ? { from: range.to, to: range.to } : range;
}

async function exactly(
	range: HeightRange | undefined,
	seconds: bigint,
	timestamp: (height: Height) => Promise<bigint>,
): Promise<Height> {
	return range === undefined ? 0n : heightWithin(range, seconds, timestamp);
}

function cursorAfter(
	place: EpisodePlace,
	pins: {
		readonly at: AnsweredAt;
		readonly from: Height;
		readonly to: Height;
		readonly binding: string;
	},
): string {
	const { at, from, to, binding } = pins;
	return encodeCursor({
		h: at.height.toString(),
		g: at.generation.toString(),
		f: from.toString(),
		t: to.toString(),
		b: place.height.toString(),
		o: place.owner,
		s: place.sequence.toString(),
		q: binding,
	});
}

function pinnedWindow(cursor: string, binding: string): Window {
	const names = ["h", "g", "f", "t", "b", "o", "s", "q"] as const;
	const { h, g, f, t, b, o, s, q } = decodeCursor(cursor, names);
	requireBinding(q, binding);
	if (o !== "handler" && o !== "agent") throw cursorInvalid();
	return {
		at: { at: { kind: "height", height: cursorNumber(h) }, generation: cursorNumber(g) },
		from: cursorNumber(f),
		to: cursorNumber(t),
		after: { height: cursorNumber(b), owner: o, sequence: cursorNumber(s) },
	};
}

function episodeView({ version, block }: StoredEpisode, height: Height): EpisodeView {
	return {
		memory: memoryView(version, height),
		block: block && { hash: block.hash, timestamp: block.timestamp },
	};
}
