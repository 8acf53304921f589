/**
 * Rows of spans in memory, as a store keeps them: applies changes whole or not at all, and refuses
 * changes that contradict what it holds. It knows the shape of a consistent table and none of the
 * rules by which spans change.
 */
import { FOREVER, type Generation, type Height, type MemoryKey } from "../../src/domain/ids.ts";
import type { Span, Version } from "../../src/domain/memory.ts";
import { visibleAt } from "../../src/memory/span-changes.ts";
import type { RowKey, StateChanges } from "../../src/memory/state-editor.ts";

/** Thrown for changes that a consistent table cannot take. */
export class InconsistentChanges extends Error {
	override readonly name = "InconsistentChanges";
}

export class SpanRows {
	#rows = new Map<string, Version>();
	readonly #identities = new Set<MemoryKey>();

	/** Throws `InconsistentChanges` and changes nothing. */
	apply(changes: StateChanges, generation: Generation): void {
		requireDistinct(changes);
		const next = new Map(this.#rows);
		for (const change of changes.closeBlock) {
			const row = this.#present(change);
			check(row.fromGen === generation, `an older generation's row ${name(change)} ends in place`);
			check(change.toBlock < row.toBlock, `row ${name(change)} would grow to ${change.toBlock}`);
			next.set(name(change), { ...row, toBlock: change.toBlock });
		}
		for (const change of changes.closeGen) {
			const row = this.#present(change);
			check(change.toGen === generation, `row ${name(change)} would end at another generation`);
			next.set(name(change), { ...row, toGen: change.toGen });
		}
		for (const row of changes.insert) {
			check(row.fromGen === generation, `row ${name(row)} begins in another generation`);
			check(row.toGen === FOREVER, `row ${name(row)} begins and has ended`);
			const before = this.#rows.get(name(row));
			check(before?.versionId !== row.versionId, `row ${name(row)} is inserted twice`);
			next.set(name(row), row);
		}
		this.#requireIdentities(changes);
		requireConsistent(next);
		this.#rows = next;
		for (const memory of changes.newMemories) this.#identities.add(memory.memoryKey);
	}

	/** Rows of the present generation, by rising height. */
	present(key: MemoryKey): readonly Version[] {
		return this.of(key)
			.filter((row) => row.toGen === FOREVER)
			.sort((a, b) => Number(a.fromBlock - b.fromBlock));
	}

	of(key: MemoryKey): Version[] {
		return [...this.#rows.values()].filter((row) => row.memoryKey === key);
	}

	get size(): number {
		return this.#rows.size;
	}

	/** Memories with a present row that begins above a height: all that a rewind looks for. */
	touchedAbove(ancestor: Height): ReadonlySet<MemoryKey> {
		const rows = [...this.#rows.values()];
		const touched = rows.filter((row) => row.toGen === FOREVER && row.fromBlock > ancestor);
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

	#present(key: RowKey): Version {
		const row = this.#rows.get(name(key));
		if (row === undefined) throw new InconsistentChanges(`there is no row ${name(key)}`);
		check(row.toGen === FOREVER, `row ${name(key)} has ended at generation ${row.toGen}`);
		return row;
	}

	/** Every inserted row has its memory's identity, and identities come with a row. */
	#requireIdentities(changes: StateChanges): void {
		const fresh = new Set(changes.newMemories.map((memory) => memory.memoryKey));
		check(fresh.size === changes.newMemories.length, "a memory is new twice");
		for (const row of changes.insert) {
			const known = fresh.has(row.memoryKey) || this.#identities.has(row.memoryKey);
			check(known, `memory ${row.memoryKey} has no identity`);
		}
		const inserted = new Set(changes.insert.map((row) => row.memoryKey));
		for (const key of fresh) check(inserted.has(key), `memory ${key} is new without a row`);
	}
}

/** Spans that are not empty, and of which no two of one memory overlap. */
function requireConsistent(rows: ReadonlyMap<string, Version>): void {
	for (const memory of Map.groupBy(rows.values(), (row) => row.memoryKey).values()) {
		for (const [index, row] of memory.entries()) {
			check(row.fromBlock < row.toBlock, `row ${name(row)} is empty in heights`);
			check(row.fromGen < row.toGen, `row ${name(row)} is empty in generations`);
			for (const other of memory.slice(index + 1)) {
				check(!overlap(row, other), `rows ${name(row)} and ${name(other)} overlap`);
			}
		}
	}
}

function overlap(a: Span, b: Span): boolean {
	const inHeight = a.fromBlock < b.toBlock && b.fromBlock < a.toBlock;
	return inHeight && a.fromGen < b.toGen && b.fromGen < a.toGen;
}

/** An existing row is in at most one list, and no row is in a list twice. */
function requireDistinct(changes: StateChanges): void {
	const names = [...changes.closeBlock, ...changes.closeGen, ...changes.insert].map(name);
	check(new Set(names).size === names.length, `a row is changed twice: ${names.join(" ")}`);
}

function name(key: RowKey): string {
	return `${key.memoryKey}/${key.fromBlock}/${key.fromGen}`;
}

function check(holds: boolean, otherwise: string): void {
	if (!holds) throw new InconsistentChanges(otherwise);
}
