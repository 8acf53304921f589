/**
 * postmaster.pid: how a running Postgres server says that it is there.
 *
 * Its lines (Postgres, miscadmin.h, LOCK_FILE_LINE_*): pid, data directory, start time, port, socket
 * directory, listen address, shared memory key, status.
 */
import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { isRunning, programName, workingFolder } from "../../resilience/running-process.ts";

export interface Postmaster {
	readonly pid: number;
	readonly port: number;
	/** Undefined: it listens on TCP only. */
	readonly socketDir: string | undefined;
	/** Undefined until the server has come so far. */
	readonly status: "starting" | "ready" | "stopping" | "standby" | undefined;
}

type FoundPostmaster =
	| { readonly kind: "none" }
	/** A file without a server: left by a crash, or its pid is another program's now. */
	| { readonly kind: "stale"; readonly why: string }
	| {
			readonly kind: "running";
			readonly postmaster: Postmaster;
			/** False where the system cannot tell whether the process serves this cluster. */
			readonly certain: boolean;
	  };

const STATUSES = ["starting", "ready", "stopping", "standby"] as const;

/** Undefined for anything that no running server writes. */
function parsePidFile(text: string): Postmaster | undefined {
	const lines = text.split("\n").map((line) => line.trim());
	const [pid = "", , , port = "", socketDir = "", , , status = ""] = lines;
	// A postmaster is at work before it has written its port.
	if (!/^[1-9]\d{0,9}$/.test(pid) || !/^\d{0,5}$/.test(port)) {
		return undefined;
	}
	return {
		pid: Number(pid),
		port: Number(port),
		socketDir: socketDir === "" ? undefined : socketDir,
		status: STATUSES.find((known) => known === status),
	};
}

export async function readPidFile(cluster: string): Promise<Postmaster | undefined> {
	return parsePidFile((await readText(join(cluster, "postmaster.pid"))) ?? "");
}

/** Looks whether a server of this cluster runs. A postmaster's working folder is its cluster. */
export async function findPostmaster(cluster: string): Promise<FoundPostmaster> {
	const text = await readText(join(cluster, "postmaster.pid"));
	if (text === undefined) {
		return { kind: "none" };
	}
	const postmaster = parsePidFile(text);
	if (postmaster === undefined) {
		return { kind: "stale", why: "postmaster.pid cannot be read" };
	}
	if (!(await isRunning(postmaster.pid))) {
		return { kind: "stale", why: `process ${postmaster.pid} is gone` };
	}
	const name = await programName(postmaster.pid);
	// A container's root may read the name of another user's process, but not its folder.
	const folder = await workingFolder(postmaster.pid);
	const otherFolder = folder !== undefined && folder !== (await realpath(cluster));
	if ((name !== undefined && name !== "postgres") || otherFolder) {
		return { kind: "stale", why: `process ${postmaster.pid} is another program` };
	}
	return { kind: "running", postmaster, certain: folder !== undefined };
}

async function readText(path: string): Promise<string | undefined> {
	try {
		return await readFile(path, "utf8");
	} catch (error) {
		if (error instanceof Error && "code" in error && error.code === "ENOENT") {
			return undefined;
		}
		throw error;
	}
}
