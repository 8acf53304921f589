#!/usr/bin/env node
/**
 * The command `recant`: runs the sources in a clone, where chains/*.ts import them too, and the built
 * program in the published package, since Node runs no TypeScript below node_modules.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
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
if (isNewEnough()) await import(entry.href);
else if (existsSync(OWN_NODE)) runOn(OWN_NODE);
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

/** Ends as the program ends, by code or by signal. */
function runOn(node) {
	const args = [fileURLToPath(entry), ...process.argv.slice(2)];
	const child = spawn(node, args, { stdio: "inherit" });
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
