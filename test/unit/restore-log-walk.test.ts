/** What a walk through the log gives for entries that agents did not ask for, or that write nothing. */
import { describe, expect, test } from "vitest";
import type { OperationId } from "../../src/domain/ids.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import type { LoggedEntry, RollbackMark } from "../../src/restore/log-reader.ts";
import { FROM_NOTHING, LogWalk, type Step } from "../../src/restore/log-walk.ts";

const NAMED = { namespace: "agent", id: "a" };
const PUT = { owner: "agent", kind: "put", ...NAMED, body: { layer: "semantic", content: {} } };

test("a system tombstone outside a group ends the memory in its slot", () => {
	const ended = { owner: "system", kind: "expire", ...NAMED, reason: "time", versionId: "2" };
	const steps = walked([put(1n, 1n), entry(2n, 3n, "operation", ended)]);
	expect(steps.map(brief)).toEqual(["agent 1 at 1 = 1", "ended 2 at 3 = 2"]);
});

test("a consolidated put is a write of its own, and what asks for it is none", () => {
	const asked = { owner: "agent", kind: "consolidate", namespace: "agent", id: "@consolidate" };
	const made = {
		owner: "system",
		kind: "put",
		namespace: "agent",
		id: "sum",
		layer: "long_term",
		content: {},
		versionId: "2",
		grounds: "7",
		suspect: true,
	};
	const steps = walked([
		put(1n, 1n),
		entry(2n, 2n, "operation", asked),
		entry(3n, 2n, "operation", made),
	]);
	expect(steps.map(brief)).toEqual(["agent 1 at 1 = 1", "consolidated 3 at 2 = 2"]);
	expect(steps[1]).toMatchObject({ rests: { grounds: 7n, suspect: true } });
});

test("a cleared verdict writes once more, in the order of the operation that it is about", () => {
	const cleared = { verdict: "cleared", ...NAMED, slot: "4", grounds: "4" };
	const steps = walked([put(1n, 1n), verdict(2n, 4n, cleared, put(1n, 1n))]);
	expect(steps.map(brief)).toEqual(["agent 1 at 1 = 1", "cleared 1 at 4 = 2"]);
	expect(steps[1]).toMatchObject({ rests: { grounds: 4n, suspect: false } });
});

test("a replayed consolidation takes no version id", () => {
	const asked = { owner: "agent", kind: "consolidate", namespace: "agent", id: "@consolidate" };
	const replayed = { verdict: "replayed", ...NAMED, slot: "3" };
	const admitted = entry(1n, 2n, "operation", asked);
	const steps = walked([admitted, verdict(2n, 3n, replayed, admitted), put(3n, 3n, "1")]);
	expect(steps.map(brief)).toEqual(["agent 3 at 3 = 1"]);
});

test("what stands between a group's base and its entry goes with the group", () => {
	const ended = { owner: "system", kind: "expire", ...NAMED, reason: "time", versionId: "3" };
	const cleared = { verdict: "cleared", ...NAMED, slot: "3" };
	const failed = { verdict: "recanted", ...NAMED };
	const group = {
		from: "2",
		to: "5",
		versionId: "4",
		base: { position: "1", versionId: "1" },
	};
	const steps = walked([
		put(1n, 1n),
		verdict(2n, 3n, cleared, put(1n, 1n)),
		verdict(3n, 4n, failed, put(1n, 1n)),
		entry(4n, 4n, "operation", ended),
		entry(5n, 5n, "derived", group),
		put(6n, 6n, "5"),
	]);
	expect(steps.map(brief)).toEqual(["agent 1 at 1 = 1", "group 2 to 5", "agent 6 at 6 = 5"]);
	expect(steps[1]).toMatchObject({
		recorded: [
			{ position: 2n, slot: 3n, write: { type: "cleared" } },
			{ position: 3n, slot: 4n, write: undefined },
			{ position: 4n, slot: 4n, write: { type: "ended" } },
		],
	});
});

test("what the writer did above the ancestor is taken back", () => {
	const ended = { owner: "system", kind: "expire", ...NAMED, reason: "time", versionId: "2" };
	const rollbacks = [{ position: 3n, generation: 1n, ancestor: 2n }];
	const entries = [
		put(1n, 1n),
		entry(2n, 3n, "operation", ended),
		entry(3n, 2n, "rollback", {}),
		entry(4n, 3n, "operation", { ...ended, versionId: "3" }),
	];
	expect(walked(entries, rollbacks).map(brief)).toEqual(["agent 1 at 1 = 1", "ended 4 at 3 = 3"]);
});

test("a system entry with another version id is damaged", () => {
	const ended = { owner: "system", kind: "expire", ...NAMED, reason: "time", versionId: "3" };
	expect(() => walked([put(1n, 1n), entry(2n, 3n, "operation", ended)])).toThrow(/not 2/);
});

describe("a group", () => {
	const ended = { owner: "system", kind: "expire", ...NAMED, reason: "time", versionId: "2" };
	const late = { ...ended, versionId: "3" };
	const base = { position: "1", versionId: "1" };
	const group = { from: "2", to: "9", versionId: "7", base };
	const entries = [
		put(1n, 1n),
		entry(2n, 3n, "operation", ended),
		entry(3n, 8n, "operation", late),
		entry(4n, 9n, "derived", group),
		put(6n, 6n, "8"),
	];

	test("that a rollback below finality cut is derived as far as it stands, and is not compared", () => {
		const cut = { position: 5n, generation: 1n, ancestor: 5n };
		const steps = walked(entries, [cut]);
		expect(steps.map(brief)).toEqual(["agent 1 at 1 = 1", "group 2 to 5", "agent 6 at 6 = 8"]);
		expect(steps[1]).toMatchObject({ whole: false, recorded: [{ position: 2n, slot: 3n }] });
	});

	test("that a rollback took back whole leaves nothing but its version ids", () => {
		const steps = walked(entries, [{ position: 5n, generation: 1n, ancestor: 1n }]);
		expect(steps.map(brief)).toEqual(["agent 1 at 1 = 1", "agent 6 at 6 = 8"]);
	});

	test("is derived only up to the height that is wanted where the chain may have forked above", () => {
		const toFour = (isForked: boolean) => {
			const walk = new LogWalk(FROM_NOTHING, { height: 4n, rollbacks: [], isForked });
			return [...walk.take(entries.slice(0, 4)), ...walk.end()];
		};
		expect(toFour(true)[1]).toMatchObject({ type: "group", to: 4n, whole: false });
		expect(toFour(false)[1]).toMatchObject({ type: "group", to: 9n, whole: true });
	});
});

function walked(entries: readonly LoggedEntry[], rollbacks: readonly RollbackMark[] = []) {
	const walk = new LogWalk(FROM_NOTHING, { height: 100n, rollbacks });
	// Piece by piece, as pages may cut them.
	return [...entries.flatMap((each) => walk.take([each])), ...walk.end()];
}

function brief(step: Step): string {
	if (step.type === "group") return `group ${step.from} to ${step.to}`;
	return `${step.type} ${step.position} at ${step.slot} = ${step.versionId}`;
}

function put(position: bigint, height: bigint, versionId = position.toString()): LoggedEntry {
	return entry(position, height, "operation", { ...PUT, versionId });
}

function verdict(
	position: bigint,
	height: bigint,
	body: JsonObject,
	admitted: LoggedEntry,
): LoggedEntry {
	return { ...entry(position, height, "verdict", body), admitted };
}

function entry(
	position: bigint,
	height: bigint,
	kind: LoggedEntry["kind"],
	body: JsonObject,
): LoggedEntry {
	const operationId = `operation-${position}` as OperationId;
	return { position, height, kind, operationId, body, admitted: undefined };
}
