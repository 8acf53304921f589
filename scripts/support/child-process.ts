/**
 * Server processes that the scripts and tests start: each is ended by its own pid.
 *
 * 1. `startProcess` answers only once the process said that it is ready; else the process is ended.
 * 2. No process outlives this one, however it ends; see process-guard.ts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { endWithThisProcess } from "./process-guard.ts";
import { ToolError } from "./tool-error.ts";

/** Output that is kept to explain a failure; a server's last words are at the end. */
const OUTPUT_KEPT_CHARS = 65_536;

export interface ProcessOptions {
	/** Name for messages. */
	readonly name: string;
	readonly command: string;
	readonly args: readonly string[];
	/** Matched against everything the process wrote so far, on stdout and stderr. */
	readonly readyPattern: RegExp;
	/** Default 30,000: cold disks and two busy cores. */
	readonly readyTimeoutMs?: number;
	/** Asks the process to end; default SIGTERM. SIGKILL follows where it does not. */
	readonly stopSignal?: NodeJS.Signals;
	/** How long it may take to end by itself, default 5,000: Postgres flushes in well under. */
	readonly stopTimeoutMs?: number;
	readonly cwd?: string;
	/** User and group to run as, where the caller is root and the server refuses that. */
	readonly uid?: number;
	readonly gid?: number;
}

export interface StartedProcess {
	readonly pid: number;
	/** What `readyPattern` matched. */
	readonly ready: RegExpMatchArray;
	/** Resolves when the process is gone, however it ended. */
	readonly exited: Promise<void>;
	/** The last 65,536 characters that the process wrote. */
	output(): string;
	/** Ends the process and waits until it is gone; a second call waits for the same end. */
	stop(): Promise<void>;
}

/** Throws ToolError `process_failed` or `process_timeout`; the process is gone then. */
export async function startProcess(options: ProcessOptions): Promise<StartedProcess> {
	const child = spawn(options.command, options.args, {
		stdio: ["ignore", "pipe", "pipe"],
		cwd: options.cwd,
		uid: options.uid,
		gid: options.gid,
	});
	const exited = watchExit(child);
	let written = "";
	const collect = (chunk: string) => {
		written = (written + chunk).slice(-OUTPUT_KEPT_CHARS);
	};
	for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", collect);
	const output = () => written;
	const stop = () => endProcess({ child, exited, options });
	try {
		const ready = await waitUntilReady({ child, output, options });
		if (child.pid === undefined) throw failed(options, "has no pid", output());
		return { pid: child.pid, ready, exited, output, stop };
	} catch (error) {
		await stop();
		throw error;
	}
}

function waitUntilReady(wait: {
	readonly child: ChildProcess;
	readonly output: () => string;
	readonly options: ProcessOptions;
}): Promise<RegExpMatchArray> {
	const { child, output, options } = wait;
	const timeoutMs = options.readyTimeoutMs ?? 30_000;
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(timedOut(options, timeoutMs, output())), timeoutMs);
		const check = () => {
			const match = output().match(options.readyPattern);
			if (match !== null) settle(() => resolve(match));
		};
		const settle = (act: () => void) => {
			clearTimeout(timer);
			child.stdout?.off("data", check);
			child.stderr?.off("data", check);
			act();
		};
		child.stdout?.on("data", check);
		child.stderr?.on("data", check);
		child.once("error", (cause) =>
			settle(() => reject(failed(options, "cannot be started", output(), cause))),
		);
		child.once("close", (code, signal) =>
			settle(() => reject(failed(options, `ended early (${signal ?? code})`, output()))),
		);
	});
}

function watchExit(child: ChildProcess): Promise<void> {
	const unlist = child.pid === undefined ? undefined : endWithThisProcess(child.pid);
	return new Promise((resolve) => {
		const gone = () => {
			child.off("exit", gone);
			child.off("error", gone);
			unlist?.();
			resolve();
		};
		child.on("exit", gone);
		child.on("error", gone);
	});
}

async function endProcess(end: {
	readonly child: ChildProcess;
	readonly exited: Promise<void>;
	readonly options: ProcessOptions;
}): Promise<void> {
	const { stopSignal = "SIGTERM", stopTimeoutMs = 5_000 } = end.options;
	// A process that is stopped (SIGSTOP, as tests do to a node) would never see the signal.
	end.child.kill("SIGCONT");
	end.child.kill(stopSignal);
	const killer = setTimeout(() => end.child.kill("SIGKILL"), stopTimeoutMs);
	await end.exited;
	clearTimeout(killer);
}

function failed(options: ProcessOptions, what: string, output: string, cause?: unknown): ToolError {
	return new ToolError("process_failed", {
		message: `${options.name} (${options.command}) ${what}: ${lastLines(output)}`,
		hint: "read the process's last words in the message",
		cause,
	});
}

function timedOut(options: ProcessOptions, timeoutMs: number, output: string): ToolError {
	return new ToolError("process_timeout", {
		message: `${options.name} was not ready after ${timeoutMs} ms: ${lastLines(output)}`,
		hint: "the machine may be overloaded; read the process's last words in the message",
	});
}

function lastLines(output: string): string {
	const lines = output.trim().split("\n").slice(-10).join("\n");
	return lines === "" ? "it wrote nothing" : lines;
}
