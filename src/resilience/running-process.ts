/** Processes that are not this one's children, or no longer: whether they run, and what they are. */
import { readFile, readlink } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const EXIT_POLL_MS = 20;

/** Start mark where the system does not tell when a process began. */
export const UNKNOWN_START = "unknown";

/**
 * Tells one process from another that has its pid later: boot and clock ticks since then (field 22
 * of /proc/{pid}/stat, proc(5)). Undefined: no such process, or a zombie, which does nothing any more.
 */
export async function startMarkOf(pid: number): Promise<string | undefined> {
	if (!pidExists(pid)) return undefined;
	const stat = await textOf(readFile(`/proc/${pid}/stat`, "utf8"));
	// The second field is a file name in parentheses, which may itself hold spaces and parentheses.
	const [state, ...rest] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
	const ticks = rest[18];
	if (state === undefined || ticks === undefined) return UNKNOWN_START;
	if (state === "Z" || state === "X") return undefined;
	const boot = await textOf(readFile("/proc/sys/kernel/random/boot_id", "utf8"));
	return `${boot?.slice(0, 8) ?? "0"}-${ticks}`;
}

/** True while the process runs; a zombie, which only waits to be collected, does not. */
export async function isRunning(pid: number): Promise<boolean> {
	return (await startMarkOf(pid)) !== undefined;
}

/** Also of a zombie. */
export function pidExists(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch (error) {
		// Another user's process may not be signalled, but it is there.
		return error instanceof Error && "code" in error && error.code === "EPERM";
	}
}

/** The process's working folder; undefined where that cannot be told. */
export async function workingFolder(pid: number): Promise<string | undefined> {
	return textOf(readlink(`/proc/${pid}/cwd`));
}

/** The name of the process's program; undefined where that cannot be told. */
export async function programName(pid: number): Promise<string | undefined> {
	return (await textOf(readFile(`/proc/${pid}/comm`, "utf8")))?.trim();
}

/** Undefined when it fails: the process may end at any time, and not every system has /proc. */
async function textOf(read: Promise<string>): Promise<string | undefined> {
	return read.catch(() => undefined);
}

/** False: it has ended, or is another user's. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
	try {
		return process.kill(pid, signal);
	} catch {
		return false;
	}
}

/** Waits for the end of a process; false if it still runs after `deadlineMs`. */
export async function waitForExit(pid: number, deadlineMs: number): Promise<boolean> {
	const deadline = Date.now() + deadlineMs;
	while (await isRunning(pid)) {
		if (Date.now() > deadline) {
			return false;
		}
		await sleep(EXIT_POLL_MS);
	}
	return true;
}
