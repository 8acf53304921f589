/** Vectors as they are stored: LanceDB at the pointer, and above it the tail in Postgres. */
import { join } from "node:path";
import postgres from "postgres";
import type { AtRequest } from "../../src/domain/coordinate.ts";
import { openLanceTables } from "../../src/vectors/lance-tables.ts";
import { nameOf, readMemories } from "./held-state.ts";
import { CHAIN, type TestRecant } from "./recant.ts";
import { until } from "./until.ts";

interface Stored {
	readonly vectors: ReadonlyMap<string, readonly number[]>;
	/** How many of them LanceDB holds. */
	readonly inTable: number;
}

/** The vector of every visible memory that is in a collection, by the memory's name. */
export async function readVectors(
	instance: TestRecant,
	at: AtRequest,
): Promise<Readonly<Record<string, readonly number[]>>> {
	const stored = await readStored(instance);
	const vectors: Record<string, readonly number[]> = {};
	for (const memory of await readMemories(instance.service, at)) {
		if (memory.collection === undefined) continue;
		const vector = stored.get(`${memory.collection}/${memory.versionId}`);
		if (vector === undefined) throw new Error(`${nameOf(memory)} has no vector`);
		vectors[nameOf(memory)] = vector;
	}
	return vectors;
}
