/** Cases that random histories meet too seldom, held against the reference model. */
import { expect, test } from "vitest";
import type { Hex } from "../../src/domain/ids.ts";
import { ProvenanceWorld } from "../support/provenance-world.ts";
import { SMALL, sourceOf } from "../support/random-operations.ts";
import type { ModelOperation } from "../support/reference-model.ts";

const FIRST: Hex = `0x${"1".repeat(64)}`;
const SECOND: Hex = `0x${"2".repeat(64)}`;
const SECONDS = 5;

test("a put takes no marks of what it overwrites", async () => {
	const world = await followed();
	await admitted(world, put("a", { n: 1 }, { anchors: [{ transaction: FIRST }] }));
	await admitted(world, put("a", { n: 2 }));
	await admitted(world, patch("a", { more: 3 }, { anchors: [{ transaction: SECOND }] }));
	await loseBoth(world);
	expect(isSuspect(world, "a")).toBe(true);
	// The patch's ground is back, that of the put which was written over is not.
	await world.extend([{ hash: SECOND, writes: [] }], SECONDS);
	world.compare();
	expect(isSuspect(world, "a")).toBe(false);
});

test("a patch that is cleared leaves the mark of the put", async () => {
	const world = await followed();
	await admitted(world, put("a", { n: 1 }, { anchors: [{ transaction: FIRST }] }));
	await admitted(world, patch("a", { more: 3 }, { anchors: [{ transaction: SECOND }] }));
	await admitted(world, patch("a", { more: 4 }));
	await loseBoth(world);
	await world.extend([{ hash: SECOND, writes: [] }], SECONDS);
	world.compare();
	expect(isSuspect(world, "a")).toBe(true);
	// Said last by a patch that was never marked.
	await world.extend([{ hash: FIRST, writes: [] }], SECONDS);
	world.compare();
	expect(isSuspect(world, "a")).toBe(false);
});

test("what is suspect from the first is cleared in the commit that brings its ground", async () => {
	const world = await followed();
	await admitted(world, put("a", { n: 1 }, { anchors: [{ transaction: FIRST }] }));
	const source = put("b", { n: 2 }, { anchors: [{ transaction: SECOND }] });
	await admitted(world, source);
	await loseBoth(world);
	await world.extend([], SECONDS);
	const sources = [[sourceOf({ ...source, owner: "agent", says: saidBy(source) })]];
	const onBoth = patch("a", { more: 3 }, { sources });
	const alone = put("c", { n: 4 }, { sources });
	// Said anew, on nothing: so the source holds without a mark, and so do the two.
	expect(await world.write([onBoth, alone], [put("b", { n: 2 })])).toEqual([true, true]);
	world.compare();
	expect(isSuspect(world, "c")).toBe(false);
	// The put that was patched is marked still.
	expect(isSuspect(world, "a")).toBe(true);
	await world.extend([{ hash: FIRST, writes: [] }], SECONDS);
	world.compare();
	expect(isSuspect(world, "a")).toBe(false);
});

test("what a request itself pushes out is nothing to rest on", async () => {
	const world = await followed();
	const small = (id: string, rests: Rests = {}): ModelOperation => ({
		...put(id, { n: 1 }, rests),
		namespace: SMALL.namespace,
		says: { layer: "short_term", content: { n: 1 } },
	});
	const first = small("s1");
	const others = Array.from({ length: SMALL.capacity }, (_, index) => small(`s${index + 2}`));
	const sources = [[sourceOf({ ...first, owner: "agent", says: saidBy(first) })]];
	expect(await world.write([first, ...others, small("last", { sources })])).toEqual([false]);
	world.compare();
	// It is there for those that come before its end.
	expect(await world.write([first, small("s2", { sources }), ...others])).toEqual([true]);
	world.compare();
});

test("what comes back in the pass that lost it is not told as suspended", async () => {
	const world = await followed();
	const said = put("a", { n: 1 }, { anchors: [{ transaction: FIRST }] });
	const source = sourceOf({ ...said, owner: "agent", says: saidBy(said) });
	await admitted(world, { ...said, onLoss: "recant" });
	await admitted(world, { ...put("b", { n: 2 }, { sources: [[source]] }), onLoss: "recant" });
	await admitted(world, { ...operation("a"), kind: "delete" });
	await admitted(world, put("a", { n: 1 }));
	await loseBoth(world);
	expect(world.model.reports.at(-1)).toMatchObject({ suspended: [said.operationId] });
});

test("what is cleared in the pass that marked it is not told as flagged", async () => {
	const world = await followed();
	const said = put("a", { n: 1 }, { anchors: [{ transaction: FIRST }] });
	const source = sourceOf({ ...said, owner: "agent", says: saidBy(said) });
	await admitted(world, { ...said, onLoss: "recant" });
	await admitted(world, put("b", { n: 2 }, { sources: [[source]] }));
	await admitted(world, put("a", { n: 1 }));
	await loseBoth(world);
	expect(world.model.reports.at(-1)).toMatchObject({ flagged: [], cleared: [] });
	expect(isSuspect(world, "b")).toBe(false);
});

/** Two transactions in the block of height 1. */
async function followed(): Promise<ProvenanceWorld> {
	const world = await ProvenanceWorld.create();
	const content = [FIRST, SECOND].map((hash) => ({ hash, writes: [] }));
	await world.extend(content, SECONDS);
	return world;
}

/** Another block of height 1, without them. */
async function loseBoth(world: ProvenanceWorld): Promise<void> {
	const [genesis] = world.node.branch(world.head.hash);
	if (genesis === undefined) throw new RangeError("there is no genesis block");
	await world.rollBack(genesis, world.node.mine(genesis, [], SECONDS));
	world.compare();
}

async function admitted(world: ProvenanceWorld, operation: ModelOperation): Promise<void> {
	expect(await world.write([operation])).toEqual([true]);
	world.compare();
}

function isSuspect({ store, model }: ProvenanceWorld, id: string): boolean | undefined {
	return store.visible(model.pending).find((each) => each.id === id)?.suspect;
}

type Rests = Partial<Pick<ModelOperation, "anchors" | "sources">>;
type Content = Readonly<Record<string, number>>;

function put(id: string, content: Content, rests: Rests = {}): ModelOperation {
	const says = { layer: "semantic", content };
	return { ...operation(id), kind: "put", says, ...rests };
}

function patch(id: string, content: Content, rests: Rests = {}): ModelOperation {
	return { ...operation(id), kind: "patch", patch: { content }, ...rests };
}

let operations = 0;

function operation(id: string): Omit<ModelOperation, "kind"> {
	operations += 1;
	return {
		operationId: `operation-${operations}`,
		namespace: "default",
		id,
		says: undefined,
		patch: undefined,
		link: undefined,
		condition: undefined,
		mode: "all",
		anchors: [],
		sources: [],
		onLoss: "flag",
		isAction: false,
	};
}

function saidBy({ says }: ModelOperation) {
	if (says === undefined) throw new RangeError("it says nothing");
	return says;
}
