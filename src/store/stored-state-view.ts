/** The rows of one chain in one snapshot, for checks: pages by key, each some thousand rows at most. */
import type { KeyRange } from "../consistency/sampling.ts";
import { WHOLE_RANGE } from "../consistency/sampling.ts";
import type {
	StoredChain,
	StoredCheckpoint,
	StoredCollection,
	StoredGeneration,
	StoredHeader,
	StoredLogEntry,
	StoredMemory,
	StoredName,
	StoredOperationRow,
	StoredState,
	StoredVector,
	StoredVersion,
	TableSize,
	VersionName,
	Watermarks,
} from "../consistency/stored-state.ts";
import { FatalError } from "../domain/errors.ts";
import {
	type ChainId,
	FOREVER,
	type Height,
	type MemoryKey,
	type VersionId,
} from "../domain/ids.ts";
import { LAYERS, type Layer } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";
import type { VersionRow } from "./codec.ts";
import { layerNumber } from "./codec.ts";
import { pgArray } from "./pg-array.ts";
import { rowPages } from "./row-pages.ts";
import type { Tx } from "./sql.ts";
import { visibleCountsOf, watermarksOf } from "./stored-figures.ts";
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
/** Vectors of a page: 1.5 MB at 384 dimensions, 16 MB at the largest. */
const VECTOR_PAGE = 1_000;
/** Ranges of a sample that are read together: each holds about one memory. */
const RANGES_PER_READ = 1_000;
/** Bare ids of a page. */
const ID_PAGE = 20_000;

type Checked<Row> = Row & { readonly checksum: Uint8Array };

export class StoredStateView implements StoredState {
	readonly #tx: Tx;
	readonly #chainId: ChainId;
	#chain: StoredChain | undefined;

	constructor(tx: Tx, chainId: ChainId) {
		this.#tx = tx;
		this.#chainId = chainId;
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

	async *memories(
		ranges: readonly KeyRange[] | undefined,
	): AsyncGenerator<readonly StoredMemory[], void> {
		if (ranges === undefined) yield* wholeMemories(this.#versions());
		else
			for (let from = 0; from < ranges.length; from += RANGES_PER_READ)
				yield* wholeMemories(this.#versionsIn(ranges.slice(from, from + RANGES_PER_READ)));
	}

	#versions(): AsyncGenerator<readonly Checked<VersionRow>[]> {
		return rowPages<Checked<VersionRow>>(
			PAGE,
			(after) => this.#tx<Checked<VersionRow>[]>`
				select * from versions where chain_id = ${this.#chainId}
					and (memory_key, from_block, from_gen) > (${after?.memory_key ?? WHOLE_RANGE.from},
						${after?.from_block ?? -1n}, ${after?.from_gen ?? -1n})
				order by memory_key, from_block, from_gen limit ${PAGE}`,
		);
	}

	/** Each range is one look into the primary key, however many of them there are. */
	#versionsIn(ranges: readonly KeyRange[]): AsyncGenerator<readonly Checked<VersionRow>[]> {
		return rowPages<Checked<VersionRow>>(PAGE, (after) => {
			const left = ranges.filter(({ to }) => after === undefined || after.memory_key <= to);
			// One condition where a look begins: of two, Postgres may take the one that is farther away.
			const begins = left.map(({ from }) =>
				after === undefined || after.memory_key < from
					? { key: from, block: -1n, gen: -1n }
					: { key: after.memory_key, block: after.from_block, gen: after.from_gen },
			);
			return this.#tx<Checked<VersionRow>[]>`
				select v.* from unnest(${pgArray(begins.map(({ key }) => key))}::uuid[],
					${pgArray(begins.map(({ block }) => block))}::bigint[],
					${pgArray(begins.map(({ gen }) => gen))}::bigint[],
					${pgArray(left.map(({ to }) => to))}::uuid[]) as r(key, block, gen, high)
				cross join lateral (select * from versions where chain_id = ${this.#chainId}
						and (memory_key, from_block, from_gen) > (r.key, r.block, r.gen)
						and memory_key <= r.high
					order by memory_key, from_block, from_gen limit ${PAGE}) v
				order by v.memory_key, v.from_block, v.from_gen limit ${PAGE}`;
		});
	}

	async *names(): AsyncGenerator<readonly StoredName[], void> {
		const pages = rowPages<NameRow>(
			PAGE,
			(after) => this.#tx<NameRow[]>`
				select namespace, layer, id, memory_key, exists (select 1 from versions v
					where v.chain_id = m.chain_id and v.memory_key = m.memory_key) as has_versions
				from memories m where chain_id = ${this.#chainId}
					and (namespace, layer, id) >
						(${after?.namespace ?? ""}, ${after?.layer ?? -32_768}, ${after?.id ?? ""})
				order by namespace, layer, id limit ${PAGE}`,
		);
		for await (const rows of pages) yield rows.map(storedName);
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
			where not exists (select 1 from memories m where m.chain_id = ${this.#chainId}
				and m.namespace = a.namespace and m.layer = a.layer and m.id = a.id
				and m.memory_key = a.memory_key)`;
		return new Set(rows.map((row) => `${row.memory_key}/${LAYERS[row.layer]}`));
	}

	async inLog(keys: readonly MemoryKey[]): Promise<ReadonlySet<MemoryKey>> {
		const rows = await this.#tx<{ memory_key: MemoryKey }[]>`
			select distinct memory_key from log where chain_id = ${this.#chainId}
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
			join versions v on v.chain_id = ${this.#chainId} and v.memory_key = a.memory_key
				and v.version_id = a.version_id
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
			select generation, ancestor_height, last_height, last_version_id from generations
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

/** The last memory of a page may go on in the next: it is held back until then. */
async function* wholeMemories(
	pages: AsyncIterable<readonly Checked<VersionRow>[]>,
): AsyncGenerator<readonly StoredMemory[], void> {
	let held: StoredVersion[] = [];
	for await (const rows of pages) {
		const found = [...held, ...rows.map(storedVersion)];
		const lastKey = rows.at(-1)?.memory_key;
		const whole = found.findIndex((row) => row.memoryKey === lastKey);
		held = found.slice(whole);
		if (whole > 0) yield byMemory(found.slice(0, whole));
	}
	if (held.length > 0) yield byMemory(held);
}

/** Rows that stand together by key, as memories. */
function byMemory(rows: readonly StoredVersion[]): readonly StoredMemory[] {
	return [...Map.groupBy(rows, (row) => row.memoryKey)].map(([memoryKey, of]) => ({
		memoryKey,
		rows: of,
	}));
}

function unknownChain(chainId: ChainId): FatalError {
	return new FatalError("unknown_chain", {
		message: `chain ${chainId} is not in this database`,
		hint: "see /v1/chains for those that are served",
		fields: { chainId },
	});
}
