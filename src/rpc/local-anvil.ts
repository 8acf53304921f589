/**
 * The chain for those who have none yet: an Anvil on this machine, started where the example chain's
 * default URL points and nothing listens. It ends with the service; its chain is kept in a file.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FatalError } from "../domain/errors.ts";

const START_MS = 10_000;
const STOP_MS = 5_000;
/** Seconds between two writes of the chain to its file: what a hard end may lose. */
const STATE_INTERVAL_S = 2;
/** One fixed moment, so that a lost file gives the same genesis block again. */
const GENESIS_TIMESTAMP = 1_700_000_000;

export interface LocalAnvil {
	stop(): Promise<void>;
}

/** Undefined when something listens there already: then that is the node. */
export async function startLocalAnvil(options: {
	readonly url: string;
	readonly chainId: number;
	readonly statePath: string;
}): Promise<LocalAnvil | undefined> {
	const { hostname, port } = new URL(options.url);
	const at = { host: hostname, port: Number(port) };
	if (await listens(at)) return undefined;
	const child = spawn(
		binary(),
		[
			...["--host", at.host, "--port", String(at.port), "--chain-id", String(options.chainId)],
			...["--state", options.statePath, "--state-interval", String(STATE_INTERVAL_S)],
			...[
				"--timestamp",
				String(GENESIS_TIMESTAMP),
				"--mixed-mining",
				"--block-time",
				"12",
				"--silent",
			],
		],
		{ stdio: "ignore" },
	);
	await started(child, at);
	return { stop: () => stop(child) };
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
