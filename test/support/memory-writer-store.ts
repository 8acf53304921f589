/**
 * Stands for Postgres under the writer and the rollback: keeps what commits say, and answers from it. It
 * knows what a consistent table is, and none of the rules by which memories change.
 */
import { LEAST_WINDOW } from "../../src/chain/window-size.ts";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import type { BlockHeader } from "../../src/domain/block.ts";
import {
	FOREVER,
	type Height,
	type LogPosition,
	type MemoryKey,
	type VersionId,
} from "../../src/domain/ids.ts";
import { isLinkId } from "../../src/domain/link.ts";
import type { LinkName } from "../../src/domain/link-name.ts";
import type { Version } from "../../src/domain/memory.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import type { SourceRef } from "../../src/domain/provenance.ts";
import { type Held, type HeldKey, heldKey } from "../../src/memory/ground.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
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
	LinkEdge,
	MemoryPlace,
	OpenOperation,
	PackedLeaves,
	Problem,
	WriterStore,
} from "../../src/writer/writer-store.ts";
import { VersionRows } from "../simulation/fakes/version-rows.ts";

const ROLLBACK = {
	stage: undefined,
	paused: false,
	failedStage: undefined,
	retries: 0,
	takeovers: 0,
	claimUntil: undefined,
	done: 0,
	total: 0,
	stageMs: {},
	stageStartedAt: undefined,
	readAt: new Date(0),
};

export class MemoryWriterStore {
	readonly rows = new VersionRows();
	readonly log: LogEntry[] = [];
	readonly keys = new Set<MemoryKey>();
	readonly operations = new Map<string, OperationUpdate>();
	readonly reports: string[] = [];
	/** Of every link that was ever written. */
	readonly #links = new Map<MemoryKey, LinkEdge>();
	/** How deep an operation is derived, by position. */
	readonly #depths = new Map<LogPosition, number>();
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
			...LEAST_WINDOW,
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
				[...this.keys].filter((key) =>
					this.rows.present(key).some((row) => endsIn(row, range) || endsByTime(row, range)),
				),
			expiryTimes: async () => {
				const open = this.#present.filter(({ toBlock }) => toBlock === FOREVER);
				const times = open.flatMap(({ expiresTime }) => expiresTime ?? []);
				return [...new Set(times)].sort((a, b) => Number(a - b));
			},
			heldSources: async (_chain, sources, upTo) => this.#held(sources, upTo),
			population: async (_chain, { namespace, layers, height, limit }) =>
				this.#at(height)
					.filter((row) => row.namespace === namespace && layers.includes(row.layer))
					.sort(byWriting)
					.reverse()
					.slice(0, limit)
					.map(({ memoryKey }) => memoryKey),
			writingOrder: async (_chain, { namespace, height, limit }) =>
				this.#at(height)
					.filter((row) => row.namespace === namespace && row.layer === "short_term")
					.sort(byWriting)
					.slice(0, limit),
			linksFrom: async (_chain, { keys, type, limit }) =>
				reachable([...this.#links.values()], keys, type).slice(0, limit),
			blockHashes: async (_chain, heights) =>
				new Map(
					this.#headers.flatMap(({ number, hash }) =>
						heights.includes(number) ? [[number, hash] as const] : [],
					),
				),
			nextPuts: async (_chain, above, upTo) => above.flatMap((place) => this.#nextPut(place, upTo)),
			openOperations: async (_chain, { judgedAbove }) => this.#open(judgedAbove),
			vectors: async () => new Map<VersionId, Float32Array>(),
			commit: async (batch, expected) => {
				if (expected.generation !== this.#state.generation) throw new RangeError("old generation");
				this.#apply(batch);
			},
			settleFinal: async () => undefined,
			resizeWindow: async () => undefined,
			recordGenesis: async () => undefined,
			halt: async (_chain, _fence, problem) => {
				this.#halt = problem;
				return undefined;
			},
		};
		return store as WriterStore;
	}

	get rollbacks(): RollbackStore {
		return {
			record: async (rollback) => this.#record(rollback),
			load: async () => this.#rollback,
			active: async () => undefined,
			failedForks: async () => [],
			claim: async () => {
				this.#update({ state: "running", attempt: (this.#rollback?.attempt ?? 0) + 1 });
				return this.#rollback;
			},
			renewClaim: async () => undefined,
			begin: async (_id, _attempt, { stage }) => {
				this.#update({ stage });
				return true;
			},
			progress: async () => undefined,
			planned: async (_id, _attempt, { strategy, reason }) =>
				this.#update({ strategy, strategyReason: reason }),
			prepared: async (_id, _attempt, { parts, counts }) => {
				this.#parts = parts;
				this.#update({ state: "prepared", counts });
			},
			commit: async (commit) => this.#commitRollback(commit),
			parts: async () => this.#parts,
			fail: async (_id, _attempt, { stage, error }) => {
				this.#update({ state: "failed", failedStage: stage, error });
				return true;
			},
			cancel: async () => {
				this.#update({ state: "cancelled" });
				return true;
			},
			release: async () => undefined,
			order: async () => {
				throw new RangeError("nobody orders anything here");
			},
			checkpoint: async (_chain, height) => this.#checkpoints.get(height),
			block: async (_chain, height) => this.#headers.find(({ number }) => number === height),
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

	/** Rows of the present generation. */
	get #present(): readonly Version[] {
		const rows = [...this.keys].flatMap((key) => this.rows.present(key));
		return rows.filter(({ content }) => content !== undefined);
	}

	#at(height: Height): Version[] {
		return this.#present.filter(
			({ fromBlock, toBlock }) => fromBlock <= height && toBlock > height,
		);
	}

	#held(sources: readonly SourceRef[], upTo: Height): ReadonlyMap<HeldKey, Held> {
		const held = new Map<HeldKey, Held>();
		for (const { namespace, id, contentHash } of sources) {
			const key = memoryKey(namespace, id);
			const [row] = this.rows
				.present(key)
				.filter(({ content, fromBlock }) => content !== undefined && fromBlock <= upTo)
				.filter((each) => each.contentHash === contentHash)
				.sort((a, b) => +a.suspect - +b.suspect || Number(a.fromBlock - b.fromBlock));
			if (row === undefined) continue;
			const { fromBlock: slot, grounds, suspect, position } = row;
			const depth = this.#depths.get(position) ?? 0;
			held.set(heldKey(key, contentHash), { slot, grounds, suspect, depth });
		}
		return held;
	}

	#nextPut({ namespace, id, position }: MemoryPlace, upTo: Height): readonly MemoryPlace[] {
		const puts = [...this.operations.values()].filter((each) => {
			const { operation } = this.#stored.get(each.operationId) ?? {};
			return (
				operation?.namespace === namespace &&
				operation.id === id &&
				["put", "action", "link"].includes(operation.kind) &&
				each.position > position &&
				each.effectiveSlot !== undefined &&
				each.effectiveSlot <= upTo
			);
		});
		const [first] = puts.map((each) => each.position).sort((a, b) => Number(a - b));
		return first === undefined ? [] : [{ namespace, id, position: first }];
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
		for (const version of batch.changes.insert) {
			this.keys.add(version.memoryKey);
			if (isLinkId(version.id) && version.content !== undefined) {
				this.#links.set(version.memoryKey, edgeOf(version.memoryKey, version.content));
			}
		}
		for (const { position, depth } of batch.derivations) this.#depths.set(position, depth);
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
		if (!this.#stored.has(update.operationId)) throw new RangeError("nobody wrote that");
		this.operations.set(update.operationId, update);
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
			.filter(({ status }) => status !== "refused")
			.filter(
				({ status, suspect, judgedSlot }) =>
					status === "suspended" ||
					suspect ||
					(judgedAbove !== undefined && judgedSlot > judgedAbove),
			)
			.sort((a, b) => Number(a.position - b.position))
			.map((row) => this.#asOpen(row));
	}

	/** As the log has it, with the row's anchors. */
	#asOpen(row: OperationUpdate): OpenOperation {
		const body = JSON.parse(this.log[Number(row.position) - 1]?.body ?? "{}");
		const { position, originalSlot, status, effectiveSlot, suspect, judgedSlot } = row;
		if (status === "refused") throw new RangeError("it was refused");
		return {
			stored: { ...fromWire(body), anchors: row.anchors },
			...{ position, originalSlot, status, effectiveSlot, suspect, judgedSlot },
			conditionPosition:
				body.conditionPosition === undefined ? undefined : BigInt(body.conditionPosition),
		};
	}
}

/** It ends by time, and is there above that height. */
function endsByTime(
	{ content, expiresTime, fromBlock, toBlock }: Version,
	{ above, time }: { readonly above: Height; readonly time: bigint },
): boolean {
	if (content === undefined || expiresTime === undefined || expiresTime > time) return false;
	return fromBlock <= above + 1n && toBlock > above;
}

function byWriting(a: Version, b: Version): number {
	return Number(a.position - b.position || a.versionId - b.versionId);
}

function edgeOf(linkKey: MemoryKey, content: JsonObject): LinkEdge {
	const { from, type, to } = content as unknown as LinkName;
	return {
		linkKey,
		fromKey: memoryKey(from.namespace, from.id),
		toKey: memoryKey(to.namespace, to.id),
		type,
	};
}

function reachable(
	links: readonly LinkEdge[],
	keys: readonly MemoryKey[],
	type: string,
): readonly LinkEdge[] {
	const found = new Set<LinkEdge>();
	const reached = new Set(keys);
	for (const key of reached) {
		for (const link of links) {
			if (link.type !== type || link.fromKey !== key) continue;
			found.add(link);
			reached.add(link.toKey);
		}
	}
	return [...found];
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
