/**
 * Every call of a port, and what it leaves behind: the one list of the durable steps of writer, follower,
 * rollback, flush and snapshot. Crash points are made from it.
 *
 * A method that is added to a port does not compile before it is in here.
 */
import type { ChainSource } from "../../src/follower/chain-source.ts";
import type { ImportStore } from "../../src/restore/import-store.ts";
import type { LogReader } from "../../src/restore/log-reader.ts";
import type { ShadowStore } from "../../src/restore/shadow-store.ts";
import type { Outbox } from "../../src/rollback/dispatch.ts";
import type { RestoredStates } from "../../src/rollback/restored-states.ts";
import type { RollbackQueue } from "../../src/rollback/rollback-queue.ts";
import type { RollbackStore } from "../../src/rollback/rollback-store.ts";
import type { TaskStore } from "../../src/rollback/task-store.ts";
import type { SnapshotArchive } from "../../src/snapshots/snapshot-archive.ts";
import type { SnapshotReader, SnapshotStore } from "../../src/snapshots/snapshot-store.ts";
import type { EmbeddingStore } from "../../src/vectors/embedding-store.ts";
import type { VectorTables } from "../../src/vectors/vector-tables.ts";
import type { FlushStore } from "../../src/writer/flush-store.ts";
import type { InboxStore } from "../../src/writer/inbox-store.ts";
import type { LogCutter, RetentionStore } from "../../src/writer/retention.ts";
import type { WriterStore } from "../../src/writer/writer-store.ts";

/** Whose work a step is. */
export type Work =
	| "agent"
	| "follower"
	| "flush"
	| "retention"
	| "rollback"
	| "snapshot"
	| "writer";

/** A call after which something is different for who comes later. */
export interface DurableStep {
	readonly of: Work;
	/** Where the production code takes it. */
	readonly from: string;
}

type Method = (...args: never[]) => unknown;
type ClassOf<Member> = Member extends (...args: never[]) => Promise<unknown>
	? "read" | DurableStep
	: Member extends (...args: never[]) => AsyncIterable<unknown>
		? "stream"
		: Member extends Method
			? "local"
			: "value";

/** read and stream change nothing; local never leaves the process. */
export type PortSteps<Port> = { readonly [Member in keyof Port]-?: ClassOf<Port[Member]> };

const by = (of: Work, from: string): DurableStep => ({ of, from });

const writer: PortSteps<WriterStore> = {
	acquireLease: by("writer", "ChainProcess.#begin"),
	renewLease: by("writer", "ChainProcess.#renew"),
	releaseLease: by("writer", "ChainProcess.#end"),
	loadChain: "read",
	leaves: "stream",
	inbox: "read",
	latestVersions: "read",
	expiring: "read",
	expiryTimes: "read",
	heldSources: "read",
	population: "read",
	writingOrder: "read",
	linksFrom: "read",
	nextPuts: "read",
	blockHashes: "read",
	openOperations: "read",
	vectors: "read",
	commit: by("writer", "ChainWriter.#commit"),
	settleFinal: by("follower", "ChainWriter.settle, from Follower.#settle"),
	resizeWindow: by("writer", "ChainWriter.open"),
	recordGenesis: by("follower", "Incidents.otherGenesis, from Doubts.checkChain"),
	halt: by("follower", "ChainWriter.halt and ChainWriter.#checkTree"),
};

const flush: PortSteps<FlushStore> = {
	targets: "read",
	rows: "read",
	movePointer: by("flush", "VectorFlusher.#move"),
	oldestNamed: "read",
};

const tables: PortSteps<VectorTables> = {
	create: by("flush", "VectorFlusher.#write and remakeTable"),
	bringTo: by("flush", "VectorFlusher.#atPointer"),
	append: by("flush", "VectorFlusher.#write and remakeTable"),
	rewrite: by("flush", "Repairer"),
	search: "read",
	searchIndexed: "read",
	searchWords: "read",
	figures: "read",
	recall: "read",
	rows: "stream",
	compact: by("flush", "TableUpkeep.compact"),
	close: "read",
};

const retention: PortSteps<RetentionStore> = {
	prune: by("retention", "Retention.#step"),
};

const logCutter: PortSteps<LogCutter> = {
	cutLog: by("retention", "Retention.#step"),
};

const rollback: PortSteps<RollbackStore> = {
	record: by("rollback", "RollbackCoordinator.record"),
	load: "read",
	active: "read",
	failedForks: "read",
	claim: by("rollback", "RollbackCoordinator.#claimAndWork"),
	renewClaim: by("rollback", "RollbackCoordinator.#claimAndWork"),
	begin: by("rollback", "StageClock.begin"),
	progress: by("rollback", "StageClock"),
	planned: by("rollback", "makePlan"),
	prepared: by("rollback", "prepare"),
	commit: by("rollback", "RollbackCoordinator.#commit"),
	parts: "read",
	fail: by("rollback", "RollbackCoordinator.#failed"),
	cancel: by("rollback", "RollbackRounds.#lookAgain"),
	release: by("rollback", "RollbackCoordinator.#failed"),
	order: by("rollback", "an operator's pause, resume, cancel, retry and abandon"),
	block: "read",
	checkpoint: "read",
	touched: "read",
	versionsAround: "read",
};

const tasks: PortSteps<TaskStore> = {
	add: by("rollback", "FanOut"),
	take: by("rollback", "FanOut"),
	renew: by("rollback", "FanOut"),
	done: by("rollback", "FanOut"),
	giveBack: by("rollback", "FanOut"),
	open: "read",
	waiting: "read",
};

const outbox: PortSteps<Outbox> = {
	waiting: "read",
	unattended: "read",
	forget: by("rollback", "RollbackDispatch.#relay"),
};

const queue: PortSteps<RollbackQueue> = {
	backend: "value",
	enqueue: by("rollback", "RollbackDispatch.#relay"),
	consume: "read",
	close: "read",
};

const inbox: PortSteps<InboxStore> = {
	submit: by("agent", "AgentWrites.#submit"),
	earlier: "read",
	operations: "read",
	collection: "read",
	ensureCollection: by("agent", "CollectionChecks.#make"),
	tailRows: "read",
};

const source: PortSteps<ChainSource> = {
	chainId: "read",
	latest: "read",
	tagged: "read",
	blockByNumber: "read",
	blockByHash: "read",
	blocksByNumber: "read",
	logsOfBlock: "read",
	logsOfBlocks: "read",
	logsOfRange: "read",
	receipt: "read",
	support: "read",
	distrust: "local",
	call: "read",
	watch: "local",
	health: "local",
	close: "read",
};

const shadows: PortSteps<ShadowStore> = {
	begin: by("rollback", "restoreMemories"),
	put: by("rollback", "Restorer.#put"),
	remove: by("rollback", "Restorer, by a snapshot's removed records"),
	rows: "read",
	expiring: "read",
	page: "read",
	drop: by("rollback", "RollbackCoordinator.#drop"),
};

const embeddings: PortSteps<EmbeddingStore> = {
	find: "read",
	keep: by("writer", "RecordedEmbedder"),
};

const logReader: PortSteps<LogReader> = {
	cutTo: "read",
	rollbacks: "read",
	hasGroups: "read",
	entries: "read",
};

const restoredStates: PortSteps<RestoredStates> = {
	snapshots: "read",
	snapshotDamaged: by("rollback", "restoreAncestor"),
	settle: by("rollback", "restoreAncestor"),
	latestVersions: "read",
	population: "read",
	writingOrder: "read",
	vectors: "read",
	believedOtherwise: "read",
	unembedded: "read",
	giveVectors: by("rollback", "restoreAncestor"),
};

const snapshots: PortSteps<SnapshotStore> = {
	record: by("snapshot", "recordSnapshot, from SnapshotKeeper.#schedule"),
	recordImport: by("snapshot", "SnapshotService"),
	load: "read",
	byManifest: "read",
	list: "read",
	manifestIds: "read",
	due: "read",
	whole: "read",
	newest: "read",
	want: by("snapshot", "SnapshotService"),
	progress: by("snapshot", "createSnapshot and SnapshotKeeper.#sayHowFar"),
	becomeFull: by("snapshot", "createSnapshot"),
	stored: by("snapshot", "createSnapshot"),
	ended: by("snapshot", "SnapshotKeeper.#verify and #endBadly"),
	heldUp: by("snapshot", "SnapshotKeeper.#heldUp"),
	remove: by("snapshot", "takeAway"),
};

const snapshotReader: PortSteps<SnapshotReader> = {
	memoryCount: "read",
	memories: "read",
	memoriesOf: "read",
	changes: "read",
	collections: "read",
	headers: "read",
	operations: "read",
	chain: "read",
	isCanonical: "read",
	isOrphaned: "read",
	hashAt: "read",
	cutAtOrBelow: "read",
};

const archive: PortSteps<SnapshotArchive> = {
	place: "value",
	read: "read",
	has: "read",
	write: by("snapshot", "ArchiveSource.addChunk and addManifest"),
	remove: by("snapshot", "takeAway"),
	close: "read",
};

const imports: PortSteps<ImportStore> = {
	verifiedManifest: "read",
	standing: "read",
	replace: by("snapshot", "SnapshotImport"),
	failed: by("snapshot", "SnapshotImport"),
};

/** By the port's name in the simulation. */
export const PORT_STEPS = {
	writer,
	flush,
	tables,
	retention,
	logCutter,
	rollback,
	tasks,
	outbox,
	queue,
	inbox,
	source,
	shadows,
	embeddings,
	logReader,
	restoredStates,
	snapshots,
	snapshotReader,
	archive,
	imports,
} as const;

export type PortName = keyof typeof PORT_STEPS;

/** What throws `database_unavailable`, and so on, and what is away together. */
export const STORE_OF: { readonly [Name in PortName]: StoreName } = {
	writer: "postgres",
	flush: "postgres",
	tables: "lancedb",
	retention: "postgres",
	logCutter: "postgres",
	rollback: "postgres",
	tasks: "postgres",
	outbox: "postgres",
	queue: "queue",
	inbox: "postgres",
	source: "node",
	shadows: "postgres",
	embeddings: "postgres",
	logReader: "postgres",
	restoredStates: "postgres",
	snapshots: "postgres",
	snapshotReader: "postgres",
	archive: "archive",
	imports: "postgres",
};

export type StoreName = "archive" | "lancedb" | "node" | "postgres" | "queue";

/** `port.method` of every durable step. */
export const DURABLE_STEPS: readonly string[] = Object.entries(PORT_STEPS).flatMap(
	([port, steps]) =>
		Object.entries(steps).flatMap(([method, step]) =>
			typeof step === "object" ? [`${port}.${method}`] : [],
		),
);
