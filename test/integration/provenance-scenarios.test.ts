/** What becomes of conclusions when the chain takes back what they rest on: worked examples. */
import { describe, expect, test } from "vitest";
import type { Hex } from "../../src/domain/ids.ts";
import { startAnvil } from "../support/anvil.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { GENESIS_TIMESTAMP, type Load, type TestChain } from "../support/test-chain.ts";
import { FIRST_TRANSFERS, onlyOne, World } from "../support/world.ts";

const PAYMENT = { from: 1, to: 2, value: 5n } as const;

/**
 * Block 3 holds a payment. `paid` rests on it, `rich` is derived from `paid`, `plan` from `rich`;
 * `free` rests on nothing.
 */
async function concluded() {
	const world = await World.create();
	const { sent } = await world.block(PAYMENT);
	const payment = onlyOne(sent);
	const anchor = { transaction: payment.hash };
	await world.write({ op: "put", id: "paid", content: { n: 5 }, text: "the whale paid", anchor });
	await world.write({
		op: "put",
		id: "rich",
		content: { is: "rich" },
		derivedFrom: [[await world.said("paid")]],
	});
	await world.write(
		{ op: "put", id: "plan", content: { do: "ask" }, derivedFrom: [[await world.said("rich")]] },
		{ op: "put", id: "free", content: {}, text: "the whale swims" },
	);
	await world.block();
	return { world, payment };
}

/** Blocks 3 and 4 again: each with what it is given. */
function otherwise(...loads: readonly (readonly Load[])[]) {
	return async (chain: TestChain): Promise<void> => {
		await chain.drop(Number((await chain.head()).number) - 2);
		for (const load of loads) await chain.block(...load);
	};
}

async function present(world: World, ...ids: readonly string[]): Promise<readonly string[]> {
	const found: string[] = [];
	for (const id of ids) if ((await world.memory(id)) !== undefined) found.push(id);
	return found;
}

function names(list: readonly { readonly id: string }[] | undefined): readonly string[] {
	return (list ?? []).map(({ id }) => id).sort();
}

const ALL = ["paid", "rich", "plan", "free"];

describe("a transaction that conclusions rest on", () => {
	test("is mined again with equal effects: nothing derived from it is recanted", async () => {
		const { world, payment } = await concluded();
		await world.fork(otherwise([], [], [payment], []));
		expect(await present(world, ...ALL)).toEqual(ALL);
		const { recanted, suspended, replayed } = await world.report();
		expect(names(recanted.filter(({ owner }) => owner === "agent"))).toEqual([]);
		expect(suspended).toEqual([]);
		expect(names(replayed)).toEqual(["free", "paid", "plan", "rich"]);
		await expectStraightRun(world);
	});

	test("is mined again with other effects: what is derived goes, to the last", async () => {
		const world = await World.create();
		await world.block({ from: undefined, to: 4, value: 50n });
		const { sent } = await world.block({ from: 4, to: 1, value: 50n });
		const anchor = { transaction: onlyOne(sent).hash };
		await world.write({ op: "put", id: "paid", content: { n: 50 }, anchor });
		const derivedFrom = [[await world.said("paid")]];
		await world.write({ op: "put", id: "rich", content: {}, derivedFrom });
		await world.block();
		// Without the mint the same transfer fails.
		await world.fork(async (chain) => {
			await chain.drop(3);
			await chain.block(onlyOne(sent));
			await chain.empty(3);
		});
		expect(await present(world, "paid", "rich")).toEqual([]);
		expect(names((await world.report()).suspended)).toEqual(["paid", "rich"]);
		await expectStraightRun(world);
	});

	test("is dropped: the report says what is suspended, and why", async () => {
		const { world, payment } = await concluded();
		await world.fork(otherwise([], [], []));
		expect(await present(world, ...ALL)).toEqual(["free"]);
		const { suspended, replayed, recanted } = await world.report();
		expect(names(suspended)).toEqual(["paid", "plan", "rich"]);
		expect(names(replayed)).toEqual(["free"]);
		expect(names(recanted)).toEqual(expect.arrayContaining(["paid", "plan", "rich"]));
		const reasons = Object.fromEntries(suspended.map(({ id, reason }) => [id, reason]));
		expect(reasons).toEqual({
			paid: "anchor_absent",
			rich: "source_absent",
			plan: "source_absent",
		});
		expect(suspended.find(({ id }) => id === "paid")).toMatchObject({
			lost: [{ kind: "transaction", transactionHash: payment.hash }],
		});
		expect(suspended.find(({ id }) => id === "rich")).toMatchObject({
			lost: [{ kind: "source", id: "paid" }],
		});
		await expectStraightRun(world);
	});

	test("is dropped, and mined two blocks after the commit: everything is back in that block", async () => {
		const { world, payment } = await concluded();
		await world.fork(otherwise([], [], []));
		await world.block();
		const { block } = await world.block(payment);
		expect(await present(world, ...ALL)).toEqual(ALL);
		for (const id of ["paid", "rich", "plan"]) {
			expect(await world.memory(id)).toMatchObject({ since: block.number, suspect: false });
		}
		await expectStraightRun(world);
	});
});

test("A, B and back to A brings a suspended conclusion back", async () => {
	const world = await World.create();
	const a = world.chain;
	const node = await startAnvil({ genesisTimestamp: GENESIS_TIMESTAMP });
	const b = await a.twin(node);
	await b.block(...FIRST_TRANSFERS);
	b.diverge();
	const { block, sent } = await world.block(PAYMENT);
	await world.write(
		{ op: "put", id: "paid", content: { n: 5 }, anchor: { transaction: onlyOne(sent).hash } },
		{ op: "put", id: "here", content: {}, anchor: { block: block.hash } },
	);
	const derivedFrom = [[await world.said("paid"), await world.said("here")]];
	await world.write({ op: "put", id: "both", content: {}, derivedFrom });
	const before = await world.lastWrite();
	await b.empty(3);
	await world.fork(async () => world.switchTo(b));
	expect(await present(world, "paid", "here", "both")).toEqual([]);
	await world.fork(async () => world.switchTo(a));
	expect(await present(world, "paid", "here", "both")).toEqual(["paid", "here", "both"]);
	expect(names((await world.report()).reinstated)).toEqual(["both", "here", "paid"]);
	const after = await world.operation(before);
	expect(after.effectiveSlot).toBe(before.effectiveSlot);
	await expectStraightRun(world);
});

describe("a conclusion with two alternative sources", () => {
	test("stays while one of them is lost, and goes with the other", async () => {
		const world = await World.create();
		const { sent } = await world.block(PAYMENT, { from: 2, to: 3, value: 6n });
		const [first, second] = sent.map(({ hash }) => ({ transaction: hash }));
		await world.write(
			{ op: "put", id: "one", content: { n: 1 }, anchor: first },
			{ op: "put", id: "two", content: { n: 2 }, anchor: second },
		);
		const derivedFrom = [[await world.said("one")], [await world.said("two")]];
		await world.write({ op: "put", id: "either", content: {}, derivedFrom });
		await world.write({ op: "put", id: "both", content: {}, derivedFrom: [derivedFrom.flat()] });
		const [one, two] = sent;
		if (one === undefined || two === undefined) throw new Error("two transfers were sent");
		await world.fork(otherwise([], [two], []));
		expect(await present(world, "one", "two", "either", "both")).toEqual(["two", "either"]);
		await expectStraightRun(world);
		await world.fork(otherwise([], [], [], []));
		expect(await present(world, "one", "two", "either", "both")).toEqual([]);
		await world.block(one);
		expect(await present(world, "one", "two", "either", "both")).toEqual(["one", "either"]);
		await expectStraightRun(world);
	});
});

test("a chain of ten derivations goes and comes back as a whole", async () => {
	const world = await World.create();
	const { sent } = await world.block(PAYMENT);
	const ids = Array.from({ length: 10 }, (_, index) => `step ${index}`);
	const anchor = { transaction: onlyOne(sent).hash };
	await world.write({ op: "put", id: "root", content: { n: 5 }, anchor });
	let source = await world.said("root");
	for (const id of ids) {
		await world.write({ op: "put", id, content: { id }, derivedFrom: [[source]] });
		source = await world.said(id);
		if (id === "step 4") await world.block();
	}
	await world.fork(otherwise([], [], []));
	expect(await present(world, "root", ...ids)).toEqual([]);
	expect((await world.report()).suspended).toHaveLength(11);
	await world.block();
	await world.block(onlyOne(sent));
	expect(await present(world, "root", ...ids)).toEqual(["root", ...ids]);
	await expectStraightRun(world);
});

describe("inside the orphaned range", () => {
	test("a deletion, an overwriting and an end by time are taken back", async () => {
		const { world, payment } = await concluded();
		const anchor = { transaction: payment.hash };
		const expiresAtTime = (await world.chain.head()).timestamp + 20n;
		await world.write({
			op: "put",
			id: "brief",
			content: {},
			text: "the whale hums",
			expiresAtTime,
		});
		await world.block();
		await world.write(
			{ op: "delete", id: "free", anchor },
			{ op: "put", id: "rich", content: { is: "poor" }, anchor },
		);
		await world.block();
		expect(await present(world, "free", "brief")).toEqual([]);
		await world.fork(async (chain) => {
			await chain.drop(Number((await chain.head()).number) - 4);
			await chain.block();
		});
		// The payment is below the fork, so both hold still; the end by time has not come on this branch.
		expect(await present(world, "free", "brief")).toEqual(["brief"]);
		await world.fork(otherwise([], []));
		expect(await present(world, "free", "brief", "rich")).toEqual(["free", "brief"]);
		await expectStraightRun(world);
	});

	test("a link goes with its end, and comes back with it", async () => {
		const { world, payment } = await concluded();
		await world.write(
			{ op: "link", from: "plan", type: "isA", to: "free" },
			{ op: "link", from: "free", type: "near", to: "rich", weight: 2 },
		);
		const free = await world.said("free");
		await world.write({
			op: "link",
			from: "free",
			type: "partOf",
			to: "paid",
			derivedFrom: [[free]],
		});
		await world.block();
		await world.fork(otherwise([], [], []));
		expect((await world.report()).withdrawn).toHaveLength(3);
		await expectStraightRun(world);
		await world.block(payment);
		await world.fork(otherwise([], [payment], []));
		expect((await world.report()).reinstated.length).toBeGreaterThanOrEqual(3);
		await expectStraightRun(world);
	});
});

test("a patch whose put moved up moves up with it, and what is derived from it too", async () => {
	const { world, payment } = await concluded();
	await world.write({ op: "patch", id: "paid", content: { seen: true } });
	const derivedFrom = [[await world.said("paid")]];
	await world.write({ op: "put", id: "seen", content: {}, derivedFrom });
	await world.block();
	await world.fork(otherwise([], [], [], [], [payment], []));
	for (const id of ["paid", "rich", "seen"]) {
		expect(await world.memory(id)).toMatchObject({ since: 7n });
	}
	expect(await world.memory("paid")).toMatchObject({ content: { n: 5, seen: true } });
	await expectStraightRun(world);
});

test("an action on what is recanted is in the report, with what it rested on", async () => {
	const { world } = await concluded();
	const rich = await world.said("rich");
	const [action] = await world.write({
		op: "action",
		id: "asked for a loan",
		content: { amount: "7" },
		derivedFrom: [[rich]],
	});
	await world.write({
		op: "action",
		id: "waved",
		content: {},
		derivedFrom: [[await world.said("free")]],
	});
	await world.block();
	await world.fork(otherwise([], [], []));
	const report = await world.report();
	expect(report.actions).toEqual([
		{
			operationId: action?.operationId,
			namespace: "default",
			id: "asked for a loan",
			content: { amount: "7", kind: "action" },
			position: expect.anything(),
			lost: [{ kind: "source", namespace: "default", id: "rich", contentHash: rich.contentHash }],
		},
	]);
	// What was done was done.
	expect(await present(world, "asked for a loan", "waved")).toHaveLength(2);
	expect(names(report.suspended)).toEqual(["paid", "plan", "rich"]);
	await expectStraightRun(world);
});

describe("a policy", () => {
	test("flag keeps a conclusion and marks it, and what is derived from it, until it holds again", async () => {
		const { world, payment } = await concluded();
		const anchor = { transaction: payment.hash };
		await world.write({
			op: "put",
			id: "guess",
			content: {},
			text: "a whale",
			anchor,
			onLoss: "flag",
		});
		const derivedFrom = [[await world.said("guess")]];
		await world.write({ op: "put", id: "hope", content: {}, derivedFrom });
		await world.write({ op: "put", id: "fact", content: {}, anchor, onLoss: "keep" });
		await world.fork(otherwise([], [], []));
		const report = await world.report();
		expect(names(report.flagged)).toEqual(["guess", "hope"]);
		expect(await world.memory("guess")).toMatchObject({ suspect: true });
		expect(await world.memory("hope")).toMatchObject({ suspect: true });
		expect(await world.memory("fact")).toMatchObject({ suspect: false });
		await world.block(payment);
		expect(await world.memory("guess")).toMatchObject({ suspect: false });
		expect(await world.memory("hope")).toMatchObject({ suspect: false });
		await expectStraightRun(world);
	});
});

describe("several anchors", () => {
	test("all are needed, or any is enough", async () => {
		const world = await World.create();
		const { sent } = await world.block(PAYMENT, { from: 2, to: 3, value: 6n });
		const anchors = sent.map(({ hash }): { readonly transaction: Hex } => ({ transaction: hash }));
		await world.write(
			{ op: "put", id: "all", content: {}, anchors: { all: anchors } },
			{ op: "put", id: "any", content: {}, anchors: { any: anchors } },
		);
		const [, second] = sent;
		if (second === undefined) throw new Error("two transfers were sent");
		await world.fork(otherwise([], [second], []));
		expect(await present(world, "all", "any")).toEqual(["any"]);
		await expectStraightRun(world);
	});
});
