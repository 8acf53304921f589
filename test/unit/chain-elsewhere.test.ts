/** A write through a process that does not write the chain: waiting for an outcome that others make. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { RetryableError } from "../../src/domain/errors.ts";
import type { OperationId } from "../../src/domain/ids.ts";
import { noticeText, parseNotice } from "../../src/domain/notice.ts";
import type { ChainElsewhereStore } from "../../src/service/chain-standing.ts";
import { statusOf } from "../../src/service/chain-standing.ts";
import { ChainElsewhere } from "../../src/service/writing/chain-elsewhere.ts";

const LONG_MS = 60_000;

function ids(...names: string[]): readonly OperationId[] {
	return names as readonly string[] as readonly OperationId[];
}

/** An inbox in memory; what is taken out of `queued` has its outcome. */
function elsewhere() {
	const queued = new Set<OperationId>();
	const stillQueued = vi.fn(async (_chainId: number, asked: readonly OperationId[]) =>
		asked.filter((id) => queued.has(id)),
	);
	const store = { stillQueued } as Partial<ChainElsewhereStore> as ChainElsewhereStore;
	const told = vi.fn();
	const chain = new ChainElsewhere({ chainId: 1, store, inboxDue: told, headDue: told });
	return { chain, queued, stillQueued };
}

describe("a write whose outcome another process makes", () => {
	it("resolves at the commit that is heard of, with one look for all who wait", async () => {
		const { chain, queued, stillQueued } = elsewhere();
		for (const id of ids("a", "b", "c")) queued.add(id);
		const both = Promise.all([
			chain.settled(ids("a", "b"), LONG_MS),
			chain.settled(ids("c"), LONG_MS),
		]);
		await sleep(20);
		stillQueued.mockClear();
		queued.clear();
		chain.committed();
		await both;
		expect(stillQueued).toHaveBeenCalledTimes(1);
		expect(stillQueued).toHaveBeenCalledWith(1, ids("a", "b", "c"));
	});

	it("is over at once when it was committed before anybody waited", async () => {
		const { chain } = elsewhere();
		await chain.settled(ids("a"), LONG_MS);
	});

	it("looks by itself when nothing is heard, and ends at the deadline", async () => {
		const { chain, queued, stillQueued } = elsewhere();
		queued.add(ids("a")[0] as OperationId);
		const begun = performance.now();
		const waits = chain.settled(ids("a"), LONG_MS);
		await sleep(20);
		queued.clear();
		await waits;
		expect(performance.now() - begun).toBeLessThan(5_000);
		queued.add(ids("b")[0] as OperationId);
		await chain.settled(ids("b"), 50);
		const looks = stillQueued.mock.calls.length;
		await sleep(600);
		// Where nobody waits nothing is asked.
		expect(stillQueued.mock.calls.length).toBe(looks);
	});

	it("goes on waiting while Postgres is away", async () => {
		const { chain, stillQueued } = elsewhere();
		const gone = new RetryableError("database_unavailable", { message: "gone", hint: "" });
		stillQueued.mockRejectedValueOnce(gone);
		await chain.settled(ids("a"), LONG_MS);
		expect(stillQueued).toHaveBeenCalledTimes(2);
	});
});

describe("where a chain stands", () => {
	const row = { followedBy: undefined, status: undefined, halt: undefined, head: 1n };
	const following = { state: "following", problem: undefined, nodeHead: 5n } as const;

	it("is what its follower says, and waiting when nobody follows it", () => {
		expect(statusOf("anvil", { ...row, followedBy: "host:1:a", status: following })).toEqual({
			...following,
			followedBy: "host:1:a",
		});
		expect(statusOf("anvil", { ...row, followedBy: "host:1:a" }).state).toBe("starting");
		expect(statusOf("anvil", row)).toMatchObject({
			state: "waiting",
			problem: { code: "not_followed" },
		});
	});

	it("is halted, whatever its follower said last", () => {
		const halt = { code: "finality_violation", message: "m", hint: "h" };
		const halted = { state: "halted", problem: halt };
		expect(statusOf("anvil", { ...row, halt })).toMatchObject(halted);
		expect(
			statusOf("anvil", { ...row, halt, followedBy: "host:1:a", status: following }),
		).toMatchObject(halted);
	});
});

describe("a notice", () => {
	it("says what and where, and what is none is none", () => {
		const notice = { kind: "commit", chainId: 31_337 } as const;
		expect(parseNotice(noticeText(notice))).toEqual(notice);
		for (const text of ["", "commit", "commit:", "commit:x", "other:1", "commit:1:2", "commit:-1"])
			expect(parseNotice(text)).toBe(undefined);
	});
});
