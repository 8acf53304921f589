/** Rows of rollbacks in the simulated database, and how they change; see postgres-rollback-store.ts. */
import { FatalError, RetryableError } from "../../../src/domain/errors.ts";
import type { ChainId, RollbackId } from "../../../src/domain/ids.ts";
import type { RollbackJob } from "../../../src/rollback/rollback-queue.ts";
import {
	isActive,
	type NewRollback,
	NO_COUNTS,
	type RollbackRecord,
} from "../../../src/rollback/rollback-record.ts";
import type { FakeDatabase, RollbackRow } from "./fake-database.ts";
import { frozen, throughJson } from "./frozen.ts";

export function newRow(
	{ branch, ancestor, from, ...rollback }: NewRollback,
	{ paused, nowMs }: { readonly paused: boolean; readonly nowMs: number },
): RollbackRow {
	return {
		...rollback,
		branch: frozen(branch.map((block) => ({ ...block }))),
		ancestor: frozen({ ...ancestor }),
		from: frozen({ ...from }),
		recoveryId: rollback.recoveryId,
		evidence: rollback.evidence && frozen({ ...rollback.evidence }),
		state: "recorded",
		paused,
		stage: undefined,
		failedStage: undefined,
		retries: 0,
		attempt: 0,
		takeovers: 0,
		claimHolder: undefined,
		claimUntilMs: undefined,
		done: 0,
		total: 0,
		counts: NO_COUNTS,
		stageMs: frozen({}),
		stageStartedMs: undefined,
		strategy: undefined,
		strategyReason: undefined,
		error: undefined,
		supersededBy: undefined,
		createdMs: nowMs,
		finishedMs: undefined,
		report: undefined,
	};
}

export function recordOf(row: RollbackRow, nowMs: number): RollbackRecord {
	const { claimUntilMs, stageStartedMs, createdMs, finishedMs, report: _report, ...rest } = row;
	return {
		...rest,
		claimUntil: moment(claimUntilMs),
		stageStartedAt: moment(stageStartedMs),
		createdAt: new Date(createdMs),
		finishedAt: moment(finishedMs),
		readAt: new Date(nowMs),
	};
}

function moment(ms: number | undefined): Date | undefined {
	return ms === undefined ? undefined : new Date(ms);
}

export function activeOf(database: FakeDatabase, chainId: ChainId): RollbackRow | undefined {
	return database.rollbacks.all().find((row) => row.chainId === chainId && isActive(row.state));
}

/** Of a rollback that ends. */
export function ended(row: RollbackRow, nowMs: number): Partial<RollbackRow> {
	return {
		paused: false,
		finishedMs: nowMs,
		claimUntilMs: undefined,
		claimHolder: undefined,
		...stageOver(row, nowMs),
	};
}

/** Of a stage that ends, if one is under way: one that died counts until its claim lapsed at the latest. */
export function stageOver(row: RollbackRow, nowMs: number): Partial<RollbackRow> {
	const { stage, stageStartedMs, claimUntilMs = nowMs, stageMs } = row;
	if (stage === undefined || stageStartedMs === undefined) return { stageStartedMs: undefined };
	const ms = Math.max(0, Math.min(nowMs, claimUntilMs) - stageStartedMs);
	const rounded = Math.round(ms * 100) / 100;
	return { stageStartedMs: undefined, stageMs: frozen({ ...stageMs, [stage]: rounded }) };
}

/** Of an attempt that has not begun. */
export const FROM_THE_BEGINNING: Partial<RollbackRow> = {
	stage: undefined,
	done: 0,
	total: 0,
	stageMs: frozen({}),
	stageStartedMs: undefined,
};

/** What was made for a rollback and not committed. */
export function dropPrepared(database: FakeDatabase, rollbackId: RollbackId): void {
	database.parts.deleteWhere((row) => row.rollbackId === rollbackId);
	database.tasks.deleteWhere((row) => row.rollbackId === rollbackId);
	dropShadowsOf(database, rollbackId);
}

/** What a rollback, an import or a run had built. */
export function dropShadowsOf(database: FakeDatabase, ownerId: string): void {
	for (const { shadowId } of database.shadows.deleteWhere((row) => row.ownerId === ownerId)) {
		database.shadowVersions.deleteWhere((row) => row.shadowId === shadowId);
	}
}

export function send(database: FakeDatabase, { rollbackId, retries }: RollbackJob): void {
	database.outbox.insert({
		outboxId: database.next("outbox"),
		topic: "rollback",
		payload: JSON.stringify({ rollbackId, retries }),
	});
}

export function jsonOf<Value extends object>(value: Value): Value {
	return throughJson(value) as Value;
}

export function fenced(rollbackId: RollbackId, attempt: number): RetryableError {
	return new RetryableError("rollback_fenced", {
		message: `attempt ${attempt} of rollback ${rollbackId} was overtaken`,
		hint: "another process works on it, or it is over; nothing of this attempt counts",
		fields: { rollbackId, attempt },
	});
}

export function busy(chainId: ChainId, why: string): RetryableError {
	return new RetryableError("chain_busy", {
		message: why,
		hint: "the chain is looked at again",
		fields: { chainId },
	});
}

export function notFound(rollbackId: RollbackId): FatalError {
	return new FatalError("rollback_not_found", {
		message: `there is no rollback ${rollbackId}`,
		hint: "see the chain's rollbacks",
		fields: { rollbackId },
	});
}
