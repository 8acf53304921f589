/** What a state root costs a block, by the size of the memory: the part that grows with its logarithm. */

import { hash, randomBytes } from "node:crypto";
import { StateTree } from "../src/commitment/state-tree.ts";
import type { Hex } from "../src/domain/ids.ts";
import { contentHash } from "../src/memory/canonical.ts";
import { memoryKey } from "../src/memory/memory-key.ts";
import { NOTHING_SAID } from "../src/memory/nothing-said.ts";
import { figure, type Row, ratios, type Table } from "./figures.ts";
import type { Section } from "./section.ts";

const CHANGES = 100;
/** Of a block's changes: what is new, and what is deleted; the rest is overwritten. */
const NEW = 5;
const DELETED = 5;
const WARM_UP = 20;
const LAYER = "semantic" as const;
const RECORD_BYTES = 48;

interface Subject {
	readonly memories: number;
	readonly tree: StateTree;
	readonly buildMs: number;
	/** Ids that are there, by number. */
	first: number;
	next: number;
	readonly hashed: number[];
	readonly rooted: number[];
	readonly whole: number[];
}

export const rootsSection: Section = {
	name: "roots",
	title: "the state root of a block, by the size of the memory",
	run: async ({ quick, say }) => {
		const sizes = quick ? [1_000, 10_000] : [10_000, 100_000, 1_000_000];
		const blocks = quick ? 50 : 300;
		const subjects = sizes.map((memories) => {
			say(`a tree of ${memories} memories`);
			return subjectOf(memories);
		});
		say(`${blocks} blocks of ${CHANGES} changes, by turns`);
		for (let block = -WARM_UP; block < blocks; block += 1) {
			for (const subject of subjects) commitBlock(subject, block);
		}
		return {
			settings: {
				"changes a block": CHANGES,
				"new of them": NEW,
				"deleted of them": DELETED,
				blocks,
			},
			tables: [costs(subjects)],
		};
	},
};

function subjectOf(memories: number): Subject {
	const records = Buffer.alloc(memories * RECORD_BYTES);
	for (let index = 0; index < memories; index += 1) {
		records.write(keyOf(index).replaceAll("-", ""), index * RECORD_BYTES, "hex");
		records.set(hash("sha256", `${index}`, "buffer"), index * RECORD_BYTES + 16);
	}
	const tree = new StateTree();
	const start = performance.now();
	tree.addPacked(LAYER, records);
	tree.roots();
	const buildMs = performance.now() - start;
	return { memories, tree, buildMs, first: 0, next: memories, hashed: [], rooted: [], whole: [] };
}

/** Bodies are hashed as the writer does, then the tree is changed, marked as for a sealed block, and rooted. */
function commitBlock(subject: Subject, block: number): void {
	const { tree } = subject;
	const written = writtenIn(subject);
	const gone = Array.from({ length: DELETED }, () => keyOf(subject.first++));
	const start = performance.now();
	const changes = written.map((index) => ({
		memoryKey: keyOf(index),
		layer: LAYER,
		contentHash: hashOf(index, block),
	}));
	const hashed = performance.now();
	for (const change of changes) tree.set(change);
	for (const key of gone) tree.delete(LAYER, key);
	tree.roots();
	const end = performance.now();
	tree.release(tree.mark());
	if (block < 0) return;
	subject.hashed.push(hashed - start);
	subject.rooted.push(end - hashed);
	subject.whole.push(end - start);
}

function writtenIn(subject: Subject): readonly number[] {
	const present = subject.next - subject.first - DELETED;
	const overwritten = Array.from(
		{ length: CHANGES - NEW - DELETED },
		() => subject.first + DELETED + (randomBytes(6).readUIntBE(0, 6) % present),
	);
	return [...overwritten, ...Array.from({ length: NEW }, () => subject.next++)];
}

function keyOf(index: number) {
	return memoryKey("bench", `memory-${index}`);
}

function hashOf(index: number, block: number): Hex {
	return contentHash({
		namespace: "bench",
		id: `memory-${index}`,
		layer: LAYER,
		owner: "handler",
		...NOTHING_SAID,
		content: { address: `0x${index.toString(16)}`, balance: `${block}`, transfers: "7" },
	});
}

function costs(subjects: readonly Subject[]): Table {
	const [least] = subjects;
	const rows = subjects.map(
		(subject): Row => ({
			memories: subject.memories,
			"bodies hashed": figure("ms", subject.hashed),
			"tree changed and rooted": figure("ms", subject.rooted),
			whole: figure("ms", subject.whole),
			"whole, over the smallest": figure("×", ratios(subject.whole, least?.whole ?? [])),
			"tree built in": `${Math.round(subject.buildMs)} ms`,
		}),
	);
	return {
		title: `State root of a block of ${CHANGES} changes`,
		rows,
		notes: ["In the writer's memory; nothing of it is read from or written to a store."],
	};
}
