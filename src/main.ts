/**
 * The composition root: builds the adapters, hands them out, and ends them in the other order.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import pino from "pino";
import { openArchive } from "./archive/open-archive.ts";
import { HotMemories } from "./cache/hot-memories.ts";
import { loadChains } from "./config/chains.ts";
import { type DataDirectory, openDataDirectory } from "./config/data-directory.ts";
import type { Environment } from "./config/environment.ts";
import { isGone, processName } from "./config/process-identity.ts";
import { clocksOf } from "./consistency/check-plan.ts";
import type { CheckedChain } from "./consistency/checker.ts";
import { ConsistencyChecks } from "./consistency/consistency-checks.ts";
import { LogShadow } from "./consistency/log-shadow.ts";
import { type RepairedChain, Repairer } from "./consistency/repair/repairer.ts";
import { RetryableError } from "./domain/errors.ts";
import type { RollbackId } from "./domain/ids.ts";
import { LIMITS } from "./domain/limits.ts";
import type { Logger } from "./domain/logger.ts";
import { ChainProcess } from "./follower/chain-process.ts";
import type { ChainSource } from "./follower/chain-source.ts";
import type { ChainSpec } from "./follower/chain-spec.ts";
import { createHttpApp } from "./http/app.ts";
import { mergedBody } from "./http/merged-body.ts";
import { serveHttp } from "./http/server.ts";
import { createCheckQueue } from "./queue/check-queue.ts";
import { openPatientQueue } from "./queue/patient-queue.ts";
import { partialGate, scanGate, searchGate } from "./resilience/request-gates.ts";
import { Restorer } from "./restore/restorer.ts";
import { SnapshotImport } from "./restore/snapshot-import.ts";
import { RollbackCoordinator } from "./rollback/coordinator.ts";
import { RollbackDispatch } from "./rollback/dispatch.ts";
import type { RollbackRecord, Stage } from "./rollback/rollback-record.ts";
import type { StageEvent } from "./rollback/stage-clock.ts";
import { createChainSource } from "./rpc/chain-source.ts";
import { startLocalAnvil } from "./rpc/local-anvil.ts";
import { AgentWrites } from "./service/agent-writes.ts";
import type { ChainRuntime } from "./service/chain-runtime.ts";
import { Consistency, lastCheck } from "./service/consistency.ts";
import { EventFeed } from "./service/events.ts";
import type { PartialRestoreService } from "./service/partial-restore-service.ts";
import { PartialRestores } from "./service/partial-restores.ts";
import { type ProofChain, Proofs } from "./service/proofs.ts";
import { Recant } from "./service/recant.ts";
import type { RecantService } from "./service/recant-service.ts";
import { Repairs } from "./service/repairs.ts";
import { type SnapshotChain, SnapshotService } from "./service/snapshots.ts";
import { TailCache } from "./service/tail-cache.ts";
import { ArchiveSource } from "./snapshots/archive-source.ts";
import type { SnapshotWork } from "./snapshots/snapshot-keeper.ts";
import { Database } from "./store/database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./store/embedded/postgres.ts";
import { forget, waitingRollbacks } from "./store/outbox.ts";
import { PostgresConsistencyStore } from "./store/postgres-consistency-store.ts";
import { PostgresFlushStore } from "./store/postgres-flush-store.ts";
import { PostgresImportStore } from "./store/postgres-import-store.ts";
import { PostgresInboxStore } from "./store/postgres-inbox-store.ts";
import { PostgresLogCutter } from "./store/postgres-log-cut.ts";
import { PostgresLogReader } from "./store/postgres-log-reader.ts";
import { PostgresProofStore } from "./store/postgres-proof-store.ts";
import { PostgresRepairStore } from "./store/postgres-repair-store.ts";
import { PostgresRestoredStates } from "./store/postgres-restored-states.ts";
import { PostgresRetention } from "./store/postgres-retention.ts";
import { PostgresRollbackStore } from "./store/postgres-rollback-store.ts";
import { PostgresShadowStore } from "./store/postgres-shadow-store.ts";
import { PostgresSnapshotReader } from "./store/postgres-snapshot-reader.ts";
import { PostgresSnapshotStore } from "./store/postgres-snapshot-store.ts";
import { PostgresStateStore } from "./store/postgres-state-store.ts";
import { PostgresWriterStore } from "./store/postgres-writer-store.ts";
import { installationId, registerChain } from "./store/registry.ts";
import { createHashingEmbedder } from "./vectors/hashing-embedder.ts";
import { checkInstallation } from "./vectors/installation-stamp.ts";
import { type LanceInspection, openLanceInspection } from "./vectors/lance-inspection.ts";
import { type LanceStore, openLanceTables } from "./vectors/lance-tables.ts";
import { CollectionChecks } from "./writer/collection-checks.ts";

/** Where chains/anvil.ts points when RECANT_RPC_URL is not set. */
const LOCAL_ANVIL_URL = "http://127.0.0.1:8545";
const LOCAL_CHAIN = { id: 31_337, name: "anvil" };
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

	const embedder = createHashingEmbedder();
	const state = new PostgresStateStore(database);
	const inbox = new PostgresInboxStore(database);
	const writerStore = new PostgresWriterStore(database, isGone);
	const rollbackStore = new PostgresRollbackStore(database, isGone);
	const events = new EventFeed(state);
	const etas = new Map<RollbackId, number | undefined>();
	const holder = processName();
	const known = new Map<number, CollectionChecks>();
	const collectionsOf = (chainId: number) => {
		const collections = known.get(chainId) ?? new CollectionChecks(chainId, inbox, embedder);
		known.set(chainId, collections);
		return collections;
	};
	const place = environment.snapshots ?? { kind: "directory", path: directory.snapshots };
	const archive = new ArchiveSource(await openArchive(place));
	ending.add(() => archive.archive.close());
	const restorer = new Restorer({
		shadows: new PostgresShadowStore(database),
		log: new PostgresLogReader(database),
		snapshots: archive,
	});
	const restoredStates = new PostgresRestoredStates(database);
	const coordinator = new RollbackCoordinator({
		store: rollbackStore,
		writerStore,
		restorer,
		states: restoredStates,
		changesLimit: options.rollbackChanges ?? LIMITS.rollbackChanges,
		embedder,
		collections: collectionsOf,
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
				new AgentWrites({
					spec,
					source,
					inbox,
					collections,
					writer: () => chain.writer,
					flusher: () => chain.flusher,
					poke: () => chain.follower?.poke(),
				}),
			),
		);
	}

	const backend =
		environment.redisUrl === undefined
			? ({ kind: "postgres", databaseUrl: database.url } as const)
			: ({ kind: "redis", redisUrl: environment.redisUrl } as const);
	const queue = await openPatientQueue({ backend, prefix, log });
	ending.add(() => queue.close(CLOSE_MS));
	const inspection = await openLanceInspection(lancedbUri);
	ending.add(() => inspection.close());
	const consistencyStore = new PostgresConsistencyStore(database);
	const checkQueue = createCheckQueue({ backend, prefix, log });
	const checks = new ConsistencyChecks({
		store: consistencyStore,
		queue: checkQueue,
		schedules: specs.flatMap(({ id: chainId, consistency }) =>
			clocksOf(consistency).map((clock) => ({ chainId, ...clock })),
		),
		chain: (chainId) => {
			const chain = processes.get(chainId);
			const source = sources.get(chainId);
			if (chain?.writer === undefined || source === undefined) return undefined;
			return checkedChain(chain, {
				source,
				embedder,
				inspection,
				state,
				workingMemories,
				restorer,
				restoredStates,
			});
		},
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
				await Promise.all([database.probe(), tables.probe(), workingMemories.probe()]);
			},
			health: () => [
				database.health(),
				tables.storeHealth(),
				queue.health(),
				...workingMemories.health(),
			],
		},
		events,
		lastCheck: (chainId) => lastCheck(consistencyStore, chainId),
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
	const consistency = new Consistency({
		store: consistencyStore,
		checks,
		chainId: (chain) => service.chainId(chain),
	});
	const repairStore = new PostgresRepairStore(database, consistencyStore);
	const repairs = new Repairs({
		store: repairStore,
		repairer: new Repairer({ store: repairStore, log }),
		chainId: (chain) => service.chainId(chain),
		chain: (chainId) => {
			const chain = processes.get(chainId);
			const node = sources.get(chainId);
			if (chain === undefined || node === undefined) return undefined;
			return {
				writer: () => chain.writer,
				tables: repairedTables(tables, inspection),
				embedder,
				node,
				deriver: chain.deriver,
				snapshots: undefined,
				drop: (_chainId, key) => workingMemories.drop(chainId, key),
			};
		},
	});
	const restores = new PartialRestores({
		chains,
		state,
		checkBody: mergedBody,
		turns: partialGate(),
	});
	const http = await serveHttp({
		app: createHttpApp({
			service,
			proofs,
			snapshots,
			restores,
			apiKeys: environment.apiKeys,
			log,
			consistency,
			repairs,
		}),
		host: environment.host,
		port: environment.port,
		log,
	});
	// Before anything that can fail: a port that is open keeps the process alive.
	ending.add(async () => {
		await Promise.all([http.close(CLOSE_MS), dispatch.stop(), checks.stop()]);
		await checkQueue.close(CLOSE_MS);
		await Promise.all([...processes.values()].map((chain) => chain.stop()));
	});
	await dispatch.start();
	checks.start();
	for (const chain of processes.values()) chain.start();
	log.info({ url: http.url, chains: specs.map((spec) => spec.name) }, "Recant answers");
	return { url: http.url, service, restores, stop: () => ending.run() };
}

/** What has to be ended, last first. */
class Ending {
	readonly #steps: (() => Promise<void>)[] = [];

	add(step: () => Promise<void>): void {
		this.#steps.push(step);
	}

	/** Goes on when a step fails, and throws the first failure at the end. */
	async run(): Promise<void> {
		const failures: unknown[] = [];
		for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
			await step().catch((error: unknown) => failures.push(error));
		}
		if (failures.length > 0) throw failures[0];
	}
}

async function openDatabase(
	environment: Environment,
	directory: DataDirectory,
	log: Logger,
	ending: Ending,
): Promise<{ readonly database: Database; readonly embedded: boolean }> {
	let embedded: EmbeddedPostgres | undefined;
	if (environment.databaseUrl === undefined) {
		const started = await startEmbeddedPostgres({
			dataDir: directory.postgres,
			log: (message) => log.info({}, message),
		});
		ending.add(() => started.stop());
		embedded = started;
	}
	const database = await Database.open(
		embedded?.url ?? environment.databaseUrl ?? "",
		embedded?.socketPath,
		log,
	);
	ending.add(() => database.close());
	return { database, embedded: embedded !== undefined };
}

async function startNode(
	specs: readonly ChainSpec[],
	environment: Environment,
	directory: DataDirectory,
	ending: Ending,
): Promise<void> {
	if (environment.exampleChain.rpcUrls !== undefined) return;
	// The example chain as it stands, and nothing else: whoever names a node of theirs waits for it.
	const local = specs.find(
		({ id, name, rpc }) =>
			id === LOCAL_CHAIN.id && name === LOCAL_CHAIN.name && rpc.urls.includes(LOCAL_ANVIL_URL),
	);
	if (local === undefined) return;
	const anvil = await startLocalAnvil({
		url: LOCAL_ANVIL_URL,
		chainId: local.id,
		statePath: join(directory.root, "anvil.json"),
	});
	if (anvil !== undefined) ending.add(() => anvil.stop());
}

function openSource(spec: ChainSpec, log: Logger, ending: Ending): ChainSource {
	const source = createChainSource({
		...spec.rpc,
		chainId: spec.id,
		log: log.child({ chain: spec.name }),
	});
	ending.add(() => source.close());
	return source;
}

function snapshotChain(chain: ChainProcess, source: ChainSource): SnapshotChain {
	const { id, name, snapshots } = chain.spec;
	return {
		chainId: id,
		name,
		fullEvery: snapshots.fullEvery,
		hashOnNode: async (height) => (await source.blockByNumber(height))?.hash,
		due: () => chain.snapshots?.poke(),
	};
}

function runtime(chain: ChainProcess, source: ChainSource, writes: AgentWrites): ChainRuntime {
	return {
		spec: chain.spec,
		writes,
		status: () => chain.status(),
		providers: () => source.health(),
		rollbackDue: () => chain.follower?.rollbackDue(),
	};
}

function proofChain(chain: ChainProcess, source: ChainSource): ProofChain {
	return {
		chainId: chain.spec.id,
		name: chain.spec.name,
		states: () => chain.writer?.states,
		blockHash: async (height) => (await source.blockByNumber(height))?.hash,
	};
}

/** A chain that this process writes, as its checks compare with it. */
function checkedChain(
	chain: ChainProcess,
	parts: {
		readonly source: ChainSource;
		readonly embedder: CheckedChain["embedder"];
		readonly inspection: LanceInspection;
		readonly state: PostgresStateStore;
		readonly workingMemories: HotMemories;
		readonly restorer: Restorer;
		readonly restoredStates: PostgresRestoredStates;
	},
): CheckedChain {
	const { source, embedder, inspection, state, workingMemories, restorer, restoredStates } = parts;
	const pending = { at: { kind: "tag", tag: "pending" }, generation: undefined } as const;
	const { id, consistency } = chain.spec;
	return {
		...consistency,
		freeze: async (begin) => {
			if (chain.writer === undefined) throw notLed(id);
			return chain.writer.between(async ({ head }, states) => {
				const { tree } = states;
				await begin();
				const mark = tree.mark();
				const sealed = head && states.at(head.number);
				return {
					tree,
					mark,
					headRoots: sealed && tree.roots(sealed),
					release: () => tree.release(mark),
				};
			});
		},
		pointers: () => chain.writer?.state.pointers,
		tables: inspection,
		embedder,
		embedsExactly: true,
		node: source,
		working: workingMemories,
		believed: (keys) =>
			state.read(id, pending, async (view) => ({
				slot: view.at.height,
				versions: await view.memories(keys),
			})),
		shadow: new LogShadow({
			restorer,
			deriver: chain.deriver,
			snapshots: (chainId, height) => restoredStates.snapshots(chainId, height),
		}),
	};
}

/** What repairs read and write of LanceDB. */
function repairedTables(tables: LanceStore, inspection: LanceInspection): RepairedChain["tables"] {
	return {
		installationId: () => inspection.installationId(),
		storedRows: (table, version) => inspection.storedRows(table, version),
		health: (table, version) => inspection.health(table, version),
		create: (table, dimensions) => tables.create(table, dimensions),
		append: (table, base, rows) => tables.append(table, base, rows),
		rewrite: (table, base, change) => tables.rewrite(table, base, change),
	};
}

function notLed(chainId: number): RetryableError {
	return new RetryableError("lease_lost", {
		message: `this process does not write chain ${chainId}`,
		hint: "the check is run by the process that does",
		fields: { chainId },
	});
}

function noteEta(etas: Map<RollbackId, number | undefined>, event: StageEvent): void {
	const { rollbackId } = event.rollback;
	if (event.stage === "commit" && event.done === event.total) etas.delete(rollbackId);
	else etas.set(rollbackId, event.etaMs);
}

function version(): string {
	const file = readFileSync(new URL("../package.json", import.meta.url), "utf8");
	return (JSON.parse(file) as { readonly version: string }).version;
}
