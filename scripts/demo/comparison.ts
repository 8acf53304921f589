/**
 * Holds two instances against each other, value by value. Left out is what differs by nature: version
 * ids and log positions, since the survivor has lived through more.
 */
import { isDeepStrictEqual } from "node:util";
import type { Observation } from "./observation.ts";

/** One value under one name. */
interface Fact {
	readonly name: string;
	readonly value: unknown;
}

export interface Comparison {
	/** How many values were compared, by kind. */
	readonly memories: number;
	readonly digests: number;
	readonly results: number;
	/** One line each; empty: the two are equal. */
	readonly differences: readonly string[];
}

export function compare(survivor: Observation, fresh: Observation): Comparison {
	const memories = memoryFacts(survivor);
	const digests = digestFacts(survivor);
	const results = resultFacts(survivor);
	return {
		memories: memories.length,
		digests: digests.length,
		results: results.length,
		differences: [
			...differences(memories, memoryFacts(fresh)),
			...differences(digests, digestFacts(fresh)),
			...differences(results, resultFacts(fresh)),
		],
	};
}

function memoryFacts({ memories }: Observation): readonly Fact[] {
	return memories.map(({ versionId: _, ...memory }) => ({
		name: `memory ${memory.namespace}/${memory.id}`,
		value: memory,
	}));
}

/** A digest a layer and one over all, of every block that has a checkpoint. */
function digestFacts({ checkpoints }: Observation): readonly Fact[] {
	return checkpoints.flatMap(({ height, blockHash, digests }) =>
		Object.entries(digests).map(([layer, digest]) => ({
			name: `${layer} digest of block ${height}`,
			value: `${digest} at ${blockHash}`,
		})),
	);
}

function resultFacts({ searches }: Observation): readonly Fact[] {
	return searches.flatMap(({ question, results }) =>
		results.map(({ memory, score }, index) => ({
			name: `result ${index + 1} of "${question}"`,
			value: `${memory.namespace}/${memory.id} (${memory.contentHash}), score ${score}`,
		})),
	);
}

function differences(survivor: readonly Fact[], fresh: readonly Fact[]): readonly string[] {
	const left = new Map(survivor.map(({ name, value }) => [name, value]));
	const right = new Map(fresh.map(({ name, value }) => [name, value]));
	return [...new Set([...left.keys(), ...right.keys()])]
		.filter((name) => !isDeepStrictEqual(left.get(name), right.get(name)))
		.map((name) => `${name}: ${shown(left.get(name))}, and fresh ${shown(right.get(name))}`);
}

function shown(value: unknown): string {
	if (value === undefined) return "missing";
	return typeof value === "string" ? value : JSON.stringify(value);
}
