/**
 * The composition root: builds the adapters, hands them out, and ends them in the other order.
 */
import pino from "pino";
import { HotMemories } from "./cache/hot-memories.ts";
import { noteEta, queueBackend, version } from "./composition/about.ts";
import { proofChain, runtime, snapshotChain } from "./composition/chain-views.ts";
import { Ending } from "./composition/ending.ts";
import { openConsistency } from "./composition/open-consistency.ts";
import { openDatabase } from "./composition/open-database.ts";
import { openEmbedder } from "./composition/open-embedder.ts";
import { openKeys } from "./composition/open-keys.ts";
import { openLayers } from "./composition/open-layers.ts";
import { openSource, startNode } from "./composition/open-node.ts";
import { openReads } from "./composition/open-reads.ts";
import { openRecords } from "./composition/open-records.ts";
import { openSnapshots } from "./composition/open-snapshots.ts";
import { loadChains } from "./config/chains.ts";
import { openDataDirectory } from "./config/data-directory.ts";
import type { Environment } from "./config/environment.ts";
import { isGone, processName } from "./config/process-identity.ts";
import type { RollbackId } from "./domain/ids.ts";
import { LIMITS } from "./domain/limits.ts";
import type { Logger } from "./domain/logger.ts";
import { ChainProcess } from "./follower/chain-process.ts";
import type { ChainSource } from "./follower/chain-source.ts";
import type { ChainSpec } from "./follower/chain-spec.ts";
import { createHttpApp } from "./http/app.ts";
import { mergedBody } from "./http/merged-body.ts";
import { serveHttp } from "./http/server.ts";
import { openPatientQueue } from "./queue/patient-queue.ts";
import { partialGate, scanGate, searchGate } from "./resilience/request-gates.ts";
import { Restorer } from "./restore/restorer.ts";
import { SnapshotImport } from "./restore/snapshot-import.ts";
import { RollbackCoordinator } from "./rollback/coordinator.ts";
import { RollbackDispatch } from "./rollback/dispatch.ts";
import type { RollbackRecord, Stage } from "./rollback/rollback-record.ts";
import type { ChainRuntime } from "./service/chain-runtime.ts";
import { EventFeed } from "./service/events.ts";
import { type ProofChain, Proofs } from "./service/proving/proofs.ts";
import { Recant } from "./service/recant.ts";
import type { RecantService } from "./service/recant-service.ts";
import type { PartialRestoreService } from "./service/restoring/partial-restore-service.ts";
import { PartialRestores } from "./service/restoring/partial-restores.ts";
import { TailCache } from "./service/searching/tail-cache.ts";
import { vectorUpkeep } from "./service/searching/vector-upkeep.ts";
import { type SnapshotChain, SnapshotService } from "./service/snapshots.ts";
import { AgentWrites } from "./service/writing/agent-writes.ts";
import type { SnapshotWork } from "./snapshots/snapshot-keeper.ts";
import { PostgresProofStore } from "./store/reading/postgres-proof-store.ts";
import { PostgresStateStore } from "./store/reading/postgres-state-store.ts";
import { installationId, registerChain } from "./store/registry.ts";
import { PostgresImportStore } from "./store/restoring/postgres-import-store.ts";
import { PostgresLogCutter } from "./store/restoring/postgres-log-cut.ts";
import { PostgresLogReader } from "./store/restoring/postgres-log-reader.ts";
import { PostgresRestoredStates } from "./store/restoring/postgres-restored-states.ts";
import { PostgresShadowStore } from "./store/restoring/postgres-shadow-store.ts";
import { PostgresSnapshotReader } from "./store/restoring/postgres-snapshot-reader.ts";
import { PostgresSnapshotStore } from "./store/restoring/postgres-snapshot-store.ts";
import { forget, waitingRollbacks } from "./store/writing/outbox.ts";
import { PostgresFlushStore } from "./store/writing/postgres-flush-store.ts";
import { PostgresInboxStore } from "./store/writing/postgres-inbox-store.ts";
import { PostgresRetention } from "./store/writing/postgres-retention.ts";
import { PostgresRollbackStore } from "./store/writing/postgres-rollback-store.ts";
import { PostgresWriterStore } from "./store/writing/postgres-writer-store.ts";
import { checkInstallation } from "./vectors/installation-stamp.ts";
import { openLanceInspection } from "./vectors/lance-inspection.ts";
import { openLanceTables } from "./vectors/lance-tables.ts";
import { CollectionChecks } from "./writer/collection-checks.ts";

/** For requests under way, and for jobs, at the end. */
const CLOSE_MS = 5_000;

export interface StartOptions {
	readonly environment: Environment;
	/** Instead of the folder of chains. */
	readonly chains?: readonly ChainSpec[];
	/** Waited for before each stage of a rollback; tests stop a process there. */
	readonly beforeStage?: (stage: Stage, rollback: RollbackRecord) => Promise<void>;
	/** False: rollbacks are prepared by whoever takes their job. Default true. */
	readonly inlineRollbacks?: boolean;
	/** Tail rows at which vectors are flushed to LanceDB; default LIMITS.tailFlushRows. */
	readonly flushRows?: number;
	/** Memories that a rollback may set back one by one; default LIMITS.rollbackChanges. */
	readonly rollbackChanges?: number;
}

export interface RunningRecant {
	readonly url: string;
	readonly service: RecantService;
	readonly restores: PartialRestoreService;
	stop(): Promise<void>;
}

/** Starts everything; when something cannot be started, what was started is ended again. */
export async function startRecant(options: StartOptions): Promise<RunningRecant> {
	const ending = new Ending();
	try {
		return await start(options, ending);
	} catch (error) {
		await ending.run();
		throw error;
	}
}

async function start(options: StartOptions, ending: Ending): Promise<RunningRecant> {
	const { environment } = options;
	const log = pino({ level: environment.logLevel }, pino.destination(2)) as unknown as Logger;
	const specs = options.chains ?? (await loadChains(environment.chainsDir));
	const directory = await openDataDirectory(environment.dataDir);
	ending.add(() => directory.release());
	const { database, embedded } = await openDatabase(environment, directory, log, ending);
	const installation = await installationId(database, directory.installationId);
	const lancedbUri = environment.lancedbUri ?? directory.lancedb;
	await checkInstallation(lancedbUri, installation);
	const tables = await openLanceTables({ uri: lancedbUri, log });
	ending.add(() => tables.close());
	const prefix = `recant_${installation.replaceAll("-", "_")}`;
	const workingMemories = new HotMemories({
		redis: environment.redisUrl === undefined ? undefined : { url: environment.redisUrl, prefix },
		isDatabaseUp: () => database.isUp,
		log,
	});
	ending.add(() => workingMemories.close());
	await startNode(specs, environment, directory, ending);

	const opened = await openEmbedder(environment.embedder, database, log);
	const { embedder } = opened;
	const state = new PostgresStateStore(database);
	const inbox = new PostgresInboxStore(database);
	const writerStore = new PostgresWriterStore(database, isGone);
	const rollbackStore = new PostgresRollbackStore(database, isGone, environment.webhook?.urls);
	const events = new EventFeed(state);
	const etas = new Map<RollbackId, number | undefined>();
	const holder = processName();
	const known = new Map<number, CollectionChecks>();
	const collectionsOf = (chainId: number) => {
		const collections = known.get(chainId) ?? new CollectionChecks(chainId, inbox, embedder);
		known.set(chainId, collections);
		return collections;
	};
	const { files, source: archive } = await openSnapshots(environment, directory, log, ending);
	const restorer = new Restorer({
		shadows: new PostgresShadowStore(database),
		log: new PostgresLogReader(database),
		snapshots: archive,
	});
	const restoredStates = new PostgresRestoredStates(database);
	const layers = openLayers(specs, { database, log });
	const coordinator = new RollbackCoordinator({
		store: rollbackStore,
		writerStore,
		restorer,
		states: restoredStates,
		changesLimit: options.rollbackChanges ?? LIMITS.rollbackChanges,
		embedder,
		collections: collectionsOf,
		settings: layers.writerSettings,
		consolidator: layers.consolidator,
		holder,
		log,
		beforeStage: options.beforeStage ?? (async () => undefined),
		onProgress: (event) => {
			noteEta(etas, event);
			events.progressed(event);
		},
	});
	const snapshotWork: SnapshotWork = {
		store: new PostgresSnapshotStore(database),
		reader: new PostgresSnapshotReader(database),
		source: archive,
		importer: new SnapshotImport({
			restorer,
			store: new PostgresImportStore(database),
			target: (chainId) => processes.get(chainId),
			log,
		}),
		log,
	};
	const inlineRollbacks = options.inlineRollbacks ?? true;
	const processes = new Map<number, ChainProcess>();
	const sources = new Map<number, ChainSource>();
	const chains: ChainRuntime[] = [];
	const proofChains: ProofChain[] = [];
	const snapshotChains: SnapshotChain[] = [];
	for (const spec of specs) {
		await registerChain(database, spec, { isGone, log });
		const source = openSource(spec, log, ending);
		sources.set(spec.id, source);
		const collections = collectionsOf(spec.id);
		const chain = new ChainProcess({
			spec,
			source,
			holder,
			writerStore,
			flushStore: new PostgresFlushStore(database),
			retentionStore: new PostgresRetention(database),
			coordinator,
			embedder,
			tables,
			collections,
			settings: layers.writerSettings(spec.id),
			consolidator: layers.consolidator,
			workingMemories,
			snapshots: snapshotWork,
			logCutter: new PostgresLogCutter(database),
			log: log.child({ chain: spec.name }),
			inlineRollbacks,
			flushRows: options.flushRows ?? LIMITS.tailFlushRows,
			onCommit: (chainId, position) => events.committed(chainId, position),
		});
		processes.set(spec.id, chain);
		proofChains.push(proofChain(chain, source));
		snapshotChains.push(snapshotChain(chain, source));
		chains.push(
			runtime(
				chain,
				source,
				layers.settings(spec),
				new AgentWrites({
					spec,
					source,
					inbox,
					collections,
					embedder,
					settings: layers.settings(spec),
					checks: layers,
					writer: () => chain.writer,
					flusher: () => chain.flusher,
					poke: () => chain.follower?.poke(),
				}),
			),
		);
	}

	const backend = queueBackend(environment, database);
	const queue = await openPatientQueue({ backend, prefix, log });
	ending.add(() => queue.close(CLOSE_MS));
	const inspection = await openLanceInspection(lancedbUri);
	ending.add(() => inspection.close());
	const checks = openConsistency({
		specs,
		processes,
		sources,
		database,
		backend,
		prefix,
		embedder,
		embedsExactly: opened.exact,
		inspection,
		state,
		tables,
		workingMemories,
		restorer,
		restoredStates,
		log,
	});
	const dispatch = new RollbackDispatch({
		queue,
		coordinator,
		inlineRollbacks,
		log,
		outbox: {
			waiting: () => waitingRollbacks(database),
			forget: (outboxId) => forget(database, outboxId),
		},
		chain: (chainId) => {
			const chain = processes.get(chainId);
			return (
				chain && {
					leads: chain.follower !== undefined,
					deriver: chain.deriver,
					rollbackDue: () => chain.follower?.rollbackDue(),
				}
			);
		},
	});
	const service = new Recant({
		about: {
			version: version(),
			installationId: installation,
			queueBackend: queue.backend,
			database: embedded ? "embedded" : "external",
			embedder: { model: embedder.model, dimensions: embedder.dimensions },
		},
		chains,
		state,
		inbox,
		writerStore,
		rollbackStore,
		coordinator,
		search: { tables, embedder, tails: new TailCache(), turns: searchGate(), scans: scanGate() },
		workingMemory: workingMemories,
		stores: {
			probe: async () => {
				const probed = [database, tables, workingMemories, files];
				await Promise.all(probed.map((store) => store.probe()));
			},
			health: () => [
				database.health(),
				tables.storeHealth(),
				queue.health(),
				files.storeHealth(),
				...workingMemories.health(),
				...opened.health(),
			],
		},
		events,
		lastCheck: checks.lastCheck,
		etaMs: (rollbackId) => etas.get(rollbackId),
	});
	const proofs = new Proofs(new PostgresProofStore(database), proofChains);
	ending.add(async () => proofs.close());
	const snapshots = new SnapshotService({
		...snapshotWork,
		chains: snapshotChains,
		state,
		canApply: snapshotWork.importer !== undefined,
	});
	const restores = new PartialRestores({
		chains,
		state,
		checkBody: mergedBody,
		turns: partialGate(),
	});
	const parts = { environment, specs, database, backend, prefix, service, log, ending };
	const records = openRecords(parts);
	const http = await serveHttp({
		app: createHttpApp({
			service,
			proofs,
			snapshots,
			restores,
			apiKeys: environment.apiKeys,
			records,
			reads: openReads(database, sources, (chain) => service.chainId(chain)),
			keys: openKeys(database, environment.apiKeys),
			log,
			...checks.services((chain) => service.chainId(chain)),
			layers: layers.services(
				chains,
				vectorUpkeep((chainId) => processes.get(chainId)?.flusher),
				service,
			),
		}),
		host: environment.host,
		port: environment.port,
		log,
	});
	// Before anything that can fail: a port that is open keeps the process alive.
	ending.add(async () => {
		await Promise.all([http.close(CLOSE_MS), dispatch.stop(), checks.stop()]);
		await checks.close(CLOSE_MS);
		await Promise.all([...processes.values()].map((chain) => chain.stop()));
	});
	await dispatch.start();
	checks.start();
	records.start();
	for (const chain of processes.values()) chain.start();
	log.info({ url: http.url, chains: specs.map((spec) => spec.name) }, "Recant answers");
	return { url: http.url, service, restores, stop: () => ending.run() };
}
