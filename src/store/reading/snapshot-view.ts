/** Reads state at one coordinate inside one snapshot transaction. */
import {
	type ChainId,
	FOREVER,
	type Height,
	type MemoryKey,
	type VersionId,
} from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import { LINK_ID_PREFIX } from "../../domain/link.ts";
import type { Version } from "../../domain/memory.ts";
import type {
	CollectionView,
	MemoryName,
	StateView,
	TailRow,
} from "../../service/reading/state-store.ts";
import type { VectorFilter } from "../../vectors/vector-tables.ts";
import type { VectorPointer } from "../../writer/commit-batch.ts";
import { bytesVector, layerNumber, layerOf, type VersionRow, versionOf } from "../codec.ts";
import { pgArray } from "../pg-array.ts";
import type { Fragment, Tx } from "../sql.ts";
import { pointersOf } from "./checkpoint-rows.ts";
import type { ResolvedCoordinate } from "./coordinate.ts";

export class SnapshotView implements StateView {
	readonly #tx: Tx;
	readonly at: StateView["at"];
	readonly present: StateView["present"];
	readonly marks: StateView["marks"];
	/** One that was read already, in the same snapshot. */
	readonly #collection: CollectionRow | undefined;

	constructor(tx: Tx, resolved: ResolvedCoordinate, collection?: CollectionRow) {
		this.#tx = tx;
		this.#collection = collection;
		this.at = resolved.at;
		this.present = resolved.present;
		this.marks = resolved.marks;
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
		readonly namespaces: readonly string[] | undefined;
		readonly layer: Layer | undefined;
		readonly after: MemoryName | undefined;
		readonly limit: number;
	}): Promise<readonly Version[]> {
		const { chainId, height, generation } = this.at;
		const { namespaces, layer, after } = query;
		const start = {
			namespace: after?.namespace ?? "",
			layer: after ? layerNumber(after.layer) : -1,
		};
		const tx = this.#tx;
		const named = (within: Fragment) => tx`
			select v.* from memories m
			cross join lateral (
				select * from versions where chain_id = ${chainId} and memory_key = m.memory_key
					and from_block <= ${height} and to_block > ${height}
					and from_gen <= ${generation} and to_gen > ${generation}
				order by from_block desc limit 1
			) v
			where m.chain_id = ${chainId} and ${within}
				and (${layer === undefined} or m.layer = ${layer === undefined ? 0 : layerNumber(layer)})
				and (m.namespace, m.layer, m.id) > (${start.namespace}, ${start.layer}, ${after?.id ?? ""})
				and not starts_with(m.id, ${LINK_ID_PREFIX})
				and v.layer = m.layer and v.content is not null
			order by m.namespace, m.layer, m.id limit ${query.limit}`;
		if (namespaces === undefined)
			return (await tx<VersionRow[]>`${named(tx`true`)}`).map(versionOf);
		// Each by itself is a walk along the index; a list of them in one condition would be sorted.
		const rows = await tx<VersionRow[]>`
			select found.* from (select distinct unnest(${pgArray(namespaces)}::text[]) as namespace) wanted
			cross join lateral (${named(tx`m.namespace = wanted.namespace`)}) found
			order by found.namespace, found.layer, found.id limit ${query.limit}`;
		return rows.map(versionOf);
	}

	async collection(name: string): Promise<CollectionView | undefined> {
		const row =
			this.#collection?.name === name
				? this.#collection
				: await collectionRow(this.#tx, this.at.chainId, name);
		if (row === undefined) return undefined;
		return {
			model: row.model,
			dimensions: row.dimensions,
			table: row.table_name,
			epoch: row.rows_epoch,
			...(this.at.generation === this.present.generation
				? { pointer: pointerOf(row), lastVersionId: this.present.versionSeq }
				: await this.#ended(name)),
		};
	}

	/** Where the collection stood when the coordinate's generation ended. */
	async #ended(name: string): Promise<Pick<CollectionView, "pointer" | "lastVersionId">> {
		const { chainId, generation } = this.at;
		const [row] = await this.#tx<{ pointers: string | null; last_version_id: bigint | null }[]>`
			select pointers, last_version_id from generations
			where chain_id = ${chainId} and generation = ${generation}`;
		const pointers = row?.pointers ?? undefined;
		return {
			pointer: (pointers && pointersOf(pointers)[name]) || {
				tableVersion: 0n,
				versionId: 0n,
				at: 0,
			},
			lastVersionId: row?.last_version_id ?? 0n,
		};
	}

	async tail(
		collection: string,
		range: { readonly above: VersionId; readonly to: VersionId; readonly limit: number },
	): Promise<readonly TailRow[]> {
		const rows = await this.#tx<VectorRow[]>`
			select r.version_id, r.memory_key, r.namespace, r.layer, r.from_block, r.vector, v.text
			from vector_rows r left join lateral (
				select text from versions where chain_id = ${this.at.chainId}
					and memory_key = r.memory_key and from_block = r.from_block
					and version_id = r.version_id limit 1
			) v on true
			where r.chain_id = ${this.at.chainId} and r.collection = ${collection}
				and r.version_id > ${range.above} and r.version_id <= ${range.to}
			order by r.version_id limit ${range.limit}`;
		return rows.map(tailRowOf);
	}

	async embeddedCount(
		collection: string,
		{ upTo, limit }: { readonly upTo: VersionId; readonly limit: number },
	): Promise<number> {
		const [row] = await this.#tx<{ count: number }[]>`
			select count(*)::int as count from (
				select 1 from vector_rows where chain_id = ${this.at.chainId}
					and collection = ${collection} and version_id <= ${upTo} limit ${limit}
			) counted`;
		return row?.count ?? 0;
	}

	async embedded(
		collection: string,
		query: Parameters<StateView["embedded"]>[1],
	): Promise<readonly TailRow[]> {
		const { upTo, limit } = query;
		const rows = await this.#tx<VectorRow[]>`
			select version_id, memory_key, namespace, layer, from_block, vector from vector_rows
			where chain_id = ${this.at.chainId} and collection = ${collection}
				and version_id <= ${upTo} and ${filtered(this.#tx, query)}
			order by version_id desc limit ${limit}`;
		return rows.map(tailRowOf);
	}

	async texts(
		collection: string,
		query: Parameters<StateView["texts"]>[1],
	): Promise<readonly Version[]> {
		const { chainId, height, generation } = this.at;
		const after = query.after ?? "00000000-0000-0000-0000-000000000000";
		const rows = await this.#tx<VersionRow[]>`
			select * from versions where chain_id = ${chainId} and memory_key > ${after}
				and from_block <= ${height} and to_block > ${height}
				and from_gen <= ${generation} and to_gen > ${generation}
				and collection = ${collection} and text is not null and content is not null
				and ${filtered(this.#tx, query)}
			order by memory_key limit ${query.limit}`;
		return rows.map(versionOf);
	}

	async heightsAt({ from, to }: Parameters<StateView["heightsAt"]>[0]) {
		const { chainId, generation } = this.at;
		const [row] = await this.#tx<{ below: bigint | null; above: bigint | null }[]>`
			select
				(select max(height) from blocks where chain_id = ${chainId}
					and from_gen <= ${generation} and to_gen > ${generation}
					and timestamp < ${from ?? 0n}) as below,
				(select min(height) from blocks where chain_id = ${chainId}
					and from_gen <= ${generation} and to_gen > ${generation}
					and timestamp > ${to ?? FOREVER}) as above`;
		const { below = null, above = null } = row ?? {};
		return {
			since: from === undefined || below === null ? undefined : below + 1n,
			until: to === undefined || above === null ? undefined : above - 1n,
		};
	}
}

/** The filter of a search but for what it excludes, over columns that `versions` and `vector_rows` have. */
function filtered(tx: Tx, filter: Omit<VectorFilter, "excludeVersions">): Fragment {
	const { maxFromBlock, minFromBlock, namespaces, layers } = filter;
	return tx`from_block <= ${maxFromBlock ?? FOREVER} and from_block >= ${minFromBlock ?? 0n}
		and (${namespaces === undefined} or namespace = any(${pgArray(namespaces ?? [])}::text[]))
		and (${layers === undefined} or layer = any(${pgArray((layers ?? []).map(layerNumber))}::int[]))`;
}

interface CollectionRow {
	readonly name: string;
	readonly model: string;
	readonly dimensions: number;
	readonly table_name: string;
	readonly rows_epoch: string;
	readonly table_version: bigint;
	readonly pointer_version_id: bigint;
	readonly pointer_at: Date;
}

/** Undefined: there is none of that name. */
export async function collectionRow(
	tx: Tx,
	chainId: ChainId,
	name: string,
): Promise<CollectionRow | undefined> {
	const [row] = await tx<CollectionRow[]>`
		select name, model, dimensions, table_name, rows_epoch, table_version, pointer_version_id,
			pointer_at from collections where chain_id = ${chainId} and name = ${name}`;
	return row;
}

function pointerOf(row: CollectionRow): VectorPointer {
	return {
		tableVersion: row.table_version,
		versionId: row.pointer_version_id,
		at: row.pointer_at.getTime(),
	};
}

function tailRowOf(row: VectorRow): TailRow {
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

interface VectorRow {
	readonly version_id: bigint;
	readonly memory_key: MemoryKey;
	readonly namespace: string;
	readonly layer: number;
	readonly from_block: Height;
	/** Left out where nobody asks for it. */
	readonly text?: string | null;
	readonly vector: Uint8Array;
}
