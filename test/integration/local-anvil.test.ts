/** The Anvil that a service starts for those who have no node: with it, after it, and beside another. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../../scripts/support/free-port.ts";
import { isRunning, waitForExit } from "../../src/resilience/running-process.ts";
import { type LocalAnvil, startLocalAnvil } from "../../src/rpc/local-anvil.ts";
import { testDir } from "../support/temp-dir.ts";

const MODULE = fileURLToPath(new URL("../../src/rpc/local-anvil.ts", import.meta.url));
const TIMEOUT_MS = 60_000;
const ENDED_MS = 10_000;

let folder: string;
let url: string;
/** Every Anvil that a test started, ended with it. */
let started: Set<number>;
/** Of a service that was killed. */
let deadPid: number;

beforeEach(async () => {
	folder = testDir("local-anvil");
	url = `http://127.0.0.1:${await freePort()}`;
	started = new Set();
});
afterEach(async () => {
	for (const pid of started) if (await isRunning(pid)) process.kill(pid, "SIGKILL");
});

function pidOf(): number {
	const pid = Number(readFileSync(join(folder, "anvil.pid"), "utf8").split("\n")[0]);
	started.add(pid);
	return pid;
}

/** As if `service`, which has ended unless said otherwise, had started that process. */
function claim(pid: number | undefined, service = deadPid): void {
	writeFileSync(join(folder, "anvil.pid"), `${pid}\n${service}\n`);
}

const start = (): Promise<LocalAnvil | undefined> =>
	startLocalAnvil({ url, chainId: 31_337, folder });

/** Starts one in a process of its own, and kills that. */
async function startAndDie(): Promise<number> {
	const options = JSON.stringify({ url, chainId: 31_337, folder });
	const script = `import { startLocalAnvil } from ${JSON.stringify(MODULE)};
		await startLocalAnvil(${options});
		process.kill(process.pid, "SIGKILL");`;
	const service = spawn(process.execPath, ["--input-type=module", "-e", script], {
		stdio: "inherit",
	});
	expect(await once(service, "exit")).toEqual([null, "SIGKILL"]);
	deadPid = Number(service.pid);
	return pidOf();
}

async function rpc(method: string, params: readonly unknown[] = []): Promise<unknown> {
	const response = await fetch(url, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
	});
	return ((await response.json()) as { readonly result: unknown }).result;
}

test("ends with its service, and keeps its chain", { timeout: TIMEOUT_MS }, async () => {
	const first = await start();
	const pid = pidOf();
	await rpc("anvil_mine", ["0x3"]);
	const head = await rpc("eth_getBlockByNumber", ["0x3", false]);
	await first?.stop();
	expect(await isRunning(pid)).toBe(false);
	const second = await start();
	expect(pidOf()).not.toBe(pid);
	expect(await rpc("eth_getBlockByNumber", ["0x3", false])).toEqual(head);
	await second?.stop();
});

test("one that a killed service left behind ends with the next", {
	timeout: TIMEOUT_MS,
}, async () => {
	const pid = await startAndDie();
	expect(await isRunning(pid)).toBe(true);
	const next = await start();
	expect(await rpc("eth_chainId")).toBe("0x7a69");
	expect(pidOf()).toBe(pid);
	await next?.stop();
	expect(await waitForExit(pid, ENDED_MS)).toBe(true);
});

test("a node that is another's is used and never ended", { timeout: TIMEOUT_MS }, async () => {
	const pid = await startAndDie();
	const theirs = folder;
	folder = testDir("local-anvil-other");
	expect(await start()).toBeUndefined();
	// Nor when its pid stands where ours would: it works in another folder.
	claim(pid);
	expect(await start()).toBeUndefined();
	// Nor another program that works in ours.
	folder = theirs;
	const other = spawn("sleep", ["60"], { cwd: folder, stdio: "ignore" });
	await once(other, "spawn");
	claim(other.pid);
	started.add(Number(other.pid));
	expect(await start()).toBeUndefined();
	expect(await isRunning(pid)).toBe(true);
});

test("one whose service lives is used and left to it", { timeout: TIMEOUT_MS }, async () => {
	const first = await start();
	const pid = pidOf();
	expect(await start()).toBeUndefined();
	expect(await isRunning(pid)).toBe(true);
	await first?.stop();
	expect(await isRunning(pid)).toBe(false);
});

test("one that was taken over ends with the last who did", { timeout: TIMEOUT_MS }, async () => {
	const pid = await startAndDie();
	expect(await startAndDie()).toBe(pid);
	const next = await start();
	expect(await start()).toBeUndefined();
	await next?.stop();
	expect(await isRunning(pid)).toBe(false);
});

test("a left-behind one that has ended meanwhile is no reason to end anything", {
	timeout: TIMEOUT_MS,
}, async () => {
	const pid = await startAndDie();
	const next = await start();
	process.kill(pid, "SIGTERM");
	expect(await waitForExit(pid, ENDED_MS)).toBe(true);
	// Another service has one of its own there by now, or the pid is another program's.
	const theirs = await startAndDie();
	await next?.stop();
	expect(await isRunning(theirs)).toBe(true);
	claim(process.pid, process.pid);
	await next?.stop();
	expect(await isRunning(process.pid)).toBe(true);
});
