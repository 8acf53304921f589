/** How a rollback's stages are timed, also where two processes share them. */
import { expect, test } from "vitest";
import type { Clock } from "../../src/domain/clock.ts";
import { RetryableError } from "../../src/domain/errors.ts";
import type { RollbackRecord } from "../../src/rollback/rollback-record.ts";
import type { RollbackStore, StageProgress } from "../../src/rollback/rollback-store.ts";
import { StageClock, type StageEvent } from "../../src/rollback/stage-clock.ts";
import { rollbackRecord } from "../support/rollback-record.ts";

function timed(rollback: RollbackRecord, isPaused = () => false) {
	const time = { ms: 0 };
	const begun: StageProgress[] = [];
	const events: StageEvent[] = [];
	const store: Partial<RollbackStore> = {
		begin: async (_id, _attempt, progress) => {
			if (isPaused()) return false;
			begun.push(progress);
			return true;
		},
		progress: async () => undefined,
	};
	const clock = new StageClock(store as RollbackStore, rollback, {
		onProgress: (event) => events.push(event),
		beforeStage: async () => undefined,
		clock: { now: () => time.ms } as Clock,
	});
	return { clock, time, begun, events };
}

test("each stage ends where the next begins", async () => {
	const { clock, time, begun } = timed(rollbackRecord());
	await clock.begin("plan", 1);
	time.ms = 30;
	await clock.begin("rewind", 10);
	time.ms = 70;
	await clock.begin("replay", 10);
	time.ms = 75;
	expect(begun.map(({ stage }) => stage)).toEqual(["plan", "rewind", "replay"]);
	expect(begun.at(-1)?.stageMs).toEqual({ plan: 30, rewind: 40 });
	expect(clock.stageMs).toEqual({ plan: 30, rewind: 40, replay: 5 });
});

test("what another process prepared keeps its times", async () => {
	const stageMs = { plan: 3, rewind: 40, replay: 50 };
	const { clock, time } = timed(rollbackRecord({ state: "prepared", stageMs }));
	await clock.begin("verify", 1);
	time.ms = 7;
	expect(clock.stageMs).toEqual({ ...stageMs, verify: 7 });
});

test("what an attempt that was not finished took does not count", async () => {
	const { clock } = timed(rollbackRecord({ stageMs: { plan: 3, rewind: 40 } }));
	expect(clock.stageMs).toEqual({});
});

test("no stage begins while it is paused", async () => {
	let paused = false;
	const { clock, begun, events } = timed(rollbackRecord(), () => paused);
	await clock.begin("plan", 1);
	paused = true;
	await expect(clock.begin("rewind", 1)).rejects.toMatchObject({ code: "rollback_paused" });
	expect(begun).toHaveLength(1);
	expect(events).toHaveLength(1);
	expect(clock.stage).toBe("plan");
});

test("progress says how fast it goes", async () => {
	const { clock, time, events } = timed(rollbackRecord());
	await clock.begin("replay", 100);
	time.ms = 500;
	clock.advance(25);
	await clock.begin("verify", 1);
	expect(events[1]).toMatchObject({ stage: "replay", done: 25, ratePerSecond: 50, etaMs: 1_500 });
});

test("an attempt that is over begins nothing, and what of it goes on ends at its next step", async () => {
	const { clock, begun } = timed(rollbackRecord());
	await clock.begin("plan", 1);
	clock.advance(1);
	const reason = new RetryableError("rollback_interrupted", { message: "too long", hint: "see" });
	clock.end(reason);
	clock.end(new RetryableError("rpc_failed", { message: "another", hint: "see" }));
	expect(() => clock.advance(2)).toThrow(reason);
	await expect(clock.begin("rewind", 1)).rejects.toBe(reason);
	expect(begun).toHaveLength(1);
});

test("what a stage needs first is of no consequence where the stage does not begin", async () => {
	const { clock, begun } = timed(rollbackRecord(), () => true);
	let asked = 0;
	const ahead = async () => {
		asked += 1;
		return "rows";
	};
	const refused = { code: "rollback_paused" };
	await expect(clock.beginWith("rewind", 1, ahead)).rejects.toMatchObject(refused);
	// The pause is what is told of, also where that fails.
	const failing = () => Promise.reject(new RangeError("no rows"));
	await expect(clock.beginWith("rewind", 1, failing)).rejects.toMatchObject(refused);
	expect({ asked, begun }).toEqual({ asked: 1, begun: [] });
});

test("a stage that began fails with what it needed first", async () => {
	const { clock } = timed(rollbackRecord());
	expect(await clock.beginWith("rewind", 1, async () => "rows")).toBe("rows");
	const failing = () => Promise.reject(new RangeError("no rows"));
	await expect(clock.beginWith("replay", 1, failing)).rejects.toThrow("no rows");
	expect(clock.stage).toBe("replay");
});
