/** What the writer looks up; see store/writing/postgres-writer-look-ups.ts and held-sources.ts. */
import {
	type ChainId,
	FOREVER,
	type Height,
	type Hex,
	type LogPosition,
	type MemoryKey,
} from "../../../src/domain/ids.ts";
import type { Layer } from "../../../src/domain/layer.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import type { Version } from "../../../src/domain/memory.ts";
import type { SourceRef } from "../../../src/domain/provenance.ts";
import { type Held, type HeldKey, heldKey, sourceKey } from "../../../src/memory/ground.ts";
import type {
	LinkEdge,
	MemoryPlace,
	WriterStore,
	WrittenMemory,
} from "../../../src/writer/writer-store.ts";
import type { ChainTables, OperationRow } from "./chain-tables.ts";
import type { FakeDatabase } from "./fake-database.ts";
import { byText, rising } from "./frozen.ts";

/** Kinds of operations that say what a memory is from then on. */
const PUTS: readonly string[] = ["put", "action", "link"];

export class FakeWriterLookUps {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async expiring(
		chainId: ChainId,
		range: Parameters<WriterStore["expiring"]>[1],
	): Promise<readonly MemoryKey[]> {
		const rows = this.#database.find(chainId)?.versions.allPresent() ?? [];
		const ending = rows.filter(
			(row) => row.content !== undefined && (endsIn(row, range) || endsByTime(row, range)),
		);
		return [...new Set(ending.map((row) => row.memoryKey))];
	}

	async expiryTimes(chainId: ChainId, since: bigint): Promise<readonly bigint[]> {
		const rows = this.#database.find(chainId)?.versions.allPresent() ?? [];
		const times = rows
			.filter((row) => row.toBlock === FOREVER && row.content !== undefined)
			.flatMap(({ expiresTime }) => expiresTime ?? [])
			.filter((time) => time > since);
		return [...new Set(times)].sort(rising).slice(0, LIMITS.expiryTimes);
	}

	async heldSources(
		chainId: ChainId,
		sources: readonly SourceRef[],
		upTo: Height,
	): Promise<ReadonlyMap<HeldKey, Held>> {
		const tables = this.#database.find(chainId);
		const held = new Map<HeldKey, Held>();
		if (tables === undefined) return held;
		const depths = depthsOf(tables);
		for (const source of sources) {
			const key = sourceKey(source);
			const row = saying(tables, { key, contentHash: source.contentHash }, upTo);
			if (row === undefined) continue;
			const { fromBlock: slot, grounds, suspect, position } = row;
			const depth = depths.get(position) ?? 0;
			held.set(heldKey(key, source.contentHash), { slot, grounds, suspect, depth });
		}
		return held;
	}

	async population(
		chainId: ChainId,
		query: { namespace: string; layers: readonly Layer[]; height: Height; limit: number },
	): Promise<readonly MemoryKey[]> {
		return visible(this.#database.find(chainId), query)
			.sort((a, b) => rising(b.position, a.position) || rising(b.versionId, a.versionId))
			.slice(0, query.limit)
			.map((row) => row.memoryKey);
	}

	async writingOrder(
		chainId: ChainId,
		query: { namespace: string; height: Height; limit: number },
	): Promise<readonly WrittenMemory[]> {
		return visible(this.#database.find(chainId), { ...query, layers: ["short_term"] })
			.sort((a, b) => rising(a.position, b.position) || rising(a.versionId, b.versionId))
			.slice(0, query.limit)
			.map(({ memoryKey, position, expiresBlock }) => ({ memoryKey, position, expiresBlock }));
	}

	async linksFrom(
		chainId: ChainId,
		query: { keys: readonly MemoryKey[]; type: string; limit: number },
	): Promise<readonly LinkEdge[]> {
		const links = this.#database.find(chainId)?.links.all() ?? [];
		const found = new Map<MemoryKey, LinkEdge>();
		const reached = new Set(query.keys);
		// What is added while it is gone through is gone through too.
		for (const key of reached) {
			for (const { linkKey, fromKey, toKey, type } of links) {
				if (type !== query.type || fromKey !== key) continue;
				found.set(linkKey, { linkKey, fromKey, toKey, type });
				reached.add(toKey);
			}
		}
		return [...found.values()].slice(0, query.limit);
	}

	async blockHashes(
		chainId: ChainId,
		heights: readonly Height[],
	): Promise<ReadonlyMap<Height, Hex>> {
		const blocks = this.#database.find(chainId)?.blocks.all() ?? [];
		const kept = blocks.filter(
			({ number, toGen }) => toGen === FOREVER && heights.includes(number),
		);
		return new Map(kept.map(({ number, hash }) => [number, hash]));
	}

	async nextPuts(
		chainId: ChainId,
		above: readonly MemoryPlace[],
		upTo: Height,
	): Promise<readonly MemoryPlace[]> {
		const rows = this.#database.find(chainId)?.operations.all() ?? [];
		return above.flatMap(({ namespace, id, position }) => {
			const positions = rows
				.filter((row) => row.namespace === namespace && row.id === id && isPut(row, upTo))
				.flatMap((row) => row.position ?? [])
				.filter((each) => each > position)
				.sort(rising);
			const [next] = positions;
			return next === undefined ? [] : [{ namespace, id, position: next }];
		});
	}
}

/** It ends by itself, by height. */
function endsIn(
	{ expiresBlock, toBlock }: Version,
	{ above, to }: { readonly above: Height; readonly to: Height },
): boolean {
	if (expiresBlock === undefined || expiresBlock !== toBlock) return false;
	return expiresBlock > above && expiresBlock <= to;
}

/** It ends by time, and is there above that height. */
function endsByTime(
	{ expiresTime, fromBlock, toBlock }: Version,
	range: { readonly above: Height; readonly since: bigint; readonly time: bigint },
): boolean {
	if (expiresTime === undefined) return false;
	const isIn = expiresTime > range.since && expiresTime <= range.time;
	return isIn && fromBlock <= range.above + 1n && toBlock > range.above;
}

/** The best version that says so: not suspect, then the lowest. */
function saying(
	{ versions }: ChainTables,
	{ key, contentHash }: { readonly key: MemoryKey; readonly contentHash: string },
	upTo: Height,
): Version | undefined {
	const recent = versions
		.present(key)
		.filter(({ fromBlock }) => fromBlock <= upTo)
		.slice(-LIMITS.sourceVersions);
	const [best] = recent
		.filter((row) => row.content !== undefined && row.contentHash === contentHash)
		.sort((a, b) => Number(a.suspect) - Number(b.suspect) || rising(a.fromBlock, b.fromBlock));
	return best;
}

function depthsOf({ derivations }: ChainTables): ReadonlyMap<LogPosition, number> {
	return new Map(derivations.all().map(({ position, depth }) => [position, depth]));
}

/** Memories whose newest row is there at the height, in one of the layers that they have names in. */
function visible(
	tables: ChainTables | undefined,
	query: {
		readonly namespace: string;
		readonly layers: readonly Layer[];
		readonly height: Height;
	},
): Version[] {
	if (tables === undefined) return [];
	return tables.memories
		.all()
		.filter(({ namespace, layer }) => namespace === query.namespace && query.layers.includes(layer))
		.sort((a, b) => byText(a.memoryKey, b.memoryKey))
		.flatMap(({ memoryKey, layer }) => {
			const row = tables.versions.latestUpTo(memoryKey, query.height);
			const isThere = row?.content !== undefined && row.toBlock > query.height;
			return isThere && row.layer === layer ? [row] : [];
		});
}

function isPut({ kind, status, effectiveSlot }: OperationRow, upTo: Height): boolean {
	return (
		PUTS.includes(kind) &&
		status === "applied" &&
		effectiveSlot !== undefined &&
		effectiveSlot <= upTo
	);
}
