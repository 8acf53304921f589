/** What the cases are run on: the stores of Postgres, real or simulated, or both at once. */
import type { ChainId, Height, Hex } from "../../../src/domain/ids.ts";
import type { ImportStore } from "../../../src/restore/import-store.ts";
import type { LogReader } from "../../../src/restore/log-reader.ts";
import type { ShadowStore } from "../../../src/restore/shadow-store.ts";
import type { Outbox } from "../../../src/rollback/dispatch.ts";
import type { RestoredStates } from "../../../src/rollback/restored-states.ts";
import type { RollbackStore } from "../../../src/rollback/rollback-store.ts";
import type { TaskStore } from "../../../src/rollback/task-store.ts";
import type { SnapshotReader, SnapshotStore } from "../../../src/snapshots/snapshot-store.ts";
import type { FlushStore } from "../../../src/writer/flush-store.ts";
import type { InboxStore } from "../../../src/writer/inbox-store.ts";
import type { LogCutter, RetentionStore } from "../../../src/writer/retention.ts";
import type { WriterStore } from "../../../src/writer/writer-store.ts";

/** The holder of this name is known to be gone; nobody else is. */
export const GONE = "gone";

export interface RegisteredChain {
	readonly id: ChainId;
	readonly name: string;
	readonly startBlock: Height;
	readonly handlersHash: Hex;
}

/** Rows as text by column, without those that are null. Times say only whether they are there. */
export type DumpedRow = Readonly<Record<string, string>>;
export type Dump = Readonly<Record<string, readonly DumpedRow[]>>;

export interface Ports {
	readonly writer: WriterStore;
	readonly rollbacks: RollbackStore;
	readonly tasks: TaskStore;
	readonly inbox: InboxStore;
	readonly outbox: Outbox;
	readonly flush: FlushStore;
	readonly retention: RetentionStore;
	readonly logCutter: LogCutter;
	readonly log: LogReader;
	readonly shadows: ShadowStore;
	readonly restored: RestoredStates;
	readonly snapshots: SnapshotStore;
	readonly snapshotReader: SnapshotReader;
	readonly imports: ImportStore;
}

export interface StoresUnderTest {
	readonly ports: Ports;
	registerChain(chain: RegisteredChain): Promise<void>;
	/** Lets so much of the server's time pass. */
	pass(ms: number): Promise<void>;
	/** A verified snapshot, as its maker would have recorded it. */
	addSnapshot(snapshot: AddedSnapshot): Promise<void>;
	/** Everything that is durable, sorted. */
	dump(): Promise<Dump>;
}

export interface AddedSnapshot {
	readonly snapshotId: string;
	readonly chainId: ChainId;
	readonly state: "stored" | "verified" | "damaged";
	readonly cause: "operator" | "import";
	readonly height: Height;
	readonly generation: bigint;
	readonly blockHash: Hex;
	readonly logPosition: bigint;
}

/** A rule that every store keeps; runs on stores without any row. */
export interface ConformanceCase {
	readonly name: string;
	run(stores: StoresUnderTest): Promise<void>;
}
