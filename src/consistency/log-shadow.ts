/**
 * The state that log and chain give, built beside the present one for the paranoid level: from nothing
 * where the log is whole, else from a verified snapshot. Nothing is compared with stored roots: the
 * caller compares record by record.
 */
import { randomUUID } from "node:crypto";
import type { ChainId, Height, LogPosition } from "../domain/ids.ts";
import type { GroupDeriver } from "../restore/group-deriver.ts";
import type { Restorer } from "../restore/restorer.ts";
import { isThere, shadowRows } from "../restore/shadow-store.ts";
import type { ManifestId } from "../snapshots/manifest.ts";
import type { RestoredMemory, ShadowBuilder } from "./check-context.ts";
import type { RunCoordinate } from "./rule.ts";

/** A verified snapshot, as a restore begins from it. */
export interface BaseSnapshot {
	readonly manifest: ManifestId;
	readonly height: Height;
	readonly logPosition: LogPosition;
}

export interface LogShadowOptions {
	readonly restorer: Restorer;
	/** Verified snapshots at or below a height. */
	readonly snapshots: (chainId: ChainId, height: Height) => Promise<readonly BaseSnapshot[]>;
	readonly deriver: GroupDeriver;
}

export class LogShadow implements ShadowBuilder {
	readonly #options: LogShadowOptions;

	constructor(options: LogShadowOptions) {
		this.#options = options;
	}

	/** Throws what `Restorer.restore` throws; what it built is deleted in the end. */
	async *restoreMemories(
		chainId: ChainId,
		at: RunCoordinate,
	): AsyncGenerator<readonly RestoredMemory[], void> {
		const { restorer, deriver } = this.#options;
		const shadowId = randomUUID();
		const { height, generation, logPosition } = at;
		const shadow = { shadowId, chainId, purpose: "check", ownerId: shadowId, height } as const;
		try {
			await restorer.restore({
				shadow,
				generation,
				fromGen: generation,
				logPosition,
				snapshot: await this.#base(chainId, height),
				roots: undefined,
				only: undefined,
				deriver,
				onProgress: () => undefined,
			});
			for await (const rows of shadowRows(restorer.shadows, shadowId)) {
				yield rows.filter((row) => isThere(row, height));
			}
		} finally {
			await restorer.shadows.drop(shadowId);
		}
	}

	/** The oldest from which the log goes on: what follows it is rebuilt. */
	async #base(chainId: ChainId, height: Height): Promise<ManifestId | undefined> {
		const { restorer, snapshots } = this.#options;
		const cutTo = await restorer.log.cutTo(chainId);
		if (cutTo === 0n) return undefined;
		const rollbacks = await restorer.log.rollbacks(chainId);
		return (await snapshots(chainId, height)).findLast(
			(snapshot) =>
				cutTo <= snapshot.logPosition &&
				rollbacks.every(
					(mark) => mark.position <= snapshot.logPosition || mark.ancestor >= snapshot.height,
				),
		)?.manifest;
	}
}
