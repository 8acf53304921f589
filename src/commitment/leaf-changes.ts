/**
 * What changes in the state trees between two roots: memories that come, change or go.
 *
 * Whoever assembles a commit records changes and needs no tree; whoever holds the tree applies them
 * and gets the roots. So a rollback can be prepared by a process that holds none.
 */
import { hash } from "node:crypto";
import { FatalError } from "../domain/errors.ts";
import type { Hex, MemoryKey } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { CommittedMemory, StateTree } from "./state-tree.ts";

export interface LeafChange {
	readonly layer: Layer;
	readonly memoryKey: MemoryKey;
	/** Undefined: the memory is gone from that layer. */
	readonly contentHash: Hex | undefined;
}

interface Touched {
	readonly layer: Layer;
	readonly memoryKey: MemoryKey;
	/** Whether it was there before the first change that is recorded here. */
	readonly wasThere: boolean;
	contentHash: Hex | undefined;
}

/**
 * Records changes in the order in which they happen and gives what is left of them. Only visible
 * memories count: a version is removed when it is overwritten, deleted or expires, and a tombstone is
 * never added.
 */
export class LeafRecorder {
	#touched = new Map<string, Touched>();

	add({ layer, memoryKey, contentHash }: CommittedMemory): void {
		const touched = this.#touch(layer, memoryKey, false);
		if (touched.contentHash !== undefined) throw misused(`${memoryKey} was added twice`);
		touched.contentHash = contentHash;
	}

	remove({ layer, memoryKey }: CommittedMemory): void {
		const key = `${layer}:${memoryKey}`;
		const known = this.#touched.get(key);
		if (known !== undefined && known.contentHash === undefined) {
			throw misused(`${memoryKey} was removed twice`);
		}
		this.#touch(layer, memoryKey, true).contentHash = undefined;
	}

	/** Takes what was recorded since the last call; what came and went in between is not in it. */
	take(): readonly LeafChange[] {
		const changes: LeafChange[] = [];
		for (const { layer, memoryKey, wasThere, contentHash } of this.#touched.values()) {
			if (wasThere || contentHash !== undefined) changes.push({ layer, memoryKey, contentHash });
		}
		this.#touched = new Map();
		return changes;
	}

	#touch(layer: Layer, memoryKey: MemoryKey, wasThere: boolean): Touched {
		const key = `${layer}:${memoryKey}`;
		const known = this.#touched.get(key);
		if (known !== undefined) return known;
		const touched = { layer, memoryKey, wasThere, contentHash: undefined };
		this.#touched.set(key, touched);
		return touched;
	}
}

/** Throws `FatalError("internal")` when what is gone was not there: tree and rows have parted. */
export function applyChanges(tree: StateTree, changes: readonly LeafChange[]): void {
	for (const { layer, memoryKey, contentHash } of changes) {
		if (contentHash === undefined) tree.delete(layer, memoryKey);
		else tree.set({ layer, memoryKey, contentHash });
	}
}

/**
 * SHA-256 over the tag `recant.leaf-changes.v1` and a zero byte, then for each change, in the order of
 * layer name and key: layer, a zero byte, key, a zero byte, content hash or nothing, a line feed; all as text.
 */
export function changesHash(changes: readonly LeafChange[]): Hex {
	const lines = changes
		.map(({ layer, memoryKey, contentHash }) => `${layer}\0${memoryKey}\0${contentHash ?? ""}\n`)
		.sort();
	return `0x${hash("sha256", `recant.leaf-changes.v1\0${lines.join("")}`)}`;
}

function misused(message: string): FatalError {
	return new FatalError("internal", {
		message: `memory ${message}`,
		hint: "this is a defect of Recant; please report it with the log",
	});
}
