/** Who lags and who is ahead, as far as the heads tell that were seen. */
import { describe, expect, test } from "vitest";
import { HeadNotes } from "../../src/rpc/head-notes.ts";
import { ManualClock } from "../support/manual-clock.ts";

type Who = "a" | "b" | "c";

/** Blocks of two seconds, with timestamps by the clock unless `skewS` says otherwise. */
function notes(uncounted: readonly Who[] = []) {
	const clock = new ManualClock(1_000_000_000);
	const said: string[] = [];
	const heads = new HeadNotes<Who>({
		clock,
		counts: (who) => !uncounted.includes(who),
		onVerdict: (who, verdict) => said.push(`${who} ${verdict.type}`),
	});
	const note = (who: Who, height: number, skewS = 0) =>
		heads.note(who, {
			height: BigInt(height),
			timestamp: BigInt(Math.floor(clock.wallMs() / 1_000) + skewS),
		});
	/** The chain's pace, as `a` shows it. */
	const follow = (from: number, to: number) => {
		for (let height = from; height <= to; height += 1) {
			note("a", height);
			clock.pass(2_000);
		}
	};
	const verdicts = () => (["a", "b", "c"] as const).map((who) => heads.verdictOf(who).type);
	return { clock, heads, note, follow, said, verdicts };
}

describe("a provider", () => {
	test("alone is level, whatever it shows", () => {
		const { note, verdicts, follow, heads } = notes();
		follow(10, 20);
		note("a", 1);
		note("a", 9_999);
		expect(verdicts()).toEqual(["level", "level", "level"]);
		expect(heads.headOf("a")).toBe(9_999n);
	});

	test("lags when another showed far more before, and is level again once it caught up", () => {
		const { note, follow, heads, said } = notes();
		follow(100, 120);
		note("b", 115);
		expect(heads.verdictOf("b")).toEqual({ type: "level" });
		note("b", 80);
		expect(heads.verdictOf("b")).toEqual({ type: "lagging", blocks: 40n });
		// Within what others may lag, but not by half: it does not come and go at the edge.
		note("b", 116);
		expect(heads.verdictOf("b").type).toBe("lagging");
		note("b", 119);
		expect(said).toEqual(["b lagging", "b level"]);
	});

	test("does not lag by heads that were seen after its own", () => {
		const { note, heads, follow } = notes();
		follow(100, 110);
		note("b", 110);
		follow(111, 200);
		expect(heads.verdictOf("b").type).toBe("level");
		note("b", 160);
		follow(201, 228);
		// Still by what was known when it showed its own.
		expect(heads.verdictOf("b")).toEqual({ type: "lagging", blocks: 40n });
		follow(229, 240);
		expect(heads.verdictOf("b").type).toBe("level");
	});

	test("does not lag by a head that does not count, or is old", () => {
		const uncounted = notes(["b"]);
		uncounted.note("b", 9_999);
		uncounted.note("a", 5);
		expect(uncounted.verdicts()).toEqual(["level", "level", "level"]);
		const old = notes();
		old.note("b", 9_999);
		old.clock.pass(60_000);
		old.note("a", 5);
		expect(old.verdicts()).toEqual(["level", "level", "level"]);
	});

	test("lags by time and not by blocks where blocks are fast", () => {
		const { clock, note, heads } = notes();
		for (let second = 0; second < 40; second += 1) {
			note("a", 1_000 + second * 10);
			clock.pass(1_000);
		}
		note("b", 1_390 - 60);
		expect(heads.verdictOf("b").type).toBe("level");
		note("b", 1_390 - 300);
		expect(heads.verdictOf("b").type).toBe("lagging");
	});
});

describe("one of three", () => {
	test("is ahead when its head is far above two others that go on", () => {
		const { note, follow, clock, verdicts, said } = notes();
		follow(100, 110);
		note("b", 110);
		note("c", 110);
		clock.pass(2_000);
		note("b", 111);
		note("c", 111);
		note("a", 500);
		expect(verdicts()).toEqual(["ahead", "level", "level"]);
		// The others do not lag behind a head that nobody believes.
		note("b", 112);
		expect(verdicts()).toEqual(["ahead", "level", "level"]);
		note("a", 112);
		expect(said).toEqual(["a ahead", "a level"]);
	});

	test("that comes first is found out by the others, which lag no more", () => {
		const { note, verdicts } = notes();
		note("a", 5_000);
		note("b", 111);
		expect(verdicts()).toEqual(["level", "lagging", "level"]);
		note("c", 111);
		expect(verdicts()).toEqual(["ahead", "level", "level"]);
	});

	test("is not ahead of others that stand still", () => {
		const { note, clock, verdicts, follow } = notes();
		note("b", 100);
		note("c", 100);
		clock.pass(50_000);
		note("b", 100);
		note("c", 100);
		clock.pass(20_000);
		note("b", 100);
		note("c", 100);
		follow(300, 302);
		expect(verdicts()[0]).toBe("level");
	});

	test("is not ahead of others that are still syncing", () => {
		const { note, verdicts } = notes();
		note("b", 100, -86_400);
		note("c", 105, -86_400);
		note("a", 43_300);
		expect(verdicts()[0]).toBe("level");
		note("b", 110, -86_400);
		expect(verdicts()[1]).toBe("lagging");
	});

	test("is not ahead when the others were only not looked at for a while", () => {
		const { note, follow, verdicts } = notes();
		follow(100, 110);
		note("b", 110);
		note("c", 110);
		follow(111, 135);
		expect(verdicts()[0]).toBe("level");
	});
});

describe("a head that leaps and comes back", () => {
	test("of one of two makes the other lag for as long as it leads, and no longer", () => {
		const { note, follow, verdicts, said } = notes();
		follow(100, 110);
		note("b", 110);
		note("a", 5_000);
		note("b", 111);
		expect(verdicts()).toEqual(["level", "lagging", "level"]);
		note("a", 112);
		expect(verdicts()).toEqual(["level", "level", "level"]);
		expect(said).toEqual(["b lagging", "b level"]);
	});

	test("of one of three leaves the others level, each time", () => {
		const { note, follow, clock, verdicts, said } = notes();
		follow(100, 110);
		for (let height = 110; height < 116; height += 1) {
			note("b", height);
			note("c", height);
			note("a", height % 2 === 0 ? 9_000 : height);
			expect(verdicts()).toEqual([height % 2 === 0 ? "ahead" : "level", "level", "level"]);
			clock.pass(2_000);
		}
		expect(said.every((line) => line.startsWith("a "))).toBe(true);
	});

	test("does not free one that lags behind another as well", () => {
		const { note, follow, verdicts } = notes();
		follow(100, 110);
		note("c", 111);
		note("a", 5_000);
		note("b", 60);
		expect(verdicts()[1]).toBe("lagging");
		note("c", 112);
		note("a", 112);
		expect(verdicts()).toEqual(["level", "lagging", "level"]);
	});
});

describe("when whose heads count has changed", () => {
	test("who lagged behind one that counts no more is level", () => {
		const uncounted: Who[] = [];
		const { heads, note, follow, verdicts, said } = notes(uncounted);
		follow(100, 110);
		note("c", 130);
		note("b", 111);
		expect(verdicts()[1]).toBe("lagging");
		heads.reconsider();
		expect(verdicts()[1]).toBe("lagging");
		uncounted.push("c");
		heads.reconsider();
		expect(verdicts()).toEqual(["level", "level", "level"]);
		expect(said.filter((line) => line.startsWith("b"))).toEqual(["b lagging", "b level"]);
	});

	test("who lags behind one that still counts goes on to lag, whenever that was seen last", () => {
		const uncounted: Who[] = [];
		const { heads, note, follow, verdicts } = notes(uncounted);
		follow(100, 140);
		note("c", 150);
		note("b", 90);
		// As the one that is asked does, between a look and what is made of it.
		follow(141, 142);
		uncounted.push("c");
		heads.reconsider();
		expect(verdicts()[1]).toBe("lagging");
	});
});

test("the time between blocks is learned from their timestamps", () => {
	const { heads, follow } = notes();
	expect(heads.blockMs).toBeUndefined();
	follow(1, 10);
	expect(heads.blockMs).toBe(2_000);
});
