/** Rows of a run that hold in a generation, and at a height. */
import type { Generation, Height } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";

export function isSaid({ content, fromBlock, toBlock }: Version): boolean {
	return content !== undefined && fromBlock < toBlock;
}

export function isOf(
	{ fromGen, toGen }: { readonly fromGen: Generation; readonly toGen: Generation },
	generation: Generation,
): boolean {
	return fromGen <= generation && generation < toGen;
}

export function visible(
	versions: readonly Version[],
	{ height, generation }: { readonly height: Height; readonly generation: Generation },
): readonly Version[] {
	return versions.filter(
		(each) =>
			isOf(each, generation) &&
			each.content !== undefined &&
			each.fromBlock <= height &&
			height < each.toBlock,
	);
}

export function rising(a: bigint, b: bigint): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
