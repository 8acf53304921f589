/**
 * The installation id beside LanceDB's tables. It must be the one in Postgres: pointers of another
 * installation name versions that mean something else here.
 *
 * A directory has it in a file, an object store in a table of one row.
 */
import { randomUUID } from "node:crypto";
import { link, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Connection, connect } from "@lancedb/lancedb";
import { FatalError, RetryableError } from "../domain/errors.ts";
import { isMissing } from "./lance-errors.ts";
import { localDirectoryOf, prepareLocation, unwritable } from "./lance-location.ts";

const STAMP_FILE = "recant-installation.json";
const STAMP_TABLE = "recant_installation";

/** Where a stamp is kept. `create` answers what stands there afterwards: ours, or who was faster. */
interface StampPlace {
	read(): Promise<string | undefined>;
	/** True when there are no tables but the stamp's own. */
	isEmpty(): Promise<boolean>;
	create(installationId: string): Promise<void>;
}

/**
 * Makes sure that the store belongs to this installation, and stamps it when it is empty.
 * Throws `FatalError` with `data_directory_foreign`, `data_directory_corrupt` (the stamp cannot be
 * read) or `vectors_unwritable`, and `RetryableError("vectors_unavailable")`.
 */
export async function checkInstallation(uri: string, installationId: string): Promise<void> {
	const directory = localDirectoryOf(uri);
	if (directory === undefined) return checkInstallationTable(uri, installationId);
	await prepareLocation(uri);
	await checkPlace(uri, installationId, fileIn(uri, directory));
}

/** As `checkInstallation`, with the stamp in a table, wherever the URI points. */
export async function checkInstallationTable(uri: string, installationId: string): Promise<void> {
	const connection = await connect(uri).catch((cause: unknown) => {
		throw unavailable(cause);
	});
	try {
		await checkPlace(uri, installationId, tableIn(uri, connection));
	} finally {
		connection.close();
	}
}

/** Installation id that stands beside the tables; undefined: none does. Throws as `checkInstallation`. */
export async function readInstallation(uri: string): Promise<string | undefined> {
	const directory = localDirectoryOf(uri);
	if (directory !== undefined) return fileIn(uri, directory).read();
	const connection = await connect(uri).catch((cause: unknown) => {
		throw unavailable(cause);
	});
	try {
		return await tableIn(uri, connection).read();
	} finally {
		connection.close();
	}
}

async function checkPlace(uri: string, installationId: string, place: StampPlace): Promise<void> {
	const found = await place.read();
	if (found === installationId) return;
	if (found !== undefined) throw foreign(uri, `installation ${found}`, installationId);
	if (!(await place.isEmpty())) throw foreign(uri, "an unknown installation", installationId);
	await place.create(installationId);
	const stands = await place.read();
	if (stands !== installationId) throw foreign(uri, `installation ${stands}`, installationId);
}

function fileIn(uri: string, directory: string): StampPlace {
	const path = join(directory, STAMP_FILE);
	return {
		read: () => readStampFile(path),
		isEmpty: async () => !(await readdir(directory)).some((name) => name.endsWith(".lance")),
		create: (installationId) => createStampFile(path, installationId, uri),
	};
}

async function readStampFile(path: string): Promise<string | undefined> {
	let text: string;
	try {
		text = await readFile(path, "utf8");
	} catch (cause) {
		if (hasCode(cause, "ENOENT")) return undefined;
		throw corruptStamp(path, cause);
	}
	try {
		const installationId = installationOf(JSON.parse(text));
		if (installationId !== undefined) return installationId;
	} catch (cause) {
		throw corruptStamp(path, cause);
	}
	throw corruptStamp(path, undefined);
}

function installationOf(stamp: unknown): string | undefined {
	if (typeof stamp === "object" && stamp !== null && "installationId" in stamp) {
		if (typeof stamp.installationId === "string") return stamp.installationId;
	}
	return undefined;
}

/** Written whole and then linked to its name, which fails when another process was faster. */
async function createStampFile(path: string, installationId: string, uri: string): Promise<void> {
	const draft = `${path}.${randomUUID()}`;
	try {
		await writeFile(draft, `${JSON.stringify({ installationId })}\n`, { flush: true });
		await link(draft, path);
	} catch (cause) {
		if (!hasCode(cause, "EEXIST")) throw unwritable(uri, cause);
	} finally {
		await rm(draft, { force: true });
	}
}

function tableIn(uri: string, connection: Connection): StampPlace {
	return {
		read: () => readStampTable(connection),
		isEmpty: async () => {
			const { tables } = await connection.listTables({ limit: 2 }).catch((cause: unknown) => {
				throw unavailable(cause);
			});
			return tables.every((name) => name === STAMP_TABLE);
		},
		create: async (installationId) => {
			try {
				await connection.createTable(STAMP_TABLE, [{ installation_id: installationId }]);
			} catch (cause) {
				// The one who was faster is read next.
				if ((await readStampTable(connection)) === undefined) throw unwritable(uri, cause);
			}
		},
	};
}

async function readStampTable(connection: Connection): Promise<string | undefined> {
	try {
		const table = await connection.openTable(STAMP_TABLE);
		const rows: readonly unknown[] = await table.query().limit(1).toArray();
		return stampOf(rows[0]);
	} catch (cause) {
		if (cause instanceof FatalError) throw cause;
		if (isMissing(cause)) return undefined;
		throw unavailable(cause);
	}
}

function stampOf(row: unknown): string {
	if (typeof row === "object" && row !== null && "installation_id" in row) {
		if (typeof row.installation_id === "string") return row.installation_id;
	}
	throw corruptStamp(STAMP_TABLE, undefined);
}

function hasCode(error: unknown, code: string): boolean {
	return error instanceof Error && "code" in error && error.code === code;
}

function foreign(uri: string, owner: string, installationId: string): FatalError {
	return new FatalError("data_directory_foreign", {
		message: `the vectors' store belongs to ${owner}, this is installation ${installationId}`,
		hint: "point LANCEDB_URI and DATABASE_URL at stores of one installation, or at an empty store",
		fields: { owner, installationId, local: localDirectoryOf(uri) !== undefined },
	});
}

function corruptStamp(where: string, cause: unknown): FatalError {
	return new FatalError("data_directory_corrupt", {
		message: `the installation stamp ${where} cannot be read`,
		hint: "restore it from a backup, or point LANCEDB_URI at an empty store",
		fields: { where },
		cause,
	});
}

function unavailable(cause: unknown): RetryableError {
	return new RetryableError("vectors_unavailable", {
		message: "the vectors' store does not answer",
		hint: "see the cause, and the setting LANCEDB_URI",
		cause,
	});
}
