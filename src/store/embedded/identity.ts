/**
 * As whom the embedded Postgres runs.
 *
 * Postgres refuses to run as root. Where the caller is root, it runs as an unprivileged user of the
 * system; where that user cannot reach the files (a project under /root, say), in a user namespace in
 * which root's files belong to an unprivileged id. The system's user table is never changed. An
 * existing cluster is always served as its owner.
 */
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { FatalError } from "../../domain/errors.ts";
import { type PostgresIdentity, runProgram, type UserIds } from "./process.ts";

/** `postgres` where there is one; `nobody` is on nearly every system. */
const USER_NAMES = ["postgres", "nobody"];

/**
 * Chooses as whom Postgres runs, given the paths that it must reach.
 *
 * @throws FatalError `postgres_missing` where the caller is root and there is no way around it.
 */
export async function chooseIdentity(options: {
	/** Owner of the cluster; undefined: there is none yet. */
	readonly clusterOwner: UserIds | undefined;
	readonly paths: readonly string[];
}): Promise<PostgresIdentity> {
	if (process.getuid?.() !== 0) {
		return { kind: "self" };
	}
	const { clusterOwner, paths } = options;
	if (clusterOwner !== undefined && clusterOwner.uid !== 0) {
		return { kind: "user", ...clusterOwner };
	}
	const users = await findUsers();
	if (clusterOwner === undefined) {
		for (const user of users) {
			if (await canReachAll(user, paths)) {
				return { kind: "user", ...user };
			}
		}
	}
	const [user] = users;
	if (user !== undefined && (await namespacesWork(user))) {
		return { kind: "namespace", ...user };
	}
	throw cannotRunAsRoot(paths);
}

async function findUsers(): Promise<UserIds[]> {
	const users: UserIds[] = [];
	for (const name of USER_NAMES) {
		const uid = await idOf("-u", name);
		const gid = await idOf("-g", name);
		if (uid !== undefined && gid !== undefined) {
			users.push({ uid, gid });
		}
	}
	return users;
}

async function idOf(flag: "-u" | "-g", name: string): Promise<number | undefined> {
	const { exitCode, output } = await runProgram({ kind: "self" }, "id", [flag, name]);
	return exitCode === 0 && /^\d+\s*$/.test(output) ? Number(output) : undefined;
}

/** True if the user may pass through every folder above each path. */
async function canReachAll(user: UserIds, paths: readonly string[]): Promise<boolean> {
	for (const path of paths) {
		for (let folder = dirname(path); ; folder = dirname(folder)) {
			if (!(await canPassThrough(user, folder))) {
				return false;
			}
			if (folder === dirname(folder)) {
				break;
			}
		}
	}
	return true;
}

async function canPassThrough(user: UserIds, folder: string): Promise<boolean> {
	const { mode, uid, gid } = await stat(folder);
	if (uid === user.uid) {
		return (mode & 0o100) !== 0;
	}
	return (mode & (gid === user.gid ? 0o010 : 0o001)) !== 0;
}

async function namespacesWork(user: UserIds): Promise<boolean> {
	if (process.platform !== "linux") {
		return false;
	}
	return (await runProgram({ kind: "namespace", ...user }, "true", [])).exitCode === 0;
}

function cannotRunAsRoot(paths: readonly string[]): FatalError {
	return new FatalError("postgres_missing", {
		message: `Postgres does not run as root, and no unprivileged user can reach ${paths.join(" and ")}`,
		hint: "run Recant as an ordinary user, put it and RECANT_DATA_DIR where others may pass through (not under /root), or set DATABASE_URL",
		fields: { paths: paths.join(", ") },
	});
}
