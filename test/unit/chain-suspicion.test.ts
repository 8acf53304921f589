import { describe, expect, test } from "vitest";
import { DEFAULT_REORG_RULES } from "../../src/chain/branch-support.ts";
import { type SuspectLook, type Suspicion, weighSuspicion } from "../../src/chain/suspicion.ts";

const RULES = { ...DEFAULT_REORG_RULES, polls: 3 };
const LOOK: SuspectLook = { key: "fork 7", support: undefined, nowMs: 0, spacingMs: 100 };
const QUORUM = { confirming: 2, denying: 0, silent: 0 };
const ALONE = { confirming: 1, denying: 0, silent: 2 };
const DENIED = { confirming: 1, denying: 2, silent: 0 };

/** What each of the looks comes to. */
function weighed(looks: readonly Partial<SuspectLook>[], rules = RULES): readonly string[] {
	let suspicion: Suspicion | undefined;
	return looks.map((look, index) => {
		const now = weighSuspicion(suspicion, { ...LOOK, nowMs: index * 100, ...look }, rules);
		suspicion = now.suspicion;
		return now.type;
	});
}

describe("what would halt a chain", () => {
	test("is never confirmed by one look, however the file and the providers say", () => {
		for (const support of [undefined, QUORUM, ALONE])
			for (const polls of [1, 2, 3])
				expect(weighed([{ support }], { ...RULES, polls })).toEqual(["suspected"]);
	});

	test("is confirmed by a second look where a quorum says so, else by all that the file asks for", () => {
		expect(weighed([{ support: QUORUM }, { support: QUORUM }])).toEqual(["suspected", "confirmed"]);
		const looks = [{ support: ALONE }, { support: ALONE }, { support: ALONE }];
		expect(weighed(looks)).toEqual(["suspected", "suspected", "confirmed"]);
		expect(weighed([{}, {}], { ...RULES, polls: 1 })).toEqual(["suspected", "confirmed"]);
	});

	test("begins anew when most deny it, and when it is something else", () => {
		expect(weighed([{}, {}, { support: DENIED }, {}, {}, {}])).toEqual([
			"suspected",
			"suspected",
			"denied",
			"suspected",
			"suspected",
			"confirmed",
		]);
		expect(weighed([{}, {}, { key: "fork 8" }, { key: "fork 8" }])).toEqual([
			"suspected",
			"suspected",
			"suspected",
			"suspected",
		]);
	});

	test("counts looks of one burst once", () => {
		const burst = [0, 1, 2, 3, 99].map((nowMs) => ({ nowMs }));
		expect(weighed([...burst, { nowMs: 100 }, { nowMs: 200 }])).toEqual([
			...burst.map(() => "suspected"),
			"suspected",
			"confirmed",
		]);
	});
});
