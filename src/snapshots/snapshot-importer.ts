/** Who makes a verified snapshot the chain's state. restore/ has the engine. */
import type { ChainId } from "../domain/ids.ts";

export interface ImportOptions {
	/** Verify and report what would be replaced, and change nothing. */
	readonly dryRun: boolean;
	/** Replace state that is there; else that is refused. */
	readonly replace: boolean;
}

export interface SnapshotImporter {
	/**
	 * Begins to bring the chain to a snapshot that is in state `verified`; `snapshotId` is the id of its
	 * row. Resolves when it is recorded: whoever follows the chain then does it. Throws typed errors when
	 * it cannot be done as things stand, and the signal's reason, with nothing recorded, when that aborts.
	 */
	start(
		chainId: ChainId,
		snapshotId: string,
		options: ImportOptions,
		signal: AbortSignal,
	): Promise<void>;
}
