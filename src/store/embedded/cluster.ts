/**
 * The cluster of the embedded Postgres: its folders, its password, and initdb.
 *
 * Invariants:
 * 1. `cluster/` appears by one rename, after initdb has ended well and has synced its files. What an
 *    interrupted initdb leaves is a draft, which nobody reads and the next start removes; a `cluster/`
 *    is never removed.
 * 2. The password is written before the first initdb, and never again.
 */
import { randomBytes } from "node:crypto";
import { chown, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { FatalError } from "../../domain/errors.ts";
import type { PostgresBinaries } from "./binaries.ts";
import type { PostgresIdentity, UserIds } from "./process.ts";
import { runProgram } from "./process.ts";

/** Where things are in the home of the embedded Postgres. */
export interface PostgresHome {
	readonly root: string;
	/** Postgres's own data directory. */
	readonly cluster: string;
	readonly passwordFile: string;
	readonly socketDir: string;
	readonly logDir: string;
	/** What the server says before its log begins; anew at each start. */
	readonly startupLog: string;
}

/** Superuser of the cluster, and the name of the database. */
export const POSTGRES_USER = "recant";

const DRAFT_PREFIX = "cluster-draft-";

export function postgresHome(root: string): PostgresHome {
	return {
		root,
		cluster: join(root, "cluster"),
		passwordFile: join(root, "password"),
		socketDir: join(root, "socket"),
		logDir: join(root, "log"),
		startupLog: join(root, "startup.log"),
	};
}

/** Who owns the cluster; undefined: there is none yet. */
export async function clusterOwner(home: PostgresHome): Promise<UserIds | undefined> {
	try {
		const { uid, gid } = await stat(home.cluster);
		return { uid, gid };
	} catch (error) {
		if (isMissing(error)) {
			return undefined;
		}
		throw error;
	}
}

/** Makes the folders, closed to everybody but the one as whom Postgres runs. */
export async function makeHome(home: PostgresHome, identity: PostgresIdentity): Promise<void> {
	for (const folder of [home.root, home.socketDir, home.logDir]) {
		await mkdir(folder, { recursive: true, mode: 0o700 });
		await giveTo(identity, folder);
	}
}

/** The password; made when there is neither one nor a cluster. */
export async function ensurePassword(
	home: PostgresHome,
	identity: PostgresIdentity,
): Promise<string> {
	const found = await readPassword(home);
	if (found !== undefined) {
		return found;
	}
	if ((await clusterOwner(home)) !== undefined) {
		throw corrupt(home.passwordFile, "is missing or empty, and the cluster beside it needs it");
	}
	const password = randomBytes(24).toString("base64url");
	const draft = `${home.passwordFile}.draft`;
	const file = await open(draft, "w", 0o600);
	try {
		await file.writeFile(`${password}\n`);
		await file.sync();
	} finally {
		await file.close();
	}
	// initdb reads it as the user that Postgres runs as.
	await giveTo(identity, draft);
	await rename(draft, home.passwordFile);
	return password;
}

async function readPassword(home: PostgresHome): Promise<string | undefined> {
	try {
		const text = (await readFile(home.passwordFile, "utf8")).trim();
		return text === "" ? undefined : text;
	} catch (error) {
		if (isMissing(error)) {
			return undefined;
		}
		throw error;
	}
}

/**
 * Makes the cluster if there is none, and checks that these programs can serve the one there is.
 *
 * @throws FatalError `database_incompatible` for a cluster of another major version,
 * `data_directory_corrupt` for one that says no version, `database_unreachable` when initdb fails.
 */
export async function ensureCluster(options: {
	readonly home: PostgresHome;
	readonly identity: PostgresIdentity;
	readonly binaries: PostgresBinaries;
	readonly majorVersion: number;
}): Promise<{ readonly created: boolean }> {
	const { home, majorVersion } = options;
	await removeDrafts(home);
	if ((await clusterOwner(home)) !== undefined) {
		await checkVersion(home, majorVersion);
		return { created: false };
	}
	await createCluster(options);
	return { created: true };
}

async function checkVersion(home: PostgresHome, majorVersion: number): Promise<void> {
	const path = join(home.cluster, "PG_VERSION");
	const text = await readFile(path, "utf8").catch((error: unknown) => {
		throw corrupt(path, "cannot be read", error);
	});
	const found = text.trim();
	if (!/^\d+$/.test(found)) {
		throw corrupt(path, "does not name a version");
	}
	if (Number(found) !== majorVersion) {
		throw new FatalError("database_incompatible", {
			message: `${home.cluster} belongs to Postgres ${found}, and this Recant brings Postgres ${majorVersion}`,
			hint: "use the Recant that wrote it, move its data with pg_dumpall, or name another RECANT_DATA_DIR",
			fields: { path: home.cluster, found, wanted: majorVersion },
		});
	}
}

async function createCluster(options: {
	readonly home: PostgresHome;
	readonly identity: PostgresIdentity;
	readonly binaries: PostgresBinaries;
}): Promise<void> {
	const { home, identity, binaries } = options;
	// A name of its own: an initdb that outlived its killed parent may still write into an older one.
	const draft = join(home.root, `${DRAFT_PREFIX}${randomBytes(6).toString("hex")}`);
	await mkdir(draft, { mode: 0o700 });
	await giveTo(identity, draft);
	const { exitCode, output } = await runProgram(identity, binaries.initdb, [
		`--pgdata=${draft}`,
		`--username=${POSTGRES_USER}`,
		`--pwfile=${home.passwordFile}`,
		"--auth=scram-sha-256",
		"--encoding=UTF8",
		// Postgres's own C.UTF-8: the system's locales, and their order of text, differ and change.
		"--locale-provider=builtin",
		"--builtin-locale=C.UTF-8",
		"--locale=C",
		"--no-instructions",
	]);
	if (exitCode !== 0) {
		throw new FatalError("database_unreachable", {
			message: `the embedded Postgres could not make its cluster in ${draft}: ${output}`,
			hint: "see that the disk has room and the data directory can be written, or set DATABASE_URL",
			fields: { path: draft },
		});
	}
	await rename(draft, home.cluster);
}

async function removeDrafts(home: PostgresHome): Promise<void> {
	for (const name of await readdir(home.root)) {
		if (name.startsWith(DRAFT_PREFIX)) {
			// Retried, since an orphaned initdb may be adding files; it fails once its folder is gone.
			await rm(join(home.root, name), { recursive: true, force: true, maxRetries: 10 });
		}
	}
}

async function giveTo(identity: PostgresIdentity, path: string): Promise<void> {
	if (identity.kind === "user") {
		await chown(path, identity.uid, identity.gid);
	}
}

function isMissing(error: unknown): boolean {
	return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function corrupt(path: string, what: string, cause?: unknown): FatalError {
	return new FatalError("data_directory_corrupt", {
		message: `${path} ${what}`,
		hint: "restore it from a backup, or name another RECANT_DATA_DIR",
		fields: { path },
		cause,
	});
}
