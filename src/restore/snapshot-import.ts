/**
 * Makes a verified snapshot a chain's state.
 *
 * 1. The old state stays, and is served, until the new one is whole in a shadow and has the snapshot's
 *    roots; then it is replaced in one transaction, under the lease, while nobody follows the chain.
 * 2. The chain goes on from the snapshot's height, in a generation of its own, with the snapshot's log
 *    position and version ids. What is below is `history_pruned`; a fork from below stops the chain.
 * 3. State that is there is replaced only where the caller says so.
 */
import { randomUUID } from "node:crypto";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import type { ChainId, Generation } from "../domain/ids.ts";
import type { Logger } from "../domain/logger.ts";
import { memoryKey } from "../memory/memory-key.ts";
import { fromWire } from "../memory/operation-codec.ts";
import type { ManifestId } from "../snapshots/manifest.ts";
import type { ImportOptions, SnapshotImporter } from "../snapshots/snapshot-importer.ts";
import type { OperationRecord } from "../snapshots/snapshot-record.ts";
import type { ImportedState, ImportStore, StandingState } from "./import-store.ts";
import type { LoadedSnapshot } from "./load-snapshot.ts";
import { isConsolidation } from "./log-writes.ts";
import type { Restorer } from "./restorer.ts";
import { isThere, type Shadow } from "./shadow-store.ts";

/** The process that follows the chain. */
export interface ImportTarget {
	/** Has `work` done under a lease while nobody follows the chain; resolves at once. */
	readonly whileStopped: (work: (fence: bigint) => Promise<void>) => void;
}

export interface SnapshotImportOptions {
	readonly restorer: Restorer;
	readonly store: ImportStore;
	/** Undefined: the chain is not followed by this process. */
	readonly target: (chainId: ChainId) => ImportTarget | undefined;
	readonly log: Logger;
}

export class SnapshotImport implements SnapshotImporter {
	readonly #options: SnapshotImportOptions;

	constructor(options: SnapshotImportOptions) {
		this.#options = options;
	}

	/**
	 * Restores and verifies, then has the state replaced; see SnapshotImporter. Throws
	 * `FatalError("snapshot_not_found" | "chain_not_empty")`, `RetryableError("chain_busy" | "not_ready")`
	 * and what a restore throws.
	 */
	async start(
		chainId: ChainId,
		snapshotId: string,
		options: ImportOptions,
		signal: AbortSignal,
	): Promise<void> {
		const { store, target, log, restorer } = this.#options;
		const manifest = await store.verifiedManifest(chainId, snapshotId);
		if (manifest === undefined) throw notVerified(chainId, snapshotId);
		const standing = await store.standing(chainId);
		requirePossible(chainId, standing, options);
		const follower = target(chainId);
		if (follower === undefined) throw notFollowed(chainId);
		const state = await this.#restore({ chainId, snapshotId, manifest, signal }, standing);
		const { memories } = state.manifest.counts;
		const fields = { chainId, snapshotId, memories, replaces: standing.agentOperations };
		if (options.dryRun) {
			await restorer.shadows.drop(state.shadow.shadowId);
			log.info(fields, "a snapshot could be imported");
			return;
		}
		follower.whileStopped((fence) => this.#replace(snapshotId, state, fence));
		log.info(fields, "a snapshot is about to be imported");
	}

	async #restore(
		{ chainId, snapshotId, manifest, signal }: Source,
		standing: StandingState,
	): Promise<ImportedState> {
		const { restorer } = this.#options;
		const generation: Generation = standing.head === undefined ? 0n : standing.generation + 1n;
		const { height, logPosition } = await restorer.manifest(manifest);
		const shadow: Shadow = {
			shadowId: randomUUID(),
			chainId,
			purpose: "import",
			ownerId: snapshotId,
			height,
		};
		const { snapshot } = await restorer.restore({
			shadow,
			generation,
			fromGen: generation,
			logPosition,
			snapshot: manifest,
			roots: undefined,
			only: undefined,
			deriver: undefined,
			// Minutes of work are not to hold up a stop, nor to be carried out by who lost the lease.
			onProgress: () => signal.throwIfAborted(),
		});
		if (snapshot === undefined) throw notVerified(chainId, snapshotId);
		const deleted = await this.#deleted(shadow, snapshot);
		signal.throwIfAborted();
		return { shadow, generation, ...snapshot, deleted };
	}

	/**
	 * What was deleted leaves nothing in a snapshot. Where the deletion may still be judged, that it came
	 * last must be known: an older operation that comes back does not count against it.
	 */
	async #deleted(
		{ shadowId, height }: Shadow,
		{ operations }: LoadedSnapshot,
	): Promise<ImportedState["deleted"]> {
		const last = new Map(
			operations
				.filter(({ status, effectiveSlot, body }) => {
					const writes = !isConsolidation(body) && status === "applied";
					return writes && effectiveSlot !== undefined && effectiveSlot <= height;
				})
				.map((operation) => [keyOf(operation), operation] as const),
		);
		const rows = await this.#options.restorer.shadows.rows(shadowId, [...last.keys()]);
		return [...last].flatMap(([key, operation]) => {
			const row = rows.get(key);
			const there = row !== undefined && isThere(row, height);
			return there ? [] : [{ memoryKey: key, operation }];
		});
	}

	/** Its failure is told beside the snapshot; the chain goes on as it was. */
	async #replace(snapshotId: string, state: ImportedState, fence: bigint): Promise<void> {
		const { store, restorer, log } = this.#options;
		const { chainId, shadowId, height } = state.shadow;
		try {
			await store.replace(state, fence);
			log.info({ chainId, snapshotId, height: height.toString() }, "a snapshot was imported");
		} catch (error) {
			if (!(error instanceof RecantError)) throw error;
			log.warn({ chainId, snapshotId, err: error }, "a snapshot was not imported");
			const { code, message, hint } = error;
			await store.failed(snapshotId, { code, message, hint });
		} finally {
			await restorer.shadows.drop(shadowId);
		}
	}
}

interface Source {
	readonly chainId: ChainId;
	readonly snapshotId: string;
	readonly manifest: ManifestId;
	readonly signal: AbortSignal;
}

function keyOf({ body }: OperationRecord) {
	const { namespace, id } = fromWire(body).operation;
	return memoryKey(namespace, id);
}

function requirePossible(
	chainId: ChainId,
	{ head, agentOperations, rollingBack }: StandingState,
	{ replace }: ImportOptions,
): void {
	if (rollingBack) {
		throw new RetryableError("chain_busy", {
			message: `a rollback of chain ${chainId} is under way`,
			hint: "import again when it has ended",
			fields: { chainId },
		});
	}
	if (head === undefined || replace) return;
	throw new FatalError("chain_not_empty", {
		message: `chain ${chainId} has state up to block ${head}, ${agentOperations} agents' operations among it`,
		hint: "say that it is to be replaced (`--replace`), or import into an empty installation",
		fields: { chainId, head: head.toString(), agentOperations },
	});
}

function notVerified(chainId: ChainId, snapshotId: string): FatalError {
	return new FatalError("snapshot_not_found", {
		message: `chain ${chainId} has no verified snapshot ${snapshotId}`,
		hint: "verify it first; see the chain's snapshots",
		fields: { chainId, snapshotId },
	});
}

function notFollowed(chainId: ChainId): RetryableError {
	return new RetryableError("not_ready", {
		message: `this process does not follow chain ${chainId}`,
		hint: "import where the chain is followed",
		fields: { chainId },
	});
}
