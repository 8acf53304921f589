/**
 * Rewind and verify: loads what changed above the ancestor, sets it back, and compares the result with
 * the ancestor's checkpoint. Cost follows the changes, not the memory.
 *
 * Every touched version that holds at the ancestor is hashed again from its content; these leaves, put into
 * the lease holder's tree, must give the roots that were sealed there. What was not touched is in that tree
 * as it was committed.
 */

import type { LeafChange } from "../commitment/leaf-changes.ts";
import { differingLayers, type StateRoots } from "../commitment/state-root.ts";
import { FatalError } from "../domain/errors.ts";
import type { Height, MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import { contentHash } from "../memory/canonical.ts";
import type { Assembly } from "../writer/assembly.ts";
import type { Checkpoint } from "../writer/commit-batch.ts";

export interface Rewound {
	/** What was said above the ancestor and believed in the pending slot before. */
	readonly before: ReadonlyMap<MemoryKey, Version>;
	/** From the state that stands, with the pending slot, to the ancestor's. */
	readonly changes: readonly LeafChange[];
}

/** Sets the loaded rows back in the assembly, and its leaves with them. */
export function rewindTo(
	assembly: Assembly,
	rows: ReadonlyMap<MemoryKey, readonly Version[]>,
	at: { readonly ancestor: Height; readonly head: Height },
): Rewound {
	const before = new Map<MemoryKey, Version>();
	assembly.state.editor.rewind(at.ancestor);
	for (const [key, versions] of rows) {
		for (const version of versions) {
			const isOrphaned = version.fromBlock > at.ancestor;
			if (isOrphaned && isBelieved(version, at.head + 1n)) before.set(key, version);
			if (isLeaf(version, versions, at.head)) {
				assembly.state.leaves.remove(hashedAgain(version));
			}
		}
		assembly.state.editor.load(key, versions);
		const kept = assembly.state.editor.visible(key, at.ancestor);
		if (kept === undefined) continue;
		assembly.state.leaves.add(hashedAgain(kept));
		assembly.state.expectExpiry(kept);
	}
	return { before, changes: assembly.state.leaves.take() };
}

/** Throws `FatalError("verification_failed")` naming the layers that differ. */
export function verifyRewound(
	roots: StateRoots,
	checkpoint: Pick<Checkpoint, "height" | "roots">,
): void {
	const differing = differingLayers(roots, checkpoint.roots);
	if (differing.length === 0) return;
	throw new FatalError("verification_failed", {
		message:
			`going back to block ${checkpoint.height} gives another state than was sealed there, in ` +
			differing.join(", "),
		hint: "rows were changed outside of Recant or are damaged; restore the database from a backup",
		fields: { height: checkpoint.height.toString(), layers: differing.join(",") },
	});
}

function isBelieved(version: Version, slot: Height): boolean {
	return version.content !== undefined && version.fromBlock <= slot && version.toBlock > slot;
}

/** The tree holds the pending slot, and what ends in it by itself and was not written over there. */
function isLeaf(version: Version, rows: readonly Version[], head: Height): boolean {
	const pending = head + 1n;
	if (version.content === undefined || version.fromBlock > pending) return false;
	if (version.toBlock > pending) return true;
	const endsNext = version.toBlock === pending && version.expiresBlock === pending;
	return endsNext && rows.every((row) => row.fromBlock !== pending);
}

function hashedAgain(version: Version): Version {
	return { ...version, contentHash: contentHash(version) };
}
