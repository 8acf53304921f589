/** Processes that are not this one's children, or no longer: whether they run, and what they are. */
import { readFile, readlink } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const EXIT_POLL_MS = 20;

/** True while the process runs; a zombie, which only waits to be collected, does not. */
export async function isRunning(pid: number): Promise<boolean> {
	try {
		process.kill(pid, 0);
	} catch (error) {
		if (!(error instanceof Error && "code" in error && error.code === "EPERM")) {
			return false;
		}
	}
	const status = await textOf(readFile(`/proc/${pid}/stat`, "utf8"));
	const state = status?.slice(status.lastIndexOf(")") + 2, status.lastIndexOf(")") + 3);
	return state !== "Z" && state !== "X";
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
