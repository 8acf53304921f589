/** Memories as the newest verified snapshot and the log after it give them: for where the log alone does not. */
import { randomUUID } from "node:crypto";
import { FatalError } from "../../domain/errors.ts";
import type { ChainId, Height, MemoryKey } from "../../domain/ids.ts";
import type { GroupDeriver } from "../../restore/group-deriver.ts";
import { restoreMemories } from "../../restore/restore-memories.ts";
import type { Restorer } from "../../restore/restorer.ts";
import type { ShadowRow } from "../../restore/shadow-store.ts";
import type { BaseSnapshot } from "../log-shadow.ts";
import type { SnapshotMemories } from "./plan-context.ts";

export interface SnapshotCopiesOptions {
	readonly restorer: Restorer;
	/** Verified snapshots at or below a height, the best first. */
	readonly snapshots: (chainId: ChainId, height: Height) => Promise<readonly BaseSnapshot[]>;
	readonly deriver: GroupDeriver;
}

export class SnapshotCopies implements SnapshotMemories {
	readonly #options: SnapshotCopiesOptions;

	constructor(options: SnapshotCopiesOptions) {
		this.#options = options;
	}

	async memories(
		{ chainId, height, ...at }: Parameters<SnapshotMemories["memories"]>[0],
		keys: readonly MemoryKey[],
	): Promise<ReadonlyMap<MemoryKey, ShadowRow>> {
		const { restorer, snapshots, deriver } = this.#options;
		const known = await snapshots(chainId, height);
		if (keys.length === 0 || known.length === 0) return new Map();
		try {
			await using state = await restoreMemories(restorer, new Set(keys), {
				...at,
				chainId,
				height,
				roots: undefined,
				snapshots: known.map(({ manifest }) => manifest),
				deriver,
				purpose: "repair",
				ownerId: randomUUID(),
				onProgress: () => undefined,
			});
			return await state.memoriesOf(keys);
		} catch (error) {
			// No snapshot is of use: then there is no copy.
			if (error instanceof FatalError && error.code !== "internal") return new Map();
			throw error;
		}
	}
}
