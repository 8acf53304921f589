/**
 * The true state, or the true versions of some memories, at a sealed height of the present generation:
 * what checks compare rows with, and what repairs take from. Thin uses of the Restorer.
 */
import { randomUUID } from "node:crypto";
import type { StateRoots } from "../commitment/state-root.ts";
import { FatalError } from "../domain/errors.ts";
import type { ChainId, Generation, Height, Hex, LogPosition, MemoryKey } from "../domain/ids.ts";
import type { GroupDeriver } from "./group-deriver.ts";
import type { RestoreProgress, Restorer } from "./restorer.ts";
import { isThere, type Shadow, type ShadowRow, shadowRows } from "./shadow-store.ts";

/** Where the state is wanted. */
export interface TrueStateRequest {
	readonly chainId: ChainId;
	/** Sealed. */
	readonly height: Height;
	/** The present one, and the log's last position. */
	readonly generation: Generation;
	readonly logPosition: LogPosition;
	/** Of the checkpoint at the height; undefined: none is kept, so that nothing is compared. */
	readonly roots: StateRoots | undefined;
	/** Verified snapshots to begin from, the best first; what is of no use is passed over. */
	readonly snapshots: readonly Hex[];
	/** From nothing where no snapshot can be had; needs the whole log, and handlers for its groups. */
	readonly deriver: GroupDeriver | undefined;
	readonly purpose: Extract<Shadow["purpose"], "check" | "repair">;
	/** UUID of the run or the repair: a later shadow of it takes this one's place. */
	readonly ownerId: string;
	readonly onProgress: (progress: RestoreProgress) => void;
}

export interface TrueState extends AsyncDisposable {
	readonly shadow: Shadow;
	/** Undefined where only some memories were restored. */
	readonly roots: StateRoots | undefined;
	/** Snapshot that it was made from; undefined: from nothing. */
	readonly snapshot: Hex | undefined;
	/** Memories that are there at the height, by rising key, in pages. */
	memories(): AsyncGenerator<readonly ShadowRow[]>;
	/** Those of these keys that are there at the height. */
	memoriesOf(keys: readonly MemoryKey[]): Promise<ReadonlyMap<MemoryKey, ShadowRow>>;
	/** Deletes the shadow. */
	drop(): Promise<void>;
}

/**
 * Restores `keys`, or everything. A whole state has the roots that were sealed, or the restore fails; of
 * some memories each has the hashes that log or snapshot give it, and roots are for the caller to compare.
 *
 * Throws the last try's error: `verification_failed`, `history_pruned`, `handlers_differ`, `snapshot_…`.
 */
export async function restoreMemories(
	restorer: Restorer,
	keys: ReadonlySet<MemoryKey> | "all",
	request: TrueStateRequest,
): Promise<TrueState> {
	let failure: FatalError | undefined;
	for (const snapshot of [...request.snapshots, undefined]) {
		try {
			return await restoreFrom(restorer, keys, request, snapshot);
		} catch (error) {
			if (!(error instanceof FatalError)) throw error;
			// What a snapshot says of itself is worth more than that nothing else could be had.
			if (snapshot !== undefined || failure === undefined) failure = error;
		}
	}
	throw failure;
}

async function restoreFrom(
	restorer: Restorer,
	keys: ReadonlySet<MemoryKey> | "all",
	request: TrueStateRequest,
	snapshot: Hex | undefined,
): Promise<TrueState> {
	const { chainId, height, purpose, ownerId, generation } = request;
	const shadow: Shadow = { shadowId: randomUUID(), chainId, purpose, ownerId, height };
	const drop = () => restorer.shadows.drop(shadow.shadowId);
	try {
		const { roots } = await restorer.restore({
			...request,
			shadow,
			fromGen: generation,
			snapshot,
			only: keys === "all" ? undefined : keys,
		});
		return { ...reader(restorer, shadow), roots, snapshot, drop, [Symbol.asyncDispose]: drop };
	} catch (error) {
		await drop();
		throw error;
	}
}

function reader({ shadows }: Restorer, shadow: Shadow) {
	const { shadowId, height } = shadow;
	return {
		shadow,
		async *memories() {
			for await (const rows of shadowRows(shadows, shadowId)) {
				yield rows.filter((row) => isThere(row, height));
			}
		},
		async memoriesOf(keys: readonly MemoryKey[]) {
			const rows = await shadows.rows(shadowId, keys);
			return new Map([...rows].filter(([, row]) => isThere(row, height)));
		},
	};
}
