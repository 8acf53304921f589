/** All that is durable in the simulated Postgres. */
import type { ChainId, Hex, RollbackId } from "../../../src/domain/ids.ts";
import type { Shadow, ShadowRow } from "../../../src/restore/shadow-store.ts";
import type { RollbackRecord } from "../../../src/rollback/rollback-record.ts";
import type { Part } from "../../../src/rollback/rollback-store.ts";
import type { AttemptOf } from "../../../src/rollback/task-store.ts";
import type { SnapshotRow } from "../../../src/snapshots/snapshot-row.ts";
import { ChainTables, type NewChain } from "./chain-tables.ts";
import { Journal, Rows } from "./rows.ts";

type Moments = "claimUntil" | "createdAt" | "finishedAt" | "readAt" | "stageStartedAt";

export interface RollbackRow extends Omit<RollbackRecord, Moments> {
	readonly claimUntilMs: number | undefined;
	readonly stageStartedMs: number | undefined;
	readonly createdMs: number;
	readonly finishedMs: number | undefined;
	/** JSON; undefined until it is committed. */
	readonly report: string | undefined;
}

export interface TaskRow extends AttemptOf {
	readonly task: number;
	readonly body: string;
	readonly state: "waiting" | "running" | "done";
	readonly claimHolder: string | undefined;
	readonly claimUntilMs: number | undefined;
	readonly takes: number;
}

export interface PartRow extends Part {
	readonly rollbackId: RollbackId;
	readonly attempt: number;
}

export interface OutboxRow {
	readonly outboxId: bigint;
	readonly topic: "rollback" | "webhook";
	/** JSON. */
	readonly payload: string;
}

export interface ShadowHead extends Shadow {
	readonly createdMs: number;
}

export interface ShadowVersionRow extends ShadowRow {
	readonly shadowId: string;
	/** True: the row stands in `versions` as it is here. */
	readonly kept: boolean;
}

export interface StoredSnapshot extends Omit<SnapshotRow, SnapshotAnswer> {
	readonly manifestHash: Hex | undefined;
	/** JSON. */
	readonly progress: string | undefined;
	readonly createdMs: number;
	readonly storedMs: number | undefined;
	readonly verifiedMs: number | undefined;
}

/** What is answered in another form. */
type SnapshotAnswer = "createdAt" | "manifestId" | "progress" | "storedAt" | "verifiedAt";

export interface DeliveryRow {
	readonly chainId: ChainId;
	readonly rollbackId: RollbackId;
	readonly url: string;
}

export class FakeDatabase {
	readonly #journal = new Journal();
	readonly #chains = new Map<ChainId, ChainTables>();
	readonly #now: () => number;
	readonly #listeners = new Set<(chainId: ChainId) => void>();
	readonly #sequences = new Map<string, bigint>();
	readonly rollbacks = new Rows<RollbackRow>(this.#journal, "rollbacks", (row) => row.rollbackId);
	readonly parts = new Rows<PartRow>(this.#journal, "rollback_parts", partKey);
	readonly tasks = new Rows<TaskRow>(this.#journal, "rollback_tasks", taskKey);
	readonly outbox = new Rows<OutboxRow>(this.#journal, "outbox", (row) => `${row.outboxId}`);
	readonly shadows = new Rows<ShadowHead>(this.#journal, "shadows", (row) => row.shadowId);
	readonly shadowVersions = new Rows<ShadowVersionRow>(this.#journal, "shadow_versions", (row) =>
		shadowRowKey(row.shadowId, row.memoryKey),
	);
	readonly snapshots = new Rows<StoredSnapshot>(
		this.#journal,
		"snapshots",
		(row) => row.snapshotId,
	);
	readonly deliveries = new Rows<DeliveryRow>(this.#journal, "deliveries", (row) =>
		JSON.stringify([row.rollbackId, row.url]),
	);

	constructor(now: () => number) {
		this.#now = now;
	}

	/** The server's clock, in milliseconds since the epoch. */
	now(): number {
		return this.#now();
	}

	find(chainId: ChainId): ChainTables | undefined {
		return this.#chains.get(chainId);
	}

	chains(): readonly ChainTables[] {
		return [...this.#chains.values()];
	}

	add(chain: NewChain): ChainTables {
		const tables = new ChainTables(this.#journal, chain);
		this.#chains.set(chain.id, tables);
		return tables;
	}

	transaction<Result>(work: () => Result): Result {
		return this.#journal.transaction(work);
	}

	/** As of a `bigserial`: what a transaction took stays taken when it is undone. */
	next(sequence: "inbox" | "outbox"): bigint {
		const next = (this.#sequences.get(sequence) ?? 0n) + 1n;
		this.#sequences.set(sequence, next);
		return next;
	}

	/** Tells of something of a chain that took effect. */
	changed(chainId: ChainId): void {
		for (const listener of this.#listeners) listener(chainId);
	}

	onChange(listener: (chainId: ChainId) => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}
}

function partKey({ rollbackId, attempt, part, seq }: PartRow): string {
	return JSON.stringify([rollbackId, attempt, part, seq]);
}

export function taskKey({
	rollbackId,
	attempt,
	task,
}: Pick<TaskRow, "attempt" | "rollbackId" | "task">): string {
	return `${rollbackId}/${attempt}/${task}`;
}

export function shadowRowKey(shadowId: string, memoryKey: string): string {
	return `${shadowId}/${memoryKey}`;
}
