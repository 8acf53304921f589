/** The reference model itself, on histories small enough to be worked out by hand. */
import { describe, expect, test } from "vitest";
import { MemoryNode, type NodeBlock, type NodeTransaction } from "../support/memory-node.ts";
import { allVisibleIn, hashOf, nameOf, type Says } from "../support/reference-history.ts";
import {
	ImpossibleHistory,
	type ModelOperation,
	ReferenceModel,
} from "../support/reference-model.ts";

const PAID: NodeTransaction = { hash: "0x0a", writes: [{ id: "x", says: saying("paid") }] };
const FAILED: NodeTransaction = { ...PAID, writes: [{ id: "x", says: saying("failed") }] };

function saying(n: string): Says {
	return { layer: "semantic", content: { n } };
}

/** A put of memory `id` that says its own id, unless told otherwise. */
function put(id: string, parts: Partial<ModelOperation> = {}): ModelOperation {
	return {
		operationId: id,
		...{ kind: "put", namespace: "default", id, says: saying(id), patch: undefined },
		...{ link: undefined, condition: undefined, mode: "all", anchors: [], sources: [] },
		...{ onLoss: "recant", isAction: false },
		...parts,
	};
}

function from(id: string, owner: "agent" | "handler" = "agent", says = saying(id)) {
	const name = { namespace: owner === "agent" ? "default" : "ledger", id };
	return { ...name, contentHash: hashOf(name, owner, says) };
}

/** Blocks 0 and 1; block 2 has the payment. */
class Story {
	readonly node = new MemoryNode();
	readonly model = new ReferenceModel(this.node.model, new Map([["default", 2]]));
	readonly base: NodeBlock;
	head: NodeBlock;

	constructor() {
		this.head = this.node.mine(undefined, [], 0);
		this.model.take({ type: "block", hash: this.head.hash });
		this.base = this.block();
		this.block(PAID);
	}

	block(...content: readonly NodeTransaction[]): NodeBlock {
		this.head = this.node.mine(this.head, content, 10);
		this.model.take({ type: "block", hash: this.head.hash });
		return this.head;
	}

	writes(...operations: readonly ModelOperation[]): void {
		this.model.take({ type: "operations", operations });
	}

	/** Another branch above block 1, one list of transactions a block. */
	forks(...contents: readonly (readonly NodeTransaction[])[]) {
		let head = this.base;
		for (const content of contents) head = this.node.mine(head, content, 10);
		return this.goesTo(head);
	}

	goesTo(head: NodeBlock) {
		this.head = head;
		const [ancestor, to] = [this.base.hash, head.hash];
		this.model.take({ type: "rollback", cause: "reorg", ancestor, to });
		return this.model.reports.at(-1);
	}

	fate(id: string) {
		return this.model.fates.get(id);
	}

	get visible(): readonly string[] {
		return allVisibleIn(this.model.history, this.model.pending)
			.map((each) => `${nameOf(each)}${each.suspect ? " (suspect)" : ""}`)
			.sort();
	}
}

const BY_PAYMENT = { anchors: [{ transaction: PAID.hash }] };

describe("a conclusion", () => {
	test("goes with its source, through any depth, and comes back with it in its first slot", () => {
		const story = new Story();
		story.writes(put("a", BY_PAYMENT));
		story.writes(put("b", { sources: [[from("a")]] }));
		story.writes(put("c", { sources: [[from("b")]] }));
		const left = story.head;
		expect(story.forks([], [])).toMatchObject({ suspended: ["a", "b", "c"] });
		expect(story.visible).toEqual([]);
		expect(story.goesTo(left)).toMatchObject({ reinstated: ["a", "b", "c"], suspended: [] });
		expect(story.fate("c")).toEqual({ status: "applied", slot: 3n, suspect: false });
	});

	test("stays while one set of its sources holds", () => {
		const story = new Story();
		story.writes(put("a", BY_PAYMENT), put("b"));
		story.writes(put("c", { sources: [[from("a")], [from("b")]] }));
		story.writes(put("d", { sources: [[from("a"), from("b")]] }));
		expect(story.forks([], [])).toMatchObject({ suspended: ["a", "d"], replayed: ["b", "c"] });
	});

	test("stays when its source only says something else by now", () => {
		const story = new Story();
		story.writes(put("a"));
		story.writes(put("c", { sources: [[from("a")]] }));
		story.block();
		story.writes(put("a", { operationId: "again", says: saying("other") }));
		story.forks([], [], []);
		expect(story.fate("c")).toMatchObject({ status: "applied" });
	});

	test("from what a slot keeps no more is not admitted", () => {
		const story = new Story();
		story.writes(put("a"));
		story.writes(put("a", { operationId: "again", says: saying("other") }));
		const late = put("c", { sources: [[from("a")]] });
		expect(story.model.admits([late])).toBe(false);
		expect(() => story.writes(late)).toThrow(ImpossibleHistory);
	});

	test("from a handler's memory moves up with it, and stands on equal content", () => {
		const story = new Story();
		story.writes(put("c", { sources: [[from("x", "handler", saying("paid"))]] }));
		expect(story.forks([], [], [PAID])).toMatchObject({ replayed: ["c"] });
		expect(story.fate("c")).toMatchObject({ slot: 4n });
		expect(story.forks([FAILED], [])).toMatchObject({ suspended: ["c"] });
	});

	test("comes back in the block that says it again, and by a later write", () => {
		const story = new Story();
		story.writes(put("a", BY_PAYMENT));
		story.writes(put("b", { sources: [[from("a")]] }));
		story.forks([], []);
		story.block();
		story.block(PAID);
		expect([story.fate("a")?.slot, story.fate("b")?.slot]).toEqual([5n, 5n]);
		story.forks([], []);
		story.writes(put("a", { operationId: "again" }));
		expect(story.fate("b")).toMatchObject({ status: "applied", slot: 4n });
		expect(story.fate("a")).toMatchObject({ status: "suspended" });
	});
});

describe("a policy", () => {
	test("flag marks what has lost its ground and what is derived from it, until it is back", () => {
		const story = new Story();
		story.writes(put("a", { ...BY_PAYMENT, onLoss: "flag" }));
		story.writes(put("b", { sources: [[from("a")]] }));
		expect(story.forks([], [])).toMatchObject({ flagged: ["a", "b"], replayed: ["a", "b"] });
		expect(story.visible).toEqual(["default/a (suspect)", "default/b (suspect)"]);
		story.block();
		story.block(PAID);
		expect(story.visible).toEqual(["default/a", "default/b", "ledger/x"]);
		expect(story.forks([])).toMatchObject({ flagged: ["a", "b"], cleared: [] });
	});

	test("keep leaves it as it is; an action is named", () => {
		const story = new Story();
		story.writes(put("a", { ...BY_PAYMENT, onLoss: "keep", isAction: true }));
		expect(story.forks([], [])).toMatchObject({ replayed: ["a"], actions: ["a"], flagged: [] });
		expect(story.visible).toEqual(["default/a"]);
	});
});

test("any of several anchors is enough, and the lowest counts; all are needed, and the highest counts", () => {
	const other: NodeTransaction = { hash: "0x0b", writes: [] };
	const story = new Story();
	story.block(other);
	const anchors = [{ transaction: PAID.hash }, { transaction: other.hash }];
	story.writes(put("any", { mode: "any", anchors }), put("all", { anchors }));
	expect(story.forks([], [other])).toMatchObject({ replayed: ["any"], suspended: ["all"] });
	story.forks([], [], [], [other], [PAID]);
	expect([story.fate("any")?.slot, story.fate("all")?.slot]).toEqual([5n, 6n]);
});

test("what ends by time ends in the first block that is not older", () => {
	const story = new Story();
	const expiresAtTime = story.head.timestamp + 15n;
	story.writes(put("a", { says: { ...saying("a"), expiresAtTime } }));
	story.block();
	expect(story.visible).toContain("default/a");
	story.block();
	expect(story.visible).not.toContain("default/a");
	story.forks([]);
	expect(story.visible).toContain("default/a");
});

test("a namespace keeps so many short-term memories, and the first written goes first", () => {
	const story = new Story();
	const brief = (id: string) => put(id, { says: { ...saying(id), layer: "short_term" } });
	for (const id of ["a", "b", "c"]) story.writes(brief(id));
	expect(story.visible).toEqual(["default/b", "default/c", "ledger/x"]);
});

test("a link needs both ends, closes no circle, and is a memory like any other", () => {
	const story = new Story();
	const name = (id: string) => ({ namespace: "default", id });
	const link = (start: string, end: string) =>
		put(`@link:${start}${end}`, {
			says: {
				layer: "semantic",
				content: { from: name(start), type: "isA", to: name(end), weight: 1 },
			},
			link: { from: name(start), type: "isA", to: name(end) },
		});
	story.writes(put("a"), put("b"), put("c"));
	expect(story.model.admits([link("a", "nothing")])).toBe(false);
	story.writes(link("a", "b"), link("b", "c"));
	expect(story.model.admits([link("c", "a")])).toBe(false);
	expect(story.model.admits([link("a", "c")])).toBe(true);
});

test("an episode is written once", () => {
	const story = new Story();
	const episode = put("a", { says: { ...saying("a"), layer: "episodic" } });
	story.writes(episode);
	expect(story.model.admits([{ ...episode, operationId: "again" }])).toBe(false);
	expect(story.model.admits([{ ...episode, operationId: "gone", kind: "delete" }])).toBe(true);
});
