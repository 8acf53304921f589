/** A random life of a provenance world. */
import type { NodeTransaction } from "./memory-node.ts";
import type { ProvenanceWorld } from "./provenance-world.ts";
import type { Random } from "./random.ts";
import { RandomOperations } from "./random-operations.ts";

/** Few, so that what fails is small. */
const STEPS = 14;

export class Schedule {
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
		const requests = Array.from({ length: this.#random.chance(0.15) ? 2 : 1 }, () => {
			const count = this.#random.chance(0.25) ? this.#random.between(2, 3) : 1;
			return Array.from({ length: count }, () => this.#draw.operation(this.#world.nextId()));
		});
		await this.#world.write(...requests);
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
