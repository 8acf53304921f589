/** Roots of sealed blocks, from the writer's tree where it still has them, else from rows in one pass. */

import { SortedRoots } from "../../commitment/sorted-root.ts";
import type { StateRoots } from "../../commitment/state-root.ts";
import type { Generation, Height, MemoryKey } from "../../domain/ids.ts";
import type { StoredMemory, StoredVersion } from "../stored-state.ts";
import { hashedAgain, pendingLeaf, sealedLeaf } from "../visible-rows.ts";
import type { PlanContext } from "./plan-context.ts";

export interface RootPlace {
	readonly height: Height;
	readonly generation: Generation;
}

export function placeName({ height, generation }: RootPlace): string {
	return `${height}/${generation}`;
}

type Repaired = ReadonlyMap<MemoryKey, readonly StoredVersion[]>;

/** By `placeName`. `repaired` has the rows of memories that will stand otherwise than they do. */
export async function rootsAt(
	places: readonly RootPlace[],
	context: PlanContext,
	repaired: Repaired,
): Promise<ReadonlyMap<string, StateRoots>> {
	const roots = new Map<string, StateRoots>();
	const streams = new Map<RootPlace, SortedRoots>();
	for (const place of places) {
		const held = heldRoots(place, context);
		if (held === undefined) streams.set(place, new SortedRoots());
		else roots.set(placeName(place), held);
	}
	if (streams.size === 0) return roots;
	for await (const { memoryKey, rows } of memories(context, repaired)) {
		for (const [place, stream] of streams) add(stream, memoryKey, sealedLeaf(rows, place));
	}
	for (const [place, stream] of streams) roots.set(placeName(place), stream.finish());
	return roots;
}

/** Of the pending slot. */
export async function pendingRoots(context: PlanContext, repaired: Repaired): Promise<StateRoots> {
	const stream = new SortedRoots();
	for await (const { memoryKey, rows } of memories(context, repaired)) {
		add(stream, memoryKey, pendingLeaf(rows, context.slot));
	}
	return stream.finish();
}

function heldRoots(
	{ height, generation }: RootPlace,
	{ states, state }: PlanContext,
): StateRoots | undefined {
	if (states === undefined || generation > state.chain.generation) return undefined;
	const mark = states.at(height);
	// The tree knows the present branch alone; an older generation may have had another block there.
	return mark !== undefined && generation === state.chain.generation
		? states.tree.roots(mark)
		: undefined;
}

function add(stream: SortedRoots, key: MemoryKey, leaf: StoredVersion | undefined): void {
	if (leaf?.layer === undefined) return;
	stream.add(leaf.layer, key, hashedAgain(leaf) ?? leaf.contentHash);
}

/** Every memory as it will stand, by rising key. */
async function* memories(
	{ state }: PlanContext,
	repaired: Repaired,
): AsyncGenerator<StoredMemory, void> {
	const waiting = [...repaired.keys()].sort();
	for await (const page of state.memories(undefined)) {
		for (const memory of page) {
			for (let key = waiting[0]; key !== undefined && key < memory.memoryKey; key = waiting[0]) {
				waiting.shift();
				yield { memoryKey: key, rows: repaired.get(key) ?? [] };
			}
			if (waiting[0] === memory.memoryKey) waiting.shift();
			yield repaired.has(memory.memoryKey)
				? { memoryKey: memory.memoryKey, rows: repaired.get(memory.memoryKey) ?? [] }
				: memory;
		}
	}
	for (const key of waiting) yield { memoryKey: key, rows: repaired.get(key) ?? [] };
}
