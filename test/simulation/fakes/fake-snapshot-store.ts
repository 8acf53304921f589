import { RetryableError } from "../../../src/domain/errors.ts";
import type { ChainId, Height } from "../../../src/domain/ids.ts";
import type { ManifestId } from "../../../src/snapshots/manifest.ts";
import {
	NOT_BEGUN,
	type SnapshotProgress,
	type SnapshotRow,
	verification,
} from "../../../src/snapshots/snapshot-row.ts";
import type {
	ImportedSnapshot,
	Lease,
	NewSnapshot,
	SnapshotStore,
} from "../../../src/snapshots/snapshot-store.ts";
import type { Problem } from "../../../src/writer/writer-store.ts";
import type { FakeDatabase, StoredSnapshot } from "./fake-database.ts";
import { byText, frozen, rising } from "./frozen.ts";
import { isCanonical } from "./snapshot-rows.ts";

const EMPTY = {
	manifestHash: undefined,
	memories: 0,
	chunks: 0,
	rawBytes: 0,
	storedBytes: 0,
	progress: undefined,
	error: undefined,
	storedMs: undefined,
	verifiedMs: undefined,
};

export class FakeSnapshotStore implements SnapshotStore {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async record(snapshot: NewSnapshot): Promise<void> {
		const createdMs = this.#database.now();
		this.#database.snapshots.insert({
			...EMPTY,
			...newColumns(snapshot),
			state: "creating",
			progress: JSON.stringify(NOT_BEGUN),
			createdMs,
		});
	}

	async recordImport(snapshot: ImportedSnapshot): Promise<void> {
		const { manifestId: manifestHash, memories, chunks, rawBytes, storedBytes } = snapshot;
		const nowMs = this.#database.now();
		this.#database.snapshots.insert({
			...EMPTY,
			...newColumns(snapshot),
			...{ manifestHash, memories, chunks, rawBytes, storedBytes },
			state: "stored",
			createdMs: nowMs,
			storedMs: nowMs,
		});
	}

	async load(chainId: ChainId, snapshotId: string): Promise<SnapshotRow | undefined> {
		return this.#rows(chainId).find((row) => row.snapshotId === snapshotId);
	}

	async byManifest(chainId: ChainId, manifestId: ManifestId): Promise<SnapshotRow | undefined> {
		return this.#rows(chainId)
			.toSorted(newestFirst)
			.find((row) => row.manifestId === manifestId);
	}

	async list(chainId: ChainId, { limit, after }: Parameters<SnapshotStore["list"]>[1]) {
		const rows = this.#rows(chainId).toSorted(
			(a, b) => newestFirst(a, b) || byText(b.snapshotId, a.snapshotId),
		);
		const from = after === undefined ? 0 : rows.findIndex((row) => row.snapshotId === after) + 1;
		return after !== undefined && from === 0 ? [] : rows.slice(from, from + limit);
	}

	async manifestIds(): Promise<readonly ManifestId[]> {
		const all = this.#database.snapshots.all();
		return [...new Set(all.flatMap(({ manifestHash }) => manifestHash ?? []))];
	}

	async due(chainId: ChainId): Promise<SnapshotRow | undefined> {
		return this.#rows(chainId)
			.toSorted((a, b) => newestFirst(b, a))
			.find((row) => row.progress !== undefined);
	}

	async whole(chainId: ChainId, query: { readonly below: Height; readonly limit: number }) {
		const tables = this.#database.find(chainId);
		if (tables === undefined) return [];
		return this.#stored(chainId)
			.filter((row) => row.height < query.below && row.cause !== "import")
			.filter((row) => row.state === "stored" || row.state === "verified")
			.filter((row) => isCanonical(tables, row))
			.map(rowOf)
			.sort((a, b) => rising(b.height, a.height) || newestFirst(a, b))
			.slice(0, query.limit);
	}

	async newest(chainId: ChainId): Promise<SnapshotRow | undefined> {
		return this.#rows(chainId)
			.toSorted(newestFirst)
			.find((row) => row.cause !== "import" && row.state !== "cancelled");
	}

	async want(snapshotId: string, progress: SnapshotProgress): Promise<void> {
		if (this.#database.snapshots.get(snapshotId)?.manifestHash === undefined) return;
		this.#database.snapshots.update(snapshotId, {
			progress: JSON.stringify(progress),
			error: undefined,
		});
	}

	async progress(row: SnapshotRow, lease: Lease, progress: SnapshotProgress): Promise<void> {
		const mayBe = (stored: StoredSnapshot) => stored.progress !== undefined;
		this.#fenced(row, lease, mayBe, { progress: JSON.stringify(progress), error: undefined });
	}

	async becomeFull(row: SnapshotRow, lease: Lease): Promise<void> {
		this.#fenced(row, lease, isCreating, {
			kind: "full",
			parentId: undefined,
			progress: JSON.stringify(NOT_BEGUN),
		});
	}

	async stored(row: SnapshotRow, lease: Lease, what: Parameters<SnapshotStore["stored"]>[2]) {
		const { manifestId: manifestHash, memories, chunks, rawBytes, storedBytes } = what;
		this.#fenced(row, lease, isCreating, {
			...{ manifestHash, memories, chunks, rawBytes, storedBytes },
			state: "stored",
			storedMs: this.#database.now(),
			progress: JSON.stringify(verification(storedBytes)),
			error: undefined,
		});
	}

	async ended(row: SnapshotRow, lease: Lease, how: Parameters<SnapshotStore["ended"]>[2]) {
		const end = { state: how.state, progress: undefined };
		if (how.state !== "verified") this.#fenced(row, lease, always, { ...end, error: how.error });
		else {
			const verifiedMs = this.#database.now();
			this.#fenced(row, lease, always, { ...end, error: undefined, verifiedMs });
		}
	}

	async heldUp(row: SnapshotRow, lease: Lease, error: Problem): Promise<void> {
		this.#fenced(row, lease, always, { error });
	}

	async remove(chainId: ChainId, { fence }: Lease, snapshotIds: readonly string[]): Promise<void> {
		if (this.#database.find(chainId)?.row.fence !== fence) return;
		const gone = new Set(snapshotIds);
		this.#database.snapshots.deleteWhere(
			(row) => row.chainId === chainId && gone.has(row.snapshotId),
		);
	}

	#stored(chainId: ChainId): readonly StoredSnapshot[] {
		return this.#database.snapshots.all().filter((row) => row.chainId === chainId);
	}

	/** Those that came last first, where they came at one moment. */
	#rows(chainId: ChainId): readonly SnapshotRow[] {
		return this.#stored(chainId).map(rowOf);
	}

	#fenced(
		{ snapshotId }: SnapshotRow,
		{ fence }: Lease,
		mayBe: (row: StoredSnapshot) => boolean,
		changes: Partial<StoredSnapshot>,
	): void {
		const row = this.#database.snapshots.get(snapshotId);
		const newest = row && this.#database.find(row.chainId)?.row.fence;
		if (row === undefined || newest !== fence || !mayBe(row)) throw leaseLost(snapshotId);
		this.#database.snapshots.update(snapshotId, frozen(changes));
	}
}

function isCreating({ state }: StoredSnapshot): boolean {
	return state === "creating";
}

function always(): boolean {
	return true;
}

function newestFirst(a: SnapshotRow, b: SnapshotRow): number {
	return b.createdAt.getTime() - a.createdAt.getTime();
}

function newColumns({ cause, kind, parentId, snapshotId, ...cut }: NewSnapshot) {
	const { chainId, height, generation, blockHash, logPosition, versionId, roots } = cut;
	const place = { chainId, height, generation, blockHash, logPosition, versionId };
	return { ...place, roots: frozen({ ...roots }), cause, kind, parentId, snapshotId };
}

function rowOf(stored: StoredSnapshot): SnapshotRow {
	const { manifestHash, createdMs, storedMs, verifiedMs, progress, ...row } = stored;
	return {
		...row,
		manifestId: manifestHash,
		progress: progress === undefined ? undefined : progressOf(progress),
		createdAt: new Date(createdMs),
		storedAt: storedMs === undefined ? undefined : new Date(storedMs),
		verifiedAt: verifiedMs === undefined ? undefined : new Date(verifiedMs),
	};
}

/** What has no value is left out in JSON. */
function progressOf(json: string): SnapshotProgress {
	const progress = JSON.parse(json) as SnapshotProgress;
	const { ratePerS } = progress;
	if (progress.phase === "verify") return { ...progress, ratePerS, apply: progress.apply };
	const place = progress.place && { after: progress.place.after };
	return { ...progress, ratePerS, place };
}

function leaseLost(snapshotId: string): RetryableError {
	return new RetryableError("lease_lost", {
		message: `snapshot ${snapshotId} is another process's to work on, or it has ended`,
		hint: "the process that follows the chain now goes on with it",
		fields: { snapshotId },
	});
}
