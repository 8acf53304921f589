/**
 * Carries embedded versions from the tail into LanceDB, behind the commits.
 *
 * 1. The pointer moves in Postgres, after the table's write, and only while fence, generation and
 *    pointer are those from which the rows were read. A write whose pointer did not move is never
 *    read; the next flush goes back over it. At the start each table is brought to its pointer.
 * 2. When LanceDB is away nothing is lost: the tail grows up to its limit, then what needs room in it is
 *    refused, and everything else goes on.
 *
 * A flush that failed is tried again here, and nowhere below. Compaction and the indexes go with the flushes,
 * since a table has one writer: see table-upkeep.ts.
 */
import { type Clock, systemClock } from "../domain/clock.ts";
import { RetryableError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import type { VectorTables } from "../vectors/vector-tables.ts";
import type { ChainState } from "./chain-state.ts";
import type { CollectionIndex, CollectionUpkeep } from "./collection-index.ts";
import type { VectorPointer } from "./commit-batch.ts";
import type { FlushStore, FlushTarget } from "./flush-store.ts";
import { remakeTable } from "./remake-table.ts";
import { TableUpkeep } from "./table-upkeep.ts";

/** Rows of one write: 4,096 × 384 floats are 6 MB. */
const ROWS_PER_WRITE = 4_096;
/** A tail that does not fill up is flushed after this all the same: a version a half minute at most. */
const IDLE_FLUSH_MS = 30_000;
/** Between two tries while LanceDB does not answer, less up to half at random. */
const RETRY_MS = 1_000;

export interface FlusherOptions {
	readonly chainId: ChainId;
	readonly tables: VectorTables;
	readonly store: FlushStore;
	readonly state: () => ChainState;
	readonly onPointer: (collection: string, pointer: VectorPointer) => void;
	readonly log: Logger;
	/** Tail rows at which a flush begins; at least 1, at most LIMITS.tailFlushRows. */
	readonly flushRows: number;
	readonly clock?: Clock | undefined;
}

export class VectorFlusher {
	readonly #options: FlusherOptions;
	readonly #upkeep: TableUpkeep;
	#running: Promise<void> | undefined;
	#again = false;
	#stopped = false;
	readonly #clock: Clock;
	#cancel: () => void = () => undefined;
	#failing = false;
	/** Largest tail of the chain's collections, as last counted, plus what came since. */
	#tail = 0;
	#waiting: PromiseWithResolvers<void>[] = [];
	/** Collections whose table's newest version was the one pointed at, since this writer began. */
	readonly #settled = new Set<string>();

	constructor(options: FlusherOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
		this.#upkeep = new TableUpkeep(options);
	}

	/** How each collection is searched, as last seen here. */
	get indexes(): ReadonlyMap<string, CollectionIndex> {
		return this.#upkeep.indexes;
	}

	/** Counts what is there and keeps flushing from here on. */
	start(): void {
		this.#schedule(0);
	}

	async stop(): Promise<void> {
		this.#stopped = true;
		this.#cancel();
		for (const waiting of this.#waiting.splice(0)) waiting.resolve();
		await this.#running;
	}

	/** `rows` embedded versions were committed. */
	added(rows: number): void {
		this.#tail += rows;
		if (this.#tail >= this.#options.flushRows) this.flush();
	}

	/**
	 * Resolves when the tail has room for a commit's rows. Throws `RetryableError("tail_full")` when it
	 * has none and LanceDB does not answer.
	 */
	async room(): Promise<void> {
		if (this.#tail < LIMITS.tailRows || this.#stopped) return;
		if (this.#failing) throw tailFull(this.#tail, LIMITS.tailRows);
		this.flush();
		const waiting = Promise.withResolvers<void>();
		this.#waiting.push(waiting);
		await waiting.promise;
	}

	/**
	 * Throws `RetryableError("tail_full")` for agents' operations that cannot be taken in. While flushes
	 * succeed the tail may pass its limit, since they catch up; what may add no vector at all, too.
	 */
	requireRoom(adds: "vectors" | "perhaps_vectors"): void {
		const strict = this.#failing && adds === "vectors";
		const limit = strict ? LIMITS.tailRows : LIMITS.tailMostRows;
		if (this.#tail < limit) return;
		this.flush();
		throw tailFull(this.#tail, limit);
	}

	/** Flushes now, whatever the tail. */
	flush(): void {
		if (this.#stopped) return;
		if (this.#running !== undefined) {
			this.#again = true;
			return;
		}
		this.#running = this.#alone(() => this.#run());
	}

	/**
	 * Flushes what waits, compacts every table and refreshes its indexes, whether that is due or not, and
	 * measures recall. Throws `RetryableError("vectors_unavailable")`.
	 */
	async upkeep(): Promise<readonly CollectionUpkeep[]> {
		while (this.#running !== undefined) await this.#running;
		const done = Promise.withResolvers<readonly CollectionUpkeep[]>();
		this.#running = this.#alone(() => this.#keepUp().then(done.resolve, done.reject));
		return done.promise;
	}

	/** One piece of work with the tables at a time; a flush that was asked for meanwhile comes after it. */
	async #alone(work: () => Promise<void>): Promise<void> {
		try {
			await work();
		} finally {
			this.#running = undefined;
			if (this.#again) {
				this.#again = false;
				this.flush();
			}
		}
	}

	async #keepUp(): Promise<readonly CollectionUpkeep[]> {
		const { store, chainId } = this.#options;
		await this.#run();
		const kept: CollectionUpkeep[] = [];
		for (const target of await store.targets(chainId)) {
			const { pointer, name } = target;
			if (pointer.tableVersion === 0n || this.#stopped || !this.#isKnown(target)) continue;
			const compacted = await this.#upkeep.compact(target, pointer.tableVersion);
			const to = { ...pointer, tableVersion: compacted, at: this.#clock.wallMs() };
			const moved = compacted === pointer.tableVersion || (await this.#move(target, pointer, to));
			const toVersion = moved ? compacted : pointer.tableVersion;
			const index = await this.#upkeep.look(target, toVersion, { measures: true });
			kept.push({ collection: name, fromVersion: pointer.tableVersion, toVersion, index });
		}
		return kept;
	}

	/** Resolves when no flush is under way. */
	async idle(): Promise<void> {
		while (this.#running !== undefined) await this.#running;
	}

	async #run(): Promise<void> {
		const { store, chainId, log } = this.#options;
		try {
			let largest = 0;
			for (const target of await store.targets(chainId)) {
				largest = Math.max(largest, await this.#flushOne(target));
			}
			this.#tail = largest;
			if (this.#failing) log.info({ chainId }, "LanceDB answers again");
			this.#failing = false;
			if (largest < LIMITS.tailRows)
				for (const waiting of this.#waiting.splice(0)) waiting.resolve();
			this.#schedule(IDLE_FLUSH_MS);
		} catch (error) {
			if (!this.#failing)
				log.warn({ chainId, err: error }, "a flush to LanceDB failed; it is tried again");
			this.#failing = true;
			for (const waiting of this.#waiting.splice(0))
				waiting.reject(tailFull(this.#tail, LIMITS.tailRows));
			this.#schedule(RETRY_MS * (0.5 + this.#clock.random() / 2));
		}
	}

	/** Answers how many rows are left in the tail. */
	async #flushOne(target: FlushTarget): Promise<number> {
		let { tail } = target;
		// A row that was changed outside of Recant is not built upon; a repair sets it back.
		if (!this.#isKnown(target)) return tail;
		let pointer = await this.#atPointer(target);
		if (pointer === undefined) return tail;
		if (await this.#upkeep.lacksWords(target)) {
			const remade = await remakeTable(target, { ...this.#options, clock: this.#clock });
			if (!(await this.#move(target, pointer, remade))) return tail;
			pointer = remade;
		}
		while (tail > 0 && !this.#stopped) {
			const moved = await this.#write(target, pointer);
			if (moved === undefined) return tail;
			tail = moved.left;
			pointer = moved.pointer;
		}
		return tail;
	}

	/**
	 * Once for each table: what a writer that died had written and not pointed at is not the table's newest
	 * any more. Nothing ever read it; without this it would lie there until the next write passes over it.
	 * Undefined: the pointer was moved by somebody else.
	 */
	async #atPointer(target: FlushTarget): Promise<VectorPointer | undefined> {
		const { name, table, pointer } = target;
		if (pointer.tableVersion === 0n || this.#settled.has(name)) return pointer;
		const tableVersion = await this.#options.tables.bringTo(table, pointer.tableVersion);
		const to = { ...pointer, tableVersion, at: this.#clock.wallMs() };
		const isThere = tableVersion === pointer.tableVersion;
		if (!isThere && !(await this.#move(target, pointer, to))) return undefined;
		this.#settled.add(name);
		return isThere ? pointer : to;
	}

	/** Whether the pointer is where this writer left it. A collection that is new is not known to it yet. */
	#isKnown({ name, pointer }: FlushTarget): boolean {
		const known = this.#options.state().pointers[name];
		return (
			known === undefined ||
			(known.tableVersion === pointer.tableVersion && known.versionId === pointer.versionId)
		);
	}

	async #write(
		target: FlushTarget,
		pointer: VectorPointer,
	): Promise<{ readonly pointer: VectorPointer; readonly left: number } | undefined> {
		const { store, tables, chainId } = this.#options;
		const { generation, fence } = this.#options.state();
		const { rows, upTo, looked } = await store.rows(chainId, {
			collection: target.name,
			above: pointer.versionId,
			limit: ROWS_PER_WRITE,
		});
		if (upTo === pointer.versionId) return { pointer, left: 0 };
		const base =
			pointer.tableVersion === 0n
				? await tables.create(target.table, target.dimensions)
				: pointer.tableVersion;
		const written = rows.length === 0 ? base : await tables.append(target.table, base, rows);
		const isDue = await this.#upkeep.isDue(target, { base, written, added: rows.length });
		const tableVersion = isDue ? await this.#upkeep.compact(target, written) : written;
		// Of the version and not of the pointer: what is named is kept by when it was made.
		const at = tableVersion === pointer.tableVersion ? pointer.at : this.#clock.wallMs();
		const to = { tableVersion, versionId: upTo, at };
		if (!(await this.#move(target, pointer, to, { fence, generation }))) return undefined;
		if (isDue) await this.#upkeep.look(target, tableVersion, { measures: true });
		return { pointer: to, left: looked < ROWS_PER_WRITE ? 0 : 1 };
	}

	/** False: somebody else moved it, or the state from which the rows were read is over. */
	async #move(
		{ name: collection }: FlushTarget,
		from: VectorPointer,
		to: VectorPointer,
		{ fence, generation }: Pick<ChainState, "fence" | "generation"> = this.#options.state(),
	): Promise<boolean> {
		const { store, chainId, onPointer } = this.#options;
		const moved = await store.movePointer({ chainId, fence, generation, collection, from, to });
		if (moved) onPointer(collection, to);
		return moved;
	}

	#schedule(delayMs: number): void {
		this.#cancel();
		if (this.#stopped) return;
		this.#cancel = this.#clock.after(delayMs, () => {
			// Without a look: the count here is a guess after a rollback, the one in Postgres is not.
			this.flush();
		});
	}
}

export function tailFull(rows: number, limit: number): RetryableError {
	return new RetryableError("tail_full", {
		message: `${rows} embedded versions wait for LanceDB, ${limit} are the most`,
		hint: "LanceDB is down or behind: see /readyz; it goes on by itself when LanceDB is back",
		fields: { rows, limit },
	});
}
