/**
 * What must hold of the spans of one memory, in every generation that is kept; memory/span-changes.ts
 * makes them so. Pure.
 *
 * 1. No span is empty, and none begins in a generation or slot that is not there yet.
 * 2. In one generation, by rising from_block, a row ends where the next begins, or before that at
 *    its expiry; the last ends at its expiry or not at all.
 * 3. A rollback to ancestor A ends what began above it: a row that goes on through a generation's
 *    begin starts at or below A.
 * 4. A row that ends at a generation, and began at or below its ancestor, is carried on there by a row
 *    with the same from_block; not so a handler's where all of them were derived anew.
 */
import { FOREVER, type Generation, type Height } from "../domain/ids.ts";
import type { StoredGeneration, StoredVersion } from "./stored-state.ts";

export interface SpanProblem {
	readonly row: StoredVersion;
	readonly message: string;
}

export interface SpanBounds {
	readonly generation: Generation;
	/** Pending slot of the present generation. */
	readonly slot: Height;
	/** Those that are kept, rising. */
	readonly generations: readonly StoredGeneration[];
}

/** At most one problem a row; `rows`: all of one memory, by rising (from_block, from_gen). */
export function spanProblems(
	rows: readonly StoredVersion[],
	bounds: SpanBounds,
): readonly SpanProblem[] {
	const found = new Map<StoredVersion, string>();
	const say = (row: StoredVersion, message: string) => {
		if (!found.has(row)) found.set(row, message);
	};
	for (const row of rows) {
		const message = alone(row, bounds);
		if (message !== undefined) say(row, message);
	}
	const first = bounds.generations[0]?.generation ?? 0n;
	for (const generation of changesOf(rows, first, bounds.generation)) {
		chain(rows, generation, say);
	}
	for (const { generation, ancestor, isDerivedAnew } of bounds.generations) {
		if (ancestor === undefined || generation <= first) continue;
		boundary(rows, { generation, ancestor, isDerivedAnew }, say);
	}
	return [...found].map(([row, message]) => ({ row, message }));
}

function alone(row: StoredVersion, bounds: SpanBounds): string | undefined {
	const { generation } = bounds;
	const { fromBlock, toBlock, fromGen, toGen, expiresBlock } = row;
	const slot = highestSlot(row, bounds);
	if (toBlock <= fromBlock) return `its heights [${fromBlock}, ${toBlock}) are empty`;
	if (toGen <= fromGen) return `its generations [${fromGen}, ${toGen}) are empty`;
	if (fromGen > generation)
		return `it begins in generation ${fromGen}, and ${generation} is the present one`;
	if (toGen !== FOREVER && toGen > generation)
		return `it ends at generation ${toGen}, which is not there yet`;
	if (slot !== undefined && fromBlock > slot)
		return `it begins at ${fromBlock}, above the highest slot ${slot}`;
	if (slot !== undefined && toBlock !== FOREVER && toBlock > slot && toBlock !== expiresBlock)
		return `it ends at ${toBlock}, above the highest slot ${slot}`;
	if (expiresBlock !== undefined && toBlock > expiresBlock)
		return `it ends at ${end(toBlock)}, and expires at ${expiresBlock}`;
	return undefined;
}

/** Highest slot of the generations in which the row holds; undefined: none of them is kept. */
function highestSlot(row: StoredVersion, bounds: SpanBounds): Height | undefined {
	const slots = bounds.generations
		.filter(({ generation }) => row.fromGen <= generation && generation < row.toGen)
		.map(({ lastHeight }) => (lastHeight === undefined ? bounds.slot : lastHeight + 1n));
	return slots.reduce(
		(most: Height | undefined, slot) => (most === undefined || slot > most ? slot : most),
		undefined,
	);
}

/** Generations at which the rows that hold may differ from those of the generation before. */
function changesOf(
	rows: readonly StoredVersion[],
	first: Generation,
	present: Generation,
): ReadonlySet<Generation> {
	const changes = new Set([first, present]);
	for (const { fromGen, toGen } of rows) {
		for (const each of [fromGen, toGen]) if (each > first && each < present) changes.add(each);
	}
	return changes;
}

function chain(
	rows: readonly StoredVersion[],
	generation: Generation,
	say: (row: StoredVersion, message: string) => void,
): void {
	const held = rows.filter((row) => row.fromGen <= generation && generation < row.toGen);
	for (const [index, row] of held.entries()) {
		const next = held[index + 1];
		const natural = row.expiresBlock ?? FOREVER;
		const where = `in generation ${generation}`;
		if (next !== undefined && row.toBlock > next.fromBlock) {
			say(
				row,
				`${where} it holds up to ${end(row.toBlock)}, and the next row from ${next.fromBlock}`,
			);
		} else if (row.toBlock !== natural && row.toBlock !== next?.fromBlock) {
			say(row, `${where} it ends at ${row.toBlock}, where no row begins and it does not expire`);
		}
	}
}

function boundary(
	rows: readonly StoredVersion[],
	begun: Pick<StoredGeneration, "generation" | "isDerivedAnew"> & { readonly ancestor: Height },
	say: (row: StoredVersion, message: string) => void,
): void {
	const { generation, ancestor, isDerivedAnew } = begun;
	for (const row of rows) {
		if (row.fromGen >= generation || row.toGen < generation) continue;
		const isAnew = isDerivedAnew === true && row.owner === "handler";
		const through = row.toGen > generation;
		if (through && row.fromBlock > ancestor) {
			say(
				row,
				`generation ${generation} went back to ${ancestor}, and it goes on from ${row.fromBlock}`,
			);
		} else if (!through && !isAnew && row.fromBlock <= ancestor && !carriedOn(rows, row)) {
			say(row, `it ends at generation ${generation}, where no row carries it on`);
		}
	}
}

function carriedOn(rows: readonly StoredVersion[], row: StoredVersion): boolean {
	return rows.some((each) => each.fromGen === row.toGen && each.fromBlock === row.fromBlock);
}

function end(height: Height): string {
	return height === FOREVER ? "no height" : height.toString();
}
