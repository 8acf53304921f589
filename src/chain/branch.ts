/**
 * A branch: headers in ascending order, each the parent of the next, ending in a head.
 *
 * It grows downward, as a walk back from the head fetches what lies below. What is fetched by number
 * may belong to another fork, because the node may have moved between two answers; so only what
 * links by hash is ever taken.
 */
import type { BlockHeader } from "../domain/block.ts";
import type { Height } from "../domain/ids.ts";

/** The first place where a list of headers is not a chain. */
interface LinkBreak {
	/** Height of the header that does not stand on the one before it. */
	readonly height: Height;
	readonly message: string;
}

/** Undefined when every header is the parent of the next one, by height and by hash. */
export function validateLinked(headers: readonly BlockHeader[]): LinkBreak | undefined {
	for (let index = 1; index < headers.length; index++) {
		const parent = headers[index - 1];
		const child = headers[index];
		if (parent === undefined || child === undefined || isParent(parent, child)) continue;
		return {
			height: child.number,
			message:
				`block ${child.number} ${child.hash} names the parent ${child.parentHash}, ` +
				`but stands after block ${parent.number} ${parent.hash}`,
		};
	}
	return undefined;
}

function isParent(parent: BlockHeader, child: BlockHeader): boolean {
	return child.number === parent.number + 1n && child.parentHash === parent.hash;
}

/**
 * The branch with those fetched headers before it that link to its lowest block. `fetched` ascends;
 * holes and what lies below a header that does not link are dropped. Answers the same array when
 * nothing links: the caller then asks for the parent by hash, or ends the round.
 */
export function growBranch(
	branch: readonly BlockHeader[],
	fetched: readonly (BlockHeader | undefined)[],
): readonly BlockHeader[] {
	let lowest = branch[0];
	let taken = fetched.length;
	while (taken > 0 && lowest !== undefined) {
		const candidate = fetched[taken - 1];
		if (candidate === undefined || !isParent(candidate, lowest)) break;
		lowest = candidate;
		taken--;
	}
	const linked = fetched.slice(taken).filter((header) => header !== undefined);
	return linked.length === 0 ? branch : [...linked, ...branch];
}
