/** The command `recant` as users run it, in a process of its own. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { endWithThisProcess } from "../../scripts/support/process-guard.ts";
import { atTestEnd } from "./test-end.ts";

const COMMAND = fileURLToPath(new URL("../../bin/recant.js", import.meta.url));
/**
 * Embedded Postgres, LanceDB and migrations: seconds, and more than ten times that on two cores that
 * do much else. Short of the limit of the tests, so that a failure shows what the command wrote.
 */
const PATIENCE_MS = 100_000;

export interface Ended {
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
	readonly stdout: string;
	readonly stderr: string;
}

export interface StartedCommand {
	readonly pid: number;
	readonly ended: Promise<Ended>;
	/** Resolves when stdout matches. Rejects when the process ends before. */
	says(pattern: RegExp): Promise<RegExpMatchArray>;
	kill(signal: NodeJS.Signals): void;
}

const FAILURES = fileURLToPath(new URL("start-failures.ts", import.meta.url));

/** `recant start` with each of the lists of variables, see start-failures.ts. */
export async function failedStarts(
	variables: readonly Readonly<Record<string, string>>[],
): Promise<readonly Ended[]> {
	const { ended } = startProgram(FAILURES, [JSON.stringify(variables)], {});
	const { code, stdout, stderr } = await ended;
	if (code !== 0) throw new Error(`${code}: ${stdout}${stderr}`);
	return JSON.parse(stdout) as readonly Ended[];
}

/** Only these variables, and PATH and HOME. Ended with the test, if it has not ended by then. */
export function startCommand(
	args: readonly string[],
	variables: Readonly<Record<string, string>>,
): StartedCommand {
	return startProgram(COMMAND, args, variables);
}

function startProgram(
	program: string,
	args: readonly string[],
	variables: Readonly<Record<string, string>>,
): StartedCommand {
	const { PATH = "", HOME = "" } = process.env;
	const child = spawn(process.execPath, [program, ...args], {
		stdio: ["ignore", "pipe", "pipe"],
		env: { PATH, HOME, ...variables },
	});
	const { pid } = child;
	if (pid === undefined) throw new Error("the command cannot be started");
	const unlist = endWithThisProcess(pid);
	let stdout = "";
	let stderr = "";
	child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
		stdout += chunk;
	});
	child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
		stderr += chunk;
	});
	const ended = new Promise<Ended>((resolve) => {
		child.once("close", (code, signal) => {
			unlist();
			resolve({ code, signal, stdout, stderr });
		});
	});
	const killer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
	atTestEnd(async () => {
		clearTimeout(killer);
		if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
		await ended;
	});
	return {
		pid,
		ended,
		kill: (signal) => void child.kill(signal),
		says: (pattern) =>
			new Promise((resolve, reject) => {
				const look = () => {
					const match = stdout.match(pattern);
					if (match !== null) resolve(match);
				};
				child.stdout.on("data", look);
				look();
				void ended.then(() => reject(new Error(`it ended: ${stdout}${stderr}`)));
			}),
	};
}

export function runCommand(
	args: readonly string[],
	variables: Readonly<Record<string, string>>,
): Promise<Ended> {
	return startCommand(args, variables).ended;
}

/** Command lines of living processes that hold `text`; none where the system has no /proc. */
export function processesNaming(text: string): readonly string[] {
	return pids().flatMap((pid) => {
		const command = commandOf(pid);
		return command?.includes(text) === true ? [`${pid}: ${command}`] : [];
	});
}

function pids(): readonly string[] {
	try {
		return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
	} catch {
		return [];
	}
}

function commandOf(pid: string): string | undefined {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
	} catch {
		// It has ended meanwhile.
		return undefined;
	}
}
