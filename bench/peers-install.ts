/** The packages of bench/peers/, which are Recant's only while it is measured beside them. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ToolError } from "../scripts/support/tool-error.ts";

export const PEERS = fileURLToPath(new URL("peers/", import.meta.url));

/** Apart from each other, since two versions of one library would get into each other's way. */
const APPS = ["ponder", "ponder-websocket"];
/** What npm writes last, so that an install that was interrupted counts as none. */
const RECORD = "node_modules/.package-lock.json";

/** Installs what is missing, or not of the version that the lockfile names; says so before. */
export function installPeers(say: (what: string) => void): void {
	for (const app of APPS) {
		const folder = join(PEERS, app);
		if (isInstalled(folder)) continue;
		say(`installing bench/peers/${app} by npm ci, which takes a minute`);
		install(folder);
	}
}

function install(cwd: string): void {
	const folders = (process.env["PATH"] ?? "").split(delimiter);
	// npm belongs to the system's Node, and is not run on the one in node_modules.
	const PATH = folders.filter((folder) => !folder.includes("node_modules")).join(delimiter);
	const { status, output } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
		cwd,
		env: { ...process.env, PATH },
		encoding: "utf8",
		shell: process.platform === "win32",
	});
	if (status === 0) return;
	throw new ToolError("process_failed", {
		message: `npm ci in ${cwd} failed: ${output.join("").trim().slice(0, 2_000)}`,
		hint: "is the package registry reachable?",
	});
}

function isInstalled(folder: string): boolean {
	if (!existsSync(join(folder, RECORD))) return false;
	const installed = packagesIn(join(folder, RECORD));
	return Object.entries(packagesIn(join(folder, "package-lock.json"))).every(
		([path, { version, optional }]) =>
			path === "" || optional === true || installed[path]?.version === version,
	);
}

interface Package {
	readonly version?: string;
	readonly optional?: boolean;
}

function packagesIn(file: string): Readonly<Record<string, Package>> {
	return JSON.parse(readFileSync(file, "utf8")).packages;
}
