/** Vectors as they are stored: LanceDB at the pointer, and above it the tail in Postgres. */
import { join } from "node:path";
import postgres from "postgres";
import type { AtRequest } from "../../src/domain/coordinate.ts";
import { openLanceTables } from "../../src/vectors/lance-tables.ts";
import { nameOf, readMemories } from "./held-state.ts";
import { CHAIN, type TestRecant } from "./recant.ts";

/** By collection and version id. */
type Stored = ReadonlyMap<string, readonly number[]>;

interface Place {
	readonly collection: string;
	readonly table: string;
	readonly tableVersion: bigint;
	readonly versionId: bigint;
}

/**
 * The vector of every visible memory that is in a collection, by the memory's name. Throws when one
 * is in neither store, or when LanceDB has a row above its pointer.
 */
export async function readVectors(
	instance: TestRecant,
	at: AtRequest,
): Promise<Readonly<Record<string, readonly number[]>>> {
	const page = { at, layer: undefined, namespace: undefined, limit: 1, cursor: undefined };
	const { generation } = (await instance.service.memories(CHAIN, page)).at;
	const stored = await storedVectors(instance, generation);
	const vectors: Record<string, readonly number[]> = {};
	for (const memory of await readMemories(instance.service, at)) {
		if (memory.collection === undefined) continue;
		const vector = stored.get(`${memory.collection}/${memory.versionId}`);
		if (vector === undefined) {
			throw new Error(`version ${memory.versionId} of ${nameOf(memory)} has no vector`);
		}
		vectors[nameOf(memory)] = vector;
	}
	return vectors;
}

async function storedVectors({ home }: TestRecant, generation: bigint): Promise<Stored> {
	const sql = postgres(home.databaseUrl, {
		max: 1,
		types: { bigint: postgres.BigInt },
		connection: { search_path: "recant" },
	});
	const tables = await openLanceTables({ uri: join(home.dataDir, "lancedb") });
	try {
		const vectors = new Map<string, readonly number[]>();
		for (const place of await placesOf(sql, generation)) {
			for (const { versionId, vector } of await tailAbove(sql, place)) {
				vectors.set(`${place.collection}/${versionId}`, [...vector]);
			}
			if (place.tableVersion === 0n) continue;
			for await (const rows of tables.rows(place.table, place.tableVersion)) {
				for (const { versionId, vector } of rows) {
					if (versionId > place.versionId) {
						throw new Error(`${place.table} holds ${versionId}, above ${place.versionId}`);
					}
					vectors.set(`${place.collection}/${versionId}`, [...vector]);
				}
			}
		}
		return vectors;
	} finally {
		await Promise.all([sql.end(), tables.close()]);
	}
}

/** Where LanceDB stood for that generation. */
async function placesOf(sql: postgres.Sql<{ bigint: bigint }>, generation: bigint) {
	const collections = await sql<
		{ name: string; table_name: string; table_version: bigint; pointer_version_id: bigint }[]
	>`select name, table_name, table_version, pointer_version_id from collections`;
	const [ended] = await sql<{ pointers: string | null }[]>`
		select pointers from generations where generation = ${generation}`;
	const pointers =
		ended === undefined || ended.pointers === null
			? undefined
			: (JSON.parse(ended.pointers) as Record<string, { tableVersion: string; versionId: string }>);
	return collections.map((row): Place => {
		const place = { collection: row.name, table: row.table_name };
		if (pointers === undefined) {
			return { ...place, tableVersion: row.table_version, versionId: row.pointer_version_id };
		}
		const { tableVersion = "0", versionId = "0" } = pointers[row.name] ?? {};
		return { ...place, tableVersion: BigInt(tableVersion), versionId: BigInt(versionId) };
	});
}

async function tailAbove(sql: postgres.Sql<{ bigint: bigint }>, place: Place) {
	const rows = await sql<{ version_id: bigint; vector: Uint8Array }[]>`
		select version_id, vector from vector_rows
		where collection = ${place.collection} and version_id > ${place.versionId}`;
	return rows.map((row) => ({
		versionId: row.version_id,
		vector: new Float32Array(Uint8Array.from(row.vector).buffer),
	}));
}
