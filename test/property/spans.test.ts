/**
 * The span rules against a model that keeps whole states: random histories of writes, deletions,
 * expiring writes, slots written twice and rewinds, driven through the editor and a store of rows.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { MemoryKey } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import { StateEditor } from "../../src/memory/state-editor.ts";
import { VersionRows } from "../simulation/fakes/version-rows.ts";
import { announcedSeed } from "../support/seed.ts";
import { keyOf, newVersion, TOMBSTONE } from "../support/versions.ts";
import { WholeStates } from "../support/whole-states.ts";

const HISTORIES = 2_500;
const IDS = ["a", "b", "c"] as const;
/** Longest life of an expiring write, in blocks. */
const MAX_LIFE = 7;

const SEED = announcedSeed("test/property/spans.test.ts");

type Step =
	| { readonly type: "put"; readonly id: string; readonly life: number | undefined }
	| { readonly type: "delete"; readonly id: string }
	/** Blocks are sealed: the pending slot moves up. */
	| { readonly type: "seal"; readonly blocks: number }
	| { readonly type: "commit" }
	| {
			readonly type: "fork";
			readonly depth: number;
			/** Before or after the editor is rewound. */
			readonly loadFirst: boolean;
			/** All present rows of what was touched, or only those that a rewind needs. */
			readonly loadAll: boolean;
	  };

const id = fc.constantFrom(...IDS);
const step: fc.Arbitrary<Step> = fc.oneof(
	{
		weight: 6,
		arbitrary: fc.record({
			type: fc.constant("put" as const),
			id,
			life: fc.option(fc.integer({ min: 0, max: MAX_LIFE }), { nil: undefined }),
		}),
	},
	{ weight: 2, arbitrary: fc.record({ type: fc.constant("delete" as const), id }) },
	{
		weight: 4,
		arbitrary: fc.record({
			type: fc.constant("seal" as const),
			blocks: fc.integer({ min: 1, max: 3 }),
		}),
	},
	{ weight: 2, arbitrary: fc.constant<Step>({ type: "commit" }) },
	{
		weight: 2,
		arbitrary: fc.record({
			type: fc.constant("fork" as const),
			depth: fc.integer({ min: 0, max: 8 }),
			loadFirst: fc.boolean(),
			loadAll: fc.boolean(),
		}),
	},
);

/** Recant in small: an editor over rows, beside the model. */
class History {
	readonly rows = new VersionRows();
	readonly model: WholeStates;
	#editor = new StateEditor(0n);
	#generation = 0;
	#head = 0;
	#versions = 0n;

	constructor(horizon: number) {
		this.model = new WholeStates(horizon);
	}

	run(step: Step): void {
		if (step.type === "put") this.#put(step.id, step.life);
		if (step.type === "delete") this.#delete(step.id);
		if (step.type === "seal") this.#head += step.blocks;
		if (step.type === "commit") this.commit(new StateEditor(BigInt(this.#generation)));
		if (step.type === "fork") this.#fork(step);
	}

	/** Applies the editor's changes and goes on with `next`. */
	commit(next: StateEditor): void {
		this.rows.apply(this.#editor.changes(), BigInt(this.#generation));
		this.#editor = next;
	}

	#put(id: string, life: number | undefined): void {
		this.#load(keyOf(id));
		const slot = this.#head + 1;
		const expiresBlock = life === undefined ? undefined : BigInt(slot + life);
		const versionId = ++this.#versions;
		this.#editor.put(newVersion(id, versionId, { expiresBlock }), BigInt(slot));
		this.model.put(id, slot, { version: versionId, expiresBlock });
	}

	#delete(id: string): void {
		const key = keyOf(id);
		this.#load(key);
		const slot = this.#head + 1;
		const seen = this.#editor.visible(key, BigInt(slot))?.versionId;
		expect(seen).toBe(this.model.read(id, { height: slot, generation: this.#generation }));
		if (seen === undefined) return;
		this.#editor.put(newVersion(id, ++this.#versions, TOMBSTONE), BigInt(slot));
		this.model.delete(id, slot);
	}

	#fork(fork: Extract<Step, { type: "fork" }>): void {
		const ancestor = Math.max(0, this.#head - fork.depth);
		const editor = new StateEditor(BigInt(this.#generation + 1));
		this.commit(editor);
		this.#generation += 1;
		this.#head = ancestor;
		this.model.rewind(ancestor);
		if (!fork.loadFirst) editor.rewind(BigInt(ancestor));
		for (const key of this.rows.touchedAbove(BigInt(ancestor))) {
			const present = this.rows.present(key);
			editor.load(key, fork.loadAll ? present : neededToRewind(present, BigInt(ancestor)));
		}
		if (fork.loadFirst) editor.rewind(BigInt(ancestor));
	}

	/** As a block commit does: the last row is enough to write. */
	#load(key: MemoryKey): void {
		if (this.#editor.isLoaded(key)) return;
		this.#editor.load(key, this.rows.present(key).slice(-1));
	}
}

function neededToRewind(present: readonly Version[], ancestor: bigint): readonly Version[] {
	return present.filter((row) => row.fromBlock > ancestor || row.toBlock > ancestor);
}

/** What either side shows at every generation and height, as text that a failure can print. */
function timeline(generations: number, horizon: number, read: (at: Place) => bigint | undefined) {
	const lines: string[] = [];
	for (const memory of IDS) {
		for (let generation = 0; generation < generations; generation++) {
			const heights = Array.from({ length: horizon + 1 }, (_, height) => height);
			const seen = heights.map((height) => read({ id: memory, generation, height }) ?? "-");
			lines.push(`${memory} in generation ${generation}: ${seen.join(" ")}`);
		}
	}
	return lines.join("\n");
}

interface Place {
	readonly id: string;
	readonly generation: number;
	readonly height: number;
}

function horizonOf(steps: readonly Step[]): number {
	const sealed = steps.reduce((sum, each) => sum + (each.type === "seal" ? each.blocks : 0), 0);
	return sealed + MAX_LIFE + 2;
}

function replay(steps: readonly Step[]): History {
	const history = new History(horizonOf(steps));
	for (const each of steps) history.run(each);
	history.commit(new StateEditor(BigInt(history.model.generations - 1)));
	return history;
}

function timelines(steps: readonly Step[]): { readonly rows: string; readonly model: string } {
	const horizon = horizonOf(steps);
	const { rows, model } = replay(steps);
	return {
		rows: timeline(model.generations, horizon, (at) => {
			const place = { height: BigInt(at.height), generation: BigInt(at.generation) };
			return rows.read(keyOf(at.id), place)?.versionId;
		}),
		model: timeline(model.generations, horizon, (at) => model.read(at.id, at)),
	};
}

test("rows show at every generation and height what whole states show", () => {
	let rewinds = 0;
	fc.assert(
		fc.property(fc.array(step, { minLength: 5, maxLength: 60, size: "max" }), (steps) => {
			rewinds += steps.filter((each) => each.type === "fork").length;
			const { rows, model } = timelines(steps);
			expect(rows).toBe(model);
		}),
		{ seed: SEED, numRuns: HISTORIES },
	);
	console.log(`spans: ${HISTORIES} histories with ${rewinds} rewinds`);
	expect(rewinds).toBeGreaterThan(HISTORIES);
});

test("a rewind to the head changes no row", () => {
	fc.assert(
		fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
			const fork: Step = { type: "fork", depth: 0, loadFirst: true, loadAll: true };
			const settled = replay([...steps, { type: "seal", blocks: 1 }]).rows.size;
			const rewound = replay([...steps, { type: "seal", blocks: 1 }, fork]).rows.size;
			expect(rewound).toBe(settled);
		}),
		{ seed: SEED, numRuns: 200 },
	);
});

test("a fork that writes at the same heights again keeps the rows below them", () => {
	const writes: Step[] = [
		{ type: "put", id: "a", life: undefined },
		{ type: "seal", blocks: 2 },
		{ type: "put", id: "a", life: undefined },
		{ type: "seal", blocks: 1 },
	];
	const fork: Step = { type: "fork", depth: 2, loadFirst: false, loadAll: false };
	const again = [...writes, fork, { type: "seal", blocks: 1 } as const, ...writes.slice(2)];
	const { rows, model } = replay(again);
	expect(model.generations).toBe(2);
	expect(rows.size).toBe(3);
});
