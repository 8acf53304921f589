/**
 * What a memory was concluded from, a step at a time. A source is told once, however many ways lead to it,
 * so that conclusions that share their sources do not multiply them.
 */
import type { Hex, MemoryKey } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Version } from "../../domain/memory.ts";
import { isSeen } from "../graph/held-links.ts";
import { memoryView } from "../views.ts";
import type { ExplainedSource, SourceSets } from "./explain-service.ts";
import type {
	DerivationRow,
	DerivedRef,
	ExplainView,
	FoundSource,
	SaidRef,
} from "./explain-store.ts";

export interface SourceTree {
	readonly derivedFrom: SourceSets;
	readonly sources: readonly ExplainedSource[];
	readonly truncated: boolean;
}

interface Step {
	readonly depth: number;
	/** What is looked behind, and where its sets go. */
	readonly of: readonly { readonly derived: DerivedRef; readonly sets: number[][] }[];
}

type Draft = Omit<ExplainedSource, "derivedFrom"> & { readonly derivedFrom: number[][] };

export async function sourceTree(
	view: ExplainView,
	of: Version,
	query: { readonly namespaces?: readonly string[] | undefined; readonly depth: number },
): Promise<SourceTree> {
	const root: number[][] = [];
	const drafts: Draft[] = [];
	const places = new Map<string, number>();
	let step: Step = { depth: 1, of: [{ derived: derivedRef(of), sets: root }] };
	while (step.of.length > 0) {
		// One more than the limit tells that there are more.
		const rows = await view.derivations(
			step.of.map(({ derived }) => derived),
			LIMITS.explainNodes + 1,
		);
		const done = { derivedFrom: root, sources: drafts };
		if (rows.length > 0 && step.depth > query.depth) return { ...done, truncated: true };
		const found = await foundSources(view, rows);
		const next: { derived: DerivedRef; sets: number[][] }[] = [];
		const setsOf = new Map(step.of.map(({ derived, sets }) => [nameOf(derived), sets]));
		for (const row of rows) {
			const known = places.get(saidName(row.source));
			if (known === undefined && drafts.length === LIMITS.explainNodes) {
				return { ...done, truncated: true };
			}
			const place = known ?? drafts.length;
			if (known === undefined) {
				const source = found.get(saidName(row.source));
				const draft = draftOf(row, source, { depth: step.depth, view, query });
				drafts.push(draft);
				places.set(saidName(row.source), place);
				if (source !== undefined && draft.state !== "hidden") {
					next.push({ derived: derivedRef(source.version), sets: draft.derivedFrom });
				}
			}
			const sets = setsOf.get(nameOf(row));
			if (sets !== undefined) addTo(sets, row.setNo, place);
		}
		if (rows.length > LIMITS.explainNodes) return { ...done, truncated: true };
		step = { depth: step.depth + 1, of: next };
	}
	return { derivedFrom: root, sources: drafts, truncated: false };
}

function draftOf(
	{ source }: DerivationRow,
	found: FoundSource | undefined,
	of: {
		readonly depth: number;
		readonly view: ExplainView;
		readonly query: Parameters<typeof sourceTree>[2];
	},
): Draft {
	const { namespace, id, contentHash } = source;
	const named = { namespace, id, contentHash, depth: of.depth, derivedFrom: [] };
	if (!isSeen(of.query, namespace)) return { ...named, state: "hidden", memory: undefined };
	const state = found?.holds === true ? "holds" : "lost";
	return { ...named, state, memory: found && memoryView(found.version, of.view.at.height) };
}

async function foundSources(
	view: ExplainView,
	rows: readonly DerivationRow[],
): Promise<ReadonlyMap<string, FoundSource>> {
	const refs = new Map(rows.map(({ source }) => [saidName(source), source]));
	const found = await view.sources([...refs.values()]);
	return new Map(found.map((each) => [saidName(each), each]));
}

/** Sets come by rising number, and numbers without a gap. */
function addTo(sets: number[][], setNo: number, place: number): void {
	while (sets.length <= setNo) sets.push([]);
	sets[setNo]?.push(place);
}

function derivedRef({ memoryKey: key, position }: Version): DerivedRef {
	return { key, position };
}

function nameOf({ key, position }: DerivedRef): string {
	return `${key} ${position}`;
}

export function saidName({ key, contentHash }: SaidRef): string {
	return `${key} ${contentHash}`;
}

export function saidRef(version: {
	readonly memoryKey: MemoryKey;
	readonly contentHash: Hex;
}): SaidRef {
	return { key: version.memoryKey, contentHash: version.contentHash };
}
