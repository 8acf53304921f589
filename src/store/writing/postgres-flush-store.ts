import {
	type ChainId,
	FOREVER,
	type Generation,
	type MemoryKey,
	type VersionId,
} from "../../domain/ids.ts";
import type { VectorRow } from "../../domain/vector.ts";
import type { VectorPointer } from "../../writer/commit-batch.ts";
import type { FlushStore, FlushTarget } from "../../writer/flush-store.ts";
import { bytesVector, layerOf } from "../codec.ts";
import type { Database } from "../database.ts";

export class PostgresFlushStore implements FlushStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async targets(chainId: ChainId): Promise<readonly FlushTarget[]> {
		const rows = await this.#database.run(
			(sql) => sql<TargetRow[]>`
				select name, dimensions, table_name, table_version, pointer_version_id, pointer_at,
					(select count(*) from vector_rows v join chains h on h.chain_id = v.chain_id
						where v.chain_id = c.chain_id and v.collection = c.name
							and v.version_id > c.pointer_version_id and v.version_id <= h.version_seq) as tail
				from collections c where chain_id = ${chainId} order by name`,
		);
		return rows.map((row) => ({
			name: row.name,
			dimensions: row.dimensions,
			table: row.table_name,
			tail: Number(row.tail),
			pointer: {
				tableVersion: row.table_version,
				versionId: row.pointer_version_id,
				at: row.pointer_at.getTime(),
			},
		}));
	}

	async rows(
		chainId: ChainId,
		query: { readonly collection: string; readonly above: VersionId; readonly limit: number },
	): Promise<{
		readonly rows: readonly VectorRow[];
		readonly upTo: VersionId;
		readonly looked: number;
	}> {
		const found = await this.#database.run(
			(sql) => sql<EmbeddedRow[]>`
				select v.*, s.text, s.version_id is not null as alive
				from vector_rows v left join lateral (
					select version_id, text from versions s where s.chain_id = v.chain_id
						and s.memory_key = v.memory_key and s.version_id = v.version_id
						and s.to_gen = ${FOREVER} limit 1
				) s on true
				where v.chain_id = ${chainId} and v.collection = ${query.collection}
					and v.version_id > ${query.above}
					and v.version_id <= (select version_seq from chains where chain_id = ${chainId})
				order by v.version_id limit ${query.limit}`,
		);
		return {
			upTo: found.at(-1)?.version_id ?? query.above,
			looked: found.length,
			rows: found.filter((row) => row.alive).map(vectorRow),
		};
	}

	async movePointer(move: {
		readonly chainId: ChainId;
		readonly fence: bigint;
		readonly generation: Generation;
		readonly collection: string;
		readonly from: VectorPointer;
		readonly to: VectorPointer;
	}): Promise<boolean> {
		return this.#database.run(async (sql) => {
			const { count } = await sql`
				with chain as (
					select 1 from chains where chain_id = ${move.chainId} and fence = ${move.fence}
						and generation = ${move.generation} for share
				)
				update collections set table_version = ${move.to.tableVersion},
					pointer_version_id = ${move.to.versionId},
					pointer_at = to_timestamp(${move.to.at} / 1000.0)
				where chain_id = ${move.chainId} and name = ${move.collection}
					and table_version = ${move.from.tableVersion}
					and pointer_version_id = ${move.from.versionId} and exists (select 1 from chain)`;
			return count === 1;
		});
	}

	async oldestNamed(chainId: ChainId, collection: string): Promise<Date> {
		const rows = await this.#database.run(
			(sql) => sql<{ at: number | null }[]>`
				select min((pointers::jsonb -> ${collection} ->> 'at')::double precision) as at from (
					select pointers from generations where chain_id = ${chainId} and pointers is not null
					union all
					select p.pointers from checkpoints p join chains c on c.chain_id = p.chain_id
					where p.chain_id = ${chainId} and p.to_gen = ${FOREVER}
						and p.height >= coalesce(c.finalized_height, 0)
				) named where (pointers::jsonb -> ${collection} ->> 'tableVersion') <> '0'`,
		);
		return new Date(rows[0]?.at ?? Date.now());
	}
}

interface TargetRow {
	readonly name: string;
	readonly dimensions: number;
	readonly table_name: string;
	readonly table_version: bigint;
	readonly pointer_version_id: bigint;
	readonly pointer_at: Date;
	readonly tail: bigint;
}

interface EmbeddedRow {
	readonly version_id: bigint;
	readonly memory_key: MemoryKey;
	readonly namespace: string;
	readonly layer: number;
	readonly from_block: bigint;
	readonly vector: Uint8Array;
	/** Of the version; null also where there is none. */
	readonly text: string | null;
	readonly alive: boolean;
}

function vectorRow(row: EmbeddedRow): VectorRow {
	return {
		versionId: row.version_id,
		memoryKey: row.memory_key,
		namespace: row.namespace,
		layer: layerOf(row.layer),
		fromBlock: row.from_block,
		text: row.text ?? undefined,
		vector: bytesVector(row.vector),
	};
}
