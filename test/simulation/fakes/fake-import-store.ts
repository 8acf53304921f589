/** A verified snapshot in place of what stands; see store/restoring/postgres-import-store.ts. */
import { RetryableError } from "../../../src/domain/errors.ts";
import { type ChainId, FOREVER, type Height } from "../../../src/domain/ids.ts";
import { afterRewind, highestPlace } from "../../../src/memory/anchors.ts";
import { canonicalJson } from "../../../src/memory/canonical.ts";
import { memoryKey } from "../../../src/memory/memory-key.ts";
import { fromWire } from "../../../src/memory/operation-codec.ts";
import type {
	ImportedState,
	ImportStore,
	StandingState,
} from "../../../src/restore/import-store.ts";
import { standsAt, tombstones } from "../../../src/restore/imported-rows.ts";
import type { ManifestId } from "../../../src/snapshots/manifest.ts";
import { anchorsOf } from "../../../src/snapshots/operation-anchors.ts";
import type { OperationRecord } from "../../../src/snapshots/snapshot-record.ts";
import { linkRow } from "../../../src/store/writing/link-row.ts";
import type { Problem } from "../../../src/writer/writer-store.ts";
import { type ChainTables, NEW_GENERATION } from "./chain-tables.ts";
import type { FakeDatabase } from "./fake-database.ts";
import { putShadowRows } from "./fake-shadow-store.ts";
import { frozen } from "./frozen.ts";
import { carryVector, isOpenAt, shadowRowsOf, versionOf } from "./merge-shadow.ts";
import { recordHalt } from "./record-halt.ts";

const ACTIVE: ReadonlySet<string> = new Set(["prepared", "recorded", "running"]);

export class FakeImportStore implements ImportStore {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async verifiedManifest(chainId: ChainId, snapshotId: string): Promise<ManifestId | undefined> {
		const row = this.#database.snapshots.get(snapshotId);
		return row?.chainId === chainId && row.state === "verified" ? row.manifestHash : undefined;
	}

	async standing(chainId: ChainId): Promise<StandingState> {
		const tables = this.#database.find(chainId);
		const operations = tables?.operations.all() ?? [];
		return {
			head: tables?.row.headHeight,
			generation: tables?.row.generation ?? 0n,
			agentOperations: operations.filter(
				({ position, status }) => position !== undefined && status !== "refused",
			).length,
			rollingBack: this.#rollsBack(chainId),
		};
	}

	async replace(state: ImportedState, fence: bigint): Promise<void> {
		const { chainId } = state.shadow;
		this.#database.transaction(() => {
			const tables = this.#asItWas(state, fence);
			clear(tables);
			this.#insertState(tables, state);
			insertBlocks(tables, state);
			for (const record of state.operations) insertOperation(tables, state.shadow.height, record);
			const isHalted = tables.row.halt !== undefined;
			moveChain(tables, state);
			if (isHalted) recordHalt(tables, undefined);
		});
		this.#database.changed(chainId);
	}

	async failed(snapshotId: string, error: Problem): Promise<void> {
		this.#database.snapshots.update(snapshotId, { error });
	}

	#rollsBack(chainId: ChainId): boolean {
		return this.#database.rollbacks
			.all()
			.some((row) => row.chainId === chainId && ACTIVE.has(row.state));
	}

	#asItWas({ shadow, generation }: ImportedState, fence: bigint): ChainTables {
		const { chainId, shadowId } = shadow;
		const tables = this.#database.find(chainId);
		if (tables?.row.fence !== fence) throw failure("lease_lost", "another process writes it");
		const next = tables.row.headHeight === undefined ? 0n : tables.row.generation + 1n;
		const isSame = next === generation && !this.#rollsBack(chainId);
		if (!isSame || this.#database.shadows.get(shadowId) === undefined) {
			throw failure("chain_busy", "it moved on");
		}
		return tables;
	}

	#insertState(tables: ChainTables, state: ImportedState): void {
		const { shadowId, height, chainId } = state.shadow;
		putShadowRows(this.#database, shadowId, tombstones(state));
		const rows = shadowRowsOf(this.#database, shadowId);
		for (const row of rows) {
			const { namespace, layer, id, memoryKey: key, content } = row;
			if (isOpenAt(row, height)) tables.versions.add(versionOf(row));
			tables.memories.insertIfNew({ namespace, layer, id, memoryKey: key });
			const link = content && linkRow(row);
			if (link !== undefined) tables.links.insert(link);
		}
		const pointer = frozen({ tableVersion: 0n, versionId: 0n, at: this.#database.now() });
		for (const { name, model, dimensions } of state.collections) {
			const table = `chain_${chainId}_${name}`;
			tables.collections.insert({ name, model, dimensions, table, pointer });
		}
		for (const row of rows) carryVector(tables, row);
	}
}

/** What waits in the inbox stays. */
function clear(tables: ChainTables): void {
	tables.versions.deleteWhere(() => true, Number.POSITIVE_INFINITY);
	for (const table of [
		tables.memories,
		tables.links,
		tables.derivations,
		tables.vectorRows,
		tables.log,
		tables.blocks,
		tables.checkpoints,
		tables.generations,
		tables.collections,
	]) {
		table.deleteWhere(() => true);
	}
	tables.operations.deleteWhere(({ position }) => position !== undefined);
}

function insertBlocks(tables: ChainTables, state: ImportedState): void {
	const { headers, generation: fromGen, manifest, collections } = state;
	const span = { fromGen, toGen: FOREVER };
	for (const header of headers) tables.blocks.insert({ ...header, ...span });
	const none = { tableVersion: 0n, versionId: 0n, at: 0 };
	const { height, blockHash, logPosition, versionSeq: versionId, roots } = manifest;
	const pointers = frozen(Object.fromEntries(collections.map(({ name }) => [name, { ...none }])));
	const place = { height, blockHash, logPosition, versionId };
	tables.checkpoints.insert({ ...place, roots: frozen({ ...roots }), pointers, ...span });
}

function insertOperation(tables: ChainTables, height: Height, record: OperationRecord): void {
	const { operationId, position, originalSlot, judgedSlot, generation } = record;
	const { operation, sources, policy } = fromWire(record.body);
	const key = memoryKey(operation.namespace, operation.id);
	tables.log.insert({
		position,
		generation,
		height: originalSlot,
		kind: "operation",
		operationId,
		memoryKey: key,
		body: canonicalJson(record.body),
	});
	const { status, reason, effectiveSlot, versionId, suspect } = standsAt(record, height);
	const { kind, namespace, id } = operation;
	tables.operations.insert({
		...{ operationId, kind, namespace, id, status, position, originalSlot, judgedSlot },
		...{ effectiveSlot, versionId, sources, policy, suspect },
		reason: reason as never,
		anchors: afterRewind(anchorsOf(record), height),
		anchorHeight: record.anchorHeight ?? highestPlace(anchorsOf(record)),
		final: false,
	});
	for (const [setNo, set] of sources.entries()) {
		for (const [sourceNo, source] of set.entries()) {
			tables.derivations.insert({ position, setNo, sourceNo, memoryKey: key, source, depth: 1 });
		}
	}
}

function moveChain(tables: ChainTables, { manifest, generation, headers }: ImportedState): void {
	const { height, logPosition, versionSeq, roots } = manifest;
	const finalized = headers[0]?.number ?? height;
	tables.generations.insert({ ...NEW_GENERATION, generation });
	tables.update({
		...{ generation, headHeight: height, safe: finalized, finalized, logPosition, versionSeq },
		...{ roots: frozen({ ...roots }), retainedFrom: height, logCutTo: logPosition },
		derivedHash: manifest.handlersHash,
		windowFrom: 0n,
	});
}

function failure(code: "chain_busy" | "lease_lost", why: string): RetryableError {
	return new RetryableError(code, {
		message: `the snapshot was not imported: ${why}`,
		hint: "import it again",
	});
}
