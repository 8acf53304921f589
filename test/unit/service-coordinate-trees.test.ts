import { describe, expect, it, vi } from "vitest";
import { StateTree } from "../../src/commitment/state-tree.ts";
import type { Coordinate } from "../../src/domain/coordinate.ts";
import type { Hex, MemoryKey } from "../../src/domain/ids.ts";
import { LAYERS, type Layer } from "../../src/domain/layer.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { CoordinateTrees } from "../../src/service/proving/coordinate-trees.ts";
import type { KeyState, ProofStore } from "../../src/service/proving/proof-store.ts";
import type { PackedLeaves } from "../../src/writer/writer-store.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";

type State = ReadonlyMap<MemoryKey, { readonly layer: Layer; readonly contentHash: Hex }>;

const CHAIN = 1;
const KEYS = Array.from({ length: 60 }, (_, n) => keyOf(n));

function keyOf(n: number): MemoryKey {
	const hex = (BigInt(n) * 0x9e3779b97f4a7c15n + 1n).toString(16).padStart(32, "5").slice(-32);
	return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5") as MemoryKey;
}

function hashOf(n: number): Hex {
	return `0x${n.toString(16).padStart(64, "0")}`;
}

function at(height: number, generation = 0): Coordinate {
	return { chainId: CHAIN, height: BigInt(height), generation: BigInt(generation) };
}

/** A history in memory, which counts what it is asked and can be told to fail. */
class Histories implements Pick<ProofStore, "leaves" | "changes"> {
	readonly asked = { leaves: 0, changes: 0 };
	fail: Error | undefined;
	/** Resolves before anything is answered. */
	gate: Promise<void> = Promise.resolve();
	readonly #states: ReadonlyMap<string, State>;

	constructor(states: ReadonlyMap<string, State>) {
		this.#states = states;
	}

	state(of: Coordinate): State {
		return this.#states.get(`${of.height}:${of.generation}`) ?? new Map();
	}

	async leaves<Result>(
		of: Coordinate,
		work: (pages: AsyncIterable<PackedLeaves>) => Promise<Result>,
	): Promise<Result> {
		this.asked.leaves += 1;
		await this.gate;
		if (this.fail !== undefined) throw this.fail;
		return work(pagesOf(this.state(of)));
	}

	async changes(
		from: Coordinate,
		to: Coordinate,
		limit: number,
	): Promise<readonly KeyState[] | undefined> {
		this.asked.changes += 1;
		await this.gate;
		if (this.fail !== undefined) throw this.fail;
		const before = this.state(from);
		const after = this.state(to);
		const keys = KEYS.filter((key) => before.get(key) !== after.get(key));
		if (keys.length > limit) return undefined;
		return keys.map((memoryKey) => ({ memoryKey, visible: after.get(memoryKey) }));
	}
}

async function* pagesOf(state: State): AsyncGenerator<PackedLeaves> {
	for (const layer of LAYERS) {
		const leaves = [...state].filter(([, held]) => held.layer === layer);
		const bytes = leaves.map(([key, { contentHash }]) =>
			Buffer.from(key.replaceAll("-", "") + contentHash.slice(2), "hex"),
		);
		yield { layer, bytes: Buffer.concat(bytes) };
	}
}

/** Each height changes a few memories of the one before; layers too. */
function randomHistory(random: Random, heights: number): Histories {
	const states = new Map<string, State>();
	let state = new Map<MemoryKey, { readonly layer: Layer; readonly contentHash: Hex }>();
	for (let height = 0; height <= heights; height += 1) {
		state = new Map(state);
		for (let change = 0; change < 4; change += 1) {
			const key = random.oneOf(KEYS);
			if (random.chance(0.3)) state.delete(key);
			else
				state.set(key, { layer: random.oneOf(LAYERS), contentHash: hashOf(random.between(0, 98)) });
		}
		states.set(`${height}:0`, state);
	}
	return new Histories(states);
}

function rootsOf(state: State) {
	return StateTree.build([...state].map(([memoryKey, held]) => ({ memoryKey, ...held }))).roots();
}

describe("state trees at any coordinate", () => {
	it("have the roots of a tree that is built for each, whatever was read before", async () => {
		const seed = announcedSeed("test/unit/service-coordinate-trees.test.ts");
		const random = new Random(seed);
		const histories = randomHistory(random, 200);
		const trees = new CoordinateTrees(histories);
		for (let read = 0; read < 600; read += 1) {
			const place = at(random.between(0, 200));
			const roots = await trees.read(place, (tree, mark) => tree.roots(mark));
			expect(roots, `seed ${seed}, read ${read}`).toEqual(rootsOf(histories.state(place)));
		}
		// More states than are kept: they were given up and made again, from one tree.
		expect(histories.asked.leaves).toBe(1);
		expect(histories.asked.changes).toBeGreaterThan(LIMITS.proofStates);
		trees.close();
	});

	it("are made once for all who ask at a time, and not again for who asks later", async () => {
		const histories = randomHistory(new Random(1), 10);
		const trees = new CoordinateTrees(histories);
		const read = (height: number) => trees.read(at(height), (tree, mark) => tree.roots(mark));
		const all = await Promise.all([
			...Array.from({ length: 500 }, () => read(5)),
			read(6),
			read(6),
		]);
		expect(new Set(all.map((roots) => JSON.stringify(roots))).size).toBe(2);
		expect(histories.asked).toEqual({ leaves: 1, changes: 1 });
		await read(5);
		expect(histories.asked).toEqual({ leaves: 1, changes: 1 });
		trees.close();
	});

	it("are refused when too many others wait, and the others are answered", async () => {
		const histories = randomHistory(new Random(2), 100);
		const { promise, resolve } = Promise.withResolvers<void>();
		histories.gate = promise;
		const trees = new CoordinateTrees(histories);
		const reads = Array.from({ length: LIMITS.proofsWaiting + 3 }, (_, height) =>
			trees.read(at(height), (tree, mark) => tree.roots(mark)).catch((error) => error.code),
		);
		resolve();
		const answers = await Promise.all(reads);
		expect(answers.filter((answer) => answer === "too_many_clients")).toHaveLength(2);
		for (const [height, answer] of answers.slice(0, LIMITS.proofsWaiting + 1).entries()) {
			expect(answer).toEqual(rootsOf(histories.state(at(height))));
		}
		trees.close();
	});

	it("come back after a failure, from whichever call it was", async () => {
		const histories = randomHistory(new Random(3), 20);
		const trees = new CoordinateTrees(histories);
		const read = (height: number) => trees.read(at(height), (tree, mark) => tree.roots(mark));
		for (const height of [3, 9, 14]) {
			histories.fail = new Error("away");
			await expect(read(height)).rejects.toThrow("away");
			histories.fail = undefined;
			expect(await read(height)).toEqual(rootsOf(histories.state(at(height))));
		}
		trees.close();
		expect(await read(9)).toEqual(rootsOf(histories.state(at(9))));
		expect(histories.asked.leaves).toBe(3);
		trees.close();
	});

	it("are built again when they are distrusted, but not again and again", async () => {
		const histories = randomHistory(new Random(5), 20);
		const trees = new CoordinateTrees(histories);
		const read = (height: number) => trees.read(at(height), (tree, mark) => tree.roots(mark));
		await read(5);
		expect(trees.distrust(at(5))).toBe(false);
		await read(5);
		expect(histories.asked.leaves).toBe(1);
		vi.useFakeTimers({ toFake: ["performance"], now: 0 });
		try {
			vi.advanceTimersByTime(120_000);
			expect(trees.distrust(at(5))).toBe(true);
		} finally {
			vi.useRealTimers();
		}
		await read(5);
		expect(histories.asked.leaves).toBe(2);
		trees.close();
	});

	it("do not leave a tree half way between two states", async () => {
		const histories = randomHistory(new Random(4), 20);
		const trees = new CoordinateTrees(histories);
		const read = (height: number) => trees.read(at(height), (tree, mark) => tree.roots(mark));
		await read(2);
		const { changes } = histories;
		// The last change cannot be a memory's: the others are applied by then.
		histories.changes = async (...args) => {
			const good = (await changes.apply(histories, args)) ?? [];
			const bad: KeyState = { memoryKey: "no key" as MemoryKey, visible: undefined };
			return [...good, bad];
		};
		await expect(read(15)).rejects.toMatchObject({ code: "verification_failed" });
		histories.changes = changes;
		for (const height of [3, 2, 15, 7]) {
			expect(await read(height)).toEqual(rootsOf(histories.state(at(height))));
		}
		trees.close();
	});

	it("keep no more leaves for older states than they may", async () => {
		const size = 40_000;
		// Two states that share nothing: both cannot be kept beside many others.
		const pages = async function* (height: bigint): AsyncGenerator<PackedLeaves> {
			const bytes = Buffer.alloc(48 * size);
			for (let leaf = 0; leaf < size; leaf += 1) {
				bytes.writeUInt32BE((leaf * 2_654_435_761) >>> 0, 48 * leaf);
				bytes.writeBigUInt64BE(height, 48 * leaf + 40);
			}
			yield { layer: "semantic", bytes };
		};
		const steps = 6_000;
		let leaves = 0;
		const trees = new CoordinateTrees({
			leaves: (of, work) => work(pages(of.height)),
			changes: async (_from, to) =>
				Array.from({ length: steps }, (_, n) => ({
					memoryKey: packedKey((Number(to.height) * steps + n) % size),
					visible: { layer: "semantic", contentHash: hashOf(Number(to.height) + 1) },
				})),
		});
		for (let height = 0; height < 14; height += 1) {
			leaves = await trees.read(at(height), (tree) => tree.used.leaves);
			expect(leaves).toBeLessThan(1.25 * size + 50_000 + steps);
		}
		expect(leaves).toBeGreaterThan(size + steps);
		trees.close();
	}, 60_000);
});

function packedKey(leaf: number): MemoryKey {
	const hex = ((leaf * 2_654_435_761) >>> 0).toString(16).padStart(8, "0");
	return `${hex}-0000-0000-0000-000000000000` as MemoryKey;
}
