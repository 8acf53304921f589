/**
 * The rules for spans and for streamed roots, against random histories: what the editor makes has no
 * problem, ever; and a closing column that is changed by hand is a problem, or shows in the state tree.
 */
import { expect, test } from "vitest";
import { SortedRoots } from "../../src/commitment/sorted-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import { type SpanBounds, spanProblems } from "../../src/consistency/memory-spans.ts";
import type { StoredGeneration, StoredVersion } from "../../src/consistency/stored-state.ts";
import { pendingLeaf, sealedLeaf } from "../../src/consistency/visible-rows.ts";
import { FOREVER, type Hex, type MemoryKey } from "../../src/domain/ids.ts";
import { LAYERS } from "../../src/domain/layer.ts";
import type { Version } from "../../src/domain/memory.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { StateEditor } from "../../src/memory/state-editor.ts";
import { VersionRows } from "../simulation/fakes/version-rows.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";
import { keyOf, newVersion, TOMBSTONE } from "../support/versions.ts";

const SEED = announcedSeed("test/property/consistency-spans.test.ts");
const HISTORIES = 600;
const IDS = ["a", "b"] as const;

/** A chain in small: every step is one commit, as the writer makes it. */
class History {
	readonly rows = new VersionRows();
	readonly generations: StoredGeneration[] = [
		{ generation: 0n, ancestor: undefined, lastHeight: undefined, lastVersionId: undefined },
	];
	readonly #random: Random;
	generation = 0n;
	head = 0n;
	#versions = 0n;

	constructor(random: Random) {
		this.#random = random;
	}

	get bounds(): SpanBounds {
		return { generation: this.generation, slot: this.head + 1n, generations: this.generations };
	}

	step(): void {
		const kind = this.#random.between(1, 10);
		if (kind <= 3) this.head += BigInt(this.#random.between(1, 3));
		else if (kind <= 8) this.#write(new StateEditor(this.generation), this.#random.oneOf(IDS));
		else this.#fork();
	}

	#write(editor: StateEditor, id: string): void {
		editor.load(keyOf(id), this.rows.present(keyOf(id)).slice(-2));
		this.#put(editor, id);
		this.rows.apply(editor.changes(), this.generation);
	}

	#put(editor: StateEditor, id: string): void {
		const slot = this.head + 1n;
		this.#versions += 1n;
		const gone = this.#random.chance(0.25) && editor.visible(keyOf(id), slot) !== undefined;
		const life = this.#random.chance(0.3) ? BigInt(this.#random.between(1, 4)) : undefined;
		const expiresBlock = life === undefined ? undefined : slot + life;
		const parts = gone ? TOMBSTONE : { expiresBlock };
		editor.put(newVersion(id, this.#versions, parts), slot);
	}

	/** A rollback with what the new branch writes, in one commit. */
	#fork(): void {
		const depth = BigInt(this.#random.between(0, 5));
		const ancestor = this.head > depth ? this.head - depth : 0n;
		const ended = this.generations.pop();
		if (ended !== undefined) this.generations.push({ ...ended, lastHeight: this.head });
		this.generation += 1n;
		const editor = new StateEditor(this.generation);
		for (const key of this.rows.touchedAbove(ancestor)) editor.load(key, this.rows.present(key));
		editor.rewind(ancestor);
		this.head = ancestor;
		for (let block = this.#random.between(0, 4); block > 0; block -= 1) {
			const id = this.#random.oneOf(IDS);
			if (!editor.isLoaded(keyOf(id))) editor.load(keyOf(id), this.rows.present(keyOf(id)));
			this.#put(editor, id);
			this.head += 1n;
		}
		this.rows.apply(editor.changes(), this.generation);
		this.generations.push({
			generation: this.generation,
			ancestor,
			lastHeight: undefined,
			lastVersionId: undefined,
		});
	}

	stored(id: string): StoredVersion[] {
		return this.rows.of(keyOf(id)).toSorted(byPlace).map(stored);
	}
}

function byPlace(a: Version, b: Version): number {
	return a.fromBlock === b.fromBlock
		? Number(a.fromGen - b.fromGen)
		: Number(a.fromBlock - b.fromBlock);
}

function stored(row: Version): StoredVersion {
	return { ...row, tombstone: row.content === undefined, body: row, intact: true };
}

function history(seed: number): History {
	const random = new Random(seed);
	const made = new History(random);
	for (let step = random.between(5, 60); step > 0; step -= 1) made.step();
	return made;
}

test("what the editor makes has no problem, in any generation", () => {
	for (let nth = 0; nth < HISTORIES; nth += 1) {
		const random = new Random(SEED + nth);
		const made = new History(random);
		for (let step = 0; step < 40; step += 1) {
			made.step();
			for (const id of IDS) {
				expect(spanProblems(made.stored(id), made.bounds), `history ${SEED + nth}`).toEqual([]);
			}
		}
	}
});

test("a closing column that is changed by hand is found, or the state tree shows it", () => {
	let changed = 0;
	for (let nth = 0; nth < HISTORIES; nth += 1) {
		const made = history(SEED + nth);
		const random = new Random(SEED - nth);
		for (const id of IDS) {
			const rows = made.stored(id);
			for (const [index, row] of rows.entries()) {
				const other = changedEnd(row, random);
				if (other.toBlock === row.toBlock && other.toGen === row.toGen) continue;
				const damaged = rows.with(index, other);
				changed += 1;
				const found =
					spanProblems(damaged, made.bounds).length > 0 ||
					shown(damaged, made) !== shown(rows, made);
				expect(found, `history ${SEED + nth}, ${id}: ${said(row)} became ${said(other)}`).toBe(
					true,
				);
			}
		}
	}
	expect(changed).toBeGreaterThan(HISTORIES);
});

function changedEnd(row: StoredVersion, random: Random): StoredVersion {
	const around = (value: bigint, least: bigint) => {
		const near = value === FOREVER ? least : value;
		return random.chance(0.3) ? FOREVER : near + BigInt(random.between(-3, 3));
	};
	return random.chance(0.5)
		? { ...row, toBlock: around(row.toBlock, row.fromBlock + 2n) }
		: { ...row, toGen: around(row.toGen, row.fromGen + 1n) };
}

/** What the memory is in the tree, at present and at the head. */
function shown(rows: readonly StoredVersion[], { head, generation }: History): string {
	const leaves = [pendingLeaf(rows, head + 1n), sealedLeaf(rows, { height: head, generation })];
	return leaves.map((leaf) => leaf?.versionId ?? "none").join();
}

function said({ fromBlock, toBlock, fromGen, toGen }: StoredVersion): string {
	return `[${fromBlock}, ${toBlock}) × [${fromGen}, ${toGen})`;
}

test("roots from a sorted stream are those of the tree", () => {
	const random = new Random(SEED);
	for (let round = 0; round < 60; round += 1) {
		const memories = Array.from({ length: random.between(0, 300) }, (_, index) => ({
			layer: random.oneOf(LAYERS),
			memoryKey: round % 2 === 0 ? memoryKey("test", `${round}/${index}`) : closeKey(random),
			contentHash: `0x${random
				.between(0, 2 ** 31)
				.toString(16)
				.padStart(64, "0")}` as Hex,
		}));
		const distinct = new Map(memories.map((each) => [`${each.layer}/${each.memoryKey}`, each]));
		const streamed = new SortedRoots();
		for (const each of [...distinct.values()].sort((a, b) =>
			a.memoryKey < b.memoryKey ? -1 : 1,
		)) {
			streamed.add(each.layer, each.memoryKey, each.contentHash);
		}
		expect(streamed.finish()).toEqual(StateTree.build(distinct.values()).roots());
	}
});

/** Keys that share many digits, which hashes hardly ever do. */
function closeKey(random: Random): MemoryKey {
	const tail = random.between(0, 400).toString(16).padStart(12, "0");
	return `00000000-0000-0000-0000-${tail}` as MemoryKey;
}
