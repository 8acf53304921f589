/** What an operator may order of a rollback in each of its states. */
import { describe, expect, test } from "vitest";
import { STATUS_OF } from "../../src/http/problem.ts";
import { obeyed, ROLLBACK_ORDERS, type Surroundings } from "../../src/rollback/orders.ts";
import type { RollbackRecord, RollbackState } from "../../src/rollback/rollback-record.ts";
import * as view from "../../src/service/rollback-view.ts";
import { rollbackRecord } from "../support/rollback-record.ts";

const AROUND: Surroundings = {
	generation: 0n,
	ancestorStands: true,
	isHalted: false,
	isBusy: false,
	isPrepared: false,
};

const ACTIVE: readonly RollbackState[] = ["recorded", "running", "prepared"];
const OVER: readonly RollbackState[] = ["committed", "superseded", "cancelled", "abandoned"];

function inState(state: RollbackState, more: Partial<RollbackRecord> = {}): RollbackRecord {
	return rollbackRecord({ state, cause: "manual", ...more });
}

test("the service and the store know the same orders", () => {
	expect(view.ROLLBACK_ORDERS).toEqual(ROLLBACK_ORDERS);
});

describe("pause and resume", () => {
	test.each(ACTIVE)("hold one that is %s, and let it go on with a job", (state) => {
		expect(obeyed("pause", inState(state), AROUND)).toEqual({
			type: "hold",
			paused: true,
			sends: false,
		});
		expect(obeyed("resume", inState(state, { paused: true }), AROUND)).toEqual({
			type: "hold",
			paused: false,
			sends: true,
		});
	});

	test("said twice change nothing", () => {
		const paused = inState("running", { paused: true });
		expect(obeyed("pause", paused, AROUND)).toEqual({ type: "nothing" });
		expect(obeyed("resume", inState("running"), AROUND)).toEqual({ type: "nothing" });
	});

	test.each([...OVER, "failed" as const])("are refused when it is %s", (state) => {
		expect(refusal("pause", inState(state))).toBe("rollback_over");
		expect(refusal("resume", inState(state))).toBe("rollback_over");
	});
});

describe("cancel", () => {
	test.each(ACTIVE)("ends one by hand that is %s", (state) => {
		const ended = { type: "end", state: "cancelled" };
		expect(obeyed("cancel", inState(state), AROUND)).toEqual(ended);
		expect(obeyed("cancel", inState(state, { paused: true }), AROUND)).toEqual(ended);
	});

	test("leaves one that follows a fork", () => {
		expect(refusal("cancel", inState("running", { cause: "reorg" }))).toBe(
			"rollback_not_cancellable",
		);
	});

	test.each([...OVER, "failed" as const])("is too late when it is %s", (state) => {
		expect(refusal("cancel", inState(state))).toBe("rollback_over");
	});
});

describe("retry", () => {
	test("begins anew, or with what is prepared", () => {
		const failed = inState("failed");
		expect(obeyed("retry", failed, AROUND)).toEqual({ type: "again", state: "recorded" });
		expect(obeyed("retry", failed, { ...AROUND, isPrepared: true })).toEqual({
			type: "again",
			state: "prepared",
		});
	});

	test.each([
		["another is under way", { isBusy: true }, "chain_busy"],
		["its chain is halted", { isHalted: true }, "chain_halted"],
		["the chain is in another generation", { generation: 1n }, "rollback_outdated"],
		["its ancestor is no block of the chain", { ancestorStands: false }, "rollback_outdated"],
	])("is refused when %s", (_when, around, code) => {
		expect(refusal("retry", inState("failed"), { ...AROUND, ...around })).toBe(code);
	});

	test("of a recovery's goes on while its chain is halted", () => {
		const failed = inState("failed", { recoveryId: "r" });
		const halted = { ...AROUND, isHalted: true };
		expect(obeyed("retry", failed, halted)).toEqual({ type: "again", state: "recorded" });
	});

	test.each([...ACTIVE, ...OVER])("is refused when it is %s", (state) => {
		expect(refusal("retry", inState(state))).toBe("rollback_not_failed");
	});
});

describe("abandon", () => {
	test("gives one up that failed, whatever became of the chain", () => {
		const around = { ...AROUND, generation: 9n, ancestorStands: false, isBusy: true };
		expect(obeyed("abandon", inState("failed"), around)).toEqual({
			type: "end",
			state: "abandoned",
		});
	});

	test.each([...ACTIVE, ...OVER])("is refused when it is %s", (state) => {
		expect(refusal("abandon", inState(state))).toBe("rollback_not_failed");
	});
});

/** Its code; every refusal is a conflict over HTTP, and says what else can be done. */
function refusal(
	order: (typeof ROLLBACK_ORDERS)[number],
	rollback: RollbackRecord,
	around = AROUND,
): string {
	try {
		obeyed(order, rollback, around);
	} catch (error) {
		const { code, hint } = error as { code: keyof typeof STATUS_OF; hint: string };
		expect(STATUS_OF[code]).toBe(409);
		expect(hint).not.toBe("");
		return code;
	}
	return "obeyed";
}
