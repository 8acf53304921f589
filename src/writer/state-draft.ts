/**
 * The state side of one commit: versions, leaves, expiries, and which versions need a vector.
 *
 * 1. Version ids are dense and rise in the order of the writes.
 * 2. The leaves are those of the last slot written, with the expiries of ended heights taken out: each
 *    once, in the commit that reaches its height. What ended before is in no leaf that it began with.
 * 3. Rows of a memory are loaded into `editor` before the memory is written.
 */
import { LeafRecorder } from "../commitment/leaf-changes.ts";
import type { Generation, Height, Hex, LogPosition, MemoryKey, VersionId } from "../domain/ids.ts";
import type { Owner } from "../domain/layer.ts";
import type { Version } from "../domain/memory.ts";
import type { MemoryBody } from "../domain/operation.ts";
import { contentHash } from "../memory/canonical.ts";
import { givenVectorHash } from "../memory/given-vector.ts";
import { memoryKey } from "../memory/memory-key.ts";
import { StateEditor } from "../memory/state-editor.ts";
import { type ChainState, pendingSlot } from "./chain-state.ts";

/** A version that needs a vector, and where the vector comes from. */
export interface VectorRequest {
	readonly version: Pick<Version, "versionId" | "memoryKey" | "namespace" | "layer"> & {
		readonly collection: string;
		readonly fromBlock: Height;
	};
	readonly source:
		| { readonly type: "text"; readonly text: string }
		| { readonly type: "given"; readonly vector: readonly number[] }
		| { readonly type: "copy"; readonly versionId: VersionId };
}

export interface StateWrite {
	readonly slot: Height;
	readonly namespace: string;
	readonly id: string;
	readonly owner: Owner;
	/** Order in which it was written, see domain/memory.ts. */
	readonly position: LogPosition;
	/** Undefined: the memory is deleted. */
	readonly body: MemoryBody | undefined;
	/** Version whose vector is carried on. */
	readonly copyOf: VersionId | undefined;
	/** Kept although what it rests on is gone. */
	readonly suspect: boolean;
	/** Highest block that it rests on; undefined: it rests on none. */
	readonly grounds: Height | undefined;
}

export class StateDraft {
	readonly editor: StateEditor;
	readonly leaves = new LeafRecorder();
	readonly vectorRequests: VectorRequest[] = [];
	/** First height whose ends are still in the leaves that this goes on from. */
	readonly #from: Height;
	/** Memories that may end by themselves at a height, `#from` or above. */
	readonly #expiries = new Map<Height, Set<MemoryKey>>();
	/** Memories that may end by block time, in seconds. */
	readonly #timed = new Map<MemoryKey, bigint>();
	#versionId: VersionId;

	constructor(state: ChainState, generation: Generation) {
		this.editor = new StateEditor(generation);
		this.#from = pendingSlot(state);
		this.#versionId = state.versionSeq;
	}

	/** Last version id that was given out. */
	get versionId(): VersionId {
		return this.#versionId;
	}

	/** Loads a memory's rows, once, with the heights at which they are still to end by themselves. */
	load(key: MemoryKey, versions: readonly Version[]): void {
		if (this.editor.isLoaded(key)) return;
		this.editor.load(key, versions);
		for (const version of versions) this.expectExpiry(version);
	}

	/** The version may end by itself at its `expiresBlock` or `expiresTime`, if it has not ended before. */
	expectExpiry({ memoryKey: key, expiresBlock, expiresTime }: Version): void {
		if (expiresTime !== undefined) this.#expectTime(key, expiresTime);
		if (expiresBlock === undefined || expiresBlock < this.#from) return;
		const keys = this.#expiries.get(expiresBlock) ?? new Set();
		keys.add(key);
		this.#expiries.set(expiresBlock, keys);
	}

	write(write: StateWrite): VersionId {
		this.#versionId += 1n;
		const key = memoryKey(write.namespace, write.id);
		const before = this.editor.visible(key, write.slot);
		const body = bodyOf(write, before, before ?? this.editor.latest(key));
		const leaf = before ?? this.#endingAt(key, write.slot);
		if (leaf !== undefined) this.leaves.remove(leaf);
		this.editor.put(
			{
				...body,
				memoryKey: key,
				versionId: this.#versionId,
				contentHash: contentHash(body),
				position: write.position,
				suspect: write.suspect,
				grounds: write.grounds,
			},
			write.slot,
		);
		const after = this.editor.visible(key, write.slot);
		if (after !== undefined) {
			this.leaves.add(after);
			this.expectExpiry(after);
			this.#requestVector(after, write);
		}
		return this.#versionId;
	}

	/**
	 * Takes what ends by itself up to that height, inclusive, out of the leaves, height by height: a
	 * group may leave heights out, and what ends there must be gone before anything is written above.
	 */
	expireUpTo(height: Height): void {
		const due = [...this.#expiries.keys()].filter((each) => each <= height);
		for (const each of due.sort((a, b) => (a < b ? -1 : 1))) this.#expire(each);
	}

	/** Loaded memories that are visible at `height` and whose time has come, by rising position. */
	timedOut(height: Height, time: bigint): readonly Version[] {
		const over: Version[] = [];
		for (const [key, expiresTime] of this.#timed) {
			if (expiresTime > time) continue;
			this.#timed.delete(key);
			const version = this.editor.visible(key, height);
			if (version?.expiresTime === undefined) continue;
			if (version.expiresTime <= time) over.push(version);
			else this.#timed.set(key, version.expiresTime);
		}
		return over.sort((a, b) => (a.position < b.position ? -1 : 1));
	}

	/** The first of several: of a memory's rows each may have its own. */
	#expectTime(key: MemoryKey, time: bigint): void {
		const known = this.#timed.get(key);
		if (known === undefined || time < known) this.#timed.set(key, time);
	}

	#expire(height: Height): void {
		for (const key of this.#expiries.get(height) ?? []) {
			const version = this.#endingAt(key, height);
			if (version !== undefined) this.leaves.remove(version);
		}
		this.#expiries.delete(height);
	}

	/**
	 * The version that ends by itself at that height and is a leaf still: one that was written over at the
	 * very height at which it ends left the leaves with that write.
	 */
	#endingAt(key: MemoryKey, height: Height): Version | undefined {
		const version = this.editor.visible(key, height - 1n);
		const ends = version?.toBlock === height && version.expiresBlock === height;
		return ends && this.editor.latest(key) === version ? version : undefined;
	}

	#requestVector(version: Version, { body, copyOf }: StateWrite): void {
		const { collection } = version;
		if (collection === undefined || body === undefined) return;
		const target = { ...version, collection };
		if (copyOf !== undefined) {
			this.vectorRequests.push({ version: target, source: { type: "copy", versionId: copyOf } });
		} else if (body.vector !== undefined) {
			this.vectorRequests.push({ version: target, source: { type: "given", vector: body.vector } });
		} else if (body.text !== undefined) {
			this.vectorRequests.push({ version: target, source: { type: "text", text: body.text } });
		}
	}
}

/** A tombstone keeps the layer of what it ends. */
function bodyOf(write: StateWrite, visible: Version | undefined, previous: Version | undefined) {
	return {
		namespace: write.namespace,
		id: write.id,
		layer: write.body?.layer ?? previous?.layer ?? "semantic",
		owner: write.owner,
		content: write.body?.content,
		text: write.body?.text,
		collection: write.body?.collection,
		importance: write.body?.importance,
		confidence: write.body?.confidence,
		vectorHash: vectorHashOf(write, visible),
		expiresBlock: write.body?.expiresAtBlock,
		expiresTime: write.body?.expiresAtTime,
	} as const;
}

/** A vector that is carried on keeps its hash. */
function vectorHashOf({ body, copyOf }: StateWrite, visible: Version | undefined): Hex | undefined {
	if (body === undefined) return undefined;
	if (copyOf !== undefined) return visible?.vectorHash;
	return body.vector === undefined ? undefined : givenVectorHash(body.vector);
}
