/** Recoveries over HTTP and on the command line. */
import { afterEach, describe, expect, test } from "vitest";
import { EXIT } from "../../src/cli/exit-code.ts";
import { runCli } from "../../src/cli/program.ts";
import { type HttpServer, serveHttp } from "../../src/http/server.ts";
import { readJson, testHttp } from "./http-fixture.ts";
import { RECOVERY } from "./http-fixture-recoveries.ts";

const PATH = "/v1/chains/anvil/recoveries";
const running: HttpServer[] = [];

afterEach(async () => {
	await Promise.all(running.splice(0).map((server) => server.close(0)));
});

describe("over HTTP", () => {
	test("what is possible is listed with what was done", async () => {
		const http = testHttp();
		const response = await http.get(`${PATH}?singleProvider=true`);
		expect(response.status).toBe(200);
		expect(await readJson(response)).toMatchObject({
			outlook: {
				attemptsLeft: 4,
				options: [
					{ kind: "accept", possible: true, plan: { from: { height: "7" }, operations: 4 } },
					{ kind: "import", possible: false, reason: "there is no verified snapshot" },
				],
			},
			items: [{ id: RECOVERY.id, evidence: { quorum: { needed: 2 } } }],
		});
		expect(http.last("recoveries")).toEqual([
			"anvil",
			{ limit: 20, cursor: undefined, singleProvider: true },
		]);
	});

	test("a dry run is answered at once, and one that is begun where it is to be found", async () => {
		const http = testHttp();
		const dry = await http.post(PATH, { kind: "accept", dryRun: true });
		expect(dry.status).toBe(200);
		expect(await readJson(dry)).toMatchObject({ dryRun: true, plan: { depthBlocks: 12 } });
		expect(http.calls.some(({ method }) => method === "recover")).toBe(false);
		const begun = await http.post(PATH, { kind: "import", snapshotId: RECOVERY.id });
		expect(begun.status).toBe(202);
		expect(begun.headers.get("location")).toBe(`/v1/chains/31337/recoveries/${RECOVERY.id}`);
		expect(http.last("recover")).toEqual([
			"anvil",
			"import",
			{ singleProvider: false, snapshotId: RECOVERY.id },
		]);
		expect((await http.get(`${PATH}/${RECOVERY.id}`)).status).toBe(200);
	});

	test.each([
		["of no kind", {}],
		["of a kind that is none", { kind: "guess" }],
		["of a snapshot that is none", { kind: "import", snapshotId: "newest" }],
		["with more than there is", { kind: "accept", force: true }],
	])("one %s is refused", async (_, body) => {
		const http = testHttp();
		expect((await http.post(PATH, body)).status).toBe(400);
		expect(http.last("recover")).toEqual([]);
	});
});

describe("recant recover", () => {
	async function served() {
		const http = testHttp();
		const log = { error: () => undefined };
		const server = await serveHttp({ app: http.app, host: "127.0.0.1", port: 0, log });
		running.push(server);
		const run = async (args: string) => {
			const said: string[] = [];
			const stream = { write: (text: string) => said.push(text) };
			const streams = { stdout: stream, stderr: stream };
			const code = await runCli(args.split(" "), streams, { RECANT_URL: server.url });
			return { code, said: said.join("") };
		};
		return { ...http, run };
	}

	test("lists what is possible, with the reason where it is not", async () => {
		const { run } = await served();
		const { code, said } = await run("recover anvil");
		expect(code).toBe(EXIT.halted);
		expect(said).toMatch(/halted: it forked \(fork_below_finality\)/);
		expect(said).toMatch(/accept: possible/);
		expect(said).toMatch(/import: not possible: there is no verified snapshot/);
		expect(said).toMatch(/blocks taken back: 12; memories that change: 30; .* judge again: 4/);
	});

	test("does nothing without --yes, and says what it would do with --dry-run", async () => {
		const { run, calls } = await served();
		expect((await run("recover anvil accept")).code).toBe(EXIT.usage);
		const { code, said } = await run("recover anvil accept --dry-run");
		expect(code).toBe(EXIT.ok);
		expect(said).toMatch(/rewind: what changed above the ancestor is set back/);
		expect(calls.some(({ method }) => method === "recover")).toBe(false);
		expect((await run("recover anvil guess --yes")).code).toBe(EXIT.usage);
	});

	test("does it, and ends by how it ended", async () => {
		const { run, last } = await served();
		const { code, said } = await run("recover anvil accept --yes --single-provider");
		expect(code).toBe(EXIT.ok);
		expect(said).toMatch(/recovery .* \(accept, attempt 1\): done/);
		expect(last("recover")).toEqual([
			"anvil",
			"accept",
			{ singleProvider: true, snapshotId: undefined },
		]);
	});
});
