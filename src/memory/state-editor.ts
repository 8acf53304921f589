/**
 * The one mechanism by which block commits, agents' commits and rollbacks change spans: an overlay,
 * in memory, over the present-generation rows of the memories that are touched. It applies the rules
 * of span-changes.ts one write after the other and gives the difference to what was loaded.
 *
 * 1. A memory is loaded once, before it is written; a write to one that is not loaded is refused.
 * 2. A rewind comes before every write, and reaches rows that are loaded after it.
 * 3. `changes` names an existing row in at most one list, and no row that began and ended inside the
 *    editor. Applying it whole or not at all keeps the store consistent.
 *
 * An editor serves one commit and holds what its caller loads, so LIMITS.groupBlocks,
 * LIMITS.groupOperations and LIMITS.rollbackChanges bound it. A broken precondition throws
 * `FatalError("internal")` and leaves the editor unusable; its caller drops it and begins anew.
 */

import { FatalError } from "../domain/errors.ts";
import { FOREVER, type Generation, type Height, type MemoryKey } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { Version } from "../domain/memory.ts";
import { contentHash } from "./canonical.ts";
import { NOTHING_SAID } from "./nothing-said.ts";
import { overwrite, rewind, type SpanChange } from "./span-changes.ts";

/** A version before it has a span. */
export type NewVersion = Omit<Version, "fromBlock" | "toBlock" | "fromGen" | "toGen">;

/** A row of spans is known by memory, first height and first generation. */
export interface RowKey {
	readonly memoryKey: MemoryKey;
	readonly fromBlock: Height;
	readonly fromGen: Generation;
}

export interface NewMemory {
	readonly memoryKey: MemoryKey;
	readonly namespace: string;
	readonly id: string;
	readonly layer: Layer;
}

/** What the store must do, in any order, in one transaction. No two entries have the same row key. */
export interface StateChanges {
	/** Rows of the present generation that end at a height: set to_block. */
	readonly closeBlock: readonly (RowKey & { readonly toBlock: Height })[];
	/** Rows that end at the editor's generation: set to_gen. */
	readonly closeGen: readonly (RowKey & { readonly toGen: Generation })[];
	/**
	 * Rows with their final spans: written versions, and copies with the version id of what they copy.
	 * One whose key exists takes that row over: its slot was written before in this generation.
	 */
	readonly insert: readonly Version[];
	/**
	 * Memories, by layer, for which no row of that layer was loaded and at least one is inserted. One that lived only on an
	 * orphaned branch is known to the store already: insert what is missing, keep what is there.
	 */
	readonly newMemories: readonly NewMemory[];
}

interface Memory {
	readonly loaded: readonly Version[];
	/** Present generation, by rising fromBlock; spans do not overlap. */
	rows: Version[];
}

export class StateEditor {
	readonly #generation: Generation;
	readonly #memories = new Map<MemoryKey, Memory>();
	#ancestor: Height | undefined;
	#written = false;

	/** For a rollback `generation` is the new one, else the present one. */
	constructor(generation: Generation) {
		this.#generation = generation;
	}

	isLoaded(key: MemoryKey): boolean {
		return this.#memories.has(key);
	}

	/** Every loaded memory that is visible at `height`, in no order. */
	*visibleAt(height: Height): Generator<Version> {
		for (const key of this.#memories.keys()) {
			const version = this.visible(key, height);
			if (version !== undefined) yield version;
		}
	}

	/**
	 * Takes in rows of the present generation (`toGen` FOREVER), in any order. To write, the one with the
	 * greatest fromBlock is enough; to rewind, those that begin above the ancestor and the one that holds
	 * at it.
	 */
	load(key: MemoryKey, rows: readonly Version[]): void {
		if (this.#memories.has(key)) throw misused(`memory ${key} was loaded twice`);
		const loaded = rows.toSorted(byHeight);
		requireDisjoint(key, loaded);
		const ancestor = this.#ancestor;
		this.#memories.set(key, { loaded, rows: this.#afterRewind(loaded, ancestor) });
	}

	/** Sets every row back to `ancestor`, the highest block that stays. Once, before all writes. */
	rewind(ancestor: Height): void {
		if (this.#ancestor !== undefined) throw misused("an editor was rewound twice");
		if (this.#written) throw misused("an editor was rewound after a write");
		this.#ancestor = ancestor;
		for (const memory of this.#memories.values()) {
			memory.rows = this.#afterRewind(memory.loaded, ancestor);
		}
	}

	/** The version that holds at `height`; undefined: none, or a tombstone. */
	visible(key: MemoryKey, height: Height): Version | undefined {
		const row = this.#memory(key).rows.findLast((each) => each.fromBlock <= height);
		if (row === undefined || row.toBlock <= height || row.content === undefined) return undefined;
		return row;
	}

	/** The row with the greatest fromBlock, a tombstone too. */
	latest(key: MemoryKey): Version | undefined {
		return this.#memory(key).rows.at(-1);
	}

	/**
	 * Writes a version (a tombstone: without content) at `height`, which must not be below what was
	 * written to that memory before, nor at or below the ancestor. Answers the row as it stands.
	 *
	 * A version that has expired at `height` already is written as a tombstone: an operation whose slot
	 * moved up still ends what was there, and leaves nothing.
	 */
	put(version: NewVersion, height: Height): Version {
		if (this.#ancestor !== undefined && height <= this.#ancestor) {
			throw misused(`a write at ${height} would change a sealed block, ancestor ${this.#ancestor}`);
		}
		const memory = this.#memory(version.memoryKey);
		const body = lasting(version, height);
		const open = memory.rows.at(-1);
		const at = { height, generation: this.#generation, expiresBlock: body.expiresBlock };
		const { closed, inserted } = overwrite(open, at);
		if (open !== undefined && closed !== undefined) {
			memory.rows.splice(-1, 1, ...changed(open, closed));
		}
		const row = { ...body, ...inserted };
		memory.rows.push(row);
		this.#written = true;
		return row;
	}

	/** The difference between what was loaded and what stands. May be asked more than once. */
	changes(): StateChanges {
		const closeBlock: (RowKey & { readonly toBlock: Height })[] = [];
		const closeGen: (RowKey & { readonly toGen: Generation })[] = [];
		const insert: Version[] = [];
		const newMemories: NewMemory[] = [];
		for (const memory of this.#memories.values()) {
			const before = new Map(memory.loaded.map((row) => [row.fromBlock, row]));
			for (const row of memory.rows) {
				const loaded = before.get(row.fromBlock);
				before.delete(row.fromBlock);
				const how = difference(loaded, row);
				if (how === "shortened") closeBlock.push({ ...rowKey(row), toBlock: row.toBlock });
				if (how === "new" || how === "carried") insert.push(row);
				if (how === "carried" && loaded !== undefined) closeGen.push(this.#ended(loaded));
			}
			for (const gone of before.values()) closeGen.push(this.#ended(gone));
			newMemories.push(...named(memory));
		}
		return { closeBlock, closeGen, insert, newMemories };
	}

	#ended(row: Version): RowKey & { readonly toGen: Generation } {
		return { ...rowKey(row), toGen: this.#generation };
	}

	#afterRewind(loaded: readonly Version[], ancestor: Height | undefined): Version[] {
		if (ancestor === undefined) return [...loaded];
		const to = { ancestor, generation: this.#generation };
		return loaded.flatMap((row) => changed(row, rewind(row, to)));
	}

	#memory(key: MemoryKey): Memory {
		const memory = this.#memories.get(key);
		if (memory === undefined) throw misused(`memory ${key} was not loaded`);
		return memory;
	}
}

/** A name for every layer in which the memory was not loaded: deleted, it may come back in another. */
function named(memory: Memory): readonly NewMemory[] {
	const layers = new Set(memory.loaded.map((row) => row.layer));
	return memory.rows.flatMap((row) => {
		if (layers.has(row.layer)) return [];
		layers.add(row.layer);
		return [newMemory(row)];
	});
}

/** What is left of a row in the present generation. */
function changed(row: Version, change: SpanChange): readonly Version[] {
	switch (change.type) {
		case "keep":
			return [row];
		case "close_block":
			return [{ ...row, toBlock: change.toBlock }];
		case "close_gen":
			return change.copy === undefined ? [] : [{ ...row, ...change.copy }];
		case "replace":
			return [];
	}
}

/**
 * How a row that stands differs from the loaded row that begins at the same height.
 *
 * A copy with the very heights of what it copies is no difference: after a fork that wrote the memory
 * at the same heights again, the old row simply goes on.
 */
function difference(
	loaded: Version | undefined,
	row: Version,
): "none" | "shortened" | "new" | "carried" {
	if (loaded === undefined) return "new";
	const same = loaded.versionId === row.versionId;
	if (same && loaded.toBlock === row.toBlock) return "none";
	if (loaded.fromGen !== row.fromGen) return "carried";
	return same ? "shortened" : "new";
}

/** What has expired when it is written says no more than that the memory is gone. */
function lasting(version: NewVersion, height: Height): NewVersion {
	const expired = version.expiresBlock !== undefined && version.expiresBlock <= height;
	if (version.content !== undefined && !expired) return version;
	const tombstone = { ...version, ...NOTHING_SAID };
	return { ...tombstone, contentHash: contentHash(tombstone) };
}

function rowKey({ memoryKey, fromBlock, fromGen }: Version): RowKey {
	return { memoryKey, fromBlock, fromGen };
}

function newMemory({ memoryKey, namespace, id, layer }: Version): NewMemory {
	return { memoryKey, namespace, id, layer };
}

function byHeight(a: Version, b: Version): number {
	if (a.fromBlock === b.fromBlock) return 0;
	return a.fromBlock < b.fromBlock ? -1 : 1;
}

function requireDisjoint(key: MemoryKey, rows: readonly Version[]): void {
	let end = 0n;
	for (const row of rows) {
		if (row.memoryKey !== key) throw misused(`a row of ${row.memoryKey} was loaded for ${key}`);
		if (row.toGen !== FOREVER) throw misused(`a row of ${key} ended at generation ${row.toGen}`);
		if (row.fromBlock < end) throw misused(`rows of ${key} overlap at height ${row.fromBlock}`);
		end = row.toBlock;
	}
}

function misused(message: string): FatalError {
	return new FatalError("internal", {
		message,
		hint: "this is a defect of Recant; please report it with the log",
	});
}
