/** Reads one memory's story at one coordinate inside one snapshot transaction. */
import type {
	Generation,
	Height,
	Hex,
	MemoryKey,
	OperationId,
	RollbackId,
} from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import type { OperationStatus } from "../../domain/operation.ts";
import type {
	DependentRow,
	DerivationRow,
	DerivedRef,
	ExplainView,
	FoundSource,
	SaidRef,
	StoredGeneration,
	StoredVerdict,
} from "../../service/explaining/explain-store.ts";
import type { StoredBlock } from "../../service/reading/state-store.ts";
import type { OperationRecord } from "../../writer/inbox-store.ts";
import { hexBytes, type VersionRow, versionOf } from "../codec.ts";
import { pgArray } from "../pg-array.ts";
import type { Tx } from "../sql.ts";
import { type OperationRow, recordOf } from "../writing/postgres-inbox-store.ts";
import type { ResolvedCoordinate } from "./coordinate.ts";
import { SnapshotView } from "./snapshot-view.ts";

export class PostgresExplainView implements ExplainView {
	readonly #tx: Tx;
	readonly #state: SnapshotView;

	constructor(tx: Tx, resolved: ResolvedCoordinate) {
		this.#tx = tx;
		this.#state = new SnapshotView(tx, resolved);
	}

	get at() {
		return this.#state.at;
	}

	memories(keys: readonly MemoryKey[]) {
		return this.#state.memories(keys);
	}

	get marks() {
		return this.#state.marks;
	}

	async history(key: MemoryKey, limit: number): Promise<readonly Version[]> {
		const rows = await this.#tx<VersionRow[]>`
			select * from versions where chain_id = ${this.at.chainId} and memory_key = ${key}
			order by to_gen desc, from_block desc, from_gen desc limit ${limit}`;
		return rows.map(versionOf);
	}

	async operations(
		{ namespace, id }: { readonly namespace: string; readonly id: string },
		limit: number,
	): Promise<readonly OperationRecord[]> {
		const rows = await this.#tx<OperationRow[]>`
			select * from operations
			where chain_id = ${this.at.chainId} and namespace = ${namespace} and id = ${id}
			order by position desc nulls first limit ${limit}`;
		return rows.map(recordOf);
	}

	async verdicts(ids: readonly OperationId[], limit: number): Promise<readonly StoredVerdict[]> {
		if (ids.length === 0) return [];
		const rows = await this.#tx<VerdictRow[]>`
			select operation_id, position, generation, height, body, recorded_at from log
			where chain_id = ${this.at.chainId} and kind = 'verdict'
				and operation_id = any(${pgArray(ids)}::uuid[])
			order by position desc limit ${limit}`;
		return rows.map((row) => ({
			operationId: row.operation_id,
			position: row.position,
			generation: row.generation,
			height: row.height,
			recordedAt: row.recorded_at,
			body: row.body,
		}));
	}

	async derivations(of: readonly DerivedRef[], limit: number): Promise<readonly DerivationRow[]> {
		if (of.length === 0) return [];
		const rows = await this.#tx<DerivationTableRow[]>`
			select d.* from unnest(${pgArray(of.map(({ position }) => position))}::bigint[],
				${pgArray(of.map(({ key }) => key))}::uuid[]) with ordinality as o(position, key, place)
			join derivations d on d.chain_id = ${this.at.chainId} and d.position = o.position
				and d.memory_key = o.key
			order by o.place, d.set_no, d.source_no limit ${limit}`;
		return rows.map((row) => ({
			key: row.memory_key,
			position: row.position,
			setNo: row.set_no,
			source: {
				key: row.source_key,
				contentHash: hexOf(row.source_hash),
				namespace: row.source_namespace,
				id: row.source_id,
			},
		}));
	}

	async sources(refs: readonly SaidRef[]): Promise<readonly FoundSource[]> {
		if (refs.length === 0) return [];
		const { chainId, height, generation } = this.at;
		const rows = await this.#tx<(VersionRow & { readonly holds: boolean })[]>`
			select v.* from ${this.#said(refs)}
			cross join lateral (
				select *, from_gen <= ${generation} and to_gen > ${generation}
					and from_block <= ${height} as holds from versions
				where chain_id = ${chainId} and memory_key = s.key and content_hash = s.hash
					and content is not null
				order by holds desc, case when from_gen <= ${generation} and to_gen > ${generation}
					and from_block <= ${height} then from_block end, to_gen desc, from_block desc limit 1
			) v`;
		return rows.map((row) => {
			const version = versionOf(row);
			const { memoryKey: key, contentHash } = version;
			return { key, contentHash, version, holds: row.holds };
		});
	}

	async dependents(
		sources: readonly SaidRef[],
		{ namespaces, limit }: Parameters<ExplainView["dependents"]>[1],
	): Promise<readonly DependentRow[]> {
		if (sources.length === 0) return [];
		const { chainId, height, generation } = this.at;
		const rows = await this.#tx<(DependentTableRow & NullableVersionRow)[]>`
			select s.key as source_key, s.hash as source_hash, d.position as derived_position,
				d.memory_key as derived_key, o.operation_id, o.namespace as operation_namespace,
				o.id as operation_memory, o.status, v.*
			from ${this.#said(sources)}
			cross join lateral (
				select distinct position, memory_key from derivations
				where chain_id = ${chainId} and source_key = s.key and source_hash = s.hash
				order by position limit ${limit}
			) d
			left join lateral (
				select * from versions where chain_id = ${chainId} and memory_key = d.memory_key
					and position = d.position and content is not null and from_block <= ${height}
					and from_gen <= ${generation} and to_gen > ${generation}
				order by from_block desc limit 1
			) v on true
			left join operations o on o.chain_id = ${chainId} and o.position = d.position and not o.final
			where ${namespaces === undefined}
				or coalesce(v.namespace, o.namespace) = any(${pgArray(namespaces ?? [])}::text[])
			order by s.place, d.position limit ${limit}`;
		return rows.map(dependentOf);
	}

	async blocks(of: Parameters<ExplainView["blocks"]>[0]): Promise<readonly StoredBlock[]> {
		if (of.heights.length === 0 && of.hashes.length === 0) return [];
		const { chainId } = this.at;
		const rows = await this.#tx<BlockRow[]>`
			select * from blocks where chain_id = ${chainId} and height = any(${pgArray(of.heights)}::bigint[])
			union
			select * from blocks where chain_id = ${chainId} and hash = any(${pgArray(of.hashes)}::text[])
			order by height, from_gen`;
		return rows.map((row) => ({
			number: row.height,
			hash: row.hash,
			parentHash: row.parent_hash,
			timestamp: row.timestamp,
			fromGen: row.from_gen,
			toGen: row.to_gen,
		}));
	}

	async generations(
		numbers: readonly Generation[],
		limit: number,
	): Promise<readonly StoredGeneration[]> {
		if (numbers.length === 0) return [];
		const rows = await this.#tx<GenerationRow[]>`
			select g.generation, g.rollback_id, g.ancestor_height, p.last_height, r.cause, r.to_height,
				r.finished_at
			from generations g
			join generations p on p.chain_id = g.chain_id and p.generation = g.generation - 1
			left join rollbacks r on r.rollback_id = g.rollback_id
			where g.chain_id = ${this.at.chainId} and g.generation = any(${pgArray(numbers)}::bigint[])
				and g.ancestor_height is not null and g.rollback_id is not null
				and p.last_height is not null
			order by g.generation desc limit ${limit}`;
		return rows.map(generationOf);
	}

	#said(refs: readonly SaidRef[]) {
		return this.#tx`unnest(${pgArray(refs.map(({ key }) => key))}::uuid[],
			${pgArray(refs.map(({ contentHash }) => hexBytes(contentHash)))}::bytea[])
			with ordinality as s(key, hash, place)`;
	}
}

interface VerdictRow {
	readonly operation_id: OperationId;
	readonly position: bigint;
	readonly generation: bigint;
	readonly height: bigint;
	readonly body: string;
	readonly recorded_at: Date;
}

interface DerivationTableRow {
	readonly memory_key: MemoryKey;
	readonly position: bigint;
	readonly set_no: number;
	readonly source_key: MemoryKey;
	readonly source_hash: Uint8Array;
	readonly source_namespace: string;
	readonly source_id: string;
}

/** A left join: all of a version's columns, or none. */
type NullableVersionRow = VersionRow | { readonly version_id: null };

interface DependentTableRow {
	readonly source_key: MemoryKey;
	readonly source_hash: Uint8Array;
	readonly derived_position: bigint;
	readonly derived_key: MemoryKey;
	readonly operation_id: OperationId | null;
	readonly operation_namespace: string | null;
	readonly operation_memory: string | null;
	readonly status: OperationStatus | null;
}

function dependentOf(row: DependentTableRow & NullableVersionRow): DependentRow {
	const { operation_id: operationId, operation_namespace: namespace, status } = row;
	const { operation_memory: id } = row;
	return {
		key: row.derived_key,
		position: row.derived_position,
		source: { key: row.source_key, contentHash: hexOf(row.source_hash) },
		version: row.version_id === null ? undefined : versionOf(row),
		operation:
			operationId === null || namespace === null || id === null || status === null
				? undefined
				: { operationId, namespace, id, status },
	};
}

interface BlockRow {
	readonly height: Height;
	readonly hash: Hex;
	readonly parent_hash: Hex;
	readonly timestamp: bigint;
	readonly from_gen: bigint;
	readonly to_gen: bigint;
}

interface GenerationRow {
	readonly generation: bigint;
	readonly rollback_id: RollbackId;
	readonly ancestor_height: bigint;
	readonly last_height: bigint;
	readonly cause: "reorg" | "manual" | "handlers" | null;
	readonly to_height: bigint | null;
	readonly finished_at: Date | null;
}

function generationOf(row: GenerationRow): StoredGeneration {
	const { cause, to_height: toHeight } = row;
	return {
		generation: row.generation,
		rollbackId: row.rollback_id,
		ancestor: row.ancestor_height,
		endedAt: row.last_height,
		rollback:
			cause === null || toHeight === null
				? undefined
				: { cause, toHeight, finishedAt: row.finished_at ?? undefined },
	};
}

function hexOf(bytes: Uint8Array): Hex {
	return `0x${Buffer.from(bytes).toString("hex")}`;
}
