import type { AnsweredAt, AtRequest, Coordinate } from "../../domain/coordinate.ts";
import { FatalError } from "../../domain/errors.ts";
import type { ChainId, MemoryKey } from "../../domain/ids.ts";
import type { KeyState, ProofStore, StoredPlace } from "../../service/proving/proof-store.ts";
import type { PackedLeaves } from "../../writer/writer-store.ts";
import { layerOf } from "../codec.ts";
import type { Database } from "../database.ts";
import type { Tx } from "../sql.ts";
import { type CheckpointRow, checkpointOf } from "./checkpoint-rows.ts";
import { commonHeight, type ResolvedCoordinate, resolveCoordinate } from "./coordinate.ts";
import { leavesAt } from "./leaves-at.ts";
import { SnapshotView } from "./snapshot-view.ts";

export class PostgresProofStore implements ProofStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async place(
		chainId: ChainId,
		request: AtRequest,
		keys: readonly MemoryKey[],
	): Promise<StoredPlace> {
		return this.#database.snapshot(async (tx) => {
			const resolved = await resolveCoordinate(tx, chainId, request);
			const { at } = resolved;
			const [memories, checkpoint, canonical] = await Promise.all([
				new SnapshotView(tx, resolved).memories(keys),
				checkpointAt(tx, at),
				isCanonical(tx, resolved),
			]);
			const blockHash = at.blockHash ?? checkpoint?.blockHash;
			return { at: { ...at, blockHash }, roots: checkpoint?.roots, canonical, memories };
		});
	}

	async leaves<Result>(
		at: Coordinate,
		work: (pages: AsyncIterable<PackedLeaves>) => Promise<Result>,
	): Promise<Result> {
		return this.#database.snapshot(async (tx) => {
			await resolved(tx, at);
			return work(leavesAt(tx, at));
		});
	}

	async changes(
		from: Coordinate,
		to: Coordinate,
		limit: number,
	): Promise<readonly KeyState[] | undefined> {
		return this.#database.snapshot(async (tx) => {
			const end = await resolved(tx, to);
			const start = await resolved(tx, from).catch(noneIfPruned);
			if (start === undefined) return undefined;
			const above = await commonHeight(tx, start, end);
			const top = from.height > to.height ? from.height : to.height;
			// One more than the limit tells that there are more.
			const rows = await changedKeys(tx, to, { above, top, limit: limit + 1 });
			return rows.length > limit ? undefined : rows.map(keyState);
		});
	}
}

/** Refuses what is not kept any more, in the snapshot that is read then. */
async function resolved(tx: Tx, { chainId, height, generation }: Coordinate): Promise<AnsweredAt> {
	const { at } = await resolveCoordinate(tx, chainId, {
		at: { kind: "height", height },
		generation,
	});
	return at;
}

/** Where a tree still stands, rows may be gone: then nothing says what differs from there. */
function noneIfPruned(error: unknown): undefined {
	if (error instanceof FatalError && error.code === "history_pruned") return undefined;
	throw error;
}

async function checkpointAt(tx: Tx, { chainId, height, generation }: Coordinate) {
	const [row] = await tx<CheckpointRow[]>`
		select * from checkpoints where chain_id = ${chainId} and height = ${height}
			and from_gen <= ${generation} and to_gen > ${generation}`;
	return row && checkpointOf(row);
}

async function isCanonical(tx: Tx, { at, present }: ResolvedCoordinate): Promise<boolean> {
	return (await commonHeight(tx, at, { ...at, generation: present.generation })) >= at.height;
}

interface ChangedRow {
	readonly memory_key: MemoryKey;
	readonly layer: number | null;
	readonly content_hash: Uint8Array | null;
}

/** What began or expired above the last height that both states share; the rest is the same in both. */
function changedKeys(
	tx: Tx,
	{ chainId, height, generation }: Coordinate,
	{ above, top, limit }: { readonly above: bigint; readonly top: bigint; readonly limit: number },
) {
	return tx<ChangedRow[]>`
		with changed as (
			select memory_key from versions where chain_id = ${chainId}
				and layer in (0, 1, 2, 3) and from_block > ${above} and from_block <= ${top}
			union
			select memory_key from versions where chain_id = ${chainId}
				and expires_block > ${above} and expires_block <= ${top}
			limit ${limit}
		)
		select changed.memory_key, v.layer, v.content_hash from changed
		left join lateral (
			select layer, content, content_hash from versions
			where chain_id = ${chainId} and memory_key = changed.memory_key
				and from_block <= ${height} and to_block > ${height}
				and from_gen <= ${generation} and to_gen > ${generation}
			order by from_block desc limit 1
		) v on v.content is not null`;
}

function keyState({ memory_key, layer, content_hash }: ChangedRow): KeyState {
	if (layer === null || content_hash === null) return { memoryKey: memory_key, visible: undefined };
	const contentHash = `0x${Buffer.from(content_hash).toString("hex")}` as const;
	return { memoryKey: memory_key, visible: { layer: layerOf(layer), contentHash } };
}
