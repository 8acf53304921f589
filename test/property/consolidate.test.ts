/**
 * Consolidation against a model that remembers every supporter by name: memories come, are written over,
 * change their group and are evicted; rules run at the end of blocks and in the middle of slots.
 */
import { expect, test } from "vitest";
import { FOREVER } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { Version } from "../../src/domain/memory.ts";
import type { ConsolidationRule } from "../../src/domain/namespace-settings.ts";
import type { SourceRef } from "../../src/domain/provenance.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { bodyHash } from "../../src/memory/compensation.ts";
import { confidenceAt, confidenceNow } from "../../src/memory/confidence-decay.ts";
import {
	type ConsolidationInput,
	type ConsolidationResult,
	confidenceOf,
	consolidate,
	type MadeBefore,
} from "../../src/memory/consolidate.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";
import { newVersion, row } from "../support/versions.ts";

const FILE = "test/property/consolidate.test.ts";
const WORLDS = 300;
const GROUPS = ["a", "b", 7, { deep: [1] }, "long ".repeat(20)] as const;

class World {
	readonly rule: ConsolidationRule;
	readonly visible = new Map<string, Version>();
	readonly made = new Map<string, MadeBefore>();
	/** Ids that a run saw, by group, from the run on that made the pattern. */
	readonly supporters = new Map<string, Set<string>>();
	height = 1n;
	readonly #random: Random;
	/** Another instance has other positions and version ids. */
	readonly #stride: bigint;
	#position = 0n;

	constructor(random: Random, rule: ConsolidationRule, stride: bigint) {
		this.#random = random;
		this.rule = rule;
		this.#stride = stride;
	}

	write(ids: number): void {
		const random = this.#random;
		const id = `m${random.between(1, ids)}`;
		const topic = random.oneOf(GROUPS);
		const content = {
			topic,
			kind: "swap",
			at: random.between(1, 3),
			...(random.chance(0.5) ? { ok: true } : {}),
		};
		const importance = random.between(0, 10) / 10;
		const parts = { layer: random.oneOf(["short_term", "episodic"] as const), content, importance };
		const version = { ...row(id, this.#next(), parts), fromBlock: this.height };
		this.visible.set(id, { ...version, contentHash: contentHash(version) });
	}

	evict(): void {
		const [oldest] = [...this.visible.values()].toSorted((a, b) => Number(a.position - b.position));
		if (oldest !== undefined) this.visible.delete(oldest.id);
	}

	input(): ConsolidationInput {
		return {
			rule: this.rule,
			namespace: "test",
			height: this.height,
			members: [...this.visible.values()],
			before: this.made,
			patterns: undefined,
		};
	}

	/** Writes what the rule says, as a commit would, and has the model see what it saw. */
	run(): ConsolidationResult {
		const result = consolidate(this.input());
		for (const { id, body, sources } of result.puts) {
			const version = {
				...newVersion(id, this.#next(), {}),
				layer: body.layer,
				content: body.content,
				text: body.text,
				importance: body.importance,
				confidence: body.confidence,
				contentHash: bodyHash({ namespace: "test", id }, body),
				fromBlock: this.height,
				toBlock: FOREVER,
				fromGen: 0n,
				toGen: FOREVER,
			};
			this.made.set(id, { version, sources: sources.flat() });
		}
		this.#look();
		return result;
	}

	#look(): void {
		const { take } = this.rule;
		const groups = Map.groupBy(
			[...this.visible.values()].filter(
				({ importance }) => take.kind !== "importance" || (importance ?? 0) >= take.atLeast,
			),
			({ content }) => JSON.stringify(content?.["topic"]),
		);
		for (const [topic, members] of groups) {
			const known = this.supporters.get(topic);
			if (known === undefined && take.kind === "frequency" && members.length < take.atLeast)
				continue;
			this.supporters.set(topic, new Set([...(known ?? []), ...members.map(({ id }) => id)]));
		}
	}

	#next(): bigint {
		this.#position += this.#stride;
		return this.#position;
	}
}

function ruleFrom(random: Random): ConsolidationRule {
	return {
		name: "habits",
		layers: ["short_term", "episodic"],
		groupBy: "topic",
		take: random.chance(0.5)
			? { kind: "frequency", atLeast: random.between(1, 6) }
			: { kind: "importance", atLeast: random.between(0, 10) / 10 },
		everyBlocks: undefined,
		halfLifeBlocks: random.chance(0.5) ? 100 : undefined,
	};
}

test("support counts every memory that ever supported a pattern once, whatever became of it", () => {
	const random = new Random(announcedSeed(FILE));
	let most = 0;
	for (let index = 0; index < WORLDS; index += 1) {
		const world = new World(random, ruleFrom(random), 1n);
		for (let step = 0; step < 60; step += 1) {
			for (let count = random.between(0, 3); count > 0; count -= 1) world.write(LIMITS.sources);
			if (random.chance(0.3)) world.evict();
			if (random.chance(0.4)) world.run();
			if (random.chance(0.5)) world.height += BigInt(random.between(1, 3));
		}
		world.run();
		const made = [...world.made.values()].map(({ version }) => version.content?.["support"]);
		const expected = [...world.supporters.values()].map(({ size }) => size);
		expect(made.toSorted()).toEqual(expected.toSorted());
		most = Math.max(most, ...expected);
	}
	expect(most).toBeGreaterThan(20);
});

test("with nothing new, nothing is written, at whatever height the rule runs", () => {
	const random = new Random(announcedSeed(FILE));
	let written = 0;
	for (let index = 0; index < WORLDS; index += 1) {
		const world = new World(random, ruleFrom(random), 1n);
		for (let count = 0; count < 30; count += 1) world.write(20);
		written += world.run().puts.length;
		expect(world.run().puts).toEqual([]);
		world.height += BigInt(random.between(1, 1_000));
		expect(world.run().puts).toEqual([]);
		// What goes takes nothing back, and what is left supports what it supported.
		world.evict();
		expect(world.run().puts).toEqual([]);
	}
	expect(written).toBeGreaterThan(WORLDS);
});

test("another instance with other positions and versions writes the very same", () => {
	const seed = announcedSeed(FILE);
	for (let index = 0; index < WORLDS; index += 1) {
		const [one, other] = [1n, 1_000n].map((stride) => {
			const random = new Random(seed + index);
			const world = new World(random, ruleFrom(random), stride);
			const puts: unknown[] = [];
			for (let step = 0; step < 20; step += 1) {
				for (let count = 0; count < 5; count += 1) world.write(40);
				if (step % 3 === 0) world.evict();
				puts.push(world.run().puts);
				if (step % 2 === 0) world.height += 1n;
			}
			return puts;
		});
		expect(one).toEqual(other);
	}
});

test("the order in which members are handed in does not matter", () => {
	const random = new Random(announcedSeed(FILE));
	for (let index = 0; index < WORLDS; index += 1) {
		const world = new World(random, ruleFrom(random), 1n);
		for (let count = 0; count < 40; count += 1) world.write(30);
		const input = world.input();
		const shuffled = { ...input, members: input.members.toSorted(() => random.next() - 0.5) };
		expect(consolidate(shuffled)).toEqual(consolidate(input));
	}
});

test("every source is a version that was there, each memory once, at most the limit", () => {
	const random = new Random(announcedSeed(FILE));
	const said = new Set<string>();
	const ref = ({ id, contentHash: hash }: Pick<SourceRef, "id" | "contentHash">) => `${id} ${hash}`;
	// A rule of importance may ask for more than the worlds hold; one that takes everything fills up.
	const all = { kind: "importance", atLeast: 0 } as const;
	let full = false;
	for (const take of [ruleFrom(random).take, all]) {
		const world = new World(random, { ...ruleFrom(random), take, groupBy: undefined }, 1n);
		for (let step = 0; step < 300; step += 1) {
			world.write(500);
			for (const version of world.visible.values()) said.add(ref(version));
			if (step % 4 === 0) world.evict();
			for (const { sources } of world.run().puts) {
				const refs = sources.flat();
				expect(refs.length).toBeLessThanOrEqual(LIMITS.sources);
				expect(new Set(refs.map(({ id }) => id)).size).toBe(refs.length);
				for (const each of refs) expect(said).toContain(ref(each));
				full ||= refs.length === LIMITS.sources;
			}
			world.height += 1n;
		}
	}
	expect(full).toBe(true);
});

test("confidence rises with support, stays in [0, 1], and begins at one half", () => {
	for (const atLeast of [1, 2, 3, 10, 1_000]) {
		const take = { kind: "frequency", atLeast } as const;
		expect(confidenceOf({ take }, atLeast)).toBe(0.5);
		let last = 0;
		for (let support = 1; support < 20 * atLeast; support += Math.ceil(atLeast / 7)) {
			const confidence = confidenceOf({ take }, support);
			expect(confidence).toBeGreaterThanOrEqual(last);
			expect(confidence).toBeLessThanOrEqual(1);
			last = confidence;
		}
	}
});

test("confidence halves in its half-life, never rises, and fades alike in one step or two", () => {
	const random = new Random(announcedSeed(FILE));
	for (let run = 0; run < 5_000; run += 1) {
		const halfLifeBlocks = random.between(1, 10_000);
		const lastSupportedBlock = BigInt(random.between(0, 1_000_000));
		const confidence = random.next();
		const fading = { confidence, lastSupportedBlock, halfLifeBlocks };
		const half = confidenceAt(fading, lastSupportedBlock + BigInt(halfLifeBlocks));
		expect(half).toBeCloseTo(confidence / 2, 12);
		const [a, b] = [BigInt(random.between(0, 50_000)), BigInt(random.between(0, 50_000))];
		const once = confidenceAt(fading, lastSupportedBlock + a + b);
		const first = confidenceAt(fading, lastSupportedBlock + a);
		expect(first).toBeLessThanOrEqual(confidence);
		expect(once).toBeLessThanOrEqual(first);
		const twice = confidenceAt({ ...fading, confidence: first }, lastSupportedBlock + b);
		expect(twice).toBeCloseTo(once, 12);
		expect(confidenceAt(fading, FOREVER)).toBe(0);
		expect(confidenceAt({ ...fading, halfLifeBlocks: undefined }, FOREVER)).toBe(confidence);
	}
});

test("what an agent wrote fades only in long_term, and from where it says", () => {
	const content = { halfLifeBlocks: 10 };
	const told = row("a", 1n, { layer: "long_term", content, confidence: 0.8, fromBlock: 100n });
	expect(confidenceNow(told, 110n)).toBeCloseTo(0.4, 12);
	const later = { ...told, content: { ...content, lastSupportedBlock: "110" } };
	expect(confidenceNow(later, 110n)).toBe(0.8);
	expect(confidenceNow({ ...told, layer: "semantic" }, 110n)).toBe(0.8);
	expect(confidenceNow({ ...told, content: { halfLifeBlocks: -1 } }, 110n)).toBe(0.8);
	expect(confidenceNow({ ...told, confidence: undefined }, 110n)).toBeUndefined();
});
