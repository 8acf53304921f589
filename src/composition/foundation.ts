/**
 * What every process stands on, whatever its role: settings, the stores that all of them share, the chains'
 * files and nodes. Nothing here runs by itself.
 */
import pino from "pino";
import type { GuardedArchive } from "../archive/guarded-archive.ts";
import { HotMemories } from "../cache/hot-memories.ts";
import { loadChains } from "../config/chains.ts";
import { type DataDirectory, openDataDirectory } from "../config/data-directory.ts";
import type { Environment } from "../config/environment.ts";
import { isGone, processName } from "../config/process-identity.ts";
import type { ChainId } from "../domain/ids.ts";
import type { Logger } from "../domain/logger.ts";
import type { Role } from "../domain/role.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import type { QueueBackendConfig } from "../queue/choose-backend.ts";
import { Restorer } from "../restore/restorer.ts";
import { EventFeed } from "../service/events.ts";
import type { ArchiveSource } from "../snapshots/archive-source.ts";
import type { Database } from "../store/database.ts";
import { Notices } from "../store/notices.ts";
import { PostgresStateStore } from "../store/reading/postgres-state-store.ts";
import { installationId } from "../store/registry.ts";
import { PostgresLogReader } from "../store/restoring/postgres-log-reader.ts";
import { PostgresRestoredStates } from "../store/restoring/postgres-restored-states.ts";
import { PostgresShadowStore } from "../store/restoring/postgres-shadow-store.ts";
import { PostgresInboxStore } from "../store/writing/postgres-inbox-store.ts";
import { PostgresRollbackStore } from "../store/writing/postgres-rollback-store.ts";
import { PostgresWriterStore } from "../store/writing/postgres-writer-store.ts";
import { checkInstallation } from "../vectors/installation-stamp.ts";
import { type LanceStore, openLanceTables } from "../vectors/lance-tables.ts";
import { CollectionChecks } from "../writer/collection-checks.ts";
import { queueBackend } from "./about.ts";
import type { Ending } from "./ending.ts";
import { openDatabase } from "./open-database.ts";
import { type OpenEmbedder, openEmbedder } from "./open-embedder.ts";
import { type Layers, openLayers } from "./open-layers.ts";
import { startNode } from "./open-node.ts";
import { openSnapshots } from "./open-snapshots.ts";
import type { StartOptions } from "./start-options.ts";

export interface Foundation {
	readonly options: StartOptions;
	readonly environment: Environment;
	readonly roles: readonly Role[];
	readonly specs: readonly ChainSpec[];
	readonly log: Logger;
	readonly ending: Ending;
	readonly database: Database;
	/** True: the Postgres of this process's own. */
	readonly isEmbedded: boolean;
	readonly installation: string;
	/** Name of this process in leases and claims. */
	readonly holder: string;
	readonly notices: Notices;
	readonly lancedbUri: string;
	readonly tables: LanceStore;
	/** Filled where this process writes; empty elsewhere, and then Postgres answers. */
	readonly workingMemories: HotMemories;
	readonly backend: QueueBackendConfig;
	/** Of everything that this installation keeps in a shared Redis or queue. */
	readonly prefix: string;
	readonly opened: OpenEmbedder;
	readonly embedder: OpenEmbedder["embedder"];
	readonly state: PostgresStateStore;
	readonly inbox: PostgresInboxStore;
	readonly writerStore: PostgresWriterStore;
	readonly rollbackStore: PostgresRollbackStore;
	readonly events: EventFeed;
	readonly files: GuardedArchive;
	readonly archive: ArchiveSource;
	readonly restorer: Restorer;
	readonly restoredStates: PostgresRestoredStates;
	readonly layers: Layers;
	readonly collectionsOf: (chainId: ChainId) => CollectionChecks;
}

export async function openFoundation(options: StartOptions, ending: Ending): Promise<Foundation> {
	const { environment } = options;
	const { roles } = environment;
	const log = pino({ level: environment.logLevel }, pino.destination(2)) as unknown as Logger;
	const specs = options.chains ?? (await loadChains(environment.chainsDir));
	const directory = await openDirectory(environment, ending);
	const { database, embedded } = await openDatabase(environment, directory, log, ending);
	const installation = await installationId(database, directory.installationId);
	const notices = new Notices({ database, log });
	ending.add(() => notices.close());
	const lancedbUri = environment.lancedbUri ?? directory.lancedb;
	await checkInstallation(lancedbUri, installation);
	const tables = await openLanceTables({ uri: lancedbUri, log });
	ending.add(() => tables.close());
	const prefix = `recant_${installation.replaceAll("-", "_")}`;
	const workingMemories = openWorkingMemories(environment, { database, prefix, log }, ending);
	await startNode(specs, { environment, directory, log }, ending);
	const opened = await openEmbedder(environment.embedder, database, log);
	const inbox = new PostgresInboxStore(database);
	const state = new PostgresStateStore(database);
	const { files, source: archive } = await openSnapshots(environment, directory, log, ending);
	return {
		options,
		environment,
		roles,
		specs,
		log,
		ending,
		database,
		isEmbedded: embedded,
		installation,
		holder: processName(),
		notices,
		lancedbUri,
		tables,
		workingMemories,
		backend: queueBackend(environment, database),
		prefix,
		opened,
		embedder: opened.embedder,
		state,
		inbox,
		writerStore: new PostgresWriterStore(database, isGone, environment.webhook?.urls),
		rollbackStore: new PostgresRollbackStore(database, isGone, environment.webhook?.urls),
		events: new EventFeed(state),
		files,
		archive,
		restorer: new Restorer({
			shadows: new PostgresShadowStore(database),
			log: new PostgresLogReader(database),
			snapshots: archive,
		}),
		restoredStates: new PostgresRestoredStates(database),
		layers: openLayers(specs, { database, log }),
		collectionsOf: collectionChecks(inbox, opened.embedder),
	};
}

/** Only a Postgres of its own needs the directory to itself; the leases in a shared one guard the rest. */
async function openDirectory(environment: Environment, ending: Ending): Promise<DataDirectory> {
	const use = environment.databaseUrl === undefined ? "alone" : "shared";
	const directory = await openDataDirectory(environment.dataDir, use);
	ending.add(() => directory.release());
	return directory;
}

/** The writer alone knows what its copies are worth, so only a process that writes connects to Redis for them. */
function openWorkingMemories(
	{ redisUrl, roles }: Environment,
	{ database, prefix, log }: Pick<Foundation, "database" | "prefix" | "log">,
	ending: Ending,
): HotMemories {
	const isUsed = redisUrl !== undefined && roles.includes("follower");
	const memories = new HotMemories({
		redis: isUsed ? { url: redisUrl, prefix } : undefined,
		isDatabaseUp: () => database.isUp,
		log,
	});
	ending.add(() => memories.close());
	return memories;
}

/** One for a chain, whoever asks. */
function collectionChecks(
	inbox: PostgresInboxStore,
	embedder: OpenEmbedder["embedder"],
): Foundation["collectionsOf"] {
	const known = new Map<ChainId, CollectionChecks>();
	return (chainId) => {
		const checks = known.get(chainId) ?? new CollectionChecks(chainId, inbox, embedder);
		known.set(chainId, checks);
		return checks;
	};
}
