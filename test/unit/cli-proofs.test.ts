import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit-code.ts";
import { runCli } from "../../src/cli/program.ts";
import type { StateProof } from "../../src/commitment/proof.ts";
import { type HttpServer, serveHttp } from "../../src/http/server.ts";
import { testHttp } from "./http-fixture.ts";

let dir: string;
let server: HttpServer;

beforeEach(async () => {
	dir = mkdtempSync(join(tmpdir(), "recant-cli-"));
	const log = { error: () => undefined };
	server = await serveHttp({ app: testHttp().app, host: "127.0.0.1", port: 0, log });
});
afterEach(async () => {
	await server.close(0);
	rmSync(dir, { recursive: true, force: true });
});

async function cli(...args: readonly string[]) {
	const out: string[] = [];
	const err: string[] = [];
	const code = await runCli(
		args,
		{ stdout: { write: (text) => out.push(text) }, stderr: { write: (text) => err.push(text) } },
		{ RECANT_URL: server.url },
	);
	return { code, stdout: out.join(""), stderr: err.join("") };
}

function inDir(name: string): string {
	return join(dir, name);
}

/** A proof of `fact:1`, in a file. */
async function provedFile(): Promise<{ readonly path: string; readonly proof: StateProof }> {
	const path = inDir("proof.json");
	await cli("proof", "fact:1", "--out", path);
	return { path, proof: JSON.parse(readFileSync(path, "utf8")) };
}

describe("recant proof", () => {
	it("writes a file that recant verify takes", async () => {
		const path = inDir("proof.json");
		const made = await cli("proof", "fact:1", "--namespace", "default", "--out", path);
		expect(made).toMatchObject({ code: EXIT.ok, stderr: "" });
		expect(made.stdout).toMatch(/^inclusion of "fact:1" in namespace "default": chain 31337/);
		expect(made.stdout).toContain(`recant verify ${path}`);
		expect((await cli("verify", path)).code).toBe(EXIT.ok);
	});

	it("writes the proof alone to stdout, and with --json the whole answer; verify takes both", async () => {
		for (const flags of [[], ["--json"]]) {
			const { stdout } = await cli("proof", "absent", ...flags);
			writeFileSync(inDir("out.json"), stdout);
			const checked = await cli("verify", inDir("out.json"));
			expect(checked).toMatchObject({ code: EXIT.ok });
			expect(checked.stdout).toContain('"absent" of namespace "default" was in no layer');
		}
	});

	it("refuses the pending slot, which has no root, and a file that cannot be written", async () => {
		const pending = await cli("proof", "fact:1", "--at", "pending");
		expect(pending).toMatchObject({ code: EXIT.usage });
		expect(pending.stderr).toContain("no root yet");
		const nowhere = await cli("proof", "fact:1", "--out", join(dir, "none", "proof.json"));
		expect(nowhere).toMatchObject({ code: EXIT.usage });
		expect(nowhere.stderr).toContain("cannot be written");
	});
});

describe("recant verify", () => {
	it("says what a proof shows, and that it does not show that the root is right", async () => {
		const { path, proof } = await provedFile();
		const { stdout } = await cli("verify", path);
		expect(stdout).toMatch(
			/^valid: the memory "fact:1" of namespace "default" was part of the state/,
		);
		expect(stdout).toContain(proof.stateRoot);
		expect(stdout).toContain("not shown: that this state root is the right one");
	});

	it("compares with what the reader trusts, and then has nothing to warn of", async () => {
		const { path, proof } = await provedFile();
		const upper = `0x${proof.stateRoot.slice(2).toUpperCase()}`;
		const right = await cli("verify", path, "--root", upper, "--block-hash", proof.blockHash);
		expect(right.code).toBe(EXIT.ok);
		expect(right.stdout.match(/the one that you named/g)).toHaveLength(2);
		expect(right.stdout).not.toContain("not shown");
		for (const flag of ["--root", "--block-hash"]) {
			const wrong = await cli("verify", path, flag, `0x${"9".repeat(64)}`);
			expect(wrong).toMatchObject({ code: EXIT.mismatch });
			expect(wrong.stdout).toMatch(/^invalid: untrusted: /);
		}
	});

	it.each([
		[
			"content",
			(proof: StateProof) => ({ ...proof, memory: { ...memoryOf(proof), owner: "handler" } }),
		],
		["key", (proof: StateProof) => ({ ...proof, id: "fact:2" })],
		["state_root", (proof: StateProof) => ({ ...proof, height: "21" })],
		["malformed", (proof: StateProof) => ({ ...proof, extra: 1 })],
		["malformed", () => 7],
		["malformed", () => null],
	])("names the part that fails: %s", async (fault, alter) => {
		const { path, proof } = await provedFile();
		writeFileSync(path, JSON.stringify(alter(proof)));
		const checked = await cli("verify", path);
		expect(checked).toMatchObject({ code: EXIT.mismatch, stderr: "" });
		expect(checked.stdout.startsWith(`invalid: ${fault}`)).toBe(true);
		const json = await cli("verify", path, "--json");
		expect(json.code).toBe(EXIT.mismatch);
		expect(JSON.parse(json.stdout)).toMatchObject({ valid: false, fault });
	});

	it("asks no service", async () => {
		const { path } = await provedFile();
		await server.close(0);
		expect((await cli("verify", path)).code).toBe(EXIT.ok);
	});

	it("tells a file that is no proof from one that cannot be read", async () => {
		writeFileSync(inDir("text"), "not JSON");
		expect((await cli("verify", inDir("text"))).stdout).toMatch(
			/^invalid: malformed: this is no JSON/,
		);
		writeFileSync(inDir("long"), Buffer.alloc(4_194_305, " "));
		expect(await cli("verify", inDir("long"))).toMatchObject({ code: EXIT.usage, stdout: "" });
		expect(await cli("verify", inDir("none"))).toMatchObject({ code: EXIT.usage, stdout: "" });
		expect(await cli("verify", dir)).toMatchObject({ code: EXIT.usage, stdout: "" });
	});

	it("shows control characters of a memory escaped", async () => {
		const { stdout } = await cli("proof", "\u001b[31mred");
		writeFileSync(inDir("red.json"), stdout);
		expect((await cli("verify", inDir("red.json"))).stdout).toContain("\\u001b[31mred");
	});
});

function memoryOf(proof: StateProof): object {
	if (proof.type === "inclusion") return proof.memory;
	throw new Error("no inclusion");
}

describe("recant compare", () => {
	it("says that two replicas are equal", async () => {
		const compared = await cli("compare", server.url);
		expect(compared).toMatchObject({ code: EXIT.ok, stderr: "" });
		expect(compared.stdout).toMatch(/^here: {2}chain 31337.*\nthere: chain 31337.*\nequal; /);
	});

	it("refuses what is no URL, and the pending slot", async () => {
		expect(await cli("compare", "elsewhere")).toMatchObject({ code: EXIT.usage });
		expect(await cli("compare", server.url, "--at", "pending")).toMatchObject({ code: EXIT.usage });
		expect(await cli("compare", "http://127.0.0.1:9")).toMatchObject({ code: EXIT.unreachable });
	});
});
