/** A change set that was prepared before the chain went on: left by a process that died, or made by a job. */

import { expect, test } from "vitest";
import { LEAST_WINDOW } from "../../src/chain/window-size.ts";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import { RetryableError } from "../../src/domain/errors.ts";
import type { Hex, RollbackId } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { ShadowStore } from "../../src/restore/shadow-store.ts";
import type { BranchDeriver } from "../../src/rollback/branch-deriver.ts";
import { type ChangeSet, encodeChangeSet } from "../../src/rollback/change-set.ts";
import { type CoordinatorOptions, RollbackCoordinator } from "../../src/rollback/coordinator.ts";
import type { RollbackRecord } from "../../src/rollback/rollback-record.ts";
import type { Part, RollbackStore } from "../../src/rollback/rollback-store.ts";
import type { ChainState } from "../../src/writer/chain-state.ts";
import { SealedStates } from "../../src/writer/sealed-states.ts";
import type { Problem } from "../../src/writer/writer-store.ts";
import { rollbackRecord } from "../support/rollback-record.ts";
import { SILENT } from "../support/silent-log.ts";
import { keyOf } from "../support/versions.ts";

const HASH: Hex = `0x${"11".repeat(32)}`;
const PREPARED_AT = 7n;

const PREPARED = rollbackRecord({
	rollbackId: "00000000-0000-4000-8000-000000000001" as RollbackId,
	chainId: 1,
	cause: "reorg",
	fromGeneration: 0n,
	ancestor: { height: 3n, hash: HASH },
	from: { height: 5n, hash: HASH },
	state: "prepared",
	stageStartedAt: undefined,
	readAt: new Date(0),
	strategyReason: "what changed above the ancestor is set back",
});

const STATE: ChainState = {
	chainId: 1,
	generation: 0n,
	fence: 1n,
	logPosition: PREPARED_AT,
	versionSeq: PREPARED_AT,
	roots: EMPTY_ROOTS,
	head: { number: 5n, hash: HASH, parentHash: HASH, timestamp: 5n },
	startBlock: 0n,
	safe: 0n,
	finalized: 0n,
	...LEAST_WINDOW,
	pointers: {},
};

/** Nothing was there at the ancestor, and nothing is there on the new branch. */
const CHANGES: ChangeSet = {
	batch: {
		chainId: 1,
		generation: 1n,
		basePosition: PREPARED_AT,
		logPosition: PREPARED_AT + 1n,
		versionSeq: PREPARED_AT,
		head: { number: 3n, hash: HASH, parentHash: HASH, timestamp: 3n },
		safe: 0n,
		finalized: 0n,
		log: [],
		changes: { closeBlock: [], closeGen: [], insert: [], newMemories: [] },
		vectors: [],
		blocks: [],
		operations: [],
		derivations: [],
		settledEntries: [],
		thinned: undefined,
		steps: [],
	},
	back: { checkpoint: { height: 3n, roots: EMPTY_ROOTS }, changes: [] },
	shadow: undefined,
	pointers: {},
	report: "{}",
};
const PARTS = await encodeChangeSet(CHANGES);

/** Commits what stands prepared, on a chain in that state with these memories. */
async function run(
	state: ChainState,
	memories: readonly string[],
	{
		parts = PARTS,
		shadows = {},
		instead = {},
		tries = 1,
	}: {
		parts?: readonly Part[];
		shadows?: Partial<ShadowStore>;
		instead?: Partial<RollbackStore>;
		tries?: number;
	} = {},
) {
	const released: (Problem | undefined)[] = [];
	const kept: boolean[] = [];
	const ended: unknown[] = [];
	let committed = 0;
	const store: Partial<RollbackStore> = {
		claim: async () => PREPARED,
		load: async () => PREPARED,
		parts: async () => parts,
		begin: async () => true,
		progress: async () => undefined,
		renewClaim: async () => undefined,
		commit: async () => {
			committed += 1;
		},
		release: async (_rollbackId, _attempt, { failure, keepsPrepared }) => {
			released.push(failure);
			kept.push(keepsPrepared);
		},
		fail: async (_rollbackId, _attempt, failure) => {
			ended.push(failure);
			return true;
		},
		...instead,
	};
	const coordinator = new RollbackCoordinator({
		store,
		restorer: { shadows },
		log: SILENT,
		holder: "here",
		onProgress: () => undefined,
		beforeStage: async () => undefined,
	} as unknown as CoordinatorOptions);
	const tree = StateTree.build(
		memories.map((id) => ({ layer: "semantic", memoryKey: keyOf(id), contentHash: HASH })),
	);
	const once = () =>
		coordinator.run(PREPARED.rollbackId, {} as BranchDeriver, {
			stillWanted: async () => true,
			exclusive: (work) => work(state, new SealedStates(tree)),
		});
	let outcome = await once();
	for (let again = 1; again < tries; again += 1) outcome = await once();
	return { outcome, released, kept, ended, committed };
}

test("is prepared again, and is not taken for damage", async () => {
	const { outcome, released, kept, ended, committed } = await run(
		{ ...STATE, logPosition: PREPARED_AT + 1n },
		["written since"],
	);
	expect(kept).toEqual([false]);
	expect(outcome).toMatchObject({ type: "retry", error: { code: "chain_busy" } });
	expect(released).toEqual([undefined]);
	expect({ ended, committed }).toEqual({ ended: [], committed: 0 });
});

test("is committed where the chain stands as it did", async () => {
	const { outcome, committed } = await run(STATE, []);
	expect({ outcome, committed }).toEqual({ outcome: { type: "committed" }, committed: 1 });
});

const RESTORED = await encodeChangeSet({
	...CHANGES,
	back: { ...CHANGES.back, changes: undefined },
	shadow: { shadowId: "00000000-0000-4000-8000-000000000002", height: 3n },
});

test("stays committed when the restored state's own rows cannot be deleted", async () => {
	const dropped: string[] = [];
	const drop = async (shadowId: string) => {
		dropped.push(shadowId);
		throw new RetryableError("database_unavailable", { message: "gone", hint: "wait" });
	};
	const shadows = { page: async () => [], drop };
	const { outcome, ended, released } = await run(STATE, [], { parts: RESTORED, shadows });
	expect({ outcome, ended, released }).toEqual({
		outcome: { type: "committed" },
		ended: [],
		released: [],
	});
	expect(dropped).toEqual(["00000000-0000-4000-8000-000000000002"]);
});

test("is committed before they are deleted, which nobody waits for", async () => {
	const never = new Promise<void>(() => undefined);
	const shadows = { page: async () => [], drop: () => never };
	const { outcome, committed } = await run(STATE, [], { parts: RESTORED, shadows });
	expect({ outcome, committed }).toEqual({ outcome: { type: "committed" }, committed: 1 });
});

test("rows that differ where nothing went on are damage", async () => {
	const { outcome, released } = await run(STATE, ["made by hand"]);
	expect(outcome).toMatchObject({ type: "retry", error: { code: "verification_failed" } });
	expect(released).toMatchObject([{ code: "verification_failed" }]);
});

function refusing(error: Error, now: Partial<RollbackRecord> = {}): Partial<RollbackStore> {
	return { commit: () => Promise.reject(error), load: async () => ({ ...PREPARED, ...now }) };
}

const FENCED = new RetryableError("rollback_fenced", { message: "it was overtaken", hint: "look" });

test("is kept when it was paused in the middle of the commit", async () => {
	const instead = refusing(FENCED, { paused: true });
	const { outcome, kept, ended } = await run(STATE, [], { instead });
	expect({ outcome, kept, ended }).toEqual({
		outcome: { type: "paused" },
		kept: [true],
		ended: [],
	});
});

test("is no pause's when another attempt overtook it", async () => {
	const instead = refusing(FENCED, { paused: true, attempt: 2 });
	const { outcome } = await run(STATE, [], { instead });
	expect(outcome).toMatchObject({ type: "retry", error: { code: "rollback_fenced" } });
});

test("is kept for the next try when the database was away", async () => {
	const away = new RetryableError("database_unavailable", { message: "gone", hint: "wait" });
	const { outcome, kept } = await run(STATE, [], { instead: refusing(away) });
	expect(outcome).toMatchObject({ type: "retry" });
	expect(kept).toEqual([true]);
});

test("is kept for an operator when the commit failed for no known reason", async () => {
	const { outcome, kept, ended } = await run(STATE, [], {
		instead: refusing(new TypeError("a defect")),
		tries: LIMITS.rollbackAttempts,
	});
	expect(outcome).toMatchObject({ type: "failed" });
	// Until then each try prepares anew: what is wrong may be in the change set.
	expect(kept).toEqual(Array.from({ length: LIMITS.rollbackAttempts - 1 }, () => false));
	expect(ended).toMatchObject([
		{
			stage: "commit",
			keepsPrepared: true,
			error: { hint: expect.stringContaining(`recant rollbacks retry ${PREPARED.rollbackId}`) },
		},
	]);
});

test("has all its tries again when an operator has it tried again", async () => {
	const failing = refusing(new TypeError("a defect"));
	let retries = 0;
	const { outcome, ended } = await run(STATE, [], {
		instead: {
			...failing,
			claim: async () => ({ ...PREPARED, retries }),
			fail: async () => {
				retries += 1;
				return true;
			},
		},
		tries: 2 * LIMITS.rollbackAttempts - 1,
	});
	expect(outcome).toMatchObject({ type: "retry" });
	expect({ retries, ended }).toEqual({ retries: 1, ended: [] });
});
