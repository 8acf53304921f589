/** Bringing part of the state back: what comes back, what is left alone, and what becomes of it on a fork. */
import { describe, expect, test } from "vitest";
import type { AtRequest } from "../../src/domain/coordinate.ts";
import { NO_ANCHORS } from "../../src/domain/operation.ts";
import type { MemoryView } from "../../src/service/recant-service.ts";
import type {
	ApplyMode,
	PartialAnswer,
	PartialSelection,
} from "../../src/service/restoring/partial-restore-service.ts";
import { adoptOperations } from "../support/adopt-operations.ts";
import { readMemories } from "../support/held-state.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import { StageHold } from "../support/stage-hold.ts";
import { World } from "../support/world.ts";

const DRY: ApplyMode = { dryRun: true };
/** Brought to unit length twice, it would not be what it is after the first time. */
const VECTOR = [Math.sin(6), Math.cos(18), Math.sin(42), 0.5, ...Array<number>(380).fill(0)];

function keyed(idempotencyKey: string): ApplyMode {
	return { dryRun: false, idempotencyKey };
}

function height(at: bigint, generation?: bigint): AtRequest {
	return { at: { kind: "height", height: at }, generation };
}

function selecting(parts: Partial<PartialSelection>): PartialSelection {
	return { namespaces: undefined, layers: undefined, collections: undefined, ...parts };
}

const MINE = selecting({ namespaces: ["default"] });

async function said(world: World, at?: AtRequest): Promise<Record<string, MemoryView>> {
	const pending = { at: { kind: "tag", tag: "pending" }, generation: undefined } as const;
	const memories = await readMemories(world.service, at ?? pending);
	return Object.fromEntries(
		memories.filter(({ owner }) => owner === "agent").map((memory) => [memory.id, memory]),
	);
}

function hashes(memories: Record<string, MemoryView>): Record<string, string> {
	return Object.fromEntries(
		Object.entries(memories).map(([id, { contentHash }]) => [id, contentHash]),
	);
}

function changes({ plan }: PartialAnswer): readonly string[] {
	return (plan?.items ?? []).map(({ id, change }) => `${change} ${id}`);
}

/** Block 3 says one thing, block 4 another. */
async function changedWorld(options: Parameters<typeof World.create>[0] = {}) {
	const world = await World.create(options);
	await world.write(
		{ op: "put", id: "kept", content: { n: 1 }, text: "the whale stays" },
		{ op: "put", id: "changed", content: { n: 1 }, text: "the whale was here" },
		{ op: "put", id: "deleted", content: { n: 1 }, importance: 0.5 },
		{ op: "put", id: "vector", content: { n: 1 }, vector: VECTOR },
		{ op: "put", id: "ended", content: { n: 1 }, expiresAtBlock: 5n },
		{ op: "put", id: "lasting", content: { n: 1 }, expiresAtBlock: 40n },
		{ op: "put", id: "moved", content: { n: 1 }, layer: "episodic" },
	);
	await world.block({ from: 1, to: 2, value: 5n });
	await world.write(
		{ op: "patch", id: "changed", content: { n: 2 }, text: "the whale is gone" },
		{ op: "delete", id: "deleted" },
		{ op: "put", id: "vector", content: { n: 2 }, text: "no vector of its own" },
		{ op: "patch", id: "lasting", content: { n: 2 } },
		{ op: "delete", id: "moved" },
		{ op: "put", id: "added", content: { n: 2 }, text: "a second whale" },
	);
	await world.write({ op: "put", id: "moved", content: { n: 2 }, layer: "semantic" });
	await world.block({ from: 2, to: 3, value: 1n });
	await world.block();
	return { world, earlier: height(3n) };
}

describe("a restore", () => {
	test("brings back what was said, exactly, and a dry run says so beforehand", async () => {
		const { world, earlier } = await changedWorld();
		const { restores } = world.recant;
		const before = hashes(await said(world));
		const dry = await restores.restore(CHAIN, { to: earlier, selection: MINE }, DRY);
		expect(hashes(await said(world)), "a dry run changes nothing").toEqual(before);
		expect(changes(dry)).toEqual([
			"remove added",
			"change changed",
			"add deleted",
			"change lasting",
			"change moved",
			"change vector",
		]);
		expect(dry.plan?.skipped).toMatchObject([{ id: "ended", reason: "expired" }]);
		expect(dry.plan?.counts).toEqual({ add: 1, change: 4, remove: 1, skip: 1, operations: 7 });

		const done = await restores.restore(CHAIN, { to: earlier, selection: MINE }, keyed("one"));
		expect(done).toMatchObject({ committed: true, repeated: false });
		expect(done.plan?.planHash).toBe(dry.plan?.planHash);
		expect(done.outcome).toMatchObject({ applied: 7, failed: 0, waiting: 0 });
		const { ended: _expired, ...target } = hashes(await said(world, earlier));
		expect(hashes(await said(world))).toEqual(target);
		const again = await restores.restore(CHAIN, { to: earlier, selection: MINE }, DRY);
		expect(again.plan?.items, "nothing is left to bring back").toEqual([]);

		const [operation] = await adoptOperations(world);
		expect(operation?.anchors).toEqual(NO_ANCHORS);
		await world.block();
		await expectStraightRun(world);
	});

	test("holds across forks as the operations that it is", async () => {
		const { world, earlier } = await changedWorld();
		const restored = { to: earlier, selection: MINE };
		await world.recant.restores.restore(CHAIN, restored, keyed("one"));
		await adoptOperations(world);
		await world.block({ from: 1, to: 3, value: 7n });
		await world.fork(async (chain) => {
			await chain.drop(3);
			await chain.empty(4);
		});
		await expectStraightRun(world);
		await world.fork(async (chain) => {
			await chain.drop(4);
			await chain.block({ from: 3, to: 1, value: 2n });
			await chain.empty(4);
		});
		await expectStraightRun(world);
	});

	test("is judged again where what it undid is withdrawn by a fork", async () => {
		const { world } = await changedWorld();
		const { block } = await world.block({ from: 1, to: 2, value: 9n });
		await world.write(
			{ op: "put", id: "kept", content: { n: 3 }, anchor: { block: block.hash } },
			{ op: "put", id: "rash", content: { n: 3 }, anchor: { block: block.hash } },
		);
		await world.block();
		const done = await world.recant.restores.restore(
			CHAIN,
			{ to: height(block.number), selection: MINE },
			keyed("undo"),
		);
		expect(changes(done)).toEqual(["change kept", "remove rash"]);
		await adoptOperations(world);
		await world.fork(async (chain) => {
			await chain.drop(2);
			await chain.empty(3);
		});
		// Both conditions name versions that the fork took away; what was restored is there all the same.
		const memories = await said(world);
		expect(memories["kept"]?.content).toEqual({ n: 1 });
		expect(memories["rash"]).toBeUndefined();
		await expectStraightRun(world);
	});

	test("leaves what handlers own alone, and says so", async () => {
		const { world, earlier } = await changedWorld();
		const before = await readMemories(world.service, {
			at: { kind: "tag", tag: "pending" },
			generation: undefined,
		});
		const ledger = before.filter(({ owner }) => owner === "handler");
		const selection = selecting({ layers: ["episodic", "semantic", "short_term", "long_term"] });
		const done = await world.recant.restores.restore(
			CHAIN,
			{ to: earlier, selection },
			keyed("all layers"),
		);
		const skipped = done.plan?.skipped.filter(({ reason }) => reason === "handler_owned") ?? [];
		expect(skipped.length).toBeGreaterThan(2);
		expect(new Set(skipped.map(({ namespace }) => namespace))).toEqual(new Set(["ledger"]));
		const after = await readMemories(world.service, {
			at: { kind: "tag", tag: "pending" },
			generation: undefined,
		});
		expect(after.filter(({ owner }) => owner === "handler")).toEqual(ledger);
		const named = { to: earlier, selection: selecting({ namespaces: ["ledger"] }) };
		const onlyTheirs = await world.recant.restores.restore(CHAIN, named, keyed("ledger"));
		expect(onlyTheirs).toMatchObject({
			plan: { items: [], counts: { operations: 0 } },
			outcome: { applied: 0, failed: 0 },
		});
	});

	test("takes a memory for selected by what it said then or says now", async () => {
		const { world, earlier } = await changedWorld();
		const dry = async (parts: Partial<PartialSelection>) =>
			changes(
				await world.recant.restores.restore(
					CHAIN,
					{ to: earlier, selection: selecting(parts) },
					DRY,
				),
			);
		const mine = { namespaces: ["default"] };
		expect(await dry({ ...mine, layers: ["episodic"] })).toEqual(["change moved"]);
		expect(await dry({ ...mine, layers: ["long_term"] })).toEqual([]);
		expect(await dry({ ...mine, collections: ["default"] })).toEqual([
			"remove added",
			"change changed",
			"change vector",
		]);
		expect(await dry({ namespaces: ["elsewhere"] })).toEqual([]);
		await expect(dry({})).rejects.toMatchObject({ code: "invalid_request" });
	});
});

describe("a request", () => {
	test("that is repeated answers the same operations and writes nothing, whatever came since", async () => {
		const { world, earlier } = await changedWorld();
		const { restores } = world.recant;
		const restore = (key: string) =>
			restores.restore(CHAIN, { to: earlier, selection: MINE }, keyed(key));
		const [one, other] = await Promise.all([restore("same"), restore("same")]);
		expect([one.repeated, other.repeated].toSorted()).toEqual([false, true]);
		expect(ids(one)).toEqual(ids(other));
		await world.write({ op: "put", id: "changed", content: { n: 9 } });
		const third = await restore("same");
		expect(third).toMatchObject({ repeated: true, plan: undefined, outcome: { applied: 7 } });
		expect(ids(third)).toEqual(ids(one));
		expect((await said(world))["changed"]?.content).toEqual({ n: 9 });
		const other_body = { to: height(4n), selection: MINE };
		await expect(restores.restore(CHAIN, other_body, keyed("same"))).rejects.toMatchObject({
			code: "idempotency_conflict",
		});
	});

	test("with nothing to do is remembered as such", async () => {
		const { world } = await changedWorld();
		const { restores } = world.recant;
		const request = { to: height(5n), selection: MINE };
		const first = await restores.restore(CHAIN, request, keyed("nothing"));
		expect(first).toMatchObject({ committed: true, plan: { items: [] } });
		await world.write({ op: "put", id: "later", content: {} });
		const again = await restores.restore(CHAIN, request, keyed("nothing"));
		expect(again).toMatchObject({ repeated: true, outcome: { applied: 0 } });
		expect(await world.memory("later")).toBeDefined();
	});

	test("loses no write that came meanwhile: that memory fails by name, the others do not", async () => {
		const hold = new StageHold();
		const { world, earlier } = await changedWorld({ beforeStage: hold.beforeStage });
		// While a rollback runs the inbox waits: what is planned now is admitted after what came before it.
		await world.block();
		hold.at("replay");
		const forking = world.fork(async (chain) => {
			await chain.drop(1);
			await chain.empty(2);
		});
		await hold.reached();
		await world.submit([{ op: "put", id: "changed", content: { n: 7 } }], 0);
		await world.submit([{ op: "put", id: "moved", content: { n: 7 } }], 0);
		const request = { to: earlier, selection: MINE };
		const waiting = world.recant.restores.restore(CHAIN, request, keyed("meanwhile"));
		await expect.poll(async () => (await world.service.chain(CHAIN)).inbox).toBe(9);
		hold.release();
		const first = await waiting;
		await forking;
		const done = first.committed
			? first
			: await world.recant.restores.restore(CHAIN, request, keyed("meanwhile"));
		expect(done.outcome).toMatchObject({ applied: 4, failed: 3, waiting: 0 });
		const failures = done.outcome?.failures.map(({ id, kind, status, reason }) => ({
			id,
			kind,
			status,
			code: reason?.code,
		}));
		expect(failures).toEqual([
			{ id: "changed", kind: "put", status: "refused", code: "version_conflict" },
			{ id: "moved", kind: "delete", status: "refused", code: "version_conflict" },
			{ id: "moved", kind: "put", status: "refused", code: "version_conflict" },
		]);
		const memories = await said(world);
		expect(memories["changed"]?.content).toEqual({ n: 7 });
		expect(memories["moved"]?.content).toEqual({ n: 7 });
		expect(memories["deleted"]?.content).toEqual({ n: 1 });
		expect(memories["added"]).toBeUndefined();
		await adoptOperations(world);
		await expectStraightRun(world);
	});

	test("that changes a thousand memories and more is one answer", async () => {
		const world = await World.create();
		const write = async (n: number, from: number, count: number) =>
			world.write(
				...Array.from({ length: count }, (_, index) => ({
					op: "put" as const,
					id: `m${String(from + index).padStart(4, "0")}`,
					content: { n },
				})),
			);
		for (const from of [0, 1_000]) await write(1, from, 1_000);
		await world.block();
		for (const from of [0, 1_000]) await write(2, from, 1_000);
		await write(2, 2_000, 500);
		const before = hashes(await said(world, height(3n)));
		const done = await world.recant.restores.restore(
			CHAIN,
			{ to: height(3n), selection: MINE },
			keyed("many"),
		);
		expect(done.plan).toMatchObject({ counts: { change: 2_000, remove: 500 }, truncated: true });
		expect(done.outcome).toMatchObject({ applied: 2_500, failed: 0, truncated: true });
		expect(hashes(await said(world))).toEqual(before);
	});
});

function ids({ outcome }: PartialAnswer): readonly string[] | undefined {
	return outcome?.operations.map(({ operationId }) => operationId);
}
