/**
 * The rows of one chain in one snapshot, for checks: pages by key, each some thousand rows at most.
 *
 * What belongs to a page is looked up by index, row by row, in a sub-select or behind `lateral … offset 0`:
 * joined plainly, Postgres reads the whole table for each page, and a check takes the square of its size.
 */
import type { KeyRange } from "../../consistency/sampling.ts";
import type { StoredLogEntry } from "../../consistency/stored-log-entry.ts";
import type {
	StoredChain,
	StoredCheckpoint,
	StoredCollection,
	StoredGeneration,
	StoredHeader,
	StoredLink,
	StoredMemory,
	StoredName,
	StoredOperationRow,
	StoredState,
	StoredVector,
	StoredVersion,
	TableSize,
	VersionName,
	Watermarks,
} from "../../consistency/stored-state.ts";
import { FatalError } from "../../domain/errors.ts";
import {
	type ChainId,
	FOREVER,
	type Height,
	type MemoryKey,
	type VersionId,
} from "../../domain/ids.ts";
import { LAYERS, type Layer } from "../../domain/layer.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { VersionRow } from "../codec.ts";
import { layerNumber } from "../codec.ts";
import { pgArray } from "../pg-array.ts";
import type { Tx } from "../sql.ts";
import { rowPages } from "./row-pages.ts";
import { visibleCountsOf, watermarksOf } from "./stored-figures.ts";
import { byMemory, type Checked, storedMemories } from "./stored-memories.ts";
import { StoredProvenanceView } from "./stored-provenance-view.ts";
import {
	type ChainRow,
	type CheckpointRowOf,
	type CollectionRow,
	type GenerationRow,
	type HeaderRowOf,
	type LogRowOf,
	type NameRow,
	type OperationRow,
	storedChain,
	storedCheckpoint,
	storedCollection,
	storedGeneration,
	storedHeader,
	storedLogEntry,
	storedName,
	storedOperation,
	storedVector,
	storedVersion,
	type VectorRowOf,
} from "./stored-rows.ts";

/** Rows of a page: contents of at most 64 KiB each, most far smaller. */
const PAGE = 2_000;
/** No key is this one: it would be a hash of zeros. */
const BEFORE_ALL = "00000000-0000-0000-0000-000000000000";
/** Vectors of a page: 1.5 MB at 384 dimensions, 16 MB at the largest. */
const VECTOR_PAGE = 1_000;
/** Bare ids of a page. */
const ID_PAGE = 20_000;

export class StoredStateView implements StoredState {
	readonly #tx: Tx;
	readonly #chainId: ChainId;
	readonly provenance: StoredProvenanceView;
	#chain: StoredChain | undefined;

	constructor(tx: Tx, chainId: ChainId) {
		this.#tx = tx;
		this.#chainId = chainId;
		this.provenance = new StoredProvenanceView(tx, chainId);
	}

	get chain(): StoredChain {
		if (this.#chain !== undefined) return this.#chain;
		throw new FatalError("internal", {
			message: "a snapshot was read before it was taken",
			hint: "this is a defect of Recant; please report it with the log",
		});
	}

	async begin(): Promise<void> {
		const [row] = await this.#tx<ChainRow[]>`
			select * from chains where chain_id = ${this.#chainId}`;
		if (row === undefined) throw unknownChain(this.#chainId);
		this.#chain = storedChain(this.#chainId, row);
	}

	async installationId(): Promise<string | undefined> {
		const [row] = await this.#tx<{ id: string }[]>`select id from installation`;
		return row?.id;
	}

	async watermarks(): Promise<Watermarks> {
		return watermarksOf(this.#tx, this.chain);
	}

	async estimatedVersions(): Promise<number> {
		const [row] = await this.#tx<{ rows: number }[]>`
			select greatest(c.reltuples, coalesce(s.n_live_tup, 0))::double precision as rows
			from pg_class c left join pg_stat_user_tables s on s.relid = c.oid
			where c.oid = 'recant.versions'::regclass`;
		return row?.rows ?? 0;
	}

	async visibleCounts(): Promise<Readonly<Record<Layer, number>>> {
		return visibleCountsOf(this.#tx, this.chain);
	}

	memories(ranges: readonly KeyRange[] | undefined): AsyncGenerator<readonly StoredMemory[], void> {
		return storedMemories(this.#tx, this.#chainId, ranges);
	}

	async *names(): AsyncGenerator<readonly StoredName[], void> {
		const pages = rowPages<NameRow>(
			PAGE,
			(after) => this.#tx<NameRow[]>`
				select namespace, layer, id, memory_key from memories where chain_id = ${this.#chainId}
					and (namespace, layer, id) >
						(${after?.namespace ?? ""}, ${after?.layer ?? -32_768}, ${after?.id ?? ""})
				order by namespace, layer, id limit ${PAGE}`,
		);
		for await (const rows of pages) {
			const versioned = await this.#versioned(rows.map((row) => row.memory_key));
			yield rows.map((row) => storedName(row, versioned.has(row.memory_key)));
		}
	}

	/** Those of the keys that any version has: one pass over the index for all of them. */
	async #versioned(keys: readonly string[]): Promise<ReadonlySet<string>> {
		const rows = await this.#tx<{ memory_key: string }[]>`
			select distinct memory_key from versions where chain_id = ${this.#chainId}
				and memory_key = any(${pgArray(keys)}::uuid[])`;
		return new Set(rows.map((row) => row.memory_key));
	}

	async unnamed(
		names: readonly Pick<StoredVersion, "namespace" | "layer" | "id" | "memoryKey">[],
	): Promise<ReadonlySet<string>> {
		const asked = names.flatMap(({ layer, ...name }) =>
			layer === undefined ? [] : [{ ...name, layer: layerNumber(layer) }],
		);
		if (asked.length === 0) return new Set();
		const rows = await this.#tx<{ memory_key: string; layer: number }[]>`
			select a.memory_key, a.layer from unnest(
				${pgArray(asked.map((name) => name.namespace))}::text[],
				${pgArray(asked.map((name) => name.layer))}::smallint[],
				${pgArray(asked.map((name) => name.id))}::text[],
				${pgArray(asked.map((name) => name.memoryKey))}::uuid[]
			) as a(namespace, layer, id, memory_key)
			where (select m.memory_key from memories m where m.chain_id = ${this.#chainId}
				and m.namespace = a.namespace and m.layer = a.layer and m.id = a.id)
					is distinct from a.memory_key`;
		return new Set(rows.map((row) => `${row.memory_key}/${LAYERS[row.layer]}`));
	}

	async *links(): AsyncGenerator<readonly StoredLink[], void> {
		const pages = rowPages<LinkRow>(
			PAGE,
			(after) => this.#tx<LinkRow[]>`
				select link_key, namespace, type, from_key, to_key from links
				where chain_id = ${this.#chainId} and link_key > ${after?.link_key ?? BEFORE_ALL}
				order by link_key limit ${PAGE}`,
		);
		for await (const rows of pages) {
			const versioned = await this.#versioned(rows.map((row) => row.link_key));
			yield rows.map((row) => ({ ...storedLink(row), hasVersions: versioned.has(row.link_key) }));
		}
	}

	async linksOf(keys: readonly MemoryKey[]): Promise<readonly Omit<StoredLink, "hasVersions">[]> {
		if (keys.length === 0) return [];
		const rows = await this.#tx<LinkRow[]>`
			select link_key, namespace, type, from_key, to_key from links
			where chain_id = ${this.#chainId} and link_key = any(${pgArray(keys)}::uuid[])`;
		return rows.map(storedLink);
	}

	async inLog(keys: readonly MemoryKey[]): Promise<ReadonlySet<MemoryKey>> {
		const rows = await this.#tx<{ memory_key: MemoryKey }[]>`
			select distinct memory_key from log where chain_id = ${this.#chainId} and kind = 'operation'
				and memory_key = any(${pgArray(keys)}::uuid[])`;
		return new Set(rows.map((row) => row.memory_key));
	}

	async *vectors(): AsyncGenerator<readonly StoredVector[], void> {
		const pages = rowPages<VectorRowOf>(
			VECTOR_PAGE,
			(after) => this.#tx<VectorRowOf[]>`
				select * from vector_rows where chain_id = ${this.#chainId}
					and (collection, version_id) > (${after?.collection ?? ""}, ${after?.version_id ?? -1n})
				order by collection, version_id limit ${VECTOR_PAGE}`,
		);
		for await (const rows of pages) yield rows.map(storedVector);
	}

	async vectorIdsOf(collection: string, ids: readonly VersionId[]): Promise<readonly VersionId[]> {
		const rows = await this.#tx<{ version_id: bigint }[]>`
			select version_id from vector_rows where chain_id = ${this.#chainId}
				and collection = ${collection} and version_id = any(${pgArray(ids)}::bigint[])`;
		return rows.map((row) => row.version_id);
	}

	async vectorsOf(collection: string, ids: readonly VersionId[]): Promise<readonly StoredVector[]> {
		if (ids.length === 0) return [];
		const rows = await this.#tx<VectorRowOf[]>`
			select * from vector_rows where chain_id = ${this.#chainId}
				and collection = ${collection} and version_id = any(${pgArray(ids)}::bigint[])`;
		return rows.map(storedVector);
	}

	async *flushedIds(
		collection: string,
		upTo: VersionId,
	): AsyncGenerator<readonly VersionId[], void> {
		const pages = rowPages<{ readonly version_id: bigint; readonly alive: boolean }>(
			ID_PAGE,
			(after) => this.#tx<{ version_id: bigint; alive: boolean }[]>`
				select version_id, exists (select 1 from versions s where s.chain_id = v.chain_id
					and s.memory_key = v.memory_key and s.version_id = v.version_id
					and s.to_gen = ${FOREVER}) as alive
				from vector_rows v where chain_id = ${this.#chainId} and collection = ${collection}
					and version_id > ${after?.version_id ?? -1n} and version_id <= ${upTo}
				order by version_id limit ${ID_PAGE}`,
		);
		for await (const rows of pages) {
			yield rows.filter((row) => row.alive).map((row) => row.version_id);
		}
	}

	async versionsNamed(names: readonly VersionName[]): Promise<readonly StoredVersion[]> {
		if (names.length === 0) return [];
		const rows = await this.#tx<Checked<VersionRow>[]>`
			select v.* from unnest(${pgArray(names.map((name) => name.memoryKey))}::uuid[],
				${pgArray(names.map((name) => name.versionId))}::bigint[]) as a(memory_key, version_id)
			cross join lateral (select * from versions s where s.chain_id = ${this.#chainId}
				and s.memory_key = a.memory_key and s.version_id = a.version_id offset 0) v
			order by v.memory_key, v.from_block, v.from_gen`;
		return rows.map(storedVersion);
	}

	async memoriesOf(keys: readonly MemoryKey[]): Promise<readonly StoredMemory[]> {
		const rows = await this.#tx<Checked<VersionRow>[]>`
			select * from versions where chain_id = ${this.#chainId}
				and memory_key = any(${pgArray(keys)}::uuid[])
			order by memory_key, from_block, from_gen`;
		return byMemory(rows.map(storedVersion));
	}

	async *log(): AsyncGenerator<readonly StoredLogEntry[], void> {
		const pages = rowPages<LogRowOf>(
			PAGE,
			(after) => this.#tx<LogRowOf[]>`
				select * from log where chain_id = ${this.#chainId}
					and position > ${after?.position ?? -1n} order by position limit ${PAGE}`,
		);
		for await (const rows of pages) yield rows.map(storedLogEntry);
	}

	async countLogEnd(entries: number): Promise<number> {
		const { logPosition } = this.chain;
		const [row] = await this.#tx<{ entries: bigint }[]>`
			select count(*) as entries from log where chain_id = ${this.#chainId}
				and position > ${logPosition - BigInt(entries)} and position <= ${logPosition}`;
		return Number(row?.entries ?? 0n);
	}

	async *headers(): AsyncGenerator<readonly StoredHeader[], void> {
		const pages = rowPages<HeaderRowOf>(
			PAGE,
			(after) => this.#tx<HeaderRowOf[]>`
				select * from blocks where chain_id = ${this.#chainId}
					and (height, from_gen) > (${after?.height ?? -1n}, ${after?.from_gen ?? -1n})
				order by height, from_gen limit ${PAGE}`,
		);
		for await (const rows of pages) yield rows.map(storedHeader);
	}

	async *checkpoints(): AsyncGenerator<readonly StoredCheckpoint[], void> {
		const pages = rowPages<CheckpointRowOf>(
			PAGE,
			(after) => this.#tx<CheckpointRowOf[]>`
				select * from checkpoints where chain_id = ${this.#chainId}
					and (height, from_gen) > (${after?.height ?? -1n}, ${after?.from_gen ?? -1n})
				order by height, from_gen limit ${PAGE}`,
		);
		for await (const rows of pages) yield rows.map(storedCheckpoint);
	}

	async checkpoint(height: Height): Promise<StoredCheckpoint | undefined> {
		const [row] = await this.#tx<CheckpointRowOf[]>`
			select * from checkpoints where chain_id = ${this.#chainId} and height = ${height}
				and to_gen = ${FOREVER}`;
		return row && storedCheckpoint(row);
	}

	async header(height: Height): Promise<StoredHeader | undefined> {
		const [row] = await this.#tx<HeaderRowOf[]>`
			select * from blocks where chain_id = ${this.#chainId} and height = ${height}
				and to_gen = ${FOREVER}`;
		return row && storedHeader(row);
	}

	async generations(): Promise<readonly StoredGeneration[]> {
		const below = (this.chain.finalized ?? 0n) - BigInt(LIMITS.orphanRetentionBlocks);
		const rows = await this.#tx<GenerationRow[]>`
			select generation, ancestor_height, retained_before, last_height, last_version_id
			from generations
			where chain_id = ${this.#chainId} and generation >= (select min(generation) from generations
				where chain_id = ${this.#chainId} and (last_height is null or last_height >= ${below}))
			order by generation`;
		return rows.map(storedGeneration);
	}

	async collections(): Promise<readonly StoredCollection[]> {
		const rows = await this.#tx<CollectionRow[]>`
			select * from collections where chain_id = ${this.#chainId} order by name`;
		return rows.map(storedCollection);
	}

	async *operations(): AsyncGenerator<readonly StoredOperationRow[], void> {
		const pages = rowPages<OperationRow>(
			PAGE,
			(after) => this.#tx<OperationRow[]>`
				select o.operation_id, o.namespace, o.id, o.status, o.position, o.effective_slot,
					o.version_id, l.kind as logged_as, l.operation_id as logged_operation
				from operations o
				left join log l on l.chain_id = o.chain_id and l.position = o.position
				where o.chain_id = ${this.#chainId}
					and o.operation_id > ${after?.operation_id ?? "00000000-0000-0000-0000-000000000000"}
				order by o.operation_id limit ${PAGE}`,
		);
		for await (const rows of pages) yield rows.map(storedOperation);
	}

	async sizes(): Promise<readonly TableSize[]> {
		const rows = await this.#tx<{ table_name: string; bytes: bigint }[]>`
			select c.relname as table_name, pg_total_relation_size(c.oid) as bytes
			from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where n.nspname = 'recant' and c.relkind = 'r' order by c.relname`;
		return rows.map((row) => ({ table: row.table_name, bytes: Number(row.bytes) }));
	}
}

interface LinkRow {
	readonly link_key: MemoryKey;
	readonly namespace: string;
	readonly type: string;
	readonly from_key: MemoryKey;
	readonly to_key: MemoryKey;
}

function storedLink(row: LinkRow): Omit<StoredLink, "hasVersions"> {
	const { link_key: linkKey, namespace, type, from_key: fromKey, to_key: toKey } = row;
	return { linkKey, namespace, type, fromKey, toKey };
}

function unknownChain(chainId: ChainId): FatalError {
	return new FatalError("unknown_chain", {
		message: `chain ${chainId} is not in this database`,
		hint: "see /v1/chains for those that are served",
		fields: { chainId },
	});
}
