/**
 * Stands for Postgres in simulations: one durable state, and the stores that the processes have on it.
 *
 * 1. A call takes effect at one synchronous point, whole or not at all, and its answer comes at once.
 *    Delays, failures and deaths are added in front of it.
 * 2. What is answered is a frozen copy: no process sees another's objects.
 * 3. Its clock is the one that is given, by which leases and claims lapse.
 *
 * test/simulation/conformance runs the same cases against this and against the real stores.
 */

import { EMPTY_ROOTS } from "../../../src/commitment/state-root.ts";
import { FatalError } from "../../../src/domain/errors.ts";
import type { ChainId, Height, Hex } from "../../../src/domain/ids.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import type { ImportStore } from "../../../src/restore/import-store.ts";
import type { LogReader } from "../../../src/restore/log-reader.ts";
import type { ShadowStore } from "../../../src/restore/shadow-store.ts";
import type { Outbox } from "../../../src/rollback/dispatch.ts";
import type { RestoredStates } from "../../../src/rollback/restored-states.ts";
import type { RollbackStore } from "../../../src/rollback/rollback-store.ts";
import type { TaskStore } from "../../../src/rollback/task-store.ts";
import type { SnapshotRow } from "../../../src/snapshots/snapshot-row.ts";
import type { SnapshotReader, SnapshotStore } from "../../../src/snapshots/snapshot-store.ts";
import type { FlushStore } from "../../../src/writer/flush-store.ts";
import type { InboxStore } from "../../../src/writer/inbox-store.ts";
import type { LogCutter, RetentionStore } from "../../../src/writer/retention.ts";
import type { WriterStore } from "../../../src/writer/writer-store.ts";
import { dumpTables } from "./dump.ts";
import { FakeDatabase } from "./fake-database.ts";
import { FakeFlushStore } from "./fake-flush-store.ts";
import { FakeImportStore } from "./fake-import-store.ts";
import { FakeInboxStore } from "./fake-inbox-store.ts";
import { FakeLogReader } from "./fake-log-reader.ts";
import { FakeOutbox } from "./fake-outbox.ts";
import { FakeReads } from "./fake-reads.ts";
import { FakeRestoredStates } from "./fake-restored-states.ts";
import { FakeLogCutter, FakeRetention } from "./fake-retention.ts";
import { FakeRollbackStore } from "./fake-rollback-store.ts";
import { FakeShadowStore } from "./fake-shadow-store.ts";
import { FakeSnapshotReader } from "./fake-snapshot-reader.ts";
import { FakeSnapshotStore } from "./fake-snapshot-store.ts";
import { FakeTaskStore } from "./fake-task-store.ts";
import { FakeWriterStore } from "./fake-writer-store.ts";

export type AddedSnapshot = Pick<
	SnapshotRow,
	| "blockHash"
	| "cause"
	| "chainId"
	| "generation"
	| "height"
	| "logPosition"
	| "snapshotId"
	| "state"
>;

/** Whether the process behind a holder's name is known to be gone. */
export type IsGone = (holder: string) => boolean;

const NOBODY_IS_GONE: IsGone = () => false;

export class FakePostgres {
	readonly #database: FakeDatabase;
	/** What it holds, for whoever judges. */
	readonly read: FakeReads;

	/** `now`: the server's clock, in milliseconds since the epoch. */
	constructor({ now }: { readonly now: () => number }) {
		this.#database = new FakeDatabase(now);
		this.read = new FakeReads(this.#database);
	}

	/** Throws `FatalError("handlers_differ")`. */
	registerChain(
		chain: {
			readonly id: ChainId;
			readonly name: string;
			readonly startBlock: Height;
			readonly handlersHash: Hex;
			/** Undefined: the least. */
			readonly windowBlocks?: number | undefined;
		},
		isGone: IsGone = NOBODY_IS_GONE,
	): void {
		const { id, name, startBlock, handlersHash, windowBlocks = LIMITS.windowBlocks } = chain;
		const tables =
			this.#database.find(id) ??
			this.#database.add({ id, name, startBlock, handlersHash, windowBlocks });
		const { row } = tables;
		if (row.startBlock !== startBlock && row.headHeight !== undefined) {
			throw differs(`chain ${name} was derived from block ${row.startBlock}, not ${startBlock}`);
		}
		const { leaseHolder, leaseUntilMs = 0 } = row;
		const isHeld =
			leaseHolder !== undefined && leaseUntilMs > this.#database.now() && !isGone(leaseHolder);
		if (row.handlersHash !== handlersHash && isHeld) {
			throw differs(`another process follows chain ${name} with handlers ${row.handlersHash}`);
		}
		tables.update({ name, handlersHash, startBlock });
	}

	writerStore(isGone: IsGone = NOBODY_IS_GONE): WriterStore {
		return new FakeWriterStore(this.#database, isGone);
	}

	rollbackStore(isGone: IsGone = NOBODY_IS_GONE, receivers: readonly string[] = []): RollbackStore {
		return new FakeRollbackStore(this.#database, isGone, receivers);
	}

	taskStore(): TaskStore {
		return new FakeTaskStore(this.#database);
	}

	inboxStore(): InboxStore {
		return new FakeInboxStore(this.#database);
	}

	outbox(): Outbox {
		return new FakeOutbox(this.#database);
	}

	flushStore(): FlushStore {
		return new FakeFlushStore(this.#database);
	}

	retentionStore(): RetentionStore {
		return new FakeRetention(this.#database);
	}

	logCutter(): LogCutter {
		return new FakeLogCutter(this.#database);
	}

	logReader(): LogReader {
		return new FakeLogReader(this.#database);
	}

	shadowStore(): ShadowStore {
		return new FakeShadowStore(this.#database);
	}

	snapshotStore(): SnapshotStore {
		return new FakeSnapshotStore(this.#database);
	}

	snapshotReader(): SnapshotReader {
		return new FakeSnapshotReader(this.#database);
	}

	importStore(): ImportStore {
		return new FakeImportStore(this.#database);
	}

	restoredStates(): RestoredStates {
		return new FakeRestoredStates(this.#database);
	}

	/** Every row by table and column, as Postgres has them. */
	dump(): ReturnType<typeof dumpTables> {
		return dumpTables(this.#database);
	}

	/** A snapshot's row, without the snapshot. */
	addSnapshot(snapshot: AddedSnapshot): void {
		this.#database.snapshots.insert({
			...snapshot,
			kind: "full",
			parentId: undefined,
			versionId: 0n,
			roots: EMPTY_ROOTS,
			manifestHash: `0x${snapshot.snapshotId.replaceAll("-", "")}`,
			memories: 0,
			chunks: 0,
			rawBytes: 0,
			storedBytes: 0,
			progress: undefined,
			error: undefined,
			createdMs: this.#database.now(),
			storedMs: undefined,
			verifiedMs: undefined,
		});
	}

	/** Tells of each chain of which something took effect, at once. The answer ends it. */
	onChange(listener: (chainId: ChainId) => void): () => void {
		return this.#database.onChange(listener);
	}
}

function differs(message: string): FatalError {
	return new FatalError("handlers_differ", {
		message,
		hint: "run the same chain's file everywhere, or stop the other process first",
	});
}
