import type { BlockHeader } from "../../src/domain/block.ts";
import type { Hex } from "../../src/domain/ids.ts";

/** A readable, well-formed hash: the branch's letter, then the height. `branch` is one of a to f. */
export function headerHash(branch: string, height: number): Hex {
	return `0x${branch}${height.toString().padStart(63, "0")}`;
}

/**
 * Linked headers of heights `from` to `to`, both inclusive, of one branch. With `on`, the first one
 * stands on that header; without, it names a parent of its own branch.
 */
export function headerChain(
	branch: string,
	range: { readonly from: number; readonly to: number; readonly on?: BlockHeader },
): readonly BlockHeader[] {
	const headers: BlockHeader[] = [];
	for (let height = range.from; height <= range.to; height++) {
		const parent = headers.at(-1) ?? range.on;
		headers.push({
			number: BigInt(height),
			hash: headerHash(branch, height),
			parentHash: parent?.hash ?? headerHash(branch, height - 1),
			timestamp: BigInt(height * 12),
		});
	}
	return headers;
}
