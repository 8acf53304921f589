/** Gets redis-server onto the machine with the system's own package manager. */
import { spawnSync } from "node:child_process";
import { findRedisServer, redisMissing } from "./redis-server.ts";

/** A slow mirror takes minutes; a package manager that waits for an answer waits for ever. */
const INSTALL_TIMEOUT_MS = 300_000;

interface PackageManager {
	readonly command: string;
	/** Run in this order, each with the command in front. */
	readonly steps: readonly (readonly string[])[];
	/** Homebrew refuses to run as root and needs no rights. */
	readonly needsRoot: boolean;
}

const PACKAGE_MANAGERS: readonly PackageManager[] = [
	{
		command: "apt-get",
		// A fresh image has no package lists, so an install without an update finds nothing.
		steps: [["update"], ["install", "-y", "--no-install-recommends", "redis-server"]],
		needsRoot: true,
	},
	{ command: "apk", steps: [["add", "--no-cache", "redis"]], needsRoot: true },
	{ command: "dnf", steps: [["install", "-y", "redis"]], needsRoot: true },
	{ command: "brew", steps: [["install", "redis"]], needsRoot: false },
];

/**
 * Makes sure that the tests have Redis: REDIS_URL, else redis-server on the PATH, else installs it.
 * Throws ToolError `redis_missing`, which names what was tried.
 */
export function ensureRedis(): void {
	const given = process.env["REDIS_URL"];
	if (given !== undefined && given !== "") return;
	if (findRedisServer() !== undefined) return;
	const manager = PACKAGE_MANAGERS.find(({ command }) => runs(command, ["--version"]));
	if (manager === undefined) throw redisMissing("no package manager that is known was found");
	for (const step of manager.steps) install(manager, step);
	if (findRedisServer() === undefined) {
		throw redisMissing(`${manager.command} installed it, but redis-server is not on the PATH`);
	}
}

function install(manager: PackageManager, step: readonly string[]): void {
	const isRoot = process.getuid?.() === 0;
	// -n: a test run must not stop to ask for a password.
	const prefix = manager.needsRoot && !isRoot ? ["sudo", "-n"] : [];
	const [command = manager.command, ...args] = [...prefix, manager.command, ...step];
	const line = [command, ...args].join(" ");
	console.log(`redis-server is missing: ${line}`);
	const result = spawnSync(command, args, {
		encoding: "utf8",
		timeout: INSTALL_TIMEOUT_MS,
		stdio: ["ignore", "pipe", "pipe"],
		env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
	});
	if (result.status === 0) return;
	const why = result.error?.message ?? result.stderr.trim().split("\n").slice(-3).join("; ");
	throw redisMissing(`«${line}» failed: ${why}`);
}

function runs(command: string, args: readonly string[]): boolean {
	return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}
