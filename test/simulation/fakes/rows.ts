/**
 * Rows in memory under transactions: what a transaction wrote is taken back when it throws. A transaction
 * is one synchronous call, so that nothing ever sees half of one.
 */
import { FatalError } from "../../../src/domain/errors.ts";

export class Journal {
	/** Undefined: no transaction is under way. */
	#undo: (() => void)[] | undefined;

	/** Everything that `work` writes, or nothing. One inside another is part of that. */
	transaction<Result>(work: () => Result): Result {
		if (this.#undo !== undefined) return work();
		const undo: (() => void)[] = [];
		this.#undo = undo;
		try {
			return work();
		} catch (error) {
			for (const step of undo.toReversed()) step();
			throw error;
		} finally {
			this.#undo = undefined;
		}
	}

	/** How to take back what is about to be written; outside of a transaction it stands. */
	wrote(undo: () => void): void {
		this.#undo?.push(undo);
	}
}

/** A table by its primary key. Rows are frozen: who changes one puts another in its place. */
export class Rows<Row extends object> {
	readonly #rows = new Map<string, Row>();
	readonly #journal: Journal;
	readonly #name: string;
	readonly #keyOf: (row: Row) => string;

	constructor(journal: Journal, name: string, keyOf: (row: Row) => string) {
		this.#journal = journal;
		this.#name = name;
		this.#keyOf = keyOf;
	}

	get size(): number {
		return this.#rows.size;
	}

	get(key: string): Row | undefined {
		return this.#rows.get(key);
	}

	/** In the order in which their keys came. */
	all(): readonly Row[] {
		return [...this.#rows.values()];
	}

	/** Throws `FatalError("internal")` for a key that is there, as a unique index does. */
	insert(row: Row): void {
		const key = this.#keyOf(row);
		if (this.#rows.has(key)) throw duplicate(this.#name, key);
		this.put(row);
	}

	/** Answers whether it was new; else nothing is done. */
	insertIfNew(row: Row): boolean {
		if (this.#rows.has(this.#keyOf(row))) return false;
		this.put(row);
		return true;
	}

	put(row: Row): void {
		const key = this.#keyOf(row);
		const before = this.#rows.get(key);
		this.#journal.wrote(() => this.#restore(key, before));
		this.#rows.set(key, Object.freeze({ ...row }));
	}

	/** Answers whether there was such a row. */
	update(key: string, changes: Partial<Row>): boolean {
		const row = this.#rows.get(key);
		if (row === undefined) return false;
		this.put({ ...row, ...changes });
		return true;
	}

	delete(key: string): boolean {
		const before = this.#rows.get(key);
		if (before === undefined) return false;
		this.#journal.wrote(() => this.#restore(key, before));
		return this.#rows.delete(key);
	}

	/** Deletes at most `limit` of those that `isGone`; answers them. */
	deleteWhere(isGone: (row: Row) => boolean, limit = Number.POSITIVE_INFINITY): readonly Row[] {
		const gone = this.all().filter(isGone).slice(0, limit);
		for (const row of gone) this.delete(this.#keyOf(row));
		return gone;
	}

	#restore(key: string, row: Row | undefined): void {
		if (row === undefined) this.#rows.delete(key);
		else this.#rows.set(key, row);
	}
}

function duplicate(table: string, key: string): FatalError {
	return new FatalError("internal", {
		message: `a query failed: duplicate key value ${key} in table ${table}`,
		hint: "this is a defect of Recant; please report it with the log",
	});
}
