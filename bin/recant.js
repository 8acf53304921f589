#!/usr/bin/env node
/**
 * The command `recant`: runs the sources in a clone, where chains/*.ts import them too, and the built
 * program in the published package, since Node runs no TypeScript below node_modules.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism, constants } from "node:os";
import { fileURLToPath } from "node:url";

const BUILT = new URL("../dist/cli/recant.js", import.meta.url);
const SOURCE = new URL("../src/cli/recant.ts", import.meta.url);
/** The Node that a clone's packages bring along. */
const OWN_NODE = fileURLToPath(
	new URL(
		`../node_modules/node/bin/${process.platform === "win32" ? "node.exe" : "node"}`,
		import.meta.url,
	),
);

const entry = existsSync(SOURCE) ? SOURCE : BUILT;
if (isNewEnough()) {
	holdMemoryTogether();
	await import(entry.href);
} else if (existsSync(OWN_NODE)) runOn(OWN_NODE);
else {
	console.error(
		`recant: Node ${process.versions.node} is too old; Recant needs 22.18 or later\n` +
			"hint: install a newer Node, or in a clone run npm ci, which brings one along",
	);
	process.exitCode = 1;
}

function isNewEnough() {
	const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
	const supported = major > 22 || (major === 22 && minor >= 18);
	return supported && (entry === BUILT || Boolean(process.features.typescript));
}

/**
 * A service begins again as itself, with as many of glibc's arenas as cores: LanceDB allocates on many threads,
 * and what is freed in one of glibc's default of eight arenas a core is kept for that one. It can only be said
 * before a process begins. What the environment says stays.
 */
function holdMemoryTogether() {
	if (process.argv[2] !== "start" || process.platform !== "linux") return;
	if (process.env.MALLOC_ARENA_MAX !== undefined || process.connected === true) return;
	const args = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
	process.execve?.(process.execPath, args, withArenas());
}

function withArenas() {
	return { MALLOC_ARENA_MAX: `${Math.max(2, availableParallelism())}`, ...process.env };
}

/** Ends as the program ends, by code or by signal. */
function runOn(node) {
	const args = [fileURLToPath(entry), ...process.argv.slice(2)];
	const child = spawn(node, args, { stdio: "inherit", env: withArenas() });
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
		process.on(signal, () => {
			// A terminal sends its Ctrl-C to the program as well; passing it on would make it two.
			if (signal !== "SIGINT" || process.stdin.isTTY !== true) child.kill(signal);
		});
	}
	child.once("exit", (code, signal) => {
		process.exit(signal === null ? (code ?? 1) : 128 + constants.signals[signal]);
	});
}
