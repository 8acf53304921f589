/**
 * Handles on fixed versions of LanceDB's tables.
 *
 * `checkout` changes the handle that it is called on, so every version that is read has a handle of
 * its own, opened at that version and never moved. The least recently used are closed, each when
 * nobody reads from it any more.
 */
import type { Connection, Table } from "@lancedb/lancedb";
import { LRUCache } from "lru-cache";
import { VECTOR_INDEX, WORDS_INDEX } from "./lance-indexes.ts";
import { shapeOf, type TableShape } from "./lance-rows.ts";
import type { TableVersion } from "./vector-tables.ts";

/**
 * Handles kept open: the newest version and an older one for each of 16 collections. One holds a
 * manifest, about 90 KB at the measured 2,000 fragments; opening it again takes 0.3 ms.
 */
const PINNED_HANDLES = 32;

export interface PinnedTable extends TableShape {
	readonly handle: Table;
	readonly hasVectorIndex: boolean;
	/** Words are kept, and indexed. */
	readonly hasWordsIndex: boolean;
}

/** What a reader holds until it calls `release`, once. */
export interface PinnedLoan extends PinnedTable {
	release(): void;
}

interface Entry {
	/** A promise, so that two readers of one version open it once. */
	readonly opened: Promise<PinnedTable>;
	readers: number;
	evicted: boolean;
}

export class PinnedTables {
	readonly #connection: Connection;
	readonly #entries = new LRUCache<string, Entry>({
		max: PINNED_HANDLES,
		dispose: (entry) => {
			entry.evicted = true;
			closeWhenUnread(entry);
		},
	});

	constructor(connection: Connection) {
		this.#connection = connection;
	}

	/** Throws LanceDB's error; the next call tries again. */
	async borrow(table: string, version: TableVersion): Promise<PinnedLoan> {
		const entry = this.#entry(table, version);
		entry.readers += 1;
		const release = () => {
			entry.readers -= 1;
			closeWhenUnread(entry);
		};
		try {
			return { ...(await entry.opened), release };
		} catch (error) {
			this.forget(table, version);
			throw error;
		}
	}

	/** For a handle that failed: what it holds of the store may be out of date. */
	forget(table: string, version: TableVersion): void {
		this.#entries.delete(keyOf(table, version));
	}

	close(): void {
		this.#entries.clear();
	}

	#entry(table: string, version: TableVersion): Entry {
		const key = keyOf(table, version);
		const known = this.#entries.get(key);
		if (known !== undefined) return known;
		const opened = openPinned(this.#connection, table, version);
		const entry: Entry = { opened, readers: 0, evicted: false };
		this.#entries.set(key, entry);
		return entry;
	}
}

function keyOf(table: string, version: TableVersion): string {
	return `${table}@${version}`;
}

async function openPinned(
	connection: Connection,
	table: string,
	version: TableVersion,
): Promise<PinnedTable> {
	const handle = await connection.openTable(table, [], { version: Number(version) });
	const shape = shapeOf(await handle.schema());
	const names = new Set((await handle.listIndices()).map(({ name }) => name));
	return {
		handle,
		...shape,
		hasVectorIndex: names.has(VECTOR_INDEX),
		hasWordsIndex: shape.hasWords && names.has(WORDS_INDEX),
	};
}

function closeWhenUnread(entry: Entry): void {
	if (!entry.evicted || entry.readers > 0) return;
	entry.opened.then(
		({ handle }) => handle.close(),
		// Nothing was opened, and the reader who asked for it has the error.
		() => undefined,
	);
}
