/** A rollback's record for tests that look at a part of it. */
import type { Hex, RollbackId } from "../../src/domain/ids.ts";
import { NO_COUNTS, type RollbackRecord } from "../../src/rollback/rollback-record.ts";

const HASH: Hex = `0x${"11".repeat(32)}`;

/** Running, by hand, at a stage that began a second before it was read. */
export function rollbackRecord(given: Partial<RollbackRecord> = {}): RollbackRecord {
	return {
		rollbackId: "00000000-0000-4000-8000-000000000001" as RollbackId,
		chainId: 1,
		cause: "manual",
		fromGeneration: 0n,
		ancestor: { height: 3n, hash: HASH },
		from: { height: 5n, hash: HASH },
		branch: [],
		supersessions: 0,
		wantedStrategy: undefined,
		recoveryId: undefined,
		state: "running",
		stage: "replay",
		paused: false,
		failedStage: undefined,
		retries: 0,
		attempt: 1,
		takeovers: 0,
		claimHolder: "here",
		claimUntil: undefined,
		done: 0,
		total: 0,
		counts: NO_COUNTS,
		stageMs: {},
		stageStartedAt: new Date(1_000),
		readAt: new Date(2_000),
		strategy: "rewind",
		strategyReason: undefined,
		error: undefined,
		supersededBy: undefined,
		createdAt: new Date(0),
		finishedAt: undefined,
		...given,
	};
}
