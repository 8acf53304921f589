/** LanceDB's errors as ours. It gives no codes, only messages, which the tests pin. */
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import type { TableVersion } from "./vector-tables.ts";

/** What LanceDB takes as a name and no path; a chain's and a collection's name fit together. */
const TABLE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$/;

/** Throws `FatalError("invalid_request")`. */
export function checkTableName(table: string): void {
	if (TABLE_NAME.test(table)) return;
	throw new FatalError("invalid_request", {
		message: `${JSON.stringify(table)} cannot be the name of a vector table`,
		hint: "use letters, digits, hyphens, underscores and periods, at most 128",
		fields: { table },
	});
}

/** True for what is gone for good: a version or a file of it, or a table. */
export function isMissing(error: unknown): boolean {
	return error instanceof Error && /\bnot found\b/i.test(error.message);
}

/** Ours stay as they are; everything else may pass by itself. */
export function asUnavailable(error: unknown, table: string, action: string): RecantError {
	if (error instanceof RecantError) return error;
	return new RetryableError("vectors_unavailable", {
		message: `LanceDB could not ${action} table ${table}`,
		hint: "see the cause; the vectors' store may be full, slow or down",
		fields: { table, action },
		cause: error,
	});
}

export function tableMissing(table: string, cause: unknown): FatalError {
	return new FatalError("data_directory_corrupt", {
		message: `the vectors' store has no table ${table}`,
		hint: "restore the vectors' store from a backup, or rebuild the collection from Postgres",
		fields: { table },
		cause,
	});
}

export function versionMissing(table: string, version: TableVersion, cause: unknown): FatalError {
	return new FatalError("history_pruned", {
		message: `version ${version} of table ${table} is not in the vectors' store any more`,
		hint: "ask at a later height; if it is the newest, rebuild the collection from Postgres",
		fields: { table, version: String(version) },
		cause,
	});
}

export function wordsMissing(table: string, version: TableVersion): FatalError {
	return new FatalError("history_pruned", {
		message: `version ${version} of table ${table} was made before words were kept in it`,
		hint: "the collection's next upkeep keeps them; searches read Postgres meanwhile",
		fields: { table, version: String(version) },
	});
}

/** Throws `FatalError("limit_exceeded")` above `most`. */
export function checkLimit(what: string, value: number, most: number): void {
	if (value <= most) return;
	throw new FatalError("limit_exceeded", {
		message: `${what}: ${value} asked for, ${most} is the most`,
		hint: "ask for less at a time",
		fields: { what, value, most },
	});
}

/** Another writer came between every time. */
export function interrupted(write: {
	readonly table: string;
	readonly base: bigint;
	readonly attempts: number;
}): RetryableError {
	const { table, base, attempts } = write;
	return new RetryableError("vectors_unavailable", {
		message: `another writer came between ${attempts} times on table ${table}`,
		hint: "two processes write one chain's vectors: one has lost its lease and will stop",
		fields: { table, base: String(base), attempts },
	});
}

/** A directory that is gone, or cannot be read. */
export function locationMissing(): RetryableError {
	return new RetryableError("vectors_unavailable", {
		message: "the directory of the vectors' store is not there, or cannot be read",
		hint: "bring it back; vectors are kept in Postgres meanwhile",
	});
}
