/** Versions of agents' memories that stand in the tables without having been written by a chain. */
import { FOREVER } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { hexBytes, layerNumber, ownerNumber } from "../../src/store/codec.ts";
import type { Database } from "../../src/store/database.ts";
import { newVersion } from "./versions.ts";

export const STORED_CHAIN = 1;
/** Of the chain that `storeChain` makes, in generation 1; the pending slot is the next. */
const STORED_HEAD = 99n;
const NO_CHECKSUM = Buffer.alloc(8);

export async function storeChain(database: Database): Promise<void> {
	await database.run(
		(sql) => sql`
			insert into chains (chain_id, name, start_block, generation, head_height, roots, retained_from,
				handlers_hash)
			values (${STORED_CHAIN}, 'stored', 0, 1, ${STORED_HEAD}, '{}', 0, '0x')`,
	);
	await database.run(
		(sql) => sql`
			insert into blocks (chain_id, height, from_gen, to_gen, hash, parent_hash, timestamp, checksum)
			values (${STORED_CHAIN}, ${STORED_HEAD}, 0, ${FOREVER}, '0x63', '0x62', 1, ${NO_CHECKSUM})`,
	);
}

/** Visible from height 1 on in namespace `test`, unless `parts` say otherwise. */
export async function storeVersion(
	database: Database,
	id: string,
	parts: Partial<Version> = {},
): Promise<Version> {
	const [last] = await database.run(
		(sql) => sql<{ last: bigint }[]>`select coalesce(max(version_id), 0) as last from versions`,
	);
	const namespace = parts.namespace ?? "test";
	const version = {
		...newVersion(id, (last?.last ?? 0n) + 1n),
		memoryKey: memoryKey(namespace, id),
		fromBlock: 1n,
		toBlock: FOREVER,
		fromGen: 0n,
		toGen: FOREVER,
		...parts,
	};
	const stored: Version = { ...version, contentHash: contentHash(version) };
	await insert(database, stored);
	return stored;
}

async function insert(database: Database, version: Version): Promise<void> {
	const { namespace, id } = version;
	const key = version.memoryKey;
	const layer = layerNumber(version.layer);
	const content = version.content === undefined ? null : JSON.stringify(version.content);
	await database.run(
		(sql) => sql`
			insert into memories (chain_id, namespace, layer, id, memory_key)
			values (${STORED_CHAIN}, ${namespace}, ${layer}, ${id}, ${key}) on conflict do nothing`,
	);
	await database.run(
		(sql) => sql`
			insert into versions (chain_id, memory_key, from_block, from_gen, to_block, to_gen,
				expires_time, version_id, position, layer, owner, namespace, id, content, text, collection,
				importance, confidence, content_hash, checksum)
			values (${STORED_CHAIN}, ${key}, ${version.fromBlock}, ${version.fromGen}, ${version.toBlock},
				${version.toGen}, ${version.expiresTime ?? null}, ${version.versionId}, ${version.position},
				${layer}, ${ownerNumber(version.owner)}, ${namespace}, ${id}, ${content},
				${version.text ?? null}, ${version.collection ?? null}, ${version.importance ?? null},
				${version.confidence ?? null}, ${hexBytes(version.contentHash)}, ${NO_CHECKSUM})`,
	);
}
