/**
 * A shadow: a state that is built beside the present one, one row a memory. Nobody reads it but who
 * builds it. The adapter is store/restoring/postgres-shadow-store.ts.
 */
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	LogPosition,
	MemoryKey,
	VersionId,
} from "../domain/ids.ts";
import { FOREVER } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { Version, VersionBody } from "../domain/memory.ts";

/** What a shadow is for, and whose it is. */
export interface Shadow {
	readonly shadowId: string;
	readonly chainId: ChainId;
	readonly purpose: "rollback" | "import" | "check" | "repair" | "handlers";
	/** UUID of the rollback, the import or the run; of handlers' the shadow's own. */
	readonly ownerId: string;
	readonly height: Height;
}

/**
 * The newest version of a memory at the shadow's height: also a tombstone, and one that has ended by
 * itself, since what comes later is decided by who wrote last.
 */
export interface ShadowRow extends VersionBody {
	readonly memoryKey: MemoryKey;
	readonly fromBlock: Height;
	/** Generation in which the row begins, or will. */
	readonly fromGen: Generation;
	readonly expiresBlock: Height | undefined;
	readonly versionId: VersionId;
	readonly position: LogPosition;
	readonly contentHash: Hex;
	/** As `Version` has them. */
	readonly suspect: boolean;
	readonly grounds: Height | undefined;
	/** Undefined: there is none, or it follows from the text. */
	readonly vector: Float32Array | undefined;
}

/** A memory in one layer. */
export interface LayerKey {
	readonly layer: Layer;
	readonly memoryKey: MemoryKey;
}

export interface ShadowStore {
	/** Makes an empty shadow; what the same owner had before is deleted. */
	begin(shadow: Shadow): Promise<void>;
	/** Adds rows and replaces those of the same memories. */
	put(shadowId: string, rows: readonly ShadowRow[]): Promise<void>;
	/** Deletes memories, each only while it is in that layer. */
	remove(shadowId: string, keys: readonly LayerKey[]): Promise<void>;
	/** A memory without a row has no entry. */
	rows(shadowId: string, keys: readonly MemoryKey[]): Promise<ReadonlyMap<MemoryKey, ShadowRow>>;
	/**
	 * Memories that end by themselves at a height in (above, to], and those that end by time up to `time`
	 * seconds.
	 */
	expiring(
		shadowId: string,
		range: { readonly above: Height; readonly to: Height; readonly time: bigint },
	): Promise<readonly MemoryKey[]>;
	/** Rows by rising key, those above `after`, at most `limit`. */
	page(
		shadowId: string,
		query: { readonly after: MemoryKey | undefined; readonly limit: number },
	): Promise<readonly ShadowRow[]>;
	/** Deletes the shadow and its rows; nothing if there is none. */
	drop(shadowId: string): Promise<void>;
}

/** Rows of one page: an answer of some megabytes. */
const PAGE_ROWS = 2_000;

/** All rows by rising key; the next page is read while one is worked on. */
export async function* shadowRows(
	store: Pick<ShadowStore, "page">,
	shadowId: string,
): AsyncGenerator<readonly ShadowRow[]> {
	let next = store.page(shadowId, { after: undefined, limit: PAGE_ROWS });
	for (;;) {
		const rows = await next;
		const after = rows.at(-1)?.memoryKey;
		const more = after !== undefined && rows.length === PAGE_ROWS;
		if (more) {
			next = store.page(shadowId, { after, limit: PAGE_ROWS });
			// A failure is the next turn's: the caller may be busy with this page.
			next.catch(() => undefined);
		}
		if (rows.length > 0) yield rows;
		if (!more) return;
	}
}

/** Whether the memory is there at that height. */
export function isThere(row: Pick<ShadowRow, "content" | "expiresBlock">, height: Height): boolean {
	return row.content !== undefined && (row.expiresBlock === undefined || row.expiresBlock > height);
}

/** The row as a version that nobody has written over. */
export function shadowVersion({ vector: _vector, ...row }: ShadowRow): Version {
	return { ...row, toBlock: row.expiresBlock ?? FOREVER, toGen: FOREVER };
}
