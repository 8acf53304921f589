/**
 * The composition root: builds the adapters, hands them out, and ends them in the other order.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import pino from "pino";
import { loadChains } from "./config/chains.ts";
import { type DataDirectory, openDataDirectory } from "./config/data-directory.ts";
import type { Environment } from "./config/environment.ts";
import { isGone, processName } from "./config/process-identity.ts";
import { RecantError } from "./domain/errors.ts";
import type { RollbackId } from "./domain/ids.ts";
import { LIMITS } from "./domain/limits.ts";
import type { Logger } from "./domain/logger.ts";
import { ChainProcess } from "./follower/chain-process.ts";
import type { ChainSource } from "./follower/chain-source.ts";
import type { ChainSpec } from "./follower/chain-spec.ts";
import { createHttpApp } from "./http/app.ts";
import { serveHttp } from "./http/server.ts";
import { createRollbackQueue } from "./queue/rollback-queue.ts";
import { RollbackCoordinator } from "./rollback/coordinator.ts";
import { RollbackDispatch } from "./rollback/dispatch.ts";
import type { RollbackRecord, Stage } from "./rollback/rollback-record.ts";
import type { StageEvent } from "./rollback/stage-clock.ts";
import { createChainSource } from "./rpc/chain-source.ts";
import { startLocalAnvil } from "./rpc/local-anvil.ts";
import { AgentWrites } from "./service/agent-writes.ts";
import type { ChainRuntime } from "./service/chain-runtime.ts";
import { EventFeed } from "./service/events.ts";
import { Recant } from "./service/recant.ts";
import type { Readiness, RecantService } from "./service/recant-service.ts";
import { TailCache } from "./service/tail-cache.ts";
import { Database } from "./store/database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./store/embedded/postgres.ts";
import { forget, waitingRollbacks } from "./store/outbox.ts";
import { PostgresFlushStore } from "./store/postgres-flush-store.ts";
import { PostgresInboxStore } from "./store/postgres-inbox-store.ts";
import { PostgresRetention } from "./store/postgres-retention.ts";
import { PostgresRollbackStore } from "./store/postgres-rollback-store.ts";
import { PostgresStateStore } from "./store/postgres-state-store.ts";
import { PostgresWriterStore } from "./store/postgres-writer-store.ts";
import { installationId, registerChain } from "./store/registry.ts";
import { createHashingEmbedder } from "./vectors/hashing-embedder.ts";
import { checkInstallation } from "./vectors/installation-stamp.ts";
import { openLanceTables } from "./vectors/lance-tables.ts";
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
}

export interface RunningRecant {
	readonly url: string;
	readonly service: RecantService;
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
	const tables = await openLanceTables({ uri: lancedbUri });
	ending.add(() => tables.close());
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
	const coordinator = new RollbackCoordinator({
		store: rollbackStore,
		writerStore,
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
	const inlineRollbacks = options.inlineRollbacks ?? true;
	const processes = new Map<number, ChainProcess>();
	const chains: ChainRuntime[] = [];
	for (const spec of specs) {
		await registerChain(database, spec, { isGone, log });
		const source = openSource(spec, log, ending);
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
			log: log.child({ chain: spec.name }),
			inlineRollbacks,
			flushRows: options.flushRows ?? LIMITS.tailFlushRows,
			onCommit: (chainId, position) => events.committed(chainId, position),
		});
		processes.set(spec.id, chain);
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
					poke: () => chain.follower?.poke(),
				}),
			),
		);
	}

	const queue = await createRollbackQueue({
		backend:
			environment.redisUrl === undefined
				? { kind: "postgres", databaseUrl: database.url }
				: { kind: "redis", redisUrl: environment.redisUrl },
		prefix: `recant_${installation.replaceAll("-", "_")}`,
		log,
	});
	ending.add(() => queue.close(CLOSE_MS));
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
		search: { tables, embedder, tails: new TailCache() },
		events,
		checks: () => storeChecks(database),
		etaMs: (rollbackId) => etas.get(rollbackId),
	});
	const http = await serveHttp({
		app: createHttpApp({ service, apiKeys: environment.apiKeys, log }),
		host: environment.host,
		port: environment.port,
		log,
	});
	// Before anything that can fail: a port that is open keeps the process alive.
	ending.add(async () => {
		await Promise.all([http.close(CLOSE_MS), dispatch.stop()]);
		await Promise.all([...processes.values()].map((chain) => chain.stop()));
	});
	await dispatch.start();
	for (const chain of processes.values()) chain.start();
	log.info({ url: http.url, chains: specs.map((spec) => spec.name) }, "Recant answers");
	return { url: http.url, service, stop: () => ending.run() };
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

function runtime(chain: ChainProcess, source: ChainSource, writes: AgentWrites): ChainRuntime {
	return {
		spec: chain.spec,
		writes,
		status: () => chain.status(),
		providers: () => source.health(),
		rollbackDue: () => chain.follower?.rollbackDue(),
	};
}

function noteEta(etas: Map<RollbackId, number | undefined>, event: StageEvent): void {
	const { rollbackId } = event.rollback;
	if (event.stage === "commit" && event.done === event.total) etas.delete(rollbackId);
	else etas.set(rollbackId, event.etaMs);
}

async function storeChecks(database: Database): Promise<Readiness["checks"]> {
	try {
		await database.run((sql) => sql`select 1`);
		return { postgres: { ok: true, detail: undefined } };
	} catch (error) {
		if (!(error instanceof RecantError)) throw error;
		return { postgres: { ok: false, detail: error.message } };
	}
}

function version(): string {
	const file = readFileSync(new URL("../package.json", import.meta.url), "utf8");
	return (JSON.parse(file) as { readonly version: string }).version;
}
