/**
 * `node scripts/bootstrap.mjs <task> [arguments]`: what `npm run demo`, `npm test` and `npm start`
 * begin with, so that a fresh clone needs nothing but Node 20 and npm.
 *
 * 1. Installs the packages of package-lock.json if they are not the ones that are installed.
 * 2. Runs the task on the Node that they bring along, which is newer than the system's may be.
 *
 * Plain JavaScript without imports from node_modules: at the start there is none.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OWN_NODE = join(
	ROOT,
	"node_modules/node/bin",
	process.platform === "win32" ? "node.exe" : "node",
);

/** What runs on the newer Node; `install` runs nothing more. */
const TASKS = new Map([
	["install", []],
	["demo", ["scripts/demo.ts"]],
	["test", ["scripts/test.ts"]],
	["start", ["bin/recant.js", "start"]],
]);

/** What went wrong stands in the first lines that npm says, before its usage. */
const ERROR_LINES = 15;
/** How soon after npm the task ends, when npm is killed. */
const PARENT_WATCH_MS = 250;

const [task = "", ...given] = process.argv.slice(2);
const entry = TASKS.get(task);
if (entry === undefined) fail(`no task is named «${task}»`, [...TASKS.keys()].join(", "));
if (Number.parseInt(process.versions.node, 10) < 20) {
	fail(`Node ${process.versions.node} is too old to begin with`, "install Node 20 or later");
}
const stale = staleness();
if (stale !== undefined) install(stale);
if (entry.length > 0) run([...entry, ...given]);

/**
 * Why node_modules is not what package-lock.json says; undefined: it is. Compares contents, not
 * times, since a checkout sets times anew. npm writes its own record last, so an install that was
 * interrupted has none.
 */
function staleness() {
	const record = join(ROOT, "node_modules/.package-lock.json");
	if (!existsSync(record)) return "packages are not installed";
	const installed = readPackages(record);
	for (const [path, wanted] of Object.entries(readPackages(join(ROOT, "package-lock.json")))) {
		if (path === "") continue;
		const found = installed[path];
		// Packages for other platforms are in the lockfile and never installed.
		if (found === undefined && wanted.optional === true) continue;
		if (found?.version !== wanted.version || found.integrity !== wanted.integrity) {
			return "package-lock.json has changed";
		}
	}
	return existsSync(OWN_NODE) ? undefined : "the Node of the packages is missing";
}

function readPackages(file) {
	return JSON.parse(readFileSync(file, "utf8")).packages;
}

function install(reason) {
	const begun = Date.now();
	console.error(`recant: ${reason}; running npm ci, which takes a minute or two`);
	const { status, error, output } = spawnSync(
		"npm",
		["ci", "--no-audit", "--no-fund", "--loglevel=error"],
		{
			cwd: ROOT,
			env: { ...process.env, PATH: pathWithoutPackages() },
			encoding: "utf8",
			maxBuffer: 64 * 1024 * 1024,
			// npm is a script file on Windows.
			shell: process.platform === "win32",
		},
	);
	if (status !== 0) {
		const said =
			error?.message ?? output.join("").trim().split("\n").slice(0, ERROR_LINES).join("\n");
		fail(`npm ci failed:\n${said}`, "is the package registry reachable, and the lockfile whole?");
	}
	if (!existsSync(OWN_NODE)) {
		fail(
			"npm ci brought no Node along",
			"its install script did not run: see «npm config get ignore-scripts», or run npm rebuild node",
		);
	}
	console.error(`recant: installed in ${Math.round((Date.now() - begun) / 1000)} s`);
}

/** npm ci deletes node_modules: it must not run on the Node that lies in there. */
function pathWithoutPackages() {
	const folders = (process.env.PATH ?? "").split(delimiter);
	return folders.filter((folder) => !folder.includes("node_modules")).join(delimiter);
}

/** Runs until the task ends, and then ends the same way, by code or by signal. */
function run(args) {
	const child = spawn(OWN_NODE, args, { cwd: ROOT, stdio: "inherit" });
	const watch = endWithParent(child);
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
		process.on(signal, () => {
			// A second signal may mean «at once» to the task, so it never gets one too many.
			clearInterval(watch);
			// A terminal sends its Ctrl-C to the task as well.
			if (signal !== "SIGINT" || process.stdin.isTTY !== true) child.kill(signal);
		});
	}
	child.once("error", (error) => fail(`${OWN_NODE} cannot run: ${error.message}`, "run npm ci"));
	child.once("exit", (code, signal) => {
		process.exit(signal === null ? (code ?? 1) : 128 + constants.signals[signal]);
	});
}

/** An npm that is killed outright can pass no signal on; the task must not go on without it. */
function endWithParent(child) {
	if (process.env.npm_lifecycle_event === undefined) return undefined;
	const parent = process.ppid;
	const watch = setInterval(() => {
		if (process.ppid === parent) return;
		clearInterval(watch);
		child.kill("SIGTERM");
	}, PARENT_WATCH_MS);
	return watch;
}

function fail(message, hint) {
	console.error(`recant: ${message}\nhint: ${hint}`);
	process.exit(1);
}
