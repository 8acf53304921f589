/** Rows that a repair looks at more closely than a check, in the snapshot that it was given. */
import type { RepairRows, RollbackCommit } from "../../consistency/repair/repair-store.ts";
import type { BlockHeader } from "../../domain/block.ts";
import {
	type ChainId,
	FOREVER,
	type Generation,
	type Height,
	type VersionId,
} from "../../domain/ids.ts";
import type { EmbeddedVersion } from "../../writer/commit-batch.ts";
import { toJson } from "../codec.ts";
import { pgArray } from "../pg-array.ts";
import { blockChecksum, checkpointChecksum, vectorChecksum } from "../row-checksum.ts";
import type { Tx } from "../sql.ts";
import {
	type CheckpointRowOf,
	type HeaderRowOf,
	storedCheckpoint,
	storedHeader,
	storedVector,
	type VectorRowOf,
} from "./stored-rows.ts";

const PAGE = 2_000;

export class PostgresRepairRows implements RepairRows {
	readonly #tx: Tx;
	readonly #chainId: ChainId;

	constructor(tx: Tx, chainId: ChainId) {
		this.#tx = tx;
		this.#chainId = chainId;
	}

	/** Entries of one commit have one time: that at which its transaction began. */
	async rollbacks(): Promise<readonly RollbackCommit[]> {
		const rows = await this.#tx<(Omit<RollbackCommit, "end"> & { next: bigint | null })[]>`
			select r.position, r.generation, r.height as ancestor, (
				select n.position from log n where n.chain_id = r.chain_id and n.position > r.position
					and n.recorded_at <> r.recorded_at order by n.position limit 1) as next
			from log r where r.chain_id = ${this.#chainId} and r.kind = 'rollback' order by r.position`;
		return rows.map(({ next, ...mark }) => ({
			...mark,
			end: next === null ? FOREVER - 1n : next - 1n,
		}));
	}

	async headers(heights: readonly Height[]) {
		const rows = await this.#tx<HeaderRowOf[]>`
			select * from blocks where chain_id = ${this.#chainId}
				and height = any(${pgArray(heights)}::bigint[]) order by height, from_gen`;
		return rows.map((row) => ({
			columns: {
				number: row.height,
				hash: row.hash,
				parentHash: row.parent_hash,
				timestamp: row.timestamp,
				fromGen: row.from_gen,
				toGen: row.to_gen,
			},
			intact: storedHeader(row).intact,
			fits: ({ fromGen, ...header }: BlockHeader & { readonly fromGen: Generation }) =>
				isEqual(row.checksum, blockChecksum(header, fromGen)),
		}));
	}

	async checkpoints(heights: readonly Height[]) {
		const rows = await this.#tx<CheckpointRowOf[]>`
			select * from checkpoints where chain_id = ${this.#chainId}
				and height = any(${pgArray(heights)}::bigint[]) order by height, from_gen`;
		return rows.map((row) => ({
			columns: {
				height: row.height,
				fromGen: row.from_gen,
				toGen: row.to_gen,
				blockHash: row.block_hash,
				logPosition: row.log_position,
				versionId: row.version_id,
				roots: row.roots,
				pointers: row.pointers,
			},
			intact: storedCheckpoint(row).intact,
			fits: (candidate: Parameters<Fits>[0]) =>
				isEqual(row.checksum, checkpointChecksum({ ...candidate, roots: toJson(candidate.roots) })),
		}));
	}

	async vectors(collection: string, ids: readonly VersionId[]) {
		const rows = await this.#tx<VectorRowOf[]>`
			select * from vector_rows where chain_id = ${this.#chainId}
				and collection = ${collection} and version_id = any(${pgArray(ids)}::bigint[])`;
		return rows.map((row) => ({
			columns: row.version_id,
			intact: storedVector(row).intact,
			fits: (candidate: EmbeddedVersion) => isEqual(row.checksum, vectorChecksum(candidate)),
		}));
	}

	async *sealedPointers(): AsyncGenerator<{ readonly height: Height; readonly pointers: string }> {
		let below: Height = FOREVER;
		for (;;) {
			const rows: readonly CheckpointRowOf[] = await this.#tx<CheckpointRowOf[]>`
				select * from checkpoints where chain_id = ${this.#chainId} and to_gen = ${FOREVER}
					and height < ${below} order by height desc limit ${PAGE}`;
			for (const row of rows) {
				if (storedCheckpoint(row).intact) yield { height: row.height, pointers: row.pointers };
			}
			below = rows.at(-1)?.height ?? below;
			if (rows.length < PAGE) return;
		}
	}
}

type Fits = Awaited<ReturnType<RepairRows["checkpoints"]>>[number]["fits"];

function isEqual(stored: Uint8Array, made: Uint8Array): boolean {
	return Buffer.compare(stored, made) === 0;
}
