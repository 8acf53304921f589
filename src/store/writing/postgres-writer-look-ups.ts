/** What the writer looks up before it works on a commit: which memories may end, be pushed out, or be rested on. */
import { type ChainId, FOREVER, type Height, type Hex, type MemoryKey } from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { SourceRef } from "../../domain/provenance.ts";
import type {
	LinkEdge,
	MemoryPlace,
	WriterStore,
	WrittenMemory,
} from "../../writer/writer-store.ts";
import { layerNumber } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import { findHeldSources } from "./held-sources.ts";

export class PostgresWriterLookUps {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async expiring(chainId: ChainId, range: Parameters<WriterStore["expiring"]>[1]) {
		const rows = await this.#database.run(
			(sql) => sql<{ memory_key: MemoryKey }[]>`
				select memory_key from versions
				where chain_id = ${chainId} and expires_block > ${range.above}
					and expires_block <= ${range.to} and to_block = expires_block
					and to_gen = ${FOREVER} and content is not null
				union select memory_key from versions
				where chain_id = ${chainId} and expires_time > ${range.since}
					and expires_time <= ${range.time}
					and from_block <= ${range.above + 1n} and to_block > ${range.above}
					and to_gen = ${FOREVER} and content is not null`,
		);
		return rows.map((row) => row.memory_key);
	}

	async expiryTimes(chainId: ChainId, since: bigint): Promise<readonly bigint[]> {
		const rows = await this.#database.run(
			(sql) => sql<{ expires_time: bigint }[]>`
				select distinct expires_time from versions
				where chain_id = ${chainId} and expires_time > ${since} and to_block = ${FOREVER}
					and to_gen = ${FOREVER} and content is not null
				order by expires_time limit ${LIMITS.expiryTimes}`,
		);
		return rows.map((row) => row.expires_time);
	}

	async heldSources(chainId: ChainId, sources: readonly SourceRef[], upTo: Height) {
		return this.#database.run((sql) => findHeldSources(sql, chainId, { sources, upTo }));
	}

	async blockHashes(
		chainId: ChainId,
		heights: readonly Height[],
	): Promise<ReadonlyMap<Height, Hex>> {
		const rows = await this.#database.run(
			(sql) => sql<{ height: bigint; hash: Hex }[]>`
				select height, hash from blocks where chain_id = ${chainId}
					and height = any(${pgArray(heights)}::bigint[]) and to_gen = ${FOREVER}`,
		);
		return new Map(rows.map(({ height, hash }) => [height, hash]));
	}

	async population(
		chainId: ChainId,
		query: { namespace: string; layers: readonly Layer[]; height: Height; limit: number },
	) {
		const layers = pgArray(query.layers.map(layerNumber));
		const rows = await this.#database.run(
			(sql) => sql<{ memory_key: MemoryKey }[]>`
				select m.memory_key from memories m
				cross join lateral (
					select position, version_id, layer, to_block, content is null as gone from versions
					where chain_id = ${chainId} and memory_key = m.memory_key
						and from_block <= ${query.height} and to_gen = ${FOREVER}
					order by from_block desc limit 1
				) v
				where m.chain_id = ${chainId} and m.namespace = ${query.namespace}
					and m.layer = any(${layers}::smallint[]) and v.layer = m.layer
					and v.to_block > ${query.height} and not v.gone
				order by v.position desc, v.version_id desc limit ${query.limit}`,
		);
		return rows.map((row) => row.memory_key);
	}

	async writingOrder(
		chainId: ChainId,
		query: { namespace: string; height: Height; limit: number },
	): Promise<readonly WrittenMemory[]> {
		const rows = await this.#database.run(
			(sql) => sql<{ memory_key: MemoryKey; position: bigint; expires_block: bigint | null }[]>`
				select m.memory_key, v.position, v.expires_block from memories m
				cross join lateral (
					select position, version_id, expires_block, layer, to_block, content is null as gone
					from versions
					where chain_id = ${chainId} and memory_key = m.memory_key
						and from_block <= ${query.height} and to_gen = ${FOREVER}
					order by from_block desc limit 1
				) v
				where m.chain_id = ${chainId} and m.namespace = ${query.namespace}
					and m.layer = ${layerNumber("short_term")} and v.layer = m.layer
					and v.to_block > ${query.height} and not v.gone
				order by v.position, v.version_id limit ${query.limit}`,
		);
		return rows.map((row) => ({
			memoryKey: row.memory_key,
			position: row.position,
			expiresBlock: row.expires_block ?? undefined,
		}));
	}

	async linksFrom(
		chainId: ChainId,
		query: { keys: readonly MemoryKey[]; type: string; limit: number },
	): Promise<readonly LinkEdge[]> {
		const rows = await this.#database.run(
			(sql) => sql<{ link_key: MemoryKey; from_key: MemoryKey; to_key: MemoryKey }[]>`
				with recursive way as (
					select link_key, from_key, to_key from links
					where chain_id = ${chainId} and type = ${query.type}
						and from_key = any(${pgArray(query.keys)}::uuid[])
					union
					select l.link_key, l.from_key, l.to_key from way
					join links l on l.chain_id = ${chainId} and l.type = ${query.type}
						and l.from_key = way.to_key
				) select * from way limit ${query.limit}`,
		);
		return rows.map((row) => ({
			linkKey: row.link_key,
			fromKey: row.from_key,
			toKey: row.to_key,
			type: query.type,
		}));
	}

	async nextPuts(
		chainId: ChainId,
		above: readonly MemoryPlace[],
		upTo: Height,
	): Promise<readonly MemoryPlace[]> {
		return this.#database.run(
			(sql) => sql<MemoryPlace[]>`
				select w.namespace, w.id, p.position
				from unnest(${pgArray(above.map(({ namespace }) => namespace))}::text[],
					${pgArray(above.map(({ id }) => id))}::text[],
					${pgArray(above.map(({ position }) => position))}::bigint[]) as w (namespace, id, position)
				cross join lateral (
					select o.position from operations o
					where o.chain_id = ${chainId} and o.namespace = w.namespace and o.id = w.id
						and o.position > w.position and o.kind in ('put', 'action', 'link')
						and o.status = 'applied' and o.effective_slot <= ${upTo}
					order by o.position limit 1
				) p`,
		);
	}
}
