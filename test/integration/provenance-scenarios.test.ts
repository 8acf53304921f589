/** What becomes of conclusions when the chain takes back what they rest on: worked examples. */
import { describe, expect, test } from "vitest";
import type { Hex } from "../../src/domain/ids.ts";
import { startAnvil } from "../support/anvil.ts";
import { readMemories } from "../support/held-state.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import { GENESIS_TIMESTAMP, type Load, type TestChain } from "../support/test-chain.ts";
import { FIRST_TRANSFERS, onlyOne, World } from "../support/world.ts";

const PENDING = { at: { kind: "tag", tag: "pending" }, generation: undefined } as const;
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
			lost: [{ kind: "transaction", hash: payment.hash }],
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
		const text = "the whale hums";
		await world.write({ op: "put", id: "brief", content: {}, text, expiresAtTime });
		await world.block();
		await world.write(
			{ op: "delete", id: "free", anchor },
			{ op: "put", id: "rich", content: { is: "poor" }, anchor },
		);
		await world.block();
		expect(await present(world, "free", "brief")).toEqual([]);
		// The payment is below this fork: what rests on it holds still.
		await world.fork(async (chain) => {
			await chain.drop(2);
			await chain.block();
		});
		expect(await present(world, "free", "brief", "rich")).toEqual(["rich"]);
		await world.fork(otherwise([]));
		expect(await present(world, "free", "rich")).toEqual(["free"]);
		await expectStraightRun(world);
	});

	test("a consolidation is made anew, of what is there on the new branch", async () => {
		const rule = { name: "calls", groupBy: "who", everyBlocks: 1 } as const;
		const consolidation = [{ ...rule, take: { kind: "frequency", atLeast: 2 } } as const];
		const world = await World.create({ chainFile: { memory: { default: { consolidation } } } });
		const { sent } = await world.block(PAYMENT, { from: 2, to: 3, value: 6n });
		for (const [index, { hash }] of sent.entries()) {
			const call = { op: "put", id: `call ${index}`, layer: "episodic" } as const;
			await world.write({ ...call, content: { who: "Ann" }, anchor: { transaction: hash } });
		}
		await world.block();
		const patterns = async () =>
			(await readMemories(world.service, PENDING)).filter(({ layer }) => layer === "long_term");
		const [first] = await patterns();
		expect(first).toMatchObject({ since: 4n, suspect: false });
		const [payment, other] = sent;
		if (payment === undefined || other === undefined) throw new Error("two transfers were sent");
		await world.fork(otherwise([], [payment], []));
		expect(await patterns()).toEqual([]);
		await world.block(other);
		expect(await patterns()).toMatchObject([{ id: first?.id, since: 6n }]);
	});

	test("a link ends with its end, and is there again with it", async () => {
		const { world, payment } = await concluded();
		await world.write(
			{ op: "link", from: "plan", type: "isA", to: "free" },
			{ op: "link", from: "free", type: "near", to: "rich", weight: 2 },
		);
		await world.write({
			op: "link",
			from: "free",
			type: "partOf",
			to: "paid",
			derivedFrom: [[await world.said("paid")]],
		});
		await world.block();
		expect(await linksOf(world, "free")).toEqual([
			"in isA plan",
			"out near rich",
			"out partOf paid",
		]);
		await world.fork(otherwise([], [], []));
		expect(await linksOf(world, "free")).toEqual([]);
		await expectStraightRun(world);
		await world.block(payment);
		expect(await linksOf(world, "free")).toEqual([
			"in isA plan",
			"out near rich",
			"out partOf paid",
		]);
		await world.fork(otherwise([], [payment], []));
		await expectStraightRun(world);
	});
});

/** Direction, type and the other end of each. */
async function linksOf({ recant }: World, id: string): Promise<readonly string[]> {
	const response = await fetch(`${recant.url}/v1/chains/${CHAIN}/memories/${id}/links`);
	const { items } = (await response.json()) as {
		readonly items: readonly {
			readonly direction: string;
			readonly link: { readonly type: string };
			readonly memory: { readonly id: string };
		}[];
	};
	return items
		.map(({ direction, link, memory }) => `${direction} ${link.type} ${memory.id}`)
		.sort();
}

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
