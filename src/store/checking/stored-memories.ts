/** Memories with all their rows, by rising key, a page at a time: of a whole chain, or of some ranges of keys. */
import { type KeyRange, WHOLE_RANGE } from "../../consistency/sampling.ts";
import type { StoredMemory, StoredVersion } from "../../consistency/stored-state.ts";
import type { ChainId } from "../../domain/ids.ts";
import type { VersionRow } from "../codec.ts";
import { pgArray } from "../pg-array.ts";
import type { Tx } from "../sql.ts";
import { rowPages } from "./row-pages.ts";
import { storedVersion } from "./stored-rows.ts";

/** Rows of a page: contents of at most 64 KiB each, most far smaller. */
const PAGE = 2_000;
/** Ranges of a sample that are read together: each holds about one memory. */
const RANGES_PER_READ = 1_000;

export type Checked<Row> = Row & { readonly checksum: Uint8Array };
type Rows = readonly Checked<VersionRow>[];

/** Undefined ranges: all memories of the chain. Ranges rise, and do not overlap. */
export async function* storedMemories(
	tx: Tx,
	chainId: ChainId,
	ranges: readonly KeyRange[] | undefined,
): AsyncGenerator<readonly StoredMemory[], void> {
	if (ranges === undefined) {
		yield* wholeMemories(allVersions(tx, chainId));
		return;
	}
	for (let from = 0; from < ranges.length; from += RANGES_PER_READ) {
		const some = ranges.slice(from, from + RANGES_PER_READ);
		yield* wholeMemories(versionsIn(tx, chainId, some));
	}
}

function allVersions(tx: Tx, chainId: ChainId): AsyncGenerator<Rows> {
	return rowPages<Checked<VersionRow>>(
		PAGE,
		(after) => tx<Checked<VersionRow>[]>`
			select * from versions where chain_id = ${chainId}
				and (memory_key, from_block, from_gen) > (${after?.memory_key ?? WHOLE_RANGE.from},
					${after?.from_block ?? -1n}, ${after?.from_gen ?? -1n})
			order by memory_key, from_block, from_gen limit ${PAGE}`,
	);
}

/** Each range is one look into the primary key, however many of them there are. */
function versionsIn(tx: Tx, chainId: ChainId, ranges: readonly KeyRange[]): AsyncGenerator<Rows> {
	return rowPages<Checked<VersionRow>>(PAGE, (after) => {
		const left = ranges.filter(({ to }) => after === undefined || after.memory_key <= to);
		// One condition where a look begins: of two, Postgres may take the one that is farther away.
		const begins = left.map(({ from }) =>
			after === undefined || after.memory_key < from
				? { key: from, block: -1n, gen: -1n }
				: { key: after.memory_key, block: after.from_block, gen: after.from_gen },
		);
		return tx<Checked<VersionRow>[]>`
			select v.* from unnest(${pgArray(begins.map(({ key }) => key))}::uuid[],
				${pgArray(begins.map(({ block }) => block))}::bigint[],
				${pgArray(begins.map(({ gen }) => gen))}::bigint[],
				${pgArray(left.map(({ to }) => to))}::uuid[]) as r(key, block, gen, high)
			cross join lateral (select * from versions where chain_id = ${chainId}
					and (memory_key, from_block, from_gen) > (r.key, r.block, r.gen)
					and memory_key <= r.high
				order by memory_key, from_block, from_gen limit ${PAGE}) v
			order by v.memory_key, v.from_block, v.from_gen limit ${PAGE}`;
	});
}

/** The last memory of a page may go on in the next: it is held back until then. */
async function* wholeMemories(
	pages: AsyncIterable<Rows>,
): AsyncGenerator<readonly StoredMemory[], void> {
	let held: StoredVersion[] = [];
	for await (const rows of pages) {
		const found = [...held, ...rows.map(storedVersion)];
		const lastKey = rows.at(-1)?.memory_key;
		const whole = found.findIndex((row) => row.memoryKey === lastKey);
		held = found.slice(whole);
		if (whole > 0) yield byMemory(found.slice(0, whole));
	}
	if (held.length > 0) yield byMemory(held);
}

/** Rows that stand together by key, as memories. */
export function byMemory(rows: readonly StoredVersion[]): readonly StoredMemory[] {
	return [...Map.groupBy(rows, (row) => row.memoryKey)].map(([memoryKey, of]) => ({
		memoryKey,
		rows: of,
	}));
}
