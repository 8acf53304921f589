/**
 * The versions of one chain with their spans. Applies changes whole or not at all, and refuses those that
 * contradict what it holds, which Postgres would take: it knows the shape of a consistent table and none
 * of the rules by which spans change.
 */
import { FOREVER, type Generation, type Height, type MemoryKey } from "../../../src/domain/ids.ts";
import type { Span, Version } from "../../../src/domain/memory.ts";
import { visibleAt } from "../../../src/memory/span-changes.ts";
import type { RowKey, StateChanges } from "../../../src/memory/state-editor.ts";
import { rising, storedVersion } from "./frozen.ts";
import { Journal } from "./rows.ts";

/** Thrown for changes that a consistent table cannot take. */
export class InconsistentChanges extends Error {
	override readonly name = "InconsistentChanges";
}

const NONE: readonly Version[] = [];

export class VersionRows {
	readonly #journal: Journal;
	/** By rising height, then generation. */
	readonly #memories = new Map<MemoryKey, readonly Version[]>();
	readonly #known = new Set<MemoryKey>();

	constructor(journal: Journal = new Journal()) {
		this.#journal = journal;
	}

	/** Throws `InconsistentChanges` and changes nothing. */
	apply(changes: StateChanges, generation: Generation): void {
		this.#journal.transaction(() => {
			requireDistinct(changes);
			this.#requireIdentities(changes);
			for (const change of changes.closeBlock) {
				const row = this.#open(change);
				const old = `an older generation's row ${nameOf(change)} ends in place`;
				check(row.fromGen === generation, old);
				check(
					change.toBlock < row.toBlock,
					`row ${nameOf(change)} would grow to ${change.toBlock}`,
				);
				this.replace({ ...row, toBlock: change.toBlock });
			}
			for (const change of changes.closeGen) {
				const row = this.#open(change);
				check(change.toGen === generation, `row ${nameOf(change)} ends at another generation`);
				this.replace({ ...row, toGen: change.toGen });
			}
			for (const row of changes.insert) this.#insert(row, generation);
			for (const key of touchedBy(changes)) requireConsistent(this.of(key));
		});
	}

	/** Takes the place of the row with the same key, or is new. Nothing is checked. */
	replace(row: Version): void {
		const others = this.of(row.memoryKey).filter((each) => nameOf(each) !== nameOf(row));
		this.#set(row.memoryKey, [...others, Object.freeze(row)].sort(byPlace));
	}

	/** A row that is new; its content becomes what the table keeps of it. */
	add(row: Version): void {
		this.replace(storedVersion(row));
	}

	/** Answers those that were deleted. */
	deleteWhere(isGone: (row: Version) => boolean, limit: number): readonly Version[] {
		const gone = this.all().filter(isGone).slice(0, limit);
		const names = new Set(gone.map(nameOf));
		for (const key of new Set(gone.map((row) => row.memoryKey))) {
			this.#set(
				key,
				this.of(key).filter((row) => !names.has(nameOf(row))),
			);
		}
		return gone;
	}

	/** Every row of a memory. */
	of(key: MemoryKey): readonly Version[] {
		return this.#memories.get(key) ?? NONE;
	}

	/** Rows of the present generation, by rising height. */
	present(key: MemoryKey): readonly Version[] {
		return this.of(key).filter((row) => row.toGen === FOREVER);
	}

	/** Of all memories. */
	allPresent(): readonly Version[] {
		return this.all().filter((row) => row.toGen === FOREVER);
	}

	all(): readonly Version[] {
		return [...this.#memories.values()].flat();
	}

	/** Memories that ever had a row. */
	keys(): readonly MemoryKey[] {
		return [...this.#memories.keys()];
	}

	get size(): number {
		return this.all().length;
	}

	/** Memories with a present row that begins above a height: all that a rewind looks for. */
	touchedAbove(ancestor: Height): ReadonlySet<MemoryKey> {
		const touched = this.allPresent().filter((row) => row.fromBlock > ancestor);
		return new Set(touched.map((row) => row.memoryKey));
	}

	/** The version that a reader sees; undefined: none, or a tombstone. */
	read(
		key: MemoryKey,
		at: { readonly height: Height; readonly generation: Generation },
	): Version | undefined {
		const row = this.of(key).find((each) => visibleAt(each, at));
		return row?.content === undefined ? undefined : row;
	}

	/** The newest row of the present generation at or below a height, whether or not it still holds. */
	latestUpTo(key: MemoryKey, height: Height): Version | undefined {
		return this.of(key).findLast((row) => row.toGen === FOREVER && row.fromBlock <= height);
	}

	#insert(row: Version, generation: Generation): void {
		check(row.fromGen === generation, `row ${nameOf(row)} begins in another generation`);
		check(row.toGen === FOREVER, `row ${nameOf(row)} begins and has ended`);
		const before = this.of(row.memoryKey).find((each) => nameOf(each) === nameOf(row));
		check(before?.versionId !== row.versionId, `row ${nameOf(row)} is inserted twice`);
		this.add(row);
	}

	#open(key: RowKey): Version {
		const row = this.of(key.memoryKey).find((each) => nameOf(each) === nameOf(key));
		if (row === undefined) throw new InconsistentChanges(`there is no row ${nameOf(key)}`);
		check(row.toGen === FOREVER, `row ${nameOf(key)} has ended at generation ${row.toGen}`);
		return row;
	}

	/** Every inserted row has its memory's identity, and identities come with a row. */
	#requireIdentities(changes: StateChanges): void {
		const fresh = new Set(changes.newMemories.map((memory) => memory.memoryKey));
		const named = new Set(
			changes.newMemories.map(({ layer, memoryKey }) => `${layer}/${memoryKey}`),
		);
		check(named.size === changes.newMemories.length, "a memory is new twice in a layer");
		for (const row of changes.insert) {
			const known = fresh.has(row.memoryKey) || this.#known.has(row.memoryKey);
			check(known, `memory ${row.memoryKey} has no identity`);
		}
		const inserted = new Set(changes.insert.map((row) => row.memoryKey));
		for (const key of fresh) check(inserted.has(key), `memory ${key} is new without a row`);
	}

	#set(key: MemoryKey, rows: readonly Version[]): void {
		const before = this.#memories.get(key);
		this.#journal.wrote(() => {
			if (before === undefined) this.#memories.delete(key);
			else this.#memories.set(key, before);
		});
		this.#memories.set(key, rows);
		this.#know(key);
	}

	/** A memory that had a row is known for good. */
	#know(key: MemoryKey): void {
		if (this.#known.has(key)) return;
		this.#journal.wrote(() => this.#known.delete(key));
		this.#known.add(key);
	}
}

function nameOf(key: RowKey): string {
	return `${key.memoryKey}/${key.fromBlock}/${key.fromGen}`;
}

function byPlace(a: Version, b: Version): number {
	return rising(a.fromBlock, b.fromBlock) || rising(a.fromGen, b.fromGen);
}

function touchedBy(changes: StateChanges): ReadonlySet<MemoryKey> {
	const rows = [...changes.closeBlock, ...changes.closeGen, ...changes.insert];
	return new Set(rows.map((row) => row.memoryKey));
}

/** Spans of one memory that are not empty, and of which no two overlap. */
function requireConsistent(rows: readonly Version[]): void {
	for (const [index, row] of rows.entries()) {
		check(row.fromBlock < row.toBlock, `row ${nameOf(row)} is empty in heights`);
		check(row.fromGen < row.toGen, `row ${nameOf(row)} is empty in generations`);
		for (const other of rows.slice(index + 1)) {
			check(!overlap(row, other), `rows ${nameOf(row)} and ${nameOf(other)} overlap`);
		}
	}
}

function overlap(a: Span, b: Span): boolean {
	const inHeight = a.fromBlock < b.toBlock && b.fromBlock < a.toBlock;
	return inHeight && a.fromGen < b.toGen && b.fromGen < a.toGen;
}

/** An existing row is in at most one list, and no row is in a list twice. */
function requireDistinct(changes: StateChanges): void {
	const names = [...changes.closeBlock, ...changes.closeGen, ...changes.insert].map(nameOf);
	check(new Set(names).size === names.length, `a row is changed twice: ${names.join(" ")}`);
}

function check(holds: boolean, otherwise: string): void {
	if (!holds) throw new InconsistentChanges(otherwise);
}
