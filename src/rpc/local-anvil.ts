/**
 * The chain for those who have none yet: an Anvil on this machine, started where the example chain's
 * default URL points and nothing listens. It ends with the service; its chain is kept in a file.
 *
 * One that a killed service left behind is taken over, and ends with the next; one whose service lives is not.
 * Its working folder is the one that holds its chain and its pid, so that no other node is ever taken for it;
 * where the system tells neither a process's folder nor its program, none is.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, realpath, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FatalError } from "../domain/errors.ts";
import {
	isRunning,
	programName,
	sendSignal,
	waitForExit,
	workingFolder,
} from "../resilience/running-process.ts";

const START_MS = 10_000;
const STOP_MS = 5_000;
/** What the system calls the binary. */
const PROGRAM = "anvil";
const STATE_FILE = "anvil.json";
/** Two lines: its pid, and that of the service that ends it. */
const PID_FILE = "anvil.pid";
/** Seconds between two writes of the chain to its file: what a hard end may lose. */
const STATE_INTERVAL_S = 2;
/** One fixed moment, so that a lost file gives the same genesis block again. */
const GENESIS_TIMESTAMP = 1_700_000_000;

export interface LocalAnvil {
	stop(): Promise<void>;
}

/** `folder` keeps its chain. Undefined when something else listens there already: then that is the node. */
export async function startLocalAnvil(options: {
	readonly url: string;
	readonly chainId: number;
	readonly folder: string;
}): Promise<LocalAnvil | undefined> {
	const { hostname, port } = new URL(options.url);
	const at = { host: hostname, port: Number(port) };
	const { folder } = options;
	if (await listens(at)) {
		const found = await ownAnvil(folder);
		// Others may share the folder: what a service that lives has started is its own.
		if (found === undefined || (await isRunning(found.service))) return undefined;
		await note(folder, { ...found, service: process.pid });
		return { stop: () => stopLeftBehind(folder) };
	}
	const child = spawn(
		binary(),
		[
			...["--host", at.host, "--port", String(at.port), "--chain-id", String(options.chainId)],
			...["--state", STATE_FILE, "--state-interval", String(STATE_INTERVAL_S)],
			...[
				"--timestamp",
				String(GENESIS_TIMESTAMP),
				"--mixed-mining",
				"--block-time",
				"12",
				"--silent",
			],
		],
		{ stdio: "ignore", cwd: folder },
	);
	await started(child, at);
	await note(folder, { pid: Number(child.pid), service: process.pid });
	return { stop: () => stop(child) };
}

/** An Anvil, and the process of the service that ends it. */
interface OwnAnvil {
	readonly pid: number;
	readonly service: number;
}

/** The Anvil that keeps its chain in this folder, if it runs. */
async function ownAnvil(folder: string): Promise<OwnAnvil | undefined> {
	const text = await readFile(join(folder, PID_FILE), "utf8").catch(() => "");
	if (!/^\d+\n\d+\n$/.test(text)) return undefined;
	const [pid = 0, service = 0] = text.split("\n").map(Number);
	// 0 and what is negative would name groups of processes.
	if (pid < 1 || service < 1 || !(await isRunning(pid))) return undefined;
	const isOurs =
		(await programName(pid)) === PROGRAM && (await workingFolder(pid)) === (await realpath(folder));
	return isOurs ? { pid, service } : undefined;
}

async function note(folder: string, { pid, service }: OwnAnvil): Promise<void> {
	await writeFile(join(folder, PID_FILE), `${pid}\n${service}\n`);
}

async function started(child: ChildProcess, at: { host: string; port: number }): Promise<void> {
	const failed = Promise.withResolvers<never>();
	failed.promise.catch(() => undefined);
	child.once("error", (error) => failed.reject(notStarted(String(error), error)));
	child.once("exit", (code) => failed.reject(notStarted(`it ended with code ${code}`)));
	const deadline = performance.now() + START_MS;
	while (!(await Promise.race([listens(at), failed.promise]))) {
		if (performance.now() > deadline) {
			await stop(child);
			throw notStarted(`it did not listen on ${at.host}:${at.port} within ${START_MS} ms`);
		}
		await sleep(50);
	}
}

async function stop(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const ended = once(child, "exit");
	child.kill("SIGTERM");
	const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
	await ended;
	clearTimeout(timer);
}

/** It is looked for again before each signal: by now its pid may be another program's. */
async function stopLeftBehind(folder: string): Promise<void> {
	for (const signal of ["SIGTERM", "SIGKILL"] as const) {
		const found = await ownAnvil(folder);
		if (found?.service !== process.pid || !sendSignal(found.pid, signal)) return;
		if (await waitForExit(found.pid, STOP_MS)) return;
	}
}

async function listens(at: { readonly host: string; readonly port: number }): Promise<boolean> {
	const socket = connect(at);
	try {
		await once(socket, "connect");
		return true;
	} catch {
		// Refused is the answer that was asked for.
		return false;
	} finally {
		socket.destroy();
	}
}

/** The platform's own binary: a launcher that is killed would leave its node behind. */
function binary(): string {
	const require = createRequire(import.meta.url);
	const arch = process.arch === "x64" ? "amd64" : process.arch;
	const name = `@foundry-rs/anvil-${process.platform}-${arch}`;
	try {
		const launcher = createRequire(require.resolve("@foundry-rs/anvil/package.json"));
		const folder = dirname(launcher.resolve(`${name}/package.json`));
		return join(folder, "bin", process.platform === "win32" ? "anvil.exe" : "anvil");
	} catch (error) {
		throw notStarted(
			`the package @foundry-rs/anvil is not installed for ${process.platform}-${process.arch}`,
			error,
		);
	}
}

function notStarted(reason: string, cause?: unknown): FatalError {
	return new FatalError("configuration_invalid", {
		message: `the local Anvil could not be started: ${reason}`,
		hint: "set RECANT_RPC_URL to a node of yours",
		cause,
	});
}
