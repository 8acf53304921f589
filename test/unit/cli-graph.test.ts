import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit-code.ts";
import { runCli } from "../../src/cli/program.ts";
import { drawTree } from "../../src/cli/tree-drawing.ts";
import { type HttpServer, serveHttp } from "../../src/http/server.ts";
import { type TestHttp, testHttp } from "./http-fixture.ts";

let http: TestHttp;
let server: HttpServer;

beforeEach(async () => {
	http = testHttp();
	server = await serveHttp({
		app: http.app,
		host: "127.0.0.1",
		port: 0,
		log: { error: () => undefined },
	});
});
afterEach(async () => {
	await server.close(0);
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

describe("drawTree", () => {
	it("draws what is below something under it", () => {
		const leaf = (text: string) => ({ text, branches: [] });
		const tree = [{ text: "a", branches: [leaf("b"), leaf("c")] }, leaf("d")];
		expect(drawTree(tree)).toEqual(["├─ a", "│  ├─ b", "│  └─ c", "└─ d"]);
	});
});

describe("recant explain", () => {
	it("tells the story with trees of sources and of what rests on it", async () => {
		const { code, stdout } = await cli("explain", "fact:1", "--at", "7");
		expect(code).toBe(EXIT.ok);
		expect(http.calls.at(-1)?.args[1]).toMatchObject({
			id: "fact:1",
			at: { at: { kind: "height", height: 7n } },
		});
		const lines = stdout.split("\n");
		const from = (title: string) => lines.slice(lines.indexOf(title) + 1);
		expect(lines.slice(1, 4)).toEqual([
			"fact:1 in default",
			'├─ says {"answer":42}',
			"├─ semantic, written by an agent, since height 0",
		]);
		expect(from("Rests on").slice(0, 7)).toEqual([
			"├─ all of",
			'│  ├─ ✓ default/cause since 0  {"answer":42}',
			'│  │  └─ ✗ lost default/shared  {"answer":42}',
			expect.stringMatching(/^│ {2}│ {5}└─ hidden default\/secret {2}0xa+$/),
			'│  └─ ✗ lost default/shared  {"answer":42}  (see above)',
			"└─ or all of",
			expect.stringMatching(/^ {3}└─ hidden default\/secret/),
		]);
		expect(from("What rests on it").slice(0, 2)).toEqual([
			'└─ default/guess visible  {"answer":42}',
			"   └─ default/plan suspended  ",
		]);
		expect(stdout).toContain("brought it back: reorg from 8 to 4, generation 1");
		expect(stdout).toContain("suspended in generation 1, judged at 12: its block is gone");
		expect(stdout).toContain("only the first are told of: history");
	});

	it("is one JSON document with --json", async () => {
		const { stdout } = await cli("--json", "explain", "fact:1");
		expect(JSON.parse(stdout)).toMatchObject({ id: "fact:1", finality: "safe" });
	});
});

describe("walks", () => {
	it("are drawn as trees", async () => {
		const { stdout } = await cli("ancestors", "fact:1", "--type", "isA", "knows", "--depth", "3");
		expect(http.calls.at(-1)?.args).toMatchObject([
			"31337",
			"ancestors",
			{ types: ["isA", "knows"], depth: 3 },
		]);
		expect(stdout.split("\n").slice(1)).toEqual([
			"fact:1",
			'├─ isA 1  default/cat  {"answer":42}',
			'│  └─ isA 1  default/animal  {"answer":42}',
			'└─ isA 1  default/pet  {"answer":42}',
			"there is more: further links follow; see --depth",
			"",
		]);
	});

	it("along causes take no types", async () => {
		expect((await cli("causes", "fact:1", "--type", "isA")).code).toBe(EXIT.usage);
		expect((await cli("consequences", "fact:1")).code).toBe(EXIT.ok);
	});
});

describe("recant links and episodes", () => {
	it("show a table, and how to go on", async () => {
		const { stdout } = await cli("links", "fact:1", "--direction", "out");
		expect(stdout).toContain("isA");
		expect(stdout).toContain("more: --cursor next");
	});

	it("take times as dates", async () => {
		const { stdout } = await cli("episodes", "--from-time", "2023-11-14T22:13:20Z", "--newest");
		expect(http.calls.at(-1)?.args[1]).toMatchObject({ fromTime: 1_700_000_000n, order: "desc" });
		expect(stdout).toContain("2023-11-14T22:13:20.000Z");
		expect((await cli("episodes", "--to-time", "yesterday")).code).toBe(EXIT.usage);
	});
});

describe("recant diff", () => {
	it("names both coordinates and what differs", async () => {
		const { code, stdout } = await cli("diff", "7", "latest", "--from-generation", "2");
		expect(code).toBe(EXIT.ok);
		expect(http.calls.at(-1)).toMatchObject({
			method: "diff",
			args: [
				"31337",
				{
					from: { at: { kind: "height", height: 7n }, generation: 2n },
					to: { at: { kind: "tag", tag: "latest" } },
				},
			],
		});
		expect(stdout).toMatch(/^from: chain 31337.*\nto: {3}chain 31337/);
		expect((await cli("diff", "yesterday")).code).toBe(EXIT.usage);
	});
});
