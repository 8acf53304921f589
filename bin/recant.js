#!/usr/bin/env node
/**
 * The command `recant`: runs the sources in a clone, where chains/*.ts import them too, and the built
 * program in the published package, since Node runs no TypeScript below node_modules.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { availableParallelism, constants } from "node:os";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";

const BUILT = new URL("../dist/cli/recant.js", import.meta.url);
const SOURCE = new URL("../src/cli/recant.ts", import.meta.url);
/** The Node that a clone's packages bring along. */
const OWN_NODE = fileURLToPath(
	new URL(
		`../node_modules/node/bin/${process.platform === "win32" ? "node.exe" : "node"}`,
		import.meta.url,
	),
);
const HEAP_GROWTH = "--heap-growing-percent=80";
const YOUNG_GENERATION = "--max-semi-space-size=8";

const entry = existsSync(SOURCE) ? SOURCE : BUILT;
if (isNewEnough()) {
	// What was compiled once, and stripped of its types, is read the next time: half the time of a start.
	module.enableCompileCache?.(
		fileURLToPath(new URL("../node_modules/.cache/compiled", import.meta.url)),
	);
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
 * A service takes its memory sparingly (measured, docs/PERFORMANCE.md). V8 collects when its heap has grown by four
 * fifths, where it would let it grow to several times what lives in it, and its young generation is at most three
 * times 8 MiB. glibc has as many arenas as there are cores: LanceDB allocates on many threads, and what is freed
 * in one of its default of eight arenas a core is kept for that one. The last two can only be said before a
 * process begins, so it begins again as itself. What the environment or the command line says stays.
 */
function holdMemoryTogether() {
	if (process.argv[2] !== "start") return;
	for (const flag of unsaid([HEAP_GROWTH])) setFlagsFromString(flag);
	const flags = unsaid([YOUNG_GENERATION]);
	const lacksArenas = process.platform === "linux" && process.env.MALLOC_ARENA_MAX === undefined;
	if (process.connected === true || (flags.length === 0 && !lacksArenas)) return;
	const args = [...flags, ...process.execArgv, ...process.argv.slice(1)];
	process.execve?.(process.execPath, [process.execPath, ...args], withArenas());
}

function unsaid(flags) {
	const said = [...process.execArgv, process.env.NODE_OPTIONS ?? ""].join(" ").replaceAll("_", "-");
	return flags.filter((flag) => !said.includes(flag.slice(0, flag.indexOf("="))));
}

function withArenas() {
	return { MALLOC_ARENA_MAX: `${Math.max(2, availableParallelism())}`, ...process.env };
}

/** Ends as the program ends, by code or by signal. */
function runOn(node) {
	const flags = process.argv[2] === "start" ? unsaid([HEAP_GROWTH, YOUNG_GENERATION]) : [];
	const args = [...flags, fileURLToPath(entry), ...process.argv.slice(2)];
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
