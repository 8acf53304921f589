import { type ChainId, FOREVER, type Height, type LogPosition } from "../../../src/domain/ids.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import type { Version } from "../../../src/domain/memory.ts";
import { isActive } from "../../../src/rollback/rollback-record.ts";
import type { LogCutter, RetentionStore } from "../../../src/writer/retention.ts";
import type { ChainTables } from "./chain-tables.ts";
import type { FakeDatabase } from "./fake-database.ts";
import { least, rising } from "./frozen.ts";
import { isCanonical } from "./snapshot-rows.ts";

/** Rows that one step deletes of each kind. */
const STEP_ROWS = 5_000;
const SHADOW_MS = 24 * 3_600_000;

export class FakeRetention implements RetentionStore {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async prune(
		chainId: ChainId,
		fence: bigint,
		bounds: { readonly orphansBelow: Height; readonly floor: Height },
	): Promise<boolean> {
		return this.#database.transaction(() => {
			const tables = this.#database.find(chainId);
			if (tables?.row.fence !== fence) return false;
			const counts = [
				orphanedVersions(tables, bounds.orphansBelow),
				spareCheckpoints(tables, bounds.floor),
				this.#oldKeys(tables),
				this.#oldRollbacks(chainId),
				this.#leftShadows(chainId),
			];
			return counts.includes(STEP_ROWS);
		});
	}

	#oldKeys({ idempotencyKeys }: ChainTables): number {
		const before = this.#database.now() - LIMITS.idempotencyRetentionMs;
		return idempotencyKeys.deleteWhere(({ createdMs }) => createdMs < before, STEP_ROWS).length;
	}

	#oldRollbacks(chainId: ChainId): number {
		const over = this.#database.rollbacks
			.all()
			.filter((row) => row.chainId === chainId && !isActive(row.state))
			.toReversed()
			.sort((a, b) => b.createdMs - a.createdMs)
			.slice(LIMITS.rollbackHistory)
			.slice(0, STEP_ROWS);
		for (const { rollbackId } of over) this.#database.rollbacks.delete(rollbackId);
		return over.length;
	}

	/** States that were being built for what has ended since, or that whoever built them left. */
	#leftShadows(chainId: ChainId): number {
		const { shadows, shadowVersions, rollbacks } = this.#database;
		const before = this.#database.now() - SHADOW_MS;
		shadows.deleteWhere((shadow) => {
			if (shadow.chainId !== chainId) return false;
			if (shadow.purpose !== "rollback") return shadow.createdMs < before;
			const owner = rollbacks.all().find(({ rollbackId }) => rollbackId === shadow.ownerId);
			return owner === undefined || !isActive(owner.state);
		});
		const isLeft = ({ shadowId }: { readonly shadowId: string }) =>
			shadows.get(shadowId) === undefined;
		return shadowVersions.deleteWhere(isLeft, STEP_ROWS).length;
	}
}

/** What only generations hold that nobody can ask for any more; those go last. */
function orphanedVersions(tables: ChainTables, below: Height): number {
	const generations = tables.generations
		.all()
		.toSorted((a, b) => rising(a.generation, b.generation));
	const first = generations[0]?.generation;
	const kept = generations.find(
		({ lastHeight }) => lastHeight === undefined || lastHeight >= below,
	)?.generation;
	if (first === undefined || kept === undefined || first === kept) return 0;
	const gone = tables.versions.deleteWhere((row) => row.toGen <= kept, STEP_ROWS);
	for (const row of gone) deleteVectors(tables, row);
	deleteDerivations(tables, new Set(gone.map(({ position }) => position)));
	if (gone.length === STEP_ROWS) return gone.length;
	tables.checkpoints.deleteWhere((row) => row.toGen <= kept);
	tables.blocks.deleteWhere((row) => row.toGen <= kept);
	tables.generations.deleteWhere(({ generation }) => generation < kept);
	return gone.length;
}

function deleteVectors({ versions, vectorRows }: ChainTables, { versionId }: Version): void {
	vectorRows.deleteWhere(
		(row) =>
			row.versionId === versionId &&
			!versions.of(row.memoryKey).some((each) => each.versionId === versionId),
	);
}

/** They go with the last version of what was derived, unless the operation may still come back. */
function deleteDerivations(
	{ versions, operations, derivations }: ChainTables,
	positions: ReadonlySet<LogPosition>,
): void {
	if (positions.size === 0) return;
	const open = new Set(
		operations.all().flatMap(({ final, position }) => (final ? [] : (position ?? []))),
	);
	derivations.deleteWhere(
		({ position, memoryKey }) =>
			positions.has(position) &&
			!open.has(position) &&
			!versions.of(memoryKey).some((each) => each.position === position),
	);
}

/** Below the window a checkpoint an interval is enough. */
function spareCheckpoints({ checkpoints }: ChainTables, floor: Height): number {
	const interval = BigInt(LIMITS.checkpointIntervalBlocks);
	const isSpare = (height: Height) => height < floor && height % interval !== 0n;
	return checkpoints.deleteWhere(
		({ height, toGen }) => toGen === FOREVER && isSpare(height),
		STEP_ROWS,
	).length;
}

export class FakeLogCutter implements LogCutter {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async cutLog(chainId: ChainId, fence: bigint, limit: number): Promise<boolean> {
		return this.#database.transaction(() => {
			const tables = this.#database.find(chainId);
			if (tables?.row.fence !== fence) return false;
			const bound = this.#bound(chainId, tables);
			const { logCutTo } = tables.row;
			if (bound === undefined || bound <= logCutTo) return false;
			const cut = least(bound, logCutTo + BigInt(limit));
			tables.update({ logCutTo: cut });
			tables.log.deleteWhere(({ position }) => position <= cut);
			return cut < bound;
		});
	}

	/** The oldest snapshot of a final block that was made here, and below what is not final. */
	#bound(chainId: ChainId, tables: ChainTables): LogPosition | undefined {
		const { finalized } = tables.row;
		if (finalized === undefined) return undefined;
		const [oldest] = this.#database.snapshots
			.all()
			.filter((row) => row.chainId === chainId && row.state === "verified")
			.filter((row) => row.cause !== "import" && row.height <= finalized)
			.filter((row) => isCanonical(tables, row))
			.map((row) => row.logPosition)
			.sort(rising);
		const [open] = tables.operations
			.all()
			.flatMap(({ final, position }) => (final || position === undefined ? [] : [position - 1n]))
			.sort(rising);
		return oldest === undefined || open === undefined ? oldest : least(oldest, open);
	}
}
