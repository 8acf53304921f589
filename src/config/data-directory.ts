/**
 * The data directory (.recant/): what one installation keeps on this machine.
 *
 * Invariants:
 * 1. recant.json is written whole and before anything else but claims on the lock. So a directory
 *    without it is new, or was left by a crash in its first moments, or belongs to somebody else.
 * 2. It is read and written only under the lock. Of processes that share the directory and make it at once,
 *    one writes the file and all read it.
 * 3. Everything inside is closed to other users by itself. As root the directory may be passed
 *    through (0711), since Postgres then runs as another user; else it is closed too (0700).
 */
import { randomUUID } from "node:crypto";
import { link, open, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import * as z from "zod";
import { FatalError, RecantError } from "../domain/errors.ts";
import { makeFolder } from "../resilience/make-folder.ts";
import { claimDirectory, type DirectoryUse, isClaimName } from "./data-directory-lock.ts";

export interface DataDirectory {
	/** Absolute path of the directory itself. */
	readonly root: string;
	/** Embedded Postgres's home; made by it. */
	readonly postgres: string;
	/** LanceDB's directory; exists. */
	readonly lancedb: string;
	/** Snapshots, unless they are kept elsewhere; made when it is used. */
	readonly snapshots: string;
	/** For log files; exists. */
	readonly logs: string;
	/** UUID; LanceDB and Postgres record it too. */
	readonly installationId: string;
	readonly createdAt: Date;
	/** True when this call made it. */
	readonly created: boolean;
	/** Gives the lock up; further calls do nothing. */
	release(): Promise<void>;
}

const FORMAT = 1;
const MARKER = "recant.json";
const MARKER_DRAFT = /^recant\.json\.[0-9a-f-]{36}\.draft$/;

const installationSchema = z.object({
	format: z.literal(FORMAT),
	installationId: z.uuid(),
	createdAt: z.iso.datetime().transform((text) => new Date(text)),
});
type Installation = z.output<typeof installationSchema>;

/**
 * Opens the directory, makes it if it is missing or empty, and holds its lock until `release` or the
 * end of the process, however that comes. It may be shared by processes whose Postgres runs elsewhere: what
 * is left in it, LanceDB and snapshots, is written under the leases in Postgres.
 *
 * @throws FatalError `data_directory_foreign`, `data_directory_corrupt`, `data_directory_unwritable`
 * or `data_directory_in_use`.
 */
export async function openDataDirectory(
	path: string,
	use: DirectoryUse = "alone",
): Promise<DataDirectory> {
	const root = resolve(path);
	try {
		return await claimAndRead(root, use);
	} catch (error) {
		throw error instanceof RecantError ? error : unwritable(root, error);
	}
}

async function claimAndRead(root: string, use: DirectoryUse): Promise<DataDirectory> {
	await makeRoot(root);
	// Before the claim, so that nothing is written into a directory that is not ours.
	await refuseForeign(root);
	const claim = await claimDirectory(root, use);
	try {
		const found = await readInstallation(root);
		const installation = found ?? (await createInstallation(root));
		const paths = await makeFolders(root);
		if (use === "alone") await removeDrafts(root);
		return { ...installation, ...paths, created: found === undefined, release: claim.release };
	} catch (error) {
		await claim.release();
		throw error;
	}
}

async function makeRoot(root: string): Promise<void> {
	// The parents get the usual mode: a closed one would keep an unprivileged Postgres out.
	await makeFolder(dirname(root), 0o777);
	await makeFolder(root, process.getuid?.() === 0 ? 0o711 : 0o700);
}

async function refuseForeign(root: string): Promise<void> {
	const names = await readdir(root);
	if (names.includes(MARKER)) {
		return;
	}
	const foreign = names.filter((name) => !isClaimName(name) && !MARKER_DRAFT.test(name));
	const [first] = foreign;
	if (first !== undefined) {
		throw new FatalError("data_directory_foreign", {
			message: `${root} holds ${foreign.length} entries (${first}, …) and no ${MARKER}: it is not Recant's`,
			hint: "name an empty or a new directory in RECANT_DATA_DIR",
			fields: { path: root, entries: foreign.length, first },
		});
	}
}

async function readInstallation(root: string): Promise<Installation | undefined> {
	const path = join(root, MARKER);
	let text: string;
	try {
		text = await readFile(path, "utf8");
	} catch (error) {
		if (isCode(error, "ENOENT")) {
			await refuseForeign(root);
			return undefined;
		}
		throw corrupt(path, "cannot be read", error);
	}
	return parseInstallation(path, text);
}

function parseInstallation(path: string, text: string): Installation {
	let json: unknown;
	try {
		json = JSON.parse(text);
	} catch (error) {
		throw corrupt(path, "is not JSON", error);
	}
	const newer = z.object({ format: z.int().gt(FORMAT) }).safeParse(json);
	if (newer.success) {
		throw corrupt(path, `has format ${newer.data.format}, and this Recant knows ${FORMAT}`);
	}
	const parsed = installationSchema.safeParse(json);
	if (!parsed.success) {
		throw corrupt(path, `is wrong: ${z.prettifyError(parsed.error)}`, parsed.error);
	}
	return parsed.data;
}

async function createInstallation(root: string): Promise<Installation> {
	const installation: Installation = {
		format: FORMAT,
		installationId: randomUUID(),
		createdAt: new Date(),
	};
	const draft = join(root, `${MARKER}.${randomUUID()}.draft`);
	const file = await open(draft, "wx", 0o600);
	try {
		await file.writeFile(`${JSON.stringify(installation, undefined, "\t")}\n`);
		await file.sync();
	} finally {
		await file.close();
	}
	try {
		await link(draft, join(root, MARKER));
	} catch (error) {
		// One that shares the directory was faster.
		if (!isCode(error, "EEXIST")) throw error;
	} finally {
		await rm(draft, { force: true });
	}
	await syncDirectory(root);
	const stands = await readInstallation(root);
	return stands ?? installation;
}

/** Makes the name itself durable: all that comes later is lost to us if it is undone. */
async function syncDirectory(path: string): Promise<void> {
	if (process.platform === "win32") {
		return;
	}
	const directory = await open(path, "r");
	try {
		await directory.sync();
	} finally {
		await directory.close();
	}
}

async function makeFolders(root: string) {
	const paths = {
		root,
		postgres: join(root, "postgres"),
		lancedb: join(root, "lancedb"),
		snapshots: join(root, "snapshots"),
		logs: join(root, "logs"),
	};
	await makeFolder(paths.lancedb, 0o700);
	await makeFolder(paths.logs, 0o700);
	return paths;
}

/** Left by a crash; where others share the directory, one of them may be writing its own. */
async function removeDrafts(root: string): Promise<void> {
	for (const name of await readdir(root)) {
		if (MARKER_DRAFT.test(name)) {
			await rm(join(root, name), { force: true });
		}
	}
}

function isCode(error: unknown, code: string): boolean {
	return error instanceof Error && "code" in error && error.code === code;
}

function corrupt(path: string, what: string, cause?: unknown): FatalError {
	return new FatalError("data_directory_corrupt", {
		message: `${path} ${what}`,
		hint: "use the Recant that wrote it, restore the file from a backup, or name another RECANT_DATA_DIR",
		fields: { path },
		cause,
	});
}

function unwritable(root: string, cause: unknown): FatalError {
	const reason = cause instanceof Error ? cause.message : String(cause);
	return new FatalError("data_directory_unwritable", {
		message: `the data directory ${root} cannot be made or written: ${reason}`,
		hint: "give the user who runs Recant write access to it, or name another RECANT_DATA_DIR",
		fields: { path: root },
		cause,
	});
}
