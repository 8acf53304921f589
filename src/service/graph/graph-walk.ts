/**
 * Walks along links, a step at a time: what is reached first is reached by a shortest way, and nothing is
 * reached twice, so that a circle ends the walk and does not keep it.
 *
 * Each bound ends the walk and is told; what was reached up to then is right.
 */
import type { MemoryKey } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Version } from "../../domain/memory.ts";
import type { StepView, WalkBound } from "./graph-service.ts";
import type { GraphView, LinkDirection } from "./graph-store.ts";
import { type HeldLink, heldLinks, type LinkFilter } from "./held-links.ts";

export interface WalkPlan {
	readonly start: MemoryKey;
	readonly direction: LinkDirection;
	readonly types: readonly string[];
	readonly filter: LinkFilter;
	readonly depth: number;
	readonly nodes: number;
}

export interface Reached {
	readonly version: Version;
	readonly depth: number;
	readonly path: readonly StepView[];
}

export interface Walked {
	/** The nearest first. */
	readonly reached: readonly Reached[];
	readonly truncatedBy: WalkBound | undefined;
}

export async function walkLinks(view: GraphView, plan: WalkPlan): Promise<Walked> {
	const reached = new Map<MemoryKey, Reached>();
	let edge: readonly MemoryKey[] = [plan.start];
	for (let depth = 1; depth <= plan.depth; depth += 1) {
		const { links, cut } = await stepFrom(view, edge, plan);
		const fresh: MemoryKey[] = [];
		for (const held of links) {
			const { farKey } = held.row;
			if (farKey === plan.start || reached.has(farKey)) continue;
			if (reached.size === plan.nodes)
				return { reached: [...reached.values()], truncatedBy: "nodes" };
			reached.set(farKey, reachedBy(held, reached.get(held.row.nearKey), depth));
			fresh.push(farKey);
		}
		if (cut) return { reached: [...reached.values()], truncatedBy: "links" };
		if (fresh.length === 0) return { reached: [...reached.values()], truncatedBy: undefined };
		edge = fresh;
	}
	const more = await leadsOn(view, edge, { plan, reached });
	return { reached: [...reached.values()], truncatedBy: more ? "depth" : undefined };
}

function reachedBy(
	{ link, far, row }: HeldLink,
	before: Reached | undefined,
	depth: number,
): Reached {
	const step = { namespace: far.namespace, id: far.id, type: row.type, weight: link.weight };
	return { version: far, depth, path: [...(before?.path ?? []), step] };
}

async function stepFrom(
	view: GraphView,
	keys: readonly MemoryKey[],
	{ direction, types, filter }: WalkPlan,
): Promise<{ readonly links: readonly HeldLink[]; readonly cut: boolean }> {
	// One more than the limit tells that there are more.
	const rows = await view.links({
		keys,
		direction,
		types,
		namespaces: filter.namespaces,
		after: undefined,
		limit: LIMITS.graphLinks + 1,
	});
	const links = await heldLinks(view, rows.slice(0, LIMITS.graphLinks), filter);
	return { links, cut: rows.length > LIMITS.graphLinks };
}

/** Whether one more step would reach something new. */
async function leadsOn(
	view: GraphView,
	edge: readonly MemoryKey[],
	{ plan, reached }: { readonly plan: WalkPlan; readonly reached: ReadonlyMap<MemoryKey, Reached> },
): Promise<boolean> {
	const { links, cut } = await stepFrom(view, edge, plan);
	const isNew = ({ row }: HeldLink) => row.farKey !== plan.start && !reached.has(row.farKey);
	return cut || links.some(isNew);
}
