/** A peer's process: its environment, its memory and the processor time that it took. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { endWithThisProcess } from "../scripts/support/process-guard.ts";
import { ToolError } from "../scripts/support/tool-error.ts";

/** Of the output, to explain a failure. */
const KEPT_CHARS = 16_384;
/** Recant's own longest stop; Ponder's is five seconds. */
const STOP_MS = 20_000;
/** Of /proc/{pid}/stat: Linux's USER_HZ, whatever the kernel's own clock is. */
const TICK_MS = 10;

export interface PeerProcess {
	readonly pid: number;
	/** The last characters that it wrote. */
	output(): string;
	hasEnded(): boolean;
	stop(): Promise<void>;
}

export function startPeerProcess(options: {
	readonly args: readonly string[];
	readonly cwd: string;
	/** All that it sees of the environment, beside PATH and HOME. */
	readonly environment: Readonly<Record<string, string>>;
}): PeerProcess {
	const { PATH = "", HOME = "" } = process.env;
	const child = spawn(process.execPath, options.args, {
		cwd: options.cwd,
		stdio: ["ignore", "pipe", "pipe"],
		env: { PATH, HOME, ...options.environment },
	});
	const { pid } = child;
	if (pid === undefined) {
		throw new ToolError("process_failed", {
			message: `${process.execPath} ${options.args.join(" ")} cannot be started`,
			hint: "see whether the program is installed",
		});
	}
	const unlist = endWithThisProcess(pid);
	let written = "";
	for (const stream of [child.stdout, child.stderr]) {
		stream.setEncoding("utf8").on("data", (chunk: string) => {
			written = (written + chunk).slice(-KEPT_CHARS);
		});
	}
	const exited = new Promise<void>((resolve) => {
		child.once("exit", () => {
			unlist();
			resolve();
		});
	});
	return {
		pid,
		output: () => written,
		hasEnded: () => hasEnded(child),
		stop: () => stop(child, exited),
	};
}

function hasEnded(child: ChildProcess): boolean {
	return child.exitCode !== null || child.signalCode !== null;
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
	if (hasEnded(child)) return;
	child.kill("SIGTERM");
	const killer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
	await exited;
	clearTimeout(killer);
}

/** Resident set of a process in bytes: now, and at its most. NaN without /proc. */
export function residentBytes(pid: number): { readonly now: number; readonly most: number } {
	const status = fileOf(pid, "status");
	const kibibytes = (name: string) =>
		Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1_024;
	return { now: kibibytes("VmRSS"), most: kibibytes("VmHWM") };
}

/** Processor time of a process and of the children that it has or had, in ms. */
export function processorMs(pid: number): number {
	const children = pids().filter((each) => fieldsOf(each)[1] === `${pid}`);
	return ownAndEndedMs(pid) + children.reduce((sum, each) => sum + ownAndEndedMs(each), 0);
}

/** Fields 14 to 17 of proc(5): user and system time, and the same of children that were waited for. */
function ownAndEndedMs(pid: number): number {
	return fieldsOf(pid)
		.slice(11, 15)
		.reduce((sum, ticks) => sum + Number(ticks) * TICK_MS, 0);
}

/** From the third on; the second is the name, in brackets, which may hold anything. */
function fieldsOf(pid: number): readonly string[] {
	const stat = fileOf(pid, "stat");
	return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function pids(): readonly number[] {
	try {
		return readdirSync("/proc")
			.filter((name) => /^\d+$/.test(name))
			.map(Number);
	} catch {
		return [];
	}
}

function fileOf(pid: number, name: string): string {
	try {
		return readFileSync(`/proc/${pid}/${name}`, "utf8");
	} catch {
		// It has ended, or this system has no /proc.
		return "";
	}
}
