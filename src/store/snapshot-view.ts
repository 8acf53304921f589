/** Reads state at one coordinate inside one snapshot transaction. */
import type { Height, MemoryKey, VersionId } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { Version } from "../domain/memory.ts";
import type { CollectionView, MemoryName, StateView, TailRow } from "../service/state-store.ts";
import { pointersOf } from "./checkpoint-rows.ts";
import { bytesVector, layerNumber, layerOf, type VersionRow, versionOf } from "./codec.ts";
import type { ResolvedCoordinate } from "./coordinate.ts";
import { pgArray } from "./pg-array.ts";
import type { Tx } from "./sql.ts";

export class SnapshotView implements StateView {
	readonly #tx: Tx;
	readonly at: StateView["at"];
	readonly present: StateView["present"];

	constructor(tx: Tx, resolved: ResolvedCoordinate) {
		this.#tx = tx;
		this.at = resolved.at;
		this.present = resolved.present;
	}

	async memory(key: MemoryKey): Promise<Version | undefined> {
		return (await this.memories([key])).get(key);
	}

	async memories(keys: readonly MemoryKey[]): Promise<ReadonlyMap<MemoryKey, Version>> {
		if (keys.length === 0) return new Map();
		const { chainId, height, generation } = this.at;
		const rows = await this.#tx<VersionRow[]>`
			select v.* from unnest(${pgArray(keys)}::uuid[]) as wanted(memory_key)
			cross join lateral (
				select * from versions where chain_id = ${chainId} and memory_key = wanted.memory_key
					and from_block <= ${height} and to_block > ${height}
					and from_gen <= ${generation} and to_gen > ${generation}
				order by from_block desc limit 1
			) v where v.content is not null`;
		return new Map(rows.map((row) => [row.memory_key as MemoryKey, versionOf(row)]));
	}

	async lastSaid(keys: readonly MemoryKey[]): Promise<ReadonlyMap<MemoryKey, Version>> {
		if (keys.length === 0) return new Map();
		const { chainId, height, generation } = this.at;
		const rows = await this.#tx<VersionRow[]>`
			select v.* from unnest(${pgArray(keys)}::uuid[]) as wanted(memory_key)
			cross join lateral (
				select * from versions where chain_id = ${chainId} and memory_key = wanted.memory_key
					and from_block <= ${height}
					and from_gen <= ${generation} and to_gen > ${generation}
				order by from_block desc limit 1
			) v`;
		return new Map(rows.map((row) => [row.memory_key as MemoryKey, versionOf(row)]));
	}

	async vectors(ids: readonly VersionId[]): Promise<ReadonlyMap<VersionId, Float32Array>> {
		if (ids.length === 0) return new Map();
		const rows = await this.#tx<Pick<VectorRow, "version_id" | "vector">[]>`
			select version_id, vector from vector_rows where chain_id = ${this.at.chainId}
				and version_id = any(${pgArray(ids)}::bigint[])`;
		return new Map(rows.map((row) => [row.version_id, bytesVector(row.vector)]));
	}

	async page(query: {
		readonly namespace: string | undefined;
		readonly layer: Layer | undefined;
		readonly after: MemoryName | undefined;
		readonly limit: number;
	}): Promise<readonly Version[]> {
		const { chainId, height, generation } = this.at;
		const { namespace, layer, after } = query;
		const start = {
			namespace: after?.namespace ?? "",
			layer: after ? layerNumber(after.layer) : -1,
		};
		const rows = await this.#tx<VersionRow[]>`
			select v.* from memories m
			cross join lateral (
				select * from versions where chain_id = ${chainId} and memory_key = m.memory_key
					and from_block <= ${height} and to_block > ${height}
					and from_gen <= ${generation} and to_gen > ${generation}
				order by from_block desc limit 1
			) v
			where m.chain_id = ${chainId}
				and (${namespace === undefined} or m.namespace = ${namespace ?? ""})
				and (${layer === undefined} or m.layer = ${layer === undefined ? 0 : layerNumber(layer)})
				and (m.namespace, m.layer, m.id) > (${start.namespace}, ${start.layer}, ${after?.id ?? ""})
				and v.layer = m.layer and v.content is not null
			order by m.namespace, m.layer, m.id limit ${query.limit}`;
		return rows.map(versionOf);
	}

	async collection(name: string): Promise<CollectionView | undefined> {
		const { chainId, generation } = this.at;
		const [row] = await this.#tx<CollectionRow[]>`
			select c.*, g.pointers, g.last_version_id from collections c
			left join generations g on g.chain_id = c.chain_id and g.generation = ${generation}
			where c.chain_id = ${chainId} and c.name = ${name}`;
		if (row === undefined) return undefined;
		const ended = row.pointers === null ? undefined : pointersOf(row.pointers)[name];
		const present = {
			tableVersion: row.table_version,
			versionId: row.pointer_version_id,
			at: row.pointer_at.getTime(),
		};
		const isPresent = generation === this.present.generation;
		return {
			model: row.model,
			dimensions: row.dimensions,
			table: row.table_name,
			pointer: isPresent ? present : (ended ?? { tableVersion: 0n, versionId: 0n, at: 0 }),
			lastVersionId: isPresent ? this.present.versionSeq : (row.last_version_id ?? 0n),
		};
	}

	async tail(
		collection: string,
		range: { readonly above: VersionId; readonly to: VersionId; readonly limit: number },
	): Promise<readonly TailRow[]> {
		const rows = await this.#tx<VectorRow[]>`
			select version_id, memory_key, namespace, layer, from_block, vector from vector_rows
			where chain_id = ${this.at.chainId} and collection = ${collection}
				and version_id > ${range.above} and version_id <= ${range.to}
			order by version_id limit ${range.limit}`;
		return rows.map(tailRowOf);
	}

	async embedded(
		collection: string,
		query: Parameters<StateView["embedded"]>[1],
	): Promise<readonly TailRow[]> {
		const { namespace, layers, maxFromBlock, upTo, limit } = query;
		const rows = await this.#tx<VectorRow[]>`
			select version_id, memory_key, namespace, layer, from_block, vector from vector_rows
			where chain_id = ${this.at.chainId} and collection = ${collection}
				and version_id <= ${upTo} and from_block <= ${maxFromBlock}
				and (${namespace === undefined} or namespace = ${namespace ?? ""})
				and (${layers === undefined} or layer = any(${pgArray((layers ?? []).map(layerNumber))}::int[]))
			order by version_id desc limit ${limit}`;
		return rows.map(tailRowOf);
	}
}

interface CollectionRow {
	readonly model: string;
	readonly dimensions: number;
	readonly table_name: string;
	readonly table_version: bigint;
	readonly pointer_version_id: bigint;
	readonly pointer_at: Date;
	readonly pointers: string | null;
	readonly last_version_id: bigint | null;
}

function tailRowOf(row: VectorRow): TailRow {
	return {
		versionId: row.version_id,
		memoryKey: row.memory_key,
		namespace: row.namespace,
		layer: layerOf(row.layer),
		fromBlock: row.from_block,
		vector: bytesVector(row.vector),
	};
}

interface VectorRow {
	readonly version_id: bigint;
	readonly memory_key: MemoryKey;
	readonly namespace: string;
	readonly layer: number;
	readonly from_block: Height;
	readonly vector: Uint8Array;
}
