/** Rollbacks as rows: claims, fences, supersession, prepare, commit, end (INV-5, INV-6). */
import { expect } from "vitest";
import type { BlockHeader } from "../../../src/domain/block.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import { NO_COUNTS } from "../../../src/rollback/rollback-record.ts";
import type { StageProgress } from "../../../src/rollback/rollback-store.ts";
import { unchangedBy } from "./commit-cases.ts";
import { blockOn, CHAIN, keyOf, rollbackId, Scribe } from "./scribe.ts";
import { type ConformanceCase, GONE, type StoresUnderTest } from "./stores-under-test.ts";

const FENCED = { code: "rollback_fenced", retryable: true };
const BUSY = { code: "chain_busy", retryable: true };
const TTL_MS = 10_000;
const ONE = rollbackId(1);
const TWO = rollbackId(2);
const THREE = rollbackId(3);
const PLAN: StageProgress = { stage: "plan", done: 0, total: 4, stageMs: {} };
const REPLAY: StageProgress = { stage: "replay", done: 1, total: 9, stageMs: { plan: 3 } };
const PARTS = [
	{ part: "operations", seq: 1, body: "{}" },
	{ part: "changes", seq: 0, body: '{"insert":[]}' },
];
const PROBLEM = { code: "rpc_failed", message: "no answer", hint: "try again" };

export const ROLLBACK_CASES: readonly ConformanceCase[] = [
	{
		name: "a rollback is recorded with its outbox entry",
		run: async (stores) => {
			const { scribe, ancestor } = await recorded(stores);
			const { rollbacks, outbox } = stores.ports;
			expect(await rollbacks.load(ONE)).toMatchObject({
				...scribe.newRollback(ONE, ancestor),
				state: "recorded",
				attempt: 0,
				paused: false,
				retries: 0,
				counts: NO_COUNTS,
			});
			expect(await outbox.waiting()).toMatchObject([{ rollbackId: ONE, retries: 0 }]);
			expect((await rollbacks.active(CHAIN))?.rollbackId).toBe(ONE);
			expect(await rollbacks.load(TWO)).toBeUndefined();
		},
	},
	{
		name: "what a fork was followed on stays with its rollback, and one that follows none has nothing",
		run: async (stores) => {
			const { scribe, ancestor } = await recorded(stores);
			const { rollbacks } = stores.ports;
			expect((await rollbacks.load(ONE))?.evidence).toBeUndefined();
			const support = { confirming: 2, denying: 1, silent: 0 };
			for (const known of [support, undefined]) {
				const evidence = {
					signals: ["other_hash", "head_below"],
					depth: 3,
					support: known,
					polls: 4,
					heldMs: 1_500,
					because: "polls",
				} as const;
				await rollbacks.cancel(ONE, 0);
				await rollbacks.cancel(TWO, 0);
				const id = known === undefined ? THREE : TWO;
				await rollbacks.record({ ...scribe.newRollback(id, ancestor), evidence }, undefined);
				expect((await rollbacks.load(id))?.evidence).toEqual(evidence);
				expect((await rollbacks.active(CHAIN))?.evidence).toEqual(evidence);
			}
		},
	},
	{
		name: "one rollback at a time for a chain",
		run: async (stores) => {
			const { scribe, ancestor } = await recorded(stores);
			const second = scribe.newRollback(TWO, ancestor);
			await unchangedBy(stores, () => stores.ports.rollbacks.record(second, undefined), BUSY);
		},
	},
	{
		name: "the same rollback is not recorded twice",
		run: async (stores) => {
			const { scribe, ancestor } = await recorded(stores);
			await stores.ports.rollbacks.cancel(ONE, 0);
			const again = scribe.newRollback(ONE, ancestor);
			await unchangedBy(stores, () => stores.ports.rollbacks.record(again, undefined), BUSY);
		},
	},
	{
		name: "a rollback from another generation than the chain's is not recorded",
		run: async (stores) => {
			const { scribe, ancestor } = await withBlocks(stores);
			const late = { ...scribe.newRollback(ONE, ancestor), fromGeneration: 1n };
			await unchangedBy(stores, () => stores.ports.rollbacks.record(late, undefined), BUSY);
		},
	},
	{
		name: "rollbacks of two chains are apart",
		run: async (stores) => {
			const { ancestor } = await recorded(stores);
			const other = await Scribe.open(stores, 2);
			await stores.ports.rollbacks.record(other.newRollback(TWO, ancestor), undefined);
			expect((await stores.ports.rollbacks.active(2))?.rollbackId).toBe(TWO);
			expect((await stores.ports.rollbacks.active(CHAIN))?.rollbackId).toBe(ONE);
		},
	},
	{
		name: "superseding ends the other in the same breath, with all that it prepared",
		run: async (stores) => {
			const { scribe, ancestor } = await prepared(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.record(scribe.newRollback(TWO, ancestor), ONE);
			expect(await rollbacks.load(ONE)).toMatchObject({ state: "superseded", supersededBy: TWO });
			expect((await rollbacks.active(CHAIN))?.rollbackId).toBe(TWO);
			expect(await rollbacks.parts(ONE, 1)).toEqual([]);
		},
	},
	{
		name: "what is over is not superseded, and nothing is recorded",
		run: async (stores) => {
			const { scribe, ancestor } = await recorded(stores);
			await stores.ports.rollbacks.cancel(ONE, 0);
			const next = scribe.newRollback(TWO, ancestor);
			await unchangedBy(stores, () => stores.ports.rollbacks.record(next, ONE), BUSY);
		},
	},
	{
		name: "one that does not exist is not superseded",
		run: async (stores) => {
			const { scribe, ancestor } = await withBlocks(stores);
			const next = scribe.newRollback(TWO, ancestor);
			await unchangedBy(stores, () => stores.ports.rollbacks.record(next, ONE), BUSY);
		},
	},
	{
		name: "a successor inherits that its predecessor is paused",
		run: async (stores) => {
			const { scribe, ancestor } = await recorded(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.order(ONE, "pause");
			await rollbacks.record(scribe.newRollback(TWO, ancestor), ONE);
			expect(await rollbacks.load(TWO)).toMatchObject({ state: "recorded", paused: true });
			expect(await rollbacks.load(ONE)).toMatchObject({ state: "superseded", paused: false });
		},
	},
	{
		name: "nothing of a superseded rollback is written any more",
		run: async (stores) => {
			const { scribe, ancestor } = await claimed(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.record(scribe.newRollback(TWO, ancestor), ONE);
			await everyWriteIsFenced(stores, 1);
		},
	},
	{
		name: "a claim raises the attempt",
		run: async (stores) => {
			await recorded(stores);
			const claim = await stores.ports.rollbacks.claim(ONE, "one", TTL_MS);
			expect(claim).toMatchObject({ state: "running", attempt: 1, claimHolder: "one" });
		},
	},
	{
		name: "a claim that is held is not given to another, but to its holder again",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			expect(await rollbacks.claim(ONE, "other", TTL_MS)).toBeUndefined();
			expect(await rollbacks.claim(ONE, "one", TTL_MS)).toMatchObject({ attempt: 2 });
		},
	},
	{
		name: "a claim that lapsed is given to another, and the first is fenced",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			await stores.pass(TTL_MS + 1);
			expect(await rollbacks.claim(ONE, "other", TTL_MS)).toMatchObject({ attempt: 2 });
			await everyWriteIsFenced(stores, 1);
		},
	},
	{
		name: "a claim that is renewed does not lapse",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			await stores.pass(TTL_MS - 1_000);
			await rollbacks.renewClaim(ONE, 1, TTL_MS);
			await stores.pass(TTL_MS - 1_000);
			expect(await rollbacks.claim(ONE, "other", TTL_MS)).toBeUndefined();
		},
	},
	{
		name: "a claim of a process that is known to be gone is taken at once",
		run: async (stores) => {
			await recorded(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.claim(ONE, GONE, TTL_MS);
			expect(await rollbacks.claim(ONE, "other", TTL_MS)).toMatchObject({ attempt: 2 });
		},
	},
	{
		name: "a claim deletes what the attempt before it made",
		run: async (stores) => {
			const { scribe } = await claimed(stores);
			const { rollbacks, shadows, tasks } = stores.ports;
			const shadow = {
				shadowId: rollbackId(50),
				ownerId: ONE,
				chainId: CHAIN,
				height: 1n,
			} as const;
			await shadows.begin({ ...shadow, purpose: "rollback" });
			await tasks.add({ rollbackId: ONE, attempt: 1 }, ["{}"]);
			await stores.pass(TTL_MS + 1);
			await rollbacks.claim(ONE, "other", TTL_MS);
			const left = await stores.dump();
			expect([left["shadows"], left["rollback_tasks"]]).toEqual([[], []]);
			expect(scribe.generation).toBe(0n);
		},
	},
	{
		name: "a prepared change set stays with its attempt when it is claimed again",
		run: async (stores) => {
			await prepared(stores);
			const { rollbacks } = stores.ports;
			await stores.pass(TTL_MS + 1);
			const claim = await rollbacks.claim(ONE, "other", TTL_MS);
			expect(claim).toMatchObject({ state: "prepared", attempt: 1, claimHolder: "other" });
			expect(await rollbacks.parts(ONE, 1)).toEqual(PARTS.toReversed());
		},
	},
	{
		name: "what ends everyone who works on it is failed, and a retry counts anew",
		run: async (stores) => {
			await prepared(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.begin(ONE, 1, { ...REPLAY, stage: "commit" });
			for (let death = 1; death <= LIMITS.rollbackTakeovers; death += 1) {
				await stores.pass(TTL_MS + 1);
				const claim = await rollbacks.claim(ONE, `process ${death}`, TTL_MS);
				expect(claim).toMatchObject({ state: "prepared", takeovers: death });
			}
			await stores.pass(TTL_MS + 1);
			expect(await rollbacks.claim(ONE, "the last", TTL_MS)).toBeUndefined();
			const failed = await rollbacks.load(ONE);
			expect(failed).toMatchObject({
				state: "failed",
				failedStage: "commit",
				error: { code: "rollback_interrupted" },
				claimHolder: undefined,
			});
			expect(failed?.error?.message).toMatch(/^21 processes .* commit$/);
			expect(await rollbacks.parts(ONE, 1)).toHaveLength(2);
			expect(await rollbacks.order(ONE, "retry")).toMatchObject({ state: "prepared" });
			expect(await rollbacks.claim(ONE, "fresh", TTL_MS)).toMatchObject({ takeovers: 0 });
		},
	},
	{
		name: "one that ends everyone who prepares it is failed with nothing left of it",
		run: async (stores) => {
			await recorded(stores);
			const { rollbacks, tasks } = stores.ports;
			for (let claim = 1; claim <= LIMITS.rollbackTakeovers + 1; claim += 1) {
				await rollbacks.claim(ONE, `process ${claim}`, TTL_MS);
				await rollbacks.begin(ONE, claim, PLAN);
				await tasks.add({ rollbackId: ONE, attempt: claim }, ["{}"]);
				await stores.pass(TTL_MS + 1);
			}
			expect(await rollbacks.claim(ONE, "the last", TTL_MS)).toBeUndefined();
			expect(await rollbacks.load(ONE)).toMatchObject({ state: "failed", failedStage: "plan" });
			expect((await stores.dump())["rollback_tasks"]).toEqual([]);
		},
	},
	{
		name: "a claim that was given up, or is its holder's own, is no death",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			for (let attempt = 1; attempt <= LIMITS.rollbackTakeovers + 1; attempt += 1) {
				await rollbacks.release(ONE, attempt, { failure: undefined, keepsPrepared: false });
				await rollbacks.claim(ONE, `process ${attempt}`, TTL_MS);
			}
			await stores.pass(TTL_MS + 1);
			const own = `process ${LIMITS.rollbackTakeovers + 1}`;
			expect(await rollbacks.claim(ONE, own, TTL_MS)).toMatchObject({ takeovers: 0 });
		},
	},
	{
		name: "what is over is not claimed",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.cancel(ONE, 1);
			expect(await rollbacks.claim(ONE, "one", TTL_MS)).toBeUndefined();
			expect(await rollbacks.claim(TWO, "one", TTL_MS)).toBeUndefined();
		},
	},
	{
		name: "no stage begins while it is paused, and nobody claims it",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			expect(await rollbacks.begin(ONE, 1, PLAN)).toBe(true);
			await rollbacks.order(ONE, "pause");
			expect(await rollbacks.begin(ONE, 1, REPLAY)).toBe(false);
			expect(await rollbacks.load(ONE)).toMatchObject({ stage: "plan", total: 4 });
			await rollbacks.release(ONE, 1, { failure: undefined, keepsPrepared: true });
			expect(await rollbacks.claim(ONE, "one", TTL_MS)).toBeUndefined();
			await rollbacks.order(ONE, "resume");
			expect(await rollbacks.claim(ONE, "one", TTL_MS)).toMatchObject({ attempt: 2 });
		},
	},
	{
		name: "what goes on while it is paused is written, but not committed",
		run: async (stores) => {
			const { scribe, ancestor } = await claimed(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.begin(ONE, 1, REPLAY);
			await rollbacks.order(ONE, "pause");
			await rollbacks.progress(ONE, 1, { ...REPLAY, done: 5 });
			await rollbacks.renewClaim(ONE, 1, TTL_MS);
			await rollbacks.prepared(ONE, 1, { parts: PARTS, counts: NO_COUNTS });
			expect(await rollbacks.load(ONE)).toMatchObject({ state: "prepared", paused: true });
			const commit = await scribe.rollbackCommit({ rollbackId: ONE, attempt: 1 }, { ancestor });
			await unchangedBy(stores, () => rollbacks.commit(commit), FENCED);
		},
	},
	{
		name: "a stage's progress is in the row, and the times of stages that ended",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.begin(ONE, 1, PLAN);
			await rollbacks.planned(ONE, 1, { strategy: "rewind", reason: "few changes" });
			await rollbacks.begin(ONE, 1, REPLAY);
			await rollbacks.progress(ONE, 1, { ...REPLAY, done: 4 });
			const record = await rollbacks.load(ONE);
			expect(record).toMatchObject({ stage: "replay", done: 4, total: 9, stageMs: { plan: 3 } });
			expect(record).toMatchObject({ strategy: "rewind", strategyReason: "few changes" });
			expect(record?.stageStartedAt).toBeInstanceOf(Date);
		},
	},
	{
		name: "a new attempt begins with nothing",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.begin(ONE, 1, REPLAY);
			await stores.pass(TTL_MS + 1);
			await rollbacks.claim(ONE, "other", TTL_MS);
			const record = await rollbacks.load(ONE);
			expect(record).toMatchObject({ done: 0, total: 0, stageMs: {}, attempt: 2 });
			expect([record?.stage, record?.stageStartedAt]).toEqual([undefined, undefined]);
		},
	},
	{
		name: "prepared keeps parts in their order, and ends the stage",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.begin(ONE, 1, REPLAY);
			const counts = { ...NO_COUNTS, replayed: 3 };
			await rollbacks.prepared(ONE, 1, { parts: PARTS, counts });
			expect(await rollbacks.parts(ONE, 1)).toEqual(PARTS.toReversed());
			expect(await rollbacks.parts(ONE, 2)).toEqual([]);
			const record = await rollbacks.load(ONE);
			expect(record).toMatchObject({ state: "prepared", counts, done: 9 });
			expect(Object.keys(record?.stageMs ?? {}).sort()).toEqual(["plan", "replay"]);
		},
	},
	{
		name: "prepared twice is fenced the second time, and so is planning after it",
		run: async (stores) => {
			await prepared(stores);
			const { rollbacks } = stores.ports;
			const result = { parts: PARTS, counts: NO_COUNTS };
			await unchangedBy(stores, () => rollbacks.prepared(ONE, 1, result), FENCED);
			const choice = { strategy: "rewind", reason: "late" } as const;
			await unchangedBy(stores, () => rollbacks.planned(ONE, 1, choice), FENCED);
		},
	},
	{
		name: "an attempt that was never claimed writes nothing",
		run: async (stores) => {
			await recorded(stores);
			await everyWriteIsFenced(stores, 0);
		},
	},
	{
		name: "a commit moves generation, blocks, checkpoints and the rollback's row at once",
		run: async (stores) => {
			const { scribe, ancestor } = await prepared(stores);
			const { rollbacks, writer } = stores.ports;
			const said = { puts: [{ id: "anew" }], seals: 1 };
			scribe.branch = "other";
			const commit = await scribe.rollbackCommit(
				{ rollbackId: ONE, attempt: 1 },
				{ ancestor, said },
			);
			await rollbacks.commit(commit);
			scribe.took(commit.batch);
			const { state, window } = await writer.loadChain(CHAIN);
			expect(state).toMatchObject({ generation: 1n, head: commit.batch.head });
			expect(window.at(-1)?.parentHash).toBe(ancestor.hash);
			expect(await rollbacks.load(ONE)).toMatchObject({
				state: "committed",
				counts: { recanted: 1 },
			});
			expect(await rollbacks.active(CHAIN)).toBeUndefined();
			expect(await rollbacks.parts(ONE, 1)).toEqual([]);
			expect(await rollbacks.checkpoint(CHAIN, 3n)).toBeUndefined();
			expect(await rollbacks.block(CHAIN, 2n)).toEqual(commit.batch.blocks[0]);
		},
	},
	{
		name: "a rewind brings back what was written over, and takes back what began above the ancestor",
		run: async (stores) => {
			const { scribe, ancestor } = await prepared(stores);
			const commit = await scribe.rollbackCommit({ rollbackId: ONE, attempt: 1 }, { ancestor });
			await stores.ports.rollbacks.commit(commit);
			const rows = await stores.ports.writer.latestVersions(CHAIN, ["a", "b", "c"].map(keyOf));
			const stands = [...rows].map(([key, [row]]) => [key, row?.fromBlock, row?.fromGen]);
			expect(stands).toEqual([
				[keyOf("a"), 0n, 1n],
				[keyOf("b"), 1n, 0n],
			]);
		},
	},
	{
		name: "a commit with an old fence changes nothing",
		run: async (stores) => {
			const { scribe, ancestor } = await prepared(stores);
			const commit = await scribe.rollbackCommit({ rollbackId: ONE, attempt: 1 }, { ancestor });
			const late = { ...commit, fence: commit.fence - 1n };
			await unchangedBy(stores, () => stores.ports.rollbacks.commit(late));
		},
	},
	{
		name: "a commit after another commit of the chain changes nothing",
		run: async (stores) => {
			const { scribe, ancestor } = await prepared(stores);
			const commit = await scribe.rollbackCommit({ rollbackId: ONE, attempt: 1 }, { ancestor });
			await scribe.commit({ puts: [{ id: "later" }] });
			await unchangedBy(stores, () => stores.ports.rollbacks.commit(commit));
		},
	},
	{
		name: "a commit of another attempt changes nothing",
		run: async (stores) => {
			const { scribe, ancestor } = await prepared(stores);
			for (const attempt of [0, 2]) {
				const commit = await scribe.rollbackCommit({ rollbackId: ONE, attempt }, { ancestor });
				await unchangedBy(stores, () => stores.ports.rollbacks.commit(commit), FENCED);
			}
		},
	},
	{
		name: "a commit of a rollback that is not prepared changes nothing",
		run: async (stores) => {
			const { scribe, ancestor } = await claimed(stores);
			const commit = await scribe.rollbackCommit({ rollbackId: ONE, attempt: 1 }, { ancestor });
			await unchangedBy(stores, () => stores.ports.rollbacks.commit(commit), FENCED);
		},
	},
	{
		name: "a commit of a rollback that was superseded, cancelled or has failed changes nothing",
		run: async (stores) => {
			const { scribe, ancestor } = await prepared(stores);
			const commit = await scribe.rollbackCommit({ rollbackId: ONE, attempt: 1 }, { ancestor });
			const { rollbacks } = stores.ports;
			await rollbacks.record(scribe.newRollback(TWO, ancestor), ONE);
			await unchangedBy(stores, () => rollbacks.commit(commit), FENCED);
		},
	},
	{
		name: "the same commit twice takes place once",
		run: async (stores) => {
			const { scribe, ancestor } = await prepared(stores);
			const commit = await scribe.rollbackCommit({ rollbackId: ONE, attempt: 1 }, { ancestor });
			await stores.ports.rollbacks.commit(commit);
			await unchangedBy(stores, () => stores.ports.rollbacks.commit(commit));
		},
	},
	{
		name: "two rollbacks one after the other leave three generations apart",
		run: async (stores) => {
			const { scribe, ancestor } = await prepared(stores);
			const { rollbacks } = stores.ports;
			const commit = await scribe.rollbackCommit(
				{ rollbackId: ONE, attempt: 1 },
				{ ancestor, said: { seals: 2 } },
			);
			await rollbacks.commit(commit);
			scribe.took(commit.batch);
			await scribe.commit({ puts: [{ id: "a" }], seals: 1 });
			await rollbacks.record(scribe.newRollback(TWO, ancestor), undefined);
			await rollbacks.claim(TWO, "one", TTL_MS);
			await rollbacks.prepared(TWO, 1, { parts: [], counts: NO_COUNTS });
			scribe.branch = "third";
			const said = { puts: [{ id: "a" }], seals: 1 };
			const second = await scribe.rollbackCommit(
				{ rollbackId: TWO, attempt: 1 },
				{ ancestor, said },
			);
			await rollbacks.commit(second);
			scribe.took(second.batch);
			expect((await stores.ports.writer.loadChain(CHAIN)).state.generation).toBe(2n);
		},
	},
	{
		name: "a failure keeps its stage and its words, and what was prepared only where it says so",
		run: async (stores) => {
			await prepared(stores);
			const { rollbacks } = stores.ports;
			const failure = { stage: "commit", error: PROBLEM, keepsPrepared: true } as const;
			expect(await rollbacks.fail(ONE, 1, failure)).toBe(true);
			expect(await rollbacks.load(ONE)).toMatchObject({
				state: "failed",
				failedStage: "commit",
				error: PROBLEM,
			});
			expect(await rollbacks.parts(ONE, 1)).toHaveLength(2);
			expect(await rollbacks.fail(ONE, 1, failure)).toBe(false);
		},
	},
	{
		name: "a failure that keeps nothing deletes what was prepared",
		run: async (stores) => {
			await prepared(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.fail(ONE, 1, { stage: "verify", error: PROBLEM, keepsPrepared: false });
			expect(await rollbacks.parts(ONE, 1)).toEqual([]);
		},
	},
	{
		name: "a failure of another attempt changes nothing",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			const failure = { stage: "plan", error: PROBLEM, keepsPrepared: false } as const;
			expect(await rollbacks.fail(ONE, 2, failure)).toBe(false);
			expect(await rollbacks.fail(TWO, 1, failure)).toBe(false);
			expect(await rollbacks.load(ONE)).toMatchObject({ state: "running" });
		},
	},
	{
		name: "cancelling ends it and deletes what was prepared, once",
		run: async (stores) => {
			await prepared(stores);
			const { rollbacks } = stores.ports;
			expect(await rollbacks.cancel(ONE, 2)).toBe(false);
			expect(await rollbacks.cancel(ONE, 1)).toBe(true);
			expect(await rollbacks.cancel(ONE, 1)).toBe(false);
			expect(await rollbacks.load(ONE)).toMatchObject({ state: "cancelled" });
			expect(await rollbacks.parts(ONE, 1)).toEqual([]);
		},
	},
	{
		name: "a claim that is given up is free, with a prepared change set or without it",
		run: async (stores) => {
			await prepared(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.release(ONE, 1, { failure: undefined, keepsPrepared: true });
			expect(await rollbacks.load(ONE)).toMatchObject({ state: "prepared" });
			expect(await rollbacks.claim(ONE, "other", TTL_MS)).toMatchObject({ attempt: 1 });
			await rollbacks.release(ONE, 1, { failure: PROBLEM, keepsPrepared: false });
			expect(await rollbacks.load(ONE)).toMatchObject({ state: "recorded", error: PROBLEM });
			expect(await rollbacks.claim(ONE, "other", TTL_MS)).toMatchObject({ attempt: 2 });
		},
	},
	{
		name: "giving up the claim of another attempt does nothing",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.release(ONE, 3, { failure: PROBLEM, keepsPrepared: true });
			expect(await rollbacks.load(ONE)).toMatchObject({ state: "running", claimHolder: "one" });
		},
	},
	{
		name: "a paused rollback goes on with an outbox entry of its own",
		run: async (stores) => {
			await recorded(stores);
			const { rollbacks, outbox } = stores.ports;
			expect(await rollbacks.order(ONE, "pause")).toMatchObject({ paused: true });
			await rollbacks.order(ONE, "pause");
			expect(await outbox.waiting()).toHaveLength(1);
			expect(await rollbacks.order(ONE, "resume")).toMatchObject({ paused: false });
			expect(await outbox.waiting()).toHaveLength(2);
		},
	},
	{
		name: "only a manual rollback is cancelled by an operator",
		run: async (stores) => {
			const { scribe, ancestor } = await recorded(stores);
			const { rollbacks } = stores.ports;
			const refusal = { code: "rollback_not_cancellable" };
			await unchangedBy(stores, () => rollbacks.order(ONE, "cancel"), refusal);
			const manual = { ...scribe.newRollback(TWO, ancestor), cause: "manual" } as const;
			await rollbacks.record(manual, ONE);
			await rollbacks.claim(TWO, "one", TTL_MS);
			expect(await rollbacks.order(TWO, "cancel")).toMatchObject({ state: "cancelled" });
			await everyWriteIsFenced(stores, 1, TWO);
		},
	},
	{
		name: "a failed rollback is tried again from the beginning, with a job of its own",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks, outbox } = stores.ports;
			await rollbacks.begin(ONE, 1, REPLAY);
			await rollbacks.planned(ONE, 1, { strategy: "rewind", reason: "few" });
			await rollbacks.fail(ONE, 1, { stage: "replay", error: PROBLEM, keepsPrepared: false });
			const again = await rollbacks.order(ONE, "retry");
			expect(again).toMatchObject({ state: "recorded", retries: 1, attempt: 1, stageMs: {} });
			expect([again.error, again.failedStage, again.strategy]).toEqual([
				undefined,
				undefined,
				undefined,
			]);
			expect((await outbox.waiting()).map(({ retries }) => retries)).toEqual([0, 1]);
			expect(await rollbacks.claim(ONE, "other", TTL_MS)).toMatchObject({ attempt: 2 });
		},
	},
	{
		name: "a failed rollback whose change set is kept is tried again from there",
		run: async (stores) => {
			const { scribe, ancestor } = await prepared(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.fail(ONE, 1, { stage: "commit", error: PROBLEM, keepsPrepared: true });
			expect(await rollbacks.order(ONE, "retry")).toMatchObject({ state: "prepared", retries: 1 });
			expect(await rollbacks.claim(ONE, "other", TTL_MS)).toMatchObject({ attempt: 1 });
			const commit = await scribe.rollbackCommit({ rollbackId: ONE, attempt: 1 }, { ancestor });
			await rollbacks.commit(commit);
		},
	},
	{
		name: "a failed rollback is not tried again beside another, nor in another generation",
		run: async (stores) => {
			const { scribe, ancestor } = await prepared(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.fail(ONE, 1, { stage: "commit", error: PROBLEM, keepsPrepared: true });
			await rollbacks.record(scribe.newRollback(TWO, ancestor), undefined);
			await unchangedBy(stores, () => rollbacks.order(ONE, "retry"), BUSY);
			await rollbacks.claim(TWO, "one", TTL_MS);
			await rollbacks.prepared(TWO, 1, { parts: [], counts: NO_COUNTS });
			await rollbacks.commit(
				await scribe.rollbackCommit({ rollbackId: TWO, attempt: 1 }, { ancestor }),
			);
			const outdated = { code: "rollback_outdated" };
			await unchangedBy(stores, () => rollbacks.order(ONE, "retry"), outdated);
		},
	},
	{
		name: "a failed rollback is not tried again while its chain is halted, unless it is a recovery's",
		run: async (stores) => {
			const { scribe, ancestor } = await claimed(stores);
			const { rollbacks, writer } = stores.ports;
			const failure = { stage: "replay", error: PROBLEM, keepsPrepared: false } as const;
			await rollbacks.fail(ONE, 1, failure);
			scribe.position = (await writer.halt(CHAIN, scribe.fence, PROBLEM)) ?? scribe.position;
			const halted = { code: "chain_halted" };
			await unchangedBy(stores, () => rollbacks.order(ONE, "retry"), halted);
			const recoveryId = rollbackId(70);
			await rollbacks.record({ ...scribe.newRollback(TWO, ancestor), recoveryId }, undefined);
			await rollbacks.claim(TWO, "one", TTL_MS);
			await rollbacks.fail(TWO, 1, failure);
			expect(await rollbacks.order(TWO, "retry")).toMatchObject({ state: "recorded" });
			await rollbacks.cancel(TWO, 1);
			await writer.halt(CHAIN, scribe.fence, undefined);
			expect(await rollbacks.order(ONE, "retry")).toMatchObject({ state: "recorded" });
		},
	},
	{
		name: "a failed rollback is abandoned with all that is left of it",
		run: async (stores) => {
			await prepared(stores);
			const { rollbacks } = stores.ports;
			await rollbacks.fail(ONE, 1, { stage: "commit", error: PROBLEM, keepsPrepared: true });
			const abandoned = await rollbacks.order(ONE, "abandon");
			expect(abandoned).toMatchObject({
				state: "abandoned",
				failedStage: "commit",
				error: PROBLEM,
			});
			expect(await rollbacks.parts(ONE, 1)).toEqual([]);
		},
	},
	{
		name: "orders that fit no more are refused",
		run: async (stores) => {
			await claimed(stores);
			const { rollbacks } = stores.ports;
			const notFailed = { code: "rollback_not_failed" };
			await unchangedBy(stores, () => rollbacks.order(ONE, "retry"), notFailed);
			await unchangedBy(stores, () => rollbacks.order(ONE, "abandon"), notFailed);
			await rollbacks.cancel(ONE, 1);
			for (const order of ["pause", "resume", "cancel"] as const) {
				await unchangedBy(stores, () => rollbacks.order(ONE, order), { code: "rollback_over" });
			}
			const unknown = { code: "rollback_not_found" };
			await unchangedBy(stores, () => rollbacks.order(TWO, "pause"), unknown);
		},
	},
	{
		name: "failed forks of a generation are known until they are abandoned",
		run: async (stores) => {
			const { scribe, ancestor } = await claimed(stores);
			const { rollbacks } = stores.ports;
			const failure = { stage: "plan", error: PROBLEM, keepsPrepared: false } as const;
			await rollbacks.fail(ONE, 1, failure);
			await stores.pass(1_000);
			await rollbacks.record(scribe.newRollback(TWO, ancestor), undefined);
			await rollbacks.claim(TWO, "one", TTL_MS);
			await rollbacks.fail(TWO, 1, failure);
			const forks = async (generation: bigint) =>
				(await rollbacks.failedForks(CHAIN, generation)).map((each) => each.rollbackId);
			expect(await forks(0n)).toEqual([TWO, ONE]);
			expect(await forks(1n)).toEqual([]);
			await rollbacks.order(TWO, "abandon");
			expect(await forks(0n)).toEqual([ONE]);
		},
	},
	{
		name: "what a rewind touches is what began above the ancestor, and what ended by itself since",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			const puts = [{ id: "stays" }, { id: "over" }, { id: "ends", expiresBlock: 3n }];
			await scribe.commit({ puts, seals: 2 });
			await scribe.commit({ puts: [{ id: "over" }, { id: "new" }], seals: 2 });
			const touched = (limit: number) =>
				stores.ports.rollbacks.touched(CHAIN, { ancestor: 1n, to: 4n, limit });
			expect([...(await touched(10))].sort()).toEqual(["ends", "new", "over"].map(keyOf).sort());
		},
	},
	{
		name: "versions around the ancestor are those above it, and the newest of those below",
		run: async (stores) => {
			const scribe = await Scribe.open(stores);
			for (let round = 0; round < 4; round += 1) {
				await scribe.commit({ puts: [{ id: "a" }], seals: 1 });
			}
			const rows = await stores.ports.rollbacks.versionsAround(CHAIN, ["a", "b"].map(keyOf), 1n);
			const found = rows.get(keyOf("a"))?.map(({ fromBlock }) => fromBlock);
			expect(found?.toSorted()).toEqual([1n, 2n, 3n]);
			expect(rows.has(keyOf("b"))).toBe(false);
		},
	},
];

interface World {
	readonly scribe: Scribe;
	readonly ancestor: BlockHeader;
}

/** Four blocks; memory a written at 0 and 3, b at 1, c at 3. */
export async function withBlocks(stores: StoresUnderTest): Promise<World> {
	const scribe = await Scribe.open(stores);
	await scribe.commit({ puts: [{ id: "a" }], seals: 1 });
	const { blocks } = await scribe.commit({ puts: [{ id: "b" }], seals: 2 });
	await scribe.commit({ puts: [{ id: "a" }, { id: "c" }], seals: 1 });
	const [ancestor = blockOn(undefined, "first")] = blocks;
	return { scribe, ancestor };
}

export async function recorded(stores: StoresUnderTest): Promise<World> {
	const world = await withBlocks(stores);
	await stores.ports.rollbacks.record(world.scribe.newRollback(ONE, world.ancestor), undefined);
	return world;
}

/** By `one`, at its first attempt. */
export async function claimed(stores: StoresUnderTest): Promise<World> {
	const world = await recorded(stores);
	await stores.ports.rollbacks.claim(ONE, "one", TTL_MS);
	return world;
}

async function prepared(stores: StoresUnderTest): Promise<World> {
	const world = await claimed(stores);
	await stores.ports.rollbacks.prepared(ONE, 1, { parts: PARTS, counts: NO_COUNTS });
	return world;
}

async function everyWriteIsFenced(
	stores: StoresUnderTest,
	attempt: number,
	id = ONE,
): Promise<void> {
	const { rollbacks, tasks } = stores.ports;
	const result = { parts: PARTS, counts: NO_COUNTS };
	const writes = [
		() => rollbacks.renewClaim(id, attempt, TTL_MS),
		() => rollbacks.begin(id, attempt, PLAN),
		() => rollbacks.progress(id, attempt, PLAN),
		() => rollbacks.planned(id, attempt, { strategy: "rewind", reason: "late" }),
		() => rollbacks.prepared(id, attempt, result),
		() => tasks.add({ rollbackId: id, attempt }, ["{}"]),
	];
	for (const write of writes) await unchangedBy(stores, write, FENCED);
}
