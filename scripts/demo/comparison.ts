/**
 * Holds two instances against each other, value by value. Left out is what differs by nature: version
 * ids and log positions, since the survivor has lived through more, and how final a memory is, since the
 * fresh instance's notes have no anchors and so rest on nothing.
 */
import { isDeepStrictEqual } from "node:util";
import type { Observation } from "./observation.ts";

export type Fact = readonly [name: string, value: unknown];

const LABELS = ["here", "fresh"] as const;

export interface Comparison {
	/** How many values were compared, by kind. */
	readonly memories: number;
	readonly roots: number;
	readonly results: number;
	/** For people; empty: the two are equal. */
	readonly differences: readonly string[];
}

export function compare(survivor: Observation, fresh: Observation): Comparison {
	const memories = memoryFacts(survivor);
	const roots = rootFacts(survivor);
	const results = resultFacts(survivor);
	return {
		memories: memories.length,
		roots: roots.length,
		results: results.length,
		differences: [
			...differences(memories, memoryFacts(fresh), LABELS),
			...differences(roots, rootFacts(fresh), LABELS),
			...differences(results, resultFacts(fresh), LABELS),
		],
	};
}

function memoryFacts({ memories }: Observation): readonly Fact[] {
	return memories.map(({ versionId: _, finality: __, ...memory }) => [
		`memory ${memory.namespace}/${memory.id}`,
		memory,
	]);
}

/** A root a layer and one over all, which binds them to the block, of every checkpoint. */
function rootFacts({ checkpoints }: Observation): readonly Fact[] {
	return checkpoints.flatMap(({ height, roots }) =>
		Object.entries(roots).map(([layer, root]): Fact => [`${layer} root of block ${height}`, root]),
	);
}

function resultFacts({ searches }: Observation): readonly Fact[] {
	return searches.flatMap(({ question, results }) =>
		results.map(
			({ memory, score }, index): Fact => [
				`result ${index + 1} of “${question}”`,
				`${memory.namespace}/${memory.id} (${memory.contentHash}), score ${score}`,
			],
		),
	);
}

/** Where two sets of facts disagree: three lines each; `labels` say whose they are. */
export function differences(
	left: Iterable<Fact>,
	right: Iterable<Fact>,
	labels: readonly [left: string, right: string],
): readonly string[] {
	const ours = new Map(left);
	const theirs = new Map(right);
	const [here, there] = labels.map((label) => label.padEnd(Math.max(...labels.map(lengthOf))));
	return [...new Set([...ours.keys(), ...theirs.keys()])]
		.filter((name) => !isDeepStrictEqual(ours.get(name), theirs.get(name)))
		.map((name) => {
			const [a, b] = [ours.get(name), theirs.get(name)];
			return `${name}\n  ${here}  ${shown(a, b)}\n  ${there}  ${shown(b, a)}`;
		});
}

/** Of two objects only the fields that differ. */
function shown(value: unknown, other: unknown): string {
	if (value === undefined) return "nothing";
	if (typeof value === "string") return value;
	if (!isObject(value) || !isObject(other)) return JSON.stringify(value);
	const fields = Object.entries(value).filter(([key, field]) => {
		return !isDeepStrictEqual(field, other[key]);
	});
	return JSON.stringify(Object.fromEntries(fields));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null;
}

function lengthOf(text: string): number {
	return text.length;
}
