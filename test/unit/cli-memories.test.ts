/** The verbs of memory, as the client and as commands: what each asks of the service. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit-code.ts";
import { runCli } from "../../src/cli/program.ts";
import { RecantClient } from "../../src/client/client.ts";
import { type HttpServer, serveHttp } from "../../src/http/server.ts";
import { HASH_A, type TestHttp, testHttp } from "./http-fixture.ts";

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

const PENDING = { at: { kind: "tag", tag: "pending" }, generation: undefined };
const HEIGHT = { at: { kind: "height", height: 7n }, generation: 2n };

/** The operation that was written last. */
function written() {
	return (http.last("write")[1] as { readonly operations: readonly unknown[] }).operations[0];
}

describe("the client's verbs on a namespace", () => {
	const notes = () => new RecantClient({ url: server.url }).on("anvil", "notes");

	it("add, update and delete write there", async () => {
		await notes().add("the sky is blue");
		expect(written()).toMatchObject({
			...{ kind: "put", namespace: "notes", layer: "semantic" },
			...{ content: {}, text: "the sky is blue" },
		});
		const anchor = { block: HASH_A } as const;
		await notes().add(
			{ id: "sky", layer: "episodic", content: { blue: true }, anchor },
			{ idempotencyKey: "once" },
		);
		expect(written()).toMatchObject({
			...{ kind: "put", namespace: "notes", id: "sky", layer: "episodic" },
			...{ content: { blue: true }, anchors: { mode: "all", anchors: [anchor] } },
		});
		expect(http.last("write")[1]).toMatchObject({ idempotencyKey: "once" });
		await notes().update("sky", { content: { blue: null }, text: "grey" });
		expect(written()).toMatchObject({
			...{ kind: "patch", namespace: "notes", id: "sky", content: { blue: null }, text: "grey" },
		});
		await notes().delete("sky", { ifVersion: 3n });
		expect(written()).toMatchObject({
			...{ kind: "delete", namespace: "notes", id: "sky", ifVersion: 3n },
		});
	});

	it("get, list, search and explain read there, at pending or at a coordinate", async () => {
		for (const [reads, at] of [
			[notes(), PENDING],
			[notes().at(7, 2), HEIGHT],
		] as const) {
			await reads.get("sky");
			expect(http.last("memory")[1]).toEqual({ id: "sky", namespace: "notes", at });
			await reads.list({ layer: "semantic" });
			expect(http.last("memories")[1]).toMatchObject({
				...{ namespace: "notes", layer: "semantic", at },
			});
			await reads.search("blue");
			expect(http.last("search")[1]).toMatchObject({ namespace: "notes", text: "blue", at });
			await reads.search({ text: "blue", minFinality: "safe", k: 3 });
			expect(http.last("search")[1]).toMatchObject({ minFinality: "safe", k: 3, at });
			await reads.explain("fact:1", { depth: 3 });
			const { method, args } = http.calls.at(-1) ?? { method: "none", args: [] };
			expect(method).toBe("explain");
			expect(args[1]).toMatchObject({ namespace: "notes", depth: 3, at });
			// A cursor pins its coordinate, so none is named beside it.
			await reads.list({ cursor: "next" });
			expect(http.last("memories")[1]).toMatchObject({ cursor: "next", at: PENDING });
		}
	});

	it("history and diff name ranges and coordinates", async () => {
		await notes().history("sky", { from: 3, to: 9n, generation: "1" });
		expect(http.last("history")[1]).toMatchObject({
			...{ id: "sky", namespace: "notes", range: { from: 3n, to: 9n, generation: 1n } },
		});
		await notes().diff({ from: HASH_A });
		expect(http.last("diff")[1]).toMatchObject({
			...{ namespace: "notes", from: { at: { kind: "hash", hash: HASH_A } }, to: PENDING },
		});
	});

	it("without a namespace, lists are of all and the rest of the default one", async () => {
		const all = new RecantClient({ url: server.url }).on("anvil");
		await all.list();
		expect(http.last("memories")[1]).toMatchObject({ namespace: undefined });
		await all.add("x");
		expect(written()).toMatchObject({ namespace: "default" });
	});
});

describe("the commands on one memory", () => {
	it("add, update and delete write what they are told, with what it rests on", async () => {
		const ground = ["--anchor-block", HASH_A, "--on-loss", "flag", "--namespace", "notes"];
		const added = await cli(
			"add",
			"the sky",
			"--content",
			'{"blue":true}',
			"--id",
			"sky",
			...ground,
		);
		expect(added.code, added.stderr).toBe(EXIT.ok);
		expect(written()).toMatchObject({
			...{ kind: "put", id: "sky", namespace: "notes", layer: "semantic", text: "the sky" },
			...{ content: { blue: true }, onLoss: "flag" },
			anchors: { mode: "all", anchors: [{ block: HASH_A }] },
		});
		await cli("update", "sky", "--content", '{"blue":null}', "--confidence", "0.5");
		expect(written()).toMatchObject({
			...{ kind: "patch", id: "sky", content: { blue: null }, confidence: 0.5 },
		});
		await cli("delete", "sky", "--if-version", "3", "--key", "once");
		expect(written()).toMatchObject({ kind: "delete", id: "sky", ifVersion: 3n });
		expect(http.last("write")[1]).toMatchObject({ idempotencyKey: "once" });
	});

	it("are refused for what is no JSON object, no layer, and two anchors", async () => {
		for (const args of [
			["add", "--content", "[1]"],
			["add", "--content", "{"],
			["add", "x", "--layer", "middle"],
			["update", "sky", "--confidence", "2"],
			["delete", "sky", "--anchor-block", HASH_A, "--anchor-transaction", HASH_A],
		]) {
			expect((await cli(...args)).code, args.join(" ")).toBe(EXIT.usage);
		}
		expect(http.calls.filter(({ method }) => method === "write")).toEqual([]);
	});

	it("get and list read at a coordinate, history in a range", async () => {
		const { stdout } = await cli("get", "fact:1", "--at", "7", "--generation", "2");
		expect(http.last("memory")[1]).toMatchObject({ id: "fact:1", at: HEIGHT });
		expect(stdout).toContain('"answer": 42');
		await cli("list", "--at", "7", "--layer", "semantic");
		expect(http.last("memories")[1]).toMatchObject({ layer: "semantic" });
		const history = await cli("history", "fact:1", "--from", "3", "--to", "9", "--generation", "1");
		expect(history.code, history.stderr).toBe(EXIT.ok);
		expect(http.last("history")[1]).toMatchObject({
			range: { from: 3n, to: 9n, generation: 1n },
		});
		expect((await cli("history", "fact:1", "--from", "latest")).code).toBe(EXIT.usage);
	});
});
