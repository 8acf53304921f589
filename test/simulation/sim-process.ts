/**
 * A process, put together as main.ts does it, on ports that the simulation gives: one object for each life.
 * A restart is a new life that knows nothing of the one before but what the stores hold.
 */
import { createHash } from "node:crypto";
import type { Logger } from "../../src/domain/logger.ts";
import { NO_SETTINGS } from "../../src/domain/namespace-settings.ts";
import { ChainProcess } from "../../src/follower/chain-process.ts";
import type { ChainSource } from "../../src/follower/chain-source.ts";
import type { ChainSpec } from "../../src/follower/chain-spec.ts";
import type { ImportStore } from "../../src/restore/import-store.ts";
import type { LogReader } from "../../src/restore/log-reader.ts";
import { Restorer } from "../../src/restore/restorer.ts";
import type { ShadowStore } from "../../src/restore/shadow-store.ts";
import { SnapshotImport } from "../../src/restore/snapshot-import.ts";
import { RollbackCoordinator } from "../../src/rollback/coordinator.ts";
import { type Outbox, RollbackDispatch } from "../../src/rollback/dispatch.ts";
import { FanOut } from "../../src/rollback/fan-out.ts";
import type { RestoredStates } from "../../src/rollback/restored-states.ts";
import type { RollbackQueue } from "../../src/rollback/rollback-queue.ts";
import type { RollbackStore } from "../../src/rollback/rollback-store.ts";
import type { TaskStore } from "../../src/rollback/task-store.ts";
import { AgentWrites } from "../../src/service/writing/agent-writes.ts";
import { ContentSchemas } from "../../src/service/writing/content-schemas.ts";
import { ArchiveSource } from "../../src/snapshots/archive-source.ts";
import type { SnapshotArchive } from "../../src/snapshots/snapshot-archive.ts";
import type { SnapshotReader, SnapshotStore } from "../../src/snapshots/snapshot-store.ts";
import type { Embedder } from "../../src/vectors/embedder.ts";
import type { EmbeddingStore } from "../../src/vectors/embedding-store.ts";
import { RecordedEmbedder } from "../../src/vectors/recorded-embedder.ts";
import type { VectorTables } from "../../src/vectors/vector-tables.ts";
import { CollectionChecks } from "../../src/writer/collection-checks.ts";
import type { FlushStore } from "../../src/writer/flush-store.ts";
import type { InboxStore } from "../../src/writer/inbox-store.ts";
import type { LogCutter, RetentionStore } from "../../src/writer/retention.ts";
import type { Consolidator, WriterSettings } from "../../src/writer/system-work.ts";
import type { WriterStore } from "../../src/writer/writer-store.ts";
import type { PortName } from "./durable-steps.ts";
import { faultyPort, type PortContext } from "./faulty-port.ts";

/** What all processes share, before any fault. */
export interface SharedPorts {
	readonly writer: WriterStore;
	readonly flush: FlushStore;
	readonly retention: RetentionStore;
	readonly logCutter: LogCutter;
	readonly rollback: RollbackStore;
	readonly tasks: TaskStore;
	readonly outbox: Outbox;
	readonly inbox: InboxStore;
	readonly shadows: ShadowStore;
	readonly embeddings: EmbeddingStore;
	readonly logReader: LogReader;
	readonly restoredStates: RestoredStates;
	/** As a process with that clock has them, in milliseconds since the epoch. */
	readonly tables: (wallMs: () => number) => VectorTables;
	/** Undefined: no snapshots are made. */
	readonly snapshots:
		| {
				readonly store: SnapshotStore;
				readonly reader: SnapshotReader;
				readonly archive: SnapshotArchive;
				readonly imports: ImportStore;
		  }
		| undefined;
}

/** Those of one process. */
interface OwnPorts extends Omit<SharedPorts, "tables"> {
	readonly tables: VectorTables;
}

/** all: takes the lease if it can. worker: takes jobs only. */
export type Role = "all" | "worker";

export interface LifeOptions {
	readonly spec: ChainSpec;
	readonly role: Role;
	readonly context: PortContext;
	readonly ports: SharedPorts;
	/** Of this life alone. */
	readonly queue: RollbackQueue;
	readonly source: ChainSource;
	readonly settings: WriterSettings;
	readonly inlineRollbacks: boolean;
	readonly flushRows: number;
	/** Memories that a rollback sets back one by one; beyond it restores. */
	readonly rollbackChanges: number;
	/** Whether vectors are kept as of an embedder that costs something, and embedding is fanned out. */
	readonly fansOut: boolean;
	readonly embedder: Embedder;
	readonly log: Logger;
}

export class ProcessLife {
	readonly chain: ChainProcess;
	readonly writes: AgentWrites;
	readonly coordinator: RollbackCoordinator;
	readonly rollbackStore: RollbackStore;
	readonly writerStore: WriterStore;
	/** As this process reaches them. */
	readonly ports: OwnPorts;
	readonly restorer: Restorer;
	readonly #dispatch: RollbackDispatch;
	readonly #options: LifeOptions;

	constructor(options: LifeOptions) {
		this.#options = options;
		const { spec, context, log, settings, inlineRollbacks, flushRows } = options;
		const { clock, process: holder } = context;
		const ports = this.#ports();
		this.ports = ports;
		this.rollbackStore = ports.rollback;
		this.writerStore = ports.writer;
		const embedder = options.fansOut
			? new RecordedEmbedder(options.embedder, ports.embeddings)
			: options.embedder;
		const fanOut = new FanOut({
			store: ports.tasks,
			embedder,
			queue: ports.queue,
			holder,
			log,
			clock,
			sizes: TASK_SIZES,
		});
		const collections = new CollectionChecks(spec.id, ports.inbox, embedder);
		const archive = ports.snapshots && new ArchiveSource(ports.snapshots.archive);
		const restorer = new Restorer({
			shadows: ports.shadows,
			log: ports.logReader,
			snapshots: archive,
		});
		this.restorer = restorer;
		this.coordinator = new RollbackCoordinator({
			store: ports.rollback,
			writerStore: ports.writer,
			restorer,
			states: ports.restoredStates,
			changesLimit: options.rollbackChanges,
			embedder,
			fanOut,
			collections: () => collections,
			settings: () => settings,
			consolidator: NO_CONSOLIDATOR,
			holder,
			log,
			clock,
			onProgress: () => undefined,
			beforeStage: async () => undefined,
		});
		this.chain = new ChainProcess({
			spec,
			source: ports.source,
			holder,
			writerStore: ports.writer,
			flushStore: ports.flush,
			retentionStore: ports.retention,
			logCutter: ports.logCutter,
			coordinator: this.coordinator,
			embedder,
			tables: ports.tables,
			collections,
			settings,
			consolidator: NO_CONSOLIDATOR,
			snapshots:
				ports.snapshots && archive
					? {
							store: ports.snapshots.store,
							reader: ports.snapshots.reader,
							source: archive,
							importer: new SnapshotImport({
								restorer,
								store: ports.snapshots.imports,
								target: () => this.chain,
								log,
							}),
							log,
						}
					: undefined,
			log,
			clock,
			inlineRollbacks,
			flushRows,
			onCommit: () => undefined,
		});
		this.#dispatch = new RollbackDispatch({
			queue: ports.queue,
			outbox: ports.outbox,
			coordinator: this.coordinator,
			inlineRollbacks,
			fanOut,
			log,
			clock,
			chain: (chainId) =>
				chainId === spec.id
					? {
							leads: this.chain.follower !== undefined,
							deriver: this.chain.deriver,
							rollbackDue: () => this.chain.follower?.rollbackDue(),
						}
					: undefined,
		});
		this.writes = new AgentWrites({
			spec,
			source: ports.source,
			inbox: ports.inbox,
			collections,
			embedder,
			settings: {
				of: (namespace) => settings.all().get(namespace) ?? NO_SETTINGS,
				refresh: () => settings.refresh(),
			},
			checks: { look: { look: async () => undefined }, schemas: new ContentSchemas() },
			clock,
			writer: () => this.chain.writer,
			flusher: () => this.chain.flusher,
			poke: () => this.chain.follower?.poke(),
		});
	}

	/** As main.ts: the dispatch first, then the chain. */
	start(): void {
		const { role, log, context } = this.#options;
		this.#dispatch.start().catch((error: unknown) => {
			log.warn({ err: error }, "the queue could not be consumed");
			// main.ts gives up then, and whoever runs it starts it again.
			context.crash();
		});
		if (role === "all") this.chain.start();
		// Its keeper of snapshots sleeps by the machine's clock, not by this one.
		context.clock.every(KEEPER_LOOK_MS, () => this.chain.snapshots?.poke());
	}

	/** SIGTERM. */
	async stop(): Promise<void> {
		await this.#dispatch.stop();
		if (this.#options.role === "all") await this.chain.stop();
	}

	rollbackDue(): void {
		this.chain.follower?.rollbackDue();
	}

	#ports() {
		const { ports, context, queue, source } = this.#options;
		const faulty = <Port extends object>(name: PortName, port: Port) =>
			faultyPort(name, port, context);
		const { snapshots } = ports;
		return {
			writer: faulty("writer", ports.writer),
			flush: faulty("flush", ports.flush),
			retention: faulty("retention", ports.retention),
			logCutter: faulty("logCutter", ports.logCutter),
			rollback: faulty("rollback", ports.rollback),
			tasks: faulty("tasks", ports.tasks),
			outbox: faulty("outbox", ports.outbox),
			inbox: faulty("inbox", ports.inbox),
			shadows: faulty("shadows", ports.shadows),
			embeddings: faulty("embeddings", ports.embeddings),
			logReader: faulty("logReader", ports.logReader),
			restoredStates: faulty("restoredStates", ports.restoredStates),
			tables: faulty(
				"tables",
				ports.tables(() => context.clock.wallMs()),
			),
			queue: faulty("queue", queue),
			source: faulty("source", source),
			snapshots: snapshots && {
				store: faulty("snapshots", snapshots.store),
				reader: faulty("snapshotReader", snapshots.reader),
				archive: faulty("archive", snapshots.archive),
				imports: faulty("imports", snapshots.imports),
			},
		};
	}
}

/** So small that the few texts of a run are tasks. */
const TASK_SIZES = { leastTexts: 2, texts: 1, characters: 1_000 };

const NO_CONSOLIDATOR: Consolidator = { consolidate: async () => [] };

/** As the keeper itself looks; after a failure that is sooner than it would. */
const KEEPER_LOOK_MS = 1_000;

const DIMENSIONS = 4;

/** Tells texts apart, and no more. */
export const EMBEDDER: Embedder = {
	model: "simulated-4",
	dimensions: DIMENSIONS,
	embed: async (texts) => texts.map(embedded),
};

function embedded(text: string): Float32Array {
	const bytes = createHash("sha256").update(text).digest();
	const raw = Array.from({ length: DIMENSIONS }, (_, index) => (bytes[index] ?? 0) - 127.5);
	const length = Math.hypot(...raw);
	return Float32Array.from(raw, (each) => each / length);
}
