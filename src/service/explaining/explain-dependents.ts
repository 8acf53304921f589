/** What rests on a memory, a step at a time, each conclusion once. */

import type { Height } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Version } from "../../domain/memory.ts";
import { memoryView } from "../views.ts";
import type { DependentState, ExplainedDependent } from "./explain-service.ts";
import { saidName, saidRef } from "./explain-sources.ts";
import type { DependentRow, ExplainView, SaidRef } from "./explain-store.ts";

export async function dependentsOf(
	view: ExplainView,
	of: Version,
	query: { readonly namespaces?: readonly string[] | undefined; readonly depth: number },
): Promise<{ readonly dependents: readonly ExplainedDependent[]; readonly truncated: boolean }> {
	const dependents: ExplainedDependent[] = [];
	const seen = new Set<string>();
	/** What was said, and its place among the dependents. */
	let edge = new Map<string, number | undefined>([[saidName(saidRef(of)), undefined]]);
	let refs: readonly SaidRef[] = [saidRef(of)];
	for (let depth = 1; refs.length > 0; depth += 1) {
		const limit = LIMITS.explainNodes + 1;
		const rows = await view.dependents(refs, { namespaces: query.namespaces, limit });
		const next = new Map<string, number | undefined>();
		const said: SaidRef[] = [];
		for (const row of rows) {
			const state = stateOf(row, view.at.height);
			const name = `${row.key} ${row.position}`;
			if (state === undefined || seen.has(name)) continue;
			if (depth > query.depth || dependents.length === LIMITS.explainNodes) {
				return { dependents, truncated: true };
			}
			seen.add(name);
			const restsOn = edge.get(saidName(row.source));
			const place =
				dependents.push(dependentOf(row, { state, depth, restsOn }, view.at.height)) - 1;
			if (row.version === undefined) continue;
			const ref = saidRef(row.version);
			if (!next.has(saidName(ref))) said.push(ref);
			next.set(saidName(ref), place);
		}
		if (rows.length === limit) return { dependents, truncated: true };
		[edge, refs] = [next, said];
	}
	return { dependents, truncated: false };
}

/** Undefined: nothing is, or may be again, that rests on it. */
function stateOf({ version, operation }: DependentRow, height: Height): DependentState | undefined {
	if (version !== undefined) return version.toBlock > height ? "visible" : "past";
	const status = operation?.status;
	return status === "suspended" || status === "recanted" ? status : undefined;
}

function dependentOf(
	{ version, operation }: DependentRow,
	as: Pick<ExplainedDependent, "state" | "depth" | "restsOn">,
	height: Height,
): ExplainedDependent {
	return {
		namespace: version?.namespace ?? operation?.namespace ?? "",
		id: version?.id ?? operation?.id ?? "",
		...as,
		memory: version && memoryView(version, height),
		operationId: operation?.operationId,
	};
}
