/** Where LanceDB's tables are: a directory of this machine, or an object store. */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { FatalError } from "../domain/errors.ts";
import { makeFolder } from "../resilience/make-folder.ts";

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/** The absolute directory that a URI names; undefined for an object store (`s3://`, `gs://`, …). */
export function localDirectoryOf(uri: string): string | undefined {
	if (uri.startsWith("file://")) return fileURLToPath(uri);
	return SCHEME.test(uri) ? undefined : resolve(uri);
}

/**
 * Makes the directory if it is missing, and makes sure that it can be written. An object store is
 * not asked: it answers at the first write. Throws `FatalError("vectors_unwritable")`.
 */
export async function prepareLocation(uri: string): Promise<void> {
	const directory = localDirectoryOf(uri);
	if (directory === undefined) return;
	try {
		await makeFolder(directory);
		await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
	} catch (cause) {
		throw unwritable(uri, cause);
	}
}

/** False for a directory that is gone or may not be used; an object store is not asked. */
export async function isReachable(uri: string): Promise<boolean> {
	const directory = localDirectoryOf(uri);
	if (directory === undefined) return true;
	try {
		await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
		return true;
	} catch {
		return false;
	}
}

/** Names the URI without user information and query, which may hold credentials. */
export function unwritable(uri: string, cause: unknown): FatalError {
	const shown = uri.replace(/\?.*$/s, "").replace(/^([^/]*:\/\/)[^/@]*@/, "$1");
	return new FatalError("vectors_unwritable", {
		message: `the vectors' store ${shown} cannot be written: ${reasonOf(cause)}`,
		hint: "set LANCEDB_URI to a directory or bucket that this user may create files in",
		fields: { uri: shown },
		cause,
	});
}

/** The system's code where there is one: its messages name paths that may hold credentials. */
function reasonOf(cause: unknown): string {
	if (!(cause instanceof Error)) return String(cause);
	return "code" in cause ? String(cause.code) : cause.name;
}
