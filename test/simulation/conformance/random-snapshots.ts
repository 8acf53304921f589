/** Random calls of the stores of snapshots and imports, in order and out of it. */
import { stateRoot } from "../../../src/commitment/state-root.ts";
import type { MemoryKey } from "../../../src/domain/ids.ts";
import { fromWire, toWire } from "../../../src/memory/operation-codec.ts";
import type { ImportedState } from "../../../src/restore/import-store.ts";
import type { Shadow } from "../../../src/restore/shadow-store.ts";
import type { OperationRecord } from "../../../src/snapshots/snapshot-record.ts";
import type { SnapshotCut, SnapshotRow } from "../../../src/snapshots/snapshot-row.ts";
import { NOT_BEGUN, verification } from "../../../src/snapshots/snapshot-row.ts";
import type { NewSnapshot } from "../../../src/snapshots/snapshot-store.ts";
import type { Random } from "../../support/random.ts";
import { CHAIN, hashOf, keyOf, type Scribe, uuid } from "./scribe.ts";
import type { StoresUnderTest } from "./stores-under-test.ts";

const PROBLEM = { code: "archive_unavailable", message: "no answer", hint: "try again" };
const IDS = ["a", "b", "c", "d"];
const FIRST_ID = 1_000;

export class RandomSnapshots {
	readonly #stores: StoresUnderTest;
	readonly #random: Random;
	readonly #scribe: Scribe;
	#made = 0;
	#shadows = 0;

	constructor(stores: StoresUnderTest, random: Random, scribe: Scribe) {
		this.#stores = stores;
		this.#random = random;
		this.#scribe = scribe;
	}

	/** Writes of one kind or another; answers which. */
	async write(): Promise<string> {
		const { snapshots } = this.#stores.ports;
		const random = this.#random;
		// Two of one moment have no order.
		await this.#stores.pass(1);
		const rows = await snapshots.list(CHAIN, { limit: 20, after: undefined });
		const row = rows.length === 0 ? undefined : random.oneOf(rows);
		if (row === undefined || random.chance(0.25)) return this.#record();
		const lease = { fence: this.#scribe.fence - (random.chance(0.1) ? 1n : 0n) };
		switch (random.between(0, 7)) {
			case 0:
				await snapshots.progress(row, lease, { ...NOT_BEGUN, done: random.between(0, 9) });
				return "snapshot progress";
			case 1:
				await snapshots.becomeFull(row, lease);
				return "snapshot full";
			case 2:
			case 3:
				await snapshots.stored(row, lease, sizes(row));
				return "snapshot stored";
			case 4:
				await snapshots.ended(row, lease, { state: "verified" });
				return "snapshot verified";
			case 5:
				if (random.chance(0.5)) await snapshots.heldUp(row, lease, PROBLEM);
				else await snapshots.ended(row, lease, { state: "failed", error: PROBLEM });
				return "snapshot failed";
			case 6:
				await snapshots.want(row.snapshotId, verification(9));
				return "snapshot wanted";
			default:
				await snapshots.remove(CHAIN, lease, [row.snapshotId, uuid(1)]);
				return "snapshot removed";
		}
	}

	/** Everything that can be asked about one coordinate. */
	async read(): Promise<void> {
		const { snapshots, snapshotReader: reader, imports, restored } = this.#stores.ports;
		const random = this.#random;
		const cut = await this.#cut();
		await reader.memoryCount(CHAIN);
		await reader.chain(CHAIN);
		await reader.collections(CHAIN);
		await imports.standing(CHAIN);
		await snapshots.manifestIds();
		await snapshots.due(CHAIN);
		await snapshots.newest(CHAIN);
		await snapshots.whole(CHAIN, { below: this.#scribe.pending, limit: 5 });
		const [first] = await snapshots.list(CHAIN, { limit: 2, after: undefined });
		if (first !== undefined) {
			await snapshots.list(CHAIN, { limit: 2, after: first.snapshotId });
			await snapshots.load(CHAIN, first.snapshotId);
			await imports.verifiedManifest(CHAIN, first.snapshotId);
			if (first.manifestId !== undefined) await snapshots.byManifest(CHAIN, first.manifestId);
			await reader.isCanonical(first, first.generation);
			await reader.isOrphaned(first);
		}
		await restored.snapshots(CHAIN, this.#scribe.pending);
		if (cut === undefined) return;
		for (let after: MemoryKey | undefined; ; ) {
			const page = await reader.memories(cut, { after, limit: 2 });
			after = page.last;
			if (page.looked < 2) break;
		}
		await reader.memoriesOf(cut, IDS.map(keyOf));
		const parent = cut.height - BigInt(random.between(0, 3));
		await reader.changes(cut, { parent, limit: random.between(1, 5) });
		await reader.headers(cut, { above: random.chance(0.5) ? parent : undefined, limit: 3 });
		await reader.operations(cut, { after: 0n, limit: 2 });
		await reader.operations(cut, { after: cut.logPosition / 2n, limit: 9 });
		await reader.hashAt(CHAIN, parent);
		await reader.isCanonical(cut);
	}

	/** What stands at a coordinate takes the place of the whole chain. */
	async replace(): Promise<boolean> {
		const { shadows, imports } = this.#stores.ports;
		const cut = await this.#cut();
		if (cut === undefined) return false;
		this.#shadows += 1;
		const shadow: Shadow = {
			shadowId: uuid(5_000 + this.#shadows),
			chainId: CHAIN,
			purpose: "import",
			ownerId: uuid(FIRST_ID),
			height: cut.height,
		};
		const state = await this.#state(cut, shadow);
		await shadows.begin(shadow);
		const { records } = await this.#stores.ports.snapshotReader.memories(cut, PAGE);
		const rows = records.map(({ kind: _kind, ...row }) => ({
			...row,
			fromGen: state.generation,
			expiresTime: row.expiresTime,
		}));
		await shadows.put(shadow.shadowId, rows);
		await imports.replace(state, this.#scribe.fence);
		await shadows.drop(shadow.shadowId);
		return true;
	}

	async #state(cut: SnapshotCut, shadow: Shadow): Promise<ImportedState> {
		const { snapshotReader: reader, imports } = this.#stores.ports;
		const { height, blockHash, logPosition, versionId, roots, generation } = cut;
		const collections = await reader.collections(CHAIN);
		const operations = await reader.operations(cut, { after: 0n, limit: 50 });
		const standing = await imports.standing(CHAIN);
		const root = stateRoot(roots, { chainId: CHAIN, height, blockHash });
		return {
			shadow,
			generation: standing.generation + 1n,
			headers: await reader.headers(cut, { above: undefined, limit: 4 }),
			collections: collections.map((each) => ({ kind: "collection", ...each })),
			operations,
			deleted: operations.slice(0, 1).map(deletedBy),
			manifest: {
				kind: "full",
				parent: undefined,
				chainId: CHAIN,
				...(await reader.chain(CHAIN)),
				...{ height, blockHash, generation, logPosition, versionSeq: versionId, roots },
				stateRoot: root,
				collections,
				counts: NOT_BEGUN.counts,
				chunks: [],
				createdAt: new Date(0).toISOString(),
			},
		};
	}

	async #record(): Promise<string> {
		const { snapshots } = this.#stores.ports;
		const cut = await this.#cut();
		if (cut === undefined) return "snapshot of nothing";
		this.#made += 1;
		const snapshot: NewSnapshot = {
			...cut,
			snapshotId: uuid(FIRST_ID + this.#made),
			kind: this.#random.oneOf(["full", "incremental"]),
			parentId: undefined,
			cause: this.#random.oneOf(["blocks", "operator"]),
		};
		if (this.#random.chance(0.8)) await snapshots.record(snapshot);
		else await snapshots.recordImport({ ...snapshot, cause: "import", ...sizes(snapshot) });
		return "snapshot recorded";
	}

	#cut(): Promise<SnapshotCut | undefined> {
		const back = BigInt(this.#random.between(0, 4));
		return this.#stores.ports.snapshotReader.cutAtOrBelow(CHAIN, this.#scribe.pending - back);
	}
}

const PAGE = { after: undefined, limit: 100 };

function sizes({ snapshotId, height }: Pick<SnapshotRow, "height" | "snapshotId">) {
	return {
		manifestId: hashOf(`manifest of ${snapshotId}`),
		memories: Number(height),
		chunks: 1,
		rawBytes: 20,
		storedBytes: 10,
	};
}

/** As if that operation had been about a memory that is not in the state: each name has one key. */
function deletedBy(record: OperationRecord): ImportedState["deleted"][number] {
	const said = fromWire(record.body);
	const body = toWire({ ...said, operation: { ...said.operation, id: "deleted" } });
	return { memoryKey: keyOf("deleted"), operation: { ...record, body } };
}
