/**
 * The chains of this process. Where it has the role `follower` each gets a ChainProcess, which follows and
 * writes while it holds the lease; else a chain is read here, and written to through its inbox.
 */
import { isGone } from "../config/process-identity.ts";
import type { ChainId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { BlockCache } from "../follower/block-cache.ts";
import { ChainProcess } from "../follower/chain-process.ts";
import type { ChainSource } from "../follower/chain-source.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import { WindowDeriver } from "../follower/window-deriver.ts";
import { SnapshotImport } from "../restore/snapshot-import.ts";
import type { KnownSettings } from "../service/layers/known-settings.ts";
import { ChainElsewhere } from "../service/writing/chain-elsewhere.ts";
import type { SnapshotWork } from "../snapshots/snapshot-keeper.ts";
import { PostgresElsewhereStore } from "../store/reading/postgres-elsewhere-store.ts";
import { PostgresRecoveryStore } from "../store/recovery/postgres-recovery-store.ts";
import { PostgresHandlersStore } from "../store/rederiving/postgres-handlers-store.ts";
import { registerChain } from "../store/registry.ts";
import { PostgresImportStore } from "../store/restoring/postgres-import-store.ts";
import { PostgresLogCutter } from "../store/restoring/postgres-log-cut.ts";
import { PostgresSnapshotReader } from "../store/restoring/postgres-snapshot-reader.ts";
import { PostgresSnapshotStore } from "../store/restoring/postgres-snapshot-store.ts";
import { PostgresFlushStore } from "../store/writing/postgres-flush-store.ts";
import { PostgresRetention } from "../store/writing/postgres-retention.ts";
import type { CollectionChecks } from "../writer/collection-checks.ts";
import type { Foundation } from "./foundation.ts";
import { openSource } from "./open-node.ts";
import type { Rollbacks } from "./open-rollbacks.ts";

export interface ChainParts {
	readonly spec: ChainSpec;
	readonly source: ChainSource;
	readonly collections: CollectionChecks;
	readonly settings: KnownSettings;
	readonly deriver: WindowDeriver;
	/** The chain while another process writes it. */
	readonly elsewhere: ChainElsewhere;
	/** Undefined: this process never follows it. */
	readonly process: ChainProcess | undefined;
	/** A rollback of this chain is to be looked at, by whoever follows it. */
	rollbackDue(): void;
	/** A snapshot is wanted, of whoever follows it. */
	snapshotDue(): void;
}

export interface Chains {
	readonly all: readonly ChainParts[];
	readonly of: (chainId: ChainId) => ChainParts | undefined;
	readonly snapshotWork: SnapshotWork;
}

export async function openChains(base: Foundation, rollbacks: Rollbacks): Promise<Chains> {
	const byId = new Map<ChainId, ChainParts>();
	const of = (chainId: ChainId) => byId.get(chainId);
	const snapshotWork = openSnapshotWork(base, (chainId) => of(chainId)?.process);
	for (const spec of base.specs) {
		byId.set(spec.id, await openChain(base, { spec, rollbacks, snapshotWork }));
	}
	return { all: [...byId.values()], of, snapshotWork };
}

function openSnapshotWork(
	{ database, archive, restorer, log, environment }: Foundation,
	target: (chainId: ChainId) => ChainProcess | undefined,
): SnapshotWork {
	const recoveries = new PostgresRecoveryStore(database);
	return {
		store: new PostgresSnapshotStore(database),
		reader: new PostgresSnapshotReader(database),
		source: archive,
		importer: new SnapshotImport({
			restorer,
			store: new PostgresImportStore(database, environment.webhook?.urls),
			target,
			log,
		}),
		settleImports: (chainId, fence) => recoveries.settle(chainId, fence),
		log,
	};
}

interface ChainWork {
	readonly spec: ChainSpec;
	readonly rollbacks: Rollbacks;
	readonly snapshotWork: SnapshotWork;
}

async function openChain(base: Foundation, work: ChainWork): Promise<ChainParts> {
	const { spec } = work;
	const { id: chainId } = spec;
	const { database, inbox, log, notices } = base;
	await registerChain(database, spec, { isGone, log });
	const source = openSource(spec, log, base.ending);
	const process = base.roles.includes("follower") ? openProcess(base, work, source) : undefined;
	return {
		spec,
		source,
		collections: base.collectionsOf(chainId),
		settings: base.layers.settings(spec),
		deriver: process?.deriver ?? new WindowDeriver(spec, source, new BlockCache(source)),
		elsewhere: new ChainElsewhere({
			chainId,
			store: new PostgresElsewhereStore(database, inbox),
			inboxDue: () => notices.send({ kind: "inbox", chainId }),
			headDue: () => notices.send({ kind: "head", chainId }),
		}),
		process,
		rollbackDue() {
			if (process?.follower === undefined) notices.send({ kind: "rollback", chainId });
			else process.follower.rollbackDue();
		},
		snapshotDue() {
			if (process?.snapshots === undefined) notices.send({ kind: "snapshot", chainId });
			else process.snapshots.poke();
		},
	};
}

function openProcess(
	base: Foundation,
	{ spec, rollbacks, snapshotWork }: ChainWork,
	source: ChainSource,
): ChainProcess {
	const { database, layers, options, log } = base;
	return new ChainProcess({
		spec,
		source,
		holder: base.holder,
		writerStore: base.writerStore,
		flushStore: new PostgresFlushStore(database),
		retentionStore: new PostgresRetention(database),
		coordinator: rollbacks.coordinator,
		handlers: { store: new PostgresHandlersStore(database), shadows: base.restorer.shadows },
		embedder: base.embedder,
		tables: base.tables,
		collections: base.collectionsOf(spec.id),
		settings: layers.writerSettings(spec.id),
		consolidator: layers.consolidator,
		workingMemories: base.workingMemories,
		snapshots: snapshotWork,
		logCutter: new PostgresLogCutter(database),
		log: log.child({ chain: spec.name }),
		inlineRollbacks: rollbacks.areInline,
		flushRows: options.flushRows ?? LIMITS.tailFlushRows,
		onCommit: (chainId, position) => base.events.committed(chainId, position),
	});
}
