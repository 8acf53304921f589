/**
 * Provenance against the reference model: random operations on random forks, run through the writer's and
 * the rollback's own code over stores in memory, and compared after every step.
 */
import { expect, test } from "vitest";
import type { NodeTransaction } from "../support/memory-node.ts";
import { ProvenanceWorld } from "../support/provenance-world.ts";
import { Random } from "../support/random.ts";
import { RandomOperations } from "../support/random-operations.ts";
import { announcedSeed } from "../support/seed.ts";

const HISTORIES = Number(process.env["RECANT_HISTORIES"] ?? 2_000);
const STEPS = 14;
const SEED = announcedSeed("test/property/provenance.test.ts");

test("what survives forks is what the model says", { timeout: 300_000 }, async () => {
	const seen: Record<string, number> = {};
	for (let index = 0; index < HISTORIES; index += 1) {
		const seed = SEED + index;
		try {
			await new Schedule(await ProvenanceWorld.create(), new Random(seed)).run(seen);
		} catch (error) {
			throw new Error(`history of seed ${seed}`, { cause: error });
		}
	}
	console.info(seen);
	// A run that never met one of these would show nothing.
	for (const [what, count] of Object.entries(seen)) {
		expect(count, what).toBeGreaterThan(HISTORIES / 20);
	}
});

class Schedule {
	readonly #world: ProvenanceWorld;
	readonly #random: Random;
	readonly #draw: RandomOperations;
	/** Of every branch that there was. */
	readonly #heads: ProvenanceWorld["head"][] = [];

	constructor(world: ProvenanceWorld, random: Random) {
		this.#world = world;
		this.#random = random;
		this.#draw = new RandomOperations(random, world.model);
	}

	async run(seen: Record<string, number>): Promise<void> {
		for (let step = 0; step < STEPS; step += 1) {
			await this.#step();
			this.#world.compare();
		}
		this.#world.compareHistory();
		for (const report of this.#world.model.reports) {
			for (const [list, items] of Object.entries(report)) {
				seen[list] = (seen[list] ?? 0) + items.length;
			}
		}
	}

	async #step(): Promise<void> {
		const draw = this.#random.next();
		if (draw < 0.55) return this.#write();
		if (draw < 0.76) return this.#extend();
		if (draw < 0.8) return this.#world.reopen();
		return this.#fork();
	}

	async #write(): Promise<void> {
		const count = this.#random.chance(0.2) ? 2 : 1;
		const operations = Array.from({ length: count }, () =>
			this.#draw.operation(this.#world.nextId()),
		);
		await this.#world.write(operations);
	}

	async #extend(): Promise<void> {
		const { node, head } = this.#world;
		const left = this.#heads.flatMap(({ hash }) => node.branch(hash)).flatMap((b) => b.content);
		const content = this.#draw.content(node.branch(head.hash), distinct(left));
		await this.#world.extend(content, this.#random.between(1, 12));
	}

	async #fork(): Promise<void> {
		const { node, head } = this.#world;
		const before = this.#random.chance(0.35) ? this.#heads.at(-1) : undefined;
		const branch = node.branch(head.hash);
		this.#heads.push(head);
		// Back to the branch that was left: A, B, A.
		if (before !== undefined) {
			const other = node.branch(before.hash);
			const ancestor = branch.findLast(({ hash }) => other.some((each) => each.hash === hash));
			const isNew = ancestor !== undefined && ancestor.hash !== head.hash;
			if (isNew) return this.#world.rollBack(ancestor, before);
		}
		const ancestor = this.#random.oneOf(branch.slice(-5));
		const orphaned = branch.filter(({ number }) => number > ancestor.number);
		let tip = ancestor;
		for (let index = this.#random.between(0, 4); index > 0; index -= 1) {
			const content = this.#draw.content(
				node.branch(tip.hash),
				orphaned.flatMap((block) => block.content),
			);
			tip = node.mine(tip, content, this.#random.between(1, 12));
		}
		return this.#world.rollBack(ancestor, tip);
	}
}

function distinct(transactions: readonly NodeTransaction[]): readonly NodeTransaction[] {
	return [...new Map(transactions.map((each) => [each.hash, each])).values()];
}
