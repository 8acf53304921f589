/**
 * Stands for Postgres under the writer and the rollback: keeps what commits say, and answers from it. It
 * knows what a consistent table is, and none of the rules by which memories change.
 */
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import type { BlockHeader } from "../../src/domain/block.ts";
import type { Height, MemoryKey, OperationId, VersionId } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import { fromWire, type StoredOperation } from "../../src/memory/operation-codec.ts";
import {
	type NewRollback,
	NO_COUNTS,
	type RollbackRecord,
} from "../../src/rollback/rollback-record.ts";
import type { Part, RollbackCommit, RollbackStore } from "../../src/rollback/rollback-store.ts";
import type { ChainState } from "../../src/writer/chain-state.ts";
import type {
	Checkpoint,
	CommitBatch,
	LogEntry,
	OperationUpdate,
} from "../../src/writer/commit-batch.ts";
import type {
	InboxEntry,
	OpenOperation,
	PackedLeaves,
	Problem,
	WriterStore,
} from "../../src/writer/writer-store.ts";
import { SpanRows } from "./span-rows.ts";

/** An operation as its row has it. */
type OperationRow = OperationUpdate & { readonly stored: StoredOperation };

const ROLLBACK = { stage: undefined, claimUntil: undefined, done: 0, total: 0, stageMs: {} };

export class MemoryWriterStore {
	readonly rows = new SpanRows();
	readonly log: LogEntry[] = [];
	readonly keys = new Set<MemoryKey>();
	readonly operations = new Map<string, OperationRow>();
	readonly reports: string[] = [];
	readonly #stored = new Map<string, StoredOperation>();
	#inbox: readonly InboxEntry[] = [];
	#entries = 0n;
	#headers: readonly BlockHeader[] = [];
	#checkpoints = new Map<Height, Checkpoint>();
	#halt: Problem | undefined;
	#rollback: RollbackRecord | undefined;
	#parts: readonly Part[] = [];
	#state: ChainState;

	constructor(start: Pick<ChainState, "chainId" | "startBlock">) {
		this.#state = {
			...start,
			generation: 0n,
			fence: 1n,
			logPosition: 0n,
			versionSeq: 0n,
			roots: EMPTY_ROOTS,
			head: undefined,
			safe: 0n,
			finalized: 0n,
			pointers: {},
		};
	}

	get state(): ChainState {
		return this.#state;
	}

	get halted(): Problem | undefined {
		return this.#halt;
	}

	/** Puts one request into the inbox. */
	queue(operations: readonly StoredOperation[]): void {
		this.#entries += 1n;
		this.#inbox = [...this.#inbox, { entryId: this.#entries, operations }];
		for (const stored of operations) this.#stored.set(stored.operationId, stored);
	}

	/** What is visible in the present generation. */
	visible(height: Height, generation = this.#state.generation): readonly Version[] {
		return [...this.keys].flatMap((key) => this.rows.read(key, { height, generation }) ?? []);
	}

	/** Of the present branch. */
	checkpoint(height: Height): Checkpoint | undefined {
		return this.#checkpoints.get(height);
	}

	get writer(): WriterStore {
		const store: Omit<WriterStore, "acquireLease" | "renewLease" | "releaseLease"> = {
			loadChain: async () => ({ state: this.#state, window: this.#headers, halt: this.#halt }),
			leaves: () => this.#leaves(),
			inbox: async (_chain, limit) => this.#inbox.slice(0, limit),
			latestVersions: async (_chain, keys) => this.#rowsOf(keys, (rows) => rows.slice(-2)),
			expiring: async (_chain, range) =>
				[...this.keys].filter((key) => this.rows.present(key).some((row) => endsIn(row, range))),
			openOperations: async (_chain, { judgedAbove }) => this.#open(judgedAbove),
			vectors: async () => new Map<VersionId, Float32Array>(),
			commit: async (batch, expected) => {
				if (expected.generation !== this.#state.generation) throw new RangeError("old generation");
				this.#apply(batch);
			},
			settleFinal: async () => undefined,
			halt: async (_chain, _fence, problem) => {
				this.#halt = problem;
			},
		};
		return store as WriterStore;
	}

	get rollbacks(): RollbackStore {
		return {
			record: async (rollback) => this.#record(rollback),
			load: async () => this.#rollback,
			active: async () => undefined,
			claim: async () => {
				this.#update({ state: "running", attempt: (this.#rollback?.attempt ?? 0) + 1 });
				return this.#rollback;
			},
			renewClaim: async () => undefined,
			progress: async () => undefined,
			planned: async (_id, _attempt, { strategy, reason }) =>
				this.#update({ strategy, strategyReason: reason }),
			prepared: async (_id, _attempt, { parts, counts }) => {
				this.#parts = parts;
				this.#update({ state: "prepared", counts });
			},
			commit: async (commit) => this.#commitRollback(commit),
			parts: async () => this.#parts,
			end: async (_id, how) => {
				this.#update({ state: how.state, error: how.state === "failed" ? how.error : undefined });
			},
			release: async () => undefined,
			checkpoint: async (_chain, height) => this.#checkpoints.get(height),
			touched: async (_chain, { ancestor, to, limit }) =>
				[...this.keys]
					.filter((key) =>
						this.rows
							.present(key)
							.some((row) => row.fromBlock > ancestor || endsIn(row, { above: ancestor, to })),
					)
					.slice(0, limit),
			versionsAround: async (_chain, keys, ancestor) =>
				this.#rowsOf(keys, (rows) => {
					const below = rows.filter((row) => row.fromBlock <= ancestor).slice(-1);
					return [...below, ...rows.filter((row) => row.fromBlock > ancestor)];
				}),
		};
	}

	#rowsOf(
		keys: readonly MemoryKey[],
		choose: (rows: readonly Version[]) => readonly Version[],
	): ReadonlyMap<MemoryKey, readonly Version[]> {
		const found = keys.map((key) => [key, choose(this.rows.present(key))] as const);
		return new Map(found.filter(([, rows]) => rows.length > 0));
	}

	/** With what is still to end in the pending slot. */
	async *#leaves(): AsyncIterable<PackedLeaves> {
		const pending = this.#state.head === undefined ? 0n : this.#state.head.number + 1n;
		for (const key of this.keys) {
			const rows = this.rows.present(key);
			const isOver = rows.some(({ fromBlock }) => fromBlock === pending);
			const row = rows.find(({ fromBlock, toBlock, expiresBlock, content }) => {
				const endsNext = toBlock === pending && expiresBlock === pending && !isOver;
				return content !== undefined && fromBlock <= pending && (toBlock > pending || endsNext);
			});
			if (row !== undefined) yield { layer: row.layer, bytes: packed(row) };
		}
	}

	#apply(batch: CommitBatch): void {
		if (batch.basePosition !== this.#state.logPosition) throw new RangeError("old log position");
		this.rows.apply(batch.changes, batch.generation);
		for (const { memoryKey } of batch.changes.insert) this.keys.add(memoryKey);
		this.log.push(...batch.log);
		this.#headers = [...this.#headers, ...batch.blocks];
		for (const each of batch.checkpoints) this.#checkpoints.set(each.height, each);
		for (const update of batch.operations) this.#updateOperation(update);
		const settled = new Set(batch.settledEntries);
		this.#inbox = this.#inbox.filter(({ entryId }) => !settled.has(entryId));
		const { generation, logPosition, versionSeq, roots, head } = batch;
		this.#state = { ...this.#state, generation, logPosition, versionSeq, roots, head };
	}

	#updateOperation(update: OperationUpdate): void {
		const stored =
			this.operations.get(update.operationId)?.stored ?? this.#stored.get(update.operationId);
		if (stored === undefined) throw new RangeError(`nobody wrote ${update.operationId}`);
		const anchor =
			stored.anchor.kind === "none" || update.anchor === undefined
				? stored.anchor
				: { ...stored.anchor, ...update.anchor };
		this.operations.set(update.operationId, { ...update, stored: { ...stored, anchor } });
	}

	#commitRollback({ batch, ancestor, report }: RollbackCommit): void {
		this.#headers = this.#headers.filter(({ number }) => number <= ancestor);
		this.#checkpoints = new Map([...this.#checkpoints].filter(([height]) => height <= ancestor));
		this.#apply(batch);
		this.reports.push(report);
		this.#update({ state: "committed" });
	}

	#record(rollback: NewRollback): void {
		this.#rollback = {
			...ROLLBACK,
			...rollback,
			state: "recorded",
			attempt: 0,
			claimHolder: undefined,
			counts: NO_COUNTS,
			strategy: undefined,
			strategyReason: undefined,
			error: undefined,
			supersededBy: undefined,
			createdAt: new Date(0),
			finishedAt: undefined,
		};
	}

	#update(changes: Partial<RollbackRecord>): void {
		if (this.#rollback === undefined) throw new RangeError("there is no rollback");
		this.#rollback = { ...this.#rollback, ...changes };
	}

	#open(judgedAbove: Height | undefined): readonly OpenOperation[] {
		return [...this.operations.values()]
			.filter(
				({ status, judgedSlot }) =>
					status !== "refused" &&
					(status === "suspended" || (judgedAbove !== undefined && judgedSlot > judgedAbove)),
			)
			.sort((a, b) => Number(a.position - b.position))
			.map((row) => this.#asOpen(row));
	}

	#asOpen(row: OperationRow): OpenOperation {
		const body = JSON.parse(this.log[Number(row.position) - 1]?.body ?? "{}");
		const stored = { ...fromWire(body), anchor: row.stored.anchor };
		return {
			stored,
			judged: {
				operationId: row.operationId as OperationId,
				position: row.position,
				operation: stored.operation,
				anchor: stored.anchor,
				originalSlot: row.originalSlot,
				status: row.status as "applied",
				effectiveSlot: row.effectiveSlot,
			},
			judgedSlot: row.judgedSlot,
			conditionPosition:
				body.conditionPosition === undefined ? undefined : BigInt(body.conditionPosition),
		};
	}
}

/** It ends by itself, by height. */
function endsIn(
	{ content, expiresBlock, toBlock }: Version,
	{ above, to }: { readonly above: Height; readonly to: Height },
): boolean {
	if (content === undefined || expiresBlock === undefined || expiresBlock !== toBlock) return false;
	return expiresBlock > above && expiresBlock <= to;
}

function packed({ memoryKey, contentHash }: Version): Uint8Array {
	return Buffer.from(`${memoryKey.replaceAll("-", "")}${contentHash.slice(2)}`, "hex");
}
