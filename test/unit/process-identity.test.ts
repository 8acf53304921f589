import { spawn } from "node:child_process";
import { once } from "node:events";
import { hostname } from "node:os";
import { expect, test } from "vitest";
import { isGone, processName } from "../../src/config/process-identity.ts";

test("a process that runs is not gone", () => {
	expect(isGone(processName())).toBe(false);
	expect(isGone(`${hostname()}:${process.ppid}:x`)).toBe(false);
});

test("a process that ended is gone", async () => {
	const child = spawn("true");
	await once(child, "exit");
	expect(isGone(`${hostname()}:${child.pid}:x`)).toBe(true);
});

test("a process that waits to be collected is gone", async () => {
	// The shell leaves its first child uncollected and becomes `sleep`, which never collects it.
	const parent = spawn("sh", ["-c", "true & echo $!; exec sleep 30"]);
	try {
		const [said] = (await once(parent.stdout, "data")) as [Buffer];
		const pid = said.toString().trim();
		await expect.poll(() => isGone(`${hostname()}:${pid}:x`), { timeout: 5_000 }).toBe(true);
	} finally {
		parent.kill("SIGKILL");
	}
});

test("nothing is known of another host, nor of a name that is none", () => {
	expect(isGone("elsewhere:1:x")).toBe(false);
	expect(isGone(`${hostname()}:none:x`)).toBe(false);
	expect(isGone("")).toBe(false);
});
