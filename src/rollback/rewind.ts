/**
 * Rewind and verify: loads what changed above the ancestor, sets it back, and compares the result with
 * the ancestor's checkpoint. Cost follows the changes, not the memory.
 *
 * The check is arithmetic over what was read, not over what was remembered: every touched version is
 * hashed again from its content. running digest − touched versions now + touched versions at the
 * ancestor must be the digest that was sealed there.
 */

import { FatalError } from "../domain/errors.ts";
import type { Height, MemoryKey } from "../domain/ids.ts";
import { LAYERS } from "../domain/layer.ts";
import type { Version } from "../domain/memory.ts";
import { contentHash } from "../memory/canonical.ts";
import type { Assembly } from "../writer/assembly.ts";
import type { Checkpoint } from "../writer/commit-batch.ts";

export interface Rewound {
	/** What was believed of each touched memory in the pending slot before. */
	readonly before: ReadonlyMap<MemoryKey, Version>;
}

/** Sets the loaded rows back in the assembly, and its digest with them. */
export function rewindTo(
	assembly: Assembly,
	rows: ReadonlyMap<MemoryKey, readonly Version[]>,
	at: { readonly ancestor: Height; readonly head: Height },
): Rewound {
	const before = new Map<MemoryKey, Version>();
	assembly.state.editor.rewind(at.ancestor);
	for (const [key, versions] of rows) {
		for (const version of versions) {
			if (isBelieved(version, at.head + 1n)) before.set(key, version);
			if (isInDigest(version, at.head)) assembly.state.digest.remove(hashedAgain(version));
		}
		assembly.state.editor.load(key, versions);
		const kept = assembly.state.editor.visible(key, at.ancestor);
		if (kept === undefined) continue;
		assembly.state.digest.add(hashedAgain(kept));
		assembly.state.expectExpiry(kept);
	}
	return { before };
}

/** Throws `FatalError("verification_failed")` naming the layers that differ. */
export function verifyRewound(assembly: Assembly, checkpoint: Checkpoint): void {
	const digest = assembly.state.digest.toDigest();
	const differing = LAYERS.filter((layer) => digest[layer] !== checkpoint.digest[layer]);
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

/** The running digest holds the pending slot, but nothing has expired in it yet. */
function isInDigest(version: Version, head: Height): boolean {
	if (version.content === undefined || version.fromBlock > head + 1n) return false;
	const expiresNext = version.toBlock === head + 1n && version.expiresBlock === head + 1n;
	return version.toBlock > head + 1n || expiresNext;
}

function hashedAgain(version: Version): Version {
	return { ...version, contentHash: contentHash(version) };
}
