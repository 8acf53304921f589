/**
 * State at a sealed height for snapshots. Pages are read apart, in the generation that is present at
 * the time: as long as the height's block is canonical, every generation shows the same there.
 */

import type { StateRoots } from "../../commitment/state-root.ts";
import type { BlockHeader } from "../../domain/block.ts";
import {
	type ChainId,
	FOREVER,
	type Height,
	type Hex,
	type MemoryKey,
	type OperationId,
} from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { JsonObject } from "../../domain/operation.ts";
import type { MemoryRecord, OperationRecord } from "../../snapshots/snapshot-record.ts";
import type { SnapshotCut } from "../../snapshots/snapshot-row.ts";
import type { ChangedMemory, CutPlace, SnapshotReader } from "../../snapshots/snapshot-store.ts";
import { bytesVector, layerOf, type VersionRow, versionOf } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";

/** No key is this one: it would be a hash of zeros. */
const BEFORE_ALL = "00000000-0000-0000-0000-000000000000";

export class PostgresSnapshotReader implements SnapshotReader {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async memoryCount(chainId: ChainId): Promise<number> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<{ count: bigint }[]>`
				select count(*) as count from memories where chain_id = ${chainId}`;
			return Number(row?.count ?? 0n);
		});
	}

	/**
	 * From key to key through the primary key, so that a page costs a page: whatever plan is chosen, it
	 * reads neither the memories of other pages nor what came before in a memory's history.
	 */
	async memories(cut: CutPlace, page: Parameters<SnapshotReader["memories"]>[1]) {
		const { chainId, height } = cut;
		const rows = await this.#database.run(
			(sql) => sql<(FoundRow & { readonly seen: MemoryKey })[]>`
				with recursive keys as (
					(select memory_key, 1 as number from versions
						where chain_id = ${chainId} and memory_key > ${page.after ?? BEFORE_ALL}
						order by memory_key limit 1)
					union all
					select (select memory_key from versions
						where chain_id = ${chainId} and memory_key > k.memory_key
						order by memory_key limit 1), k.number + 1
					from keys k where k.memory_key is not null and k.number < ${page.limit}
				)
				select k.memory_key as seen, v.*, r.vector from chains c cross join keys k
				left join lateral (
					select * from versions where chain_id = ${chainId} and memory_key = k.memory_key
						and from_block <= ${height} and to_block > ${height}
						and from_gen <= c.generation and to_gen > c.generation and content is not null
					order by from_block desc limit 1
				) v on true
				left join lateral (
					select vector from vector_rows where chain_id = ${chainId}
						and collection = v.collection and version_id = v.version_id
				) r on true
				where c.chain_id = ${chainId} and k.memory_key is not null order by k.memory_key`,
		);
		const records = rows.flatMap((row) => (row.memory_key === null ? [] : memoryRecord(row)));
		return { records, looked: rows.length, last: rows.at(-1)?.seen };
	}

	async memoriesOf(cut: CutPlace, keys: readonly MemoryKey[]) {
		if (keys.length === 0) return [];
		const { chainId, height } = cut;
		const rows = await this.#database.run(
			(sql) => sql<FoundRow[]>`
				select v.*, r.vector from chains c
				cross join unnest(${pgArray(keys)}::uuid[]) as wanted(memory_key)
				cross join lateral (
					select * from versions where chain_id = ${chainId}
						and memory_key = wanted.memory_key
						and from_block <= ${height} and to_block > ${height}
						and from_gen <= c.generation and to_gen > c.generation and content is not null
					order by from_block desc limit 1
				) v
				left join vector_rows r on r.chain_id = ${chainId} and r.collection = v.collection
					and r.version_id = v.version_id
				where c.chain_id = ${chainId}`,
		);
		return rows.flatMap(memoryRecord);
	}

	async changes(
		cut: CutPlace,
		query: { readonly parent: Height; readonly limit: number },
	): Promise<readonly ChangedMemory[] | undefined> {
		const { chainId, height } = cut;
		const rows = await this.#database.run(
			(sql) => sql<ChangedRow[]>`
				with changed as (
					select memory_key from versions where chain_id = ${chainId} and layer in (0, 1, 2, 3)
						and from_block > ${query.parent} and from_block <= ${height} and to_gen = ${FOREVER}
					union
					select memory_key from versions where chain_id = ${chainId}
						and expires_block > ${query.parent} and expires_block <= ${height}
						and to_gen = ${FOREVER}
					limit ${query.limit + 1}
				)
				select k.memory_key, b.layer as before, a.layer as after,
					b.version_id is not distinct from a.version_id as same
				from changed k
				left join lateral (
					select layer, version_id from versions v where v.chain_id = ${chainId}
						and v.memory_key = k.memory_key and to_gen = ${FOREVER}
						and from_block <= ${query.parent} and to_block > ${query.parent}
						and content is not null order by from_block desc limit 1
				) b on true
				left join lateral (
					select layer, version_id from versions v where v.chain_id = ${chainId}
						and v.memory_key = k.memory_key and to_gen = ${FOREVER}
						and from_block <= ${height} and to_block > ${height}
						and content is not null order by from_block desc limit 1
				) a on true`,
		);
		if (rows.length > query.limit) return undefined;
		return rows
			.filter(({ same }) => !same)
			.map(({ memory_key: memoryKey, before, after }) => ({
				memoryKey,
				before: before === null ? undefined : layerOf(before),
				after: after === null ? undefined : layerOf(after),
			}));
	}

	async collections(chainId: ChainId) {
		return this.#database.run(
			(sql) => sql<{ name: string; model: string; dimensions: number }[]>`
				select name, model, dimensions from collections where chain_id = ${chainId} order by name`,
		);
	}

	async headers(
		cut: CutPlace,
		query: { readonly above: Height | undefined; readonly limit: number },
	): Promise<readonly BlockHeader[]> {
		const rows = await this.#database.run(
			(sql) => sql<{ height: bigint; hash: Hex; parent_hash: Hex; timestamp: bigint }[]>`
				select height, hash, parent_hash, timestamp from blocks
				where chain_id = ${cut.chainId} and to_gen = ${FOREVER}
					and height <= ${cut.height} and height > ${query.above ?? -1n}
				order by height desc limit ${query.limit}`,
		);
		const linked: BlockHeader[] = [];
		for (const row of rows) {
			const child = linked.at(-1);
			// Below the window not every header is kept.
			if (child !== undefined && child.parentHash !== row.hash) break;
			const { height: number, hash, parent_hash: parentHash, timestamp } = row;
			linked.push({ number, hash, parentHash, timestamp });
		}
		return linked.reverse();
	}

	async operations(cut: CutPlace, page: Parameters<SnapshotReader["operations"]>[1]) {
		const { chainId, logPosition } = cut;
		const rows = await this.#database.run(
			(sql) => sql<OperationRow[]>`
				with open as (
					select * from operations where chain_id = ${chainId} and not final
						and position > ${page.after} and position <= ${logPosition}
					order by position limit ${page.limit}
				), verdicts as (
					select operation_id, position, height, body, body::json ->> 'verdict' = 'cleared' as cleared
					from log
					where chain_id = ${chainId} and kind = 'verdict' and position <= ${logPosition}
						and position > (select min(position) from open)
						and operation_id in (select operation_id from open)
				), placed as (
					select distinct on (operation_id) * from verdicts where not cleared
					order by operation_id, position desc
				), cleared as (
					-- One that a rollback took back is not said again.
					select distinct on (v.operation_id) v.* from verdicts v
					where v.cleared and not exists (select 1 from log r where r.chain_id = ${chainId}
						and r.kind = 'rollback' and r.position > v.position and r.position <= ${logPosition}
						and r.height < v.height)
					order by v.operation_id, v.position desc
				)
				select o.*, l.body, l.generation, p.height as placed_height, p.body as placed,
					c.height as cleared_height
				from open o
				join log l on l.chain_id = o.chain_id and l.position = o.position
				left join placed p on p.operation_id = o.operation_id
				left join cleared c on c.operation_id = o.operation_id
					and c.position > coalesce(p.position, 0)
				order by o.position`,
		);
		return rows.map((row) => operationRecord(row, cut));
	}

	async chain(chainId: ChainId) {
		return this.#database.run(async (sql) => {
			const [row] = await sql<
				{ start_block: bigint; handlers_hash: Hex; window_blocks: number }[]
			>`select start_block, coalesce(derived_hash, handlers_hash) as handlers_hash, window_blocks
				from chains where chain_id = ${chainId}`;
			return {
				startBlock: row?.start_block ?? 0n,
				handlersHash: row?.handlers_hash ?? "0x",
				windowBlocks: row?.window_blocks ?? LIMITS.windowBlocks,
			};
		});
	}

	async isCanonical(
		block: Pick<SnapshotCut, "chainId" | "height" | "blockHash">,
		since?: bigint,
	): Promise<boolean> {
		return this.#database.run(async (sql) => {
			const rows = await sql`
				select 1 from blocks where chain_id = ${block.chainId} and height = ${block.height}
					and hash = ${block.blockHash} and to_gen = ${FOREVER}
					and from_gen <= ${since ?? FOREVER}`;
			return rows.length > 0;
		});
	}

	async isOrphaned(block: Pick<SnapshotCut, "chainId" | "height" | "blockHash">): Promise<boolean> {
		return this.#database.run(async (sql) => {
			const rows = await sql`
				select 1 from blocks where chain_id = ${block.chainId} and hash = ${block.blockHash}
					and to_gen < ${FOREVER} limit 1`;
			return rows.length > 0;
		});
	}

	async hashAt(chainId: ChainId, height: Height): Promise<Hex | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<{ hash: Hex }[]>`
				select hash from blocks where chain_id = ${chainId} and height = ${height}
					and to_gen = ${FOREVER}`;
			return row?.hash;
		});
	}

	async cutAtOrBelow(chainId: ChainId, height: Height): Promise<SnapshotCut | undefined> {
		return this.#database.run(async (sql) => {
			const [row] = await sql<CutRow[]>`
				select p.height, p.block_hash, p.version_id, p.roots, c.generation,
					case when g.last = p.height then g.position else p.log_position end as log_position
				from checkpoints p join chains c on c.chain_id = p.chain_id
				left join lateral (
					-- The group that the block is in, where its entry stands above: then it is the next of these.
					select n.position, (n.body::json ->> 'to')::bigint as last,
						(n.body::json -> 'base' ->> 'versionId')::bigint as base
					from (select position, kind, body from log
						where chain_id = p.chain_id and position > p.log_position
							and kind in ('block', 'derived', 'rollback')
						order by position limit 1) n
					where n.kind = 'derived' and (n.body::json ->> 'from')::bigint <= p.height
				) g on true
				where p.chain_id = ${chainId} and p.height <= ${height} and p.to_gen = ${FOREVER}
					and not (g.last is not null and g.last > p.height and p.version_id > g.base)
				order by p.height desc limit 1`;
			return row && cutOf(chainId, row);
		});
	}
}

interface CutRow {
	readonly height: bigint;
	readonly block_hash: Hex;
	readonly log_position: bigint;
	readonly version_id: bigint;
	readonly roots: string;
	readonly generation: bigint;
}

function cutOf(chainId: ChainId, row: CutRow): SnapshotCut {
	return {
		chainId,
		height: row.height,
		generation: row.generation,
		blockHash: row.block_hash,
		logPosition: row.log_position,
		versionId: row.version_id,
		roots: JSON.parse(row.roots) as StateRoots,
	};
}

type FoundRow = VersionRow & { readonly vector: Uint8Array | null };

interface ChangedRow {
	readonly memory_key: MemoryKey;
	readonly before: number | null;
	readonly after: number | null;
	readonly same: boolean;
}

/** None for a tombstone, which the queries leave out. */
function memoryRecord(row: FoundRow): readonly MemoryRecord[] {
	const { toBlock: _toBlock, fromGen: _fromGen, toGen: _toGen, content, ...said } = versionOf(row);
	if (content === undefined) return [];
	const vector = row.vector === null ? undefined : bytesVector(row.vector);
	return [{ kind: "memory", ...said, content, vector }];
}

interface OperationRow {
	readonly operation_id: OperationId;
	readonly position: bigint;
	readonly status: "applied" | "suspended" | "recanted";
	readonly reason: string | null;
	readonly original_slot: bigint;
	readonly effective_slot: bigint | null;
	readonly judged_slot: bigint;
	readonly version_id: bigint | null;
	readonly suspect: boolean;
	readonly anchors: string | null;
	readonly anchor_height: bigint | null;
	/** Of the log entry. */
	readonly generation: bigint;
	readonly body: string;
	/** Of the last verdict at or below the log position that placed or withdrew it; null: there was none. */
	readonly placed_height: bigint | null;
	readonly placed: string | null;
	/** Where it was cleared after that; null: it was not. */
	readonly cleared_height: bigint | null;
}

interface Verdict {
	readonly verdict: "replayed" | "reinstated" | "suspended" | "recanted";
	readonly slot?: string;
	readonly suspect?: true;
	readonly reason?: JsonObject;
}

/** As it stood then: as the last verdict said, or as it was admitted. */
function operationRecord(row: OperationRow, { versionId: newest }: CutPlace): OperationRecord {
	const body = JSON.parse(row.body) as JsonObject;
	const standing = standingOf(row, body);
	const unchanged =
		row.status === standing.status &&
		row.suspect === standing.suspect &&
		(row.effective_slot ?? undefined) === standing.effectiveSlot &&
		row.judged_slot === standing.judgedSlot;
	return {
		kind: "operation",
		operationId: row.operation_id,
		position: row.position,
		generation: row.generation,
		originalSlot: row.original_slot,
		...standing,
		// A rollback may have written it again in the slot where it stood.
		versionId:
			unchanged && row.version_id !== null && row.version_id <= newest ? row.version_id : undefined,
		anchors: row.anchors ?? undefined,
		anchorBlock: undefined,
		anchorHeight: row.anchor_height ?? undefined,
		body,
	};
}

function standingOf(
	row: OperationRow,
	body: JsonObject,
): Pick<OperationRecord, "status" | "reason" | "effectiveSlot" | "judgedSlot" | "suspect"> {
	const placed = row.placed === null ? undefined : (JSON.parse(row.placed) as Verdict);
	const suspect = (placed === undefined ? body["suspect"] : placed.suspect) === true;
	const said = { suspect: suspect && row.cleared_height === null };
	if (placed === undefined) {
		const slot = row.original_slot;
		const judgedSlot = row.cleared_height ?? slot;
		return { status: "applied", reason: undefined, effectiveSlot: slot, judgedSlot, ...said };
	}
	const withdrawn = placed.verdict === "suspended" || placed.verdict === "recanted";
	return {
		status: withdrawn ? placed.verdict : "applied",
		reason: placed.reason,
		effectiveSlot: placed.slot === undefined ? undefined : BigInt(placed.slot),
		judgedSlot: row.cleared_height ?? row.placed_height ?? row.judged_slot,
		...said,
	};
}
