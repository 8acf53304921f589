/** What was derived from what, in the snapshot of a check; see stored-state-view.ts. */

import type { StoredLogEntry } from "../../consistency/stored-log-entry.ts";
import type {
	DerivedOperation,
	HeldVersion,
	StoredDerivation,
	StoredProvenance,
} from "../../consistency/stored-provenance.ts";
import {
	type ChainId,
	FOREVER,
	type Generation,
	type Height,
	type Hex,
	type LogPosition,
	type MemoryKey,
	type OperationId,
} from "../../domain/ids.ts";
import type { SourceRef, Sources } from "../../domain/provenance.ts";
import { type Held, type HeldKey, heldKey, sourceKey } from "../../memory/ground.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import { hexBytes, ownerNumber } from "../codec.ts";
import { pgArray } from "../pg-array.ts";
import type { Tx } from "../sql.ts";
import { findHeldSources } from "../writing/held-sources.ts";
import { rowPages } from "./row-pages.ts";
import { type LogRowOf, storedLogEntry } from "./stored-rows.ts";

const PAGE = 2_000;
/** Operations of a page: 64 sources each at most. */
const OPERATION_PAGE = 500;
/** As the field stands in a body, which is canonical JSON. */
const NAMES_SOURCES = '%"derivedFrom"%';

export class StoredProvenanceView implements StoredProvenance {
	readonly #tx: Tx;
	readonly #chainId: ChainId;

	constructor(tx: Tx, chainId: ChainId) {
		this.#tx = tx;
		this.#chainId = chainId;
	}

	async *derivedEntries(): AsyncGenerator<readonly StoredLogEntry[], void> {
		const pages = rowPages<LogRowOf>(
			PAGE,
			(after) => this.#tx<LogRowOf[]>`
				select * from log where chain_id = ${this.#chainId} and kind = 'operation'
					and position > ${after?.position ?? -1n} and body like ${NAMES_SOURCES}
				order by position limit ${PAGE}`,
		);
		for await (const rows of pages) yield rows.map(storedLogEntry);
	}

	async entriesAt(positions: readonly LogPosition[]): Promise<readonly StoredLogEntry[]> {
		if (positions.length === 0) return [];
		const rows = await this.#tx<LogRowOf[]>`
			select * from log where chain_id = ${this.#chainId}
				and position = any(${pgArray(positions)}::bigint[])`;
		return rows.map(storedLogEntry);
	}

	async *derivations(): AsyncGenerator<readonly StoredDerivation[], void> {
		const pages = rowPages<DerivationRow>(
			PAGE,
			(after) => this.#tx<DerivationRow[]>`
				select * from derivations where chain_id = ${this.#chainId}
					and (position, set_no, source_no) >
						(${after?.position ?? -1n}, ${after?.set_no ?? -1}, ${after?.source_no ?? -1})
				order by position, set_no, source_no limit ${PAGE}`,
		);
		for await (const rows of pages) yield rows.map(storedDerivation);
	}

	async derivationsAt(positions: readonly LogPosition[]): Promise<readonly StoredDerivation[]> {
		if (positions.length === 0) return [];
		const rows = await this.#tx<DerivationRow[]>`
			select * from derivations where chain_id = ${this.#chainId}
				and position = any(${pgArray(positions)}::bigint[])
			order by position, set_no, source_no`;
		return rows.map(storedDerivation);
	}

	async needed(
		of: readonly Pick<StoredDerivation, "memoryKey" | "position">[],
	): Promise<ReadonlySet<LogPosition>> {
		const rows = await this.#tx<{ position: bigint }[]>`
			select w.position from unnest(${pgArray(of.map(({ position }) => position))}::bigint[],
				${pgArray(of.map(({ memoryKey: key }) => key))}::uuid[]) as w(position, memory_key)
			where exists (select 1 from versions v where v.chain_id = ${this.#chainId}
					and v.memory_key = w.memory_key and v.position = w.position)
				or exists (select 1 from operations o where o.chain_id = ${this.#chainId}
					and o.position = w.position and not o.final)`;
		return new Set(rows.map(({ position }) => position));
	}

	async *derivedOperations(): AsyncGenerator<readonly DerivedOperation[], void> {
		const pages = rowPages<OperationRow>(
			OPERATION_PAGE,
			(after) => this.#tx<OperationRow[]>`
				select operation_id, namespace, id, position, effective_slot, sources from operations
				where chain_id = ${this.#chainId} and not final and position > ${after?.position ?? -1n}
					and status = 'applied' and not suspect and policy = 'recant' and sources is not null
				order by position limit ${OPERATION_PAGE}`,
		);
		for await (const rows of pages) yield rows.map(derivedOperation);
	}

	heldSources(
		chainId: ChainId,
		query: { readonly sources: readonly SourceRef[]; readonly upTo: Height },
	): Promise<ReadonlyMap<HeldKey, Held>> {
		return findHeldSources(this.#tx, chainId, query);
	}

	async heldBefore(
		sources: readonly SourceRef[],
		{ generation, position }: { readonly generation: Generation; readonly position: LogPosition },
	): Promise<ReadonlyMap<HeldKey, HeldVersion>> {
		const rows = await this.#tx<HeldRow[]>`
			select w.memory_key, w.content_hash, v.*, coalesce((select d.depth from derivations d
				where d.chain_id = ${this.#chainId} and d.position = v.position limit 1), 0) as depth
			from unnest(${pgArray(sources.map(sourceKey))}::uuid[],
				${pgArray(sources.map(({ contentHash }) => hexBytes(contentHash)))}::bytea[])
				as w(memory_key, content_hash)
			cross join lateral (
				select from_block, grounds_block, suspect, position from versions
				where chain_id = ${this.#chainId} and memory_key = w.memory_key
					and content_hash = w.content_hash and content is not null and position < ${position}
					and from_gen <= ${generation} and to_gen > ${generation}
				order by suspect, from_block limit 1
			) v`;
		return new Map(
			rows.map((row) => {
				const held = heldVersion(row);
				return [heldKey(row.memory_key, held.contentHash), held];
			}),
		);
	}

	async overwritten(
		memories: readonly Pick<SourceRef, "id" | "namespace">[],
	): Promise<ReadonlySet<MemoryKey>> {
		const rows = await this.#tx<{ memory_key: MemoryKey }[]>`
			select w.memory_key from unnest(
				${pgArray(memories.map(({ namespace, id }) => memoryKey(namespace, id)))}::uuid[],
				${pgArray(memories.map(({ namespace }) => namespace))}::text[],
				${pgArray(memories.map(({ id }) => id))}::text[]) as w(memory_key, namespace, id)
			where exists (select 1 from versions v where v.chain_id = ${this.#chainId}
				and v.memory_key = w.memory_key and v.to_gen = ${FOREVER}
				and v.owner = ${ownerNumber("agent")}
				and (exists (select 1 from operations o where o.chain_id = v.chain_id
						and o.namespace = w.namespace and o.id = w.id and o.status = 'applied'
						and o.effective_slot = v.from_block and o.version_id < v.version_id)
					or not exists (select 1 from operations o where o.chain_id = v.chain_id
						and o.namespace = w.namespace and o.id = w.id and o.position = v.position)))`;
		return new Set(rows.map((row) => row.memory_key));
	}
}

interface DerivationRow {
	readonly position: bigint;
	readonly set_no: number;
	readonly source_no: number;
	readonly memory_key: MemoryKey;
	readonly source_key: MemoryKey;
	readonly source_namespace: string;
	readonly source_id: string;
	readonly source_hash: Uint8Array;
	readonly depth: number;
}

interface OperationRow {
	readonly operation_id: OperationId;
	readonly namespace: string;
	readonly id: string;
	readonly position: bigint;
	readonly effective_slot: bigint;
	readonly sources: string;
}

interface HeldRow {
	readonly memory_key: MemoryKey;
	readonly content_hash: Uint8Array;
	readonly from_block: bigint;
	readonly grounds_block: bigint | null;
	readonly suspect: boolean;
	readonly position: bigint;
	readonly depth: number;
}

function storedDerivation(row: DerivationRow): StoredDerivation {
	const { position, set_no: setNo, source_no: sourceNo, depth } = row;
	return {
		position,
		setNo,
		sourceNo,
		memoryKey: row.memory_key,
		sourceKey: row.source_key,
		source: {
			namespace: row.source_namespace,
			id: row.source_id,
			contentHash: hexOf(row.source_hash),
		},
		depth,
	};
}

function derivedOperation(row: OperationRow): DerivedOperation {
	const { operation_id: operationId, namespace, id, position } = row;
	const sources = JSON.parse(row.sources) as Sources;
	return { operationId, namespace, id, position, effectiveSlot: row.effective_slot, sources };
}

function heldVersion(row: HeldRow): HeldVersion {
	return {
		slot: row.from_block,
		grounds: row.grounds_block ?? undefined,
		suspect: row.suspect,
		depth: row.depth,
		position: row.position,
		contentHash: hexOf(row.content_hash),
	};
}

function hexOf(bytes: Uint8Array): Hex {
	return `0x${Buffer.from(bytes).toString("hex")}`;
}
