import { afterEach, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit-code.ts";
import { runCli } from "../../src/cli/program.ts";
import { type HttpServer, serveHttp } from "../../src/http/server.ts";
import type { PartialAnswer } from "../../src/service/restoring/partial-restore-service.ts";
import { HASH_A, type TestHttp, testHttp } from "./http-fixture.ts";

interface ServedCli extends TestHttp {
	run(args: string): Promise<{ readonly code: number; readonly out: string; readonly err: string }>;
}

const running: HttpServer[] = [];

afterEach(async () => {
	await Promise.all(running.splice(0).map((server) => server.close(0)));
});

async function served(restores: Partial<PartialAnswer> = {}): Promise<ServedCli> {
	const http = testHttp({ restores });
	const log = { error: () => undefined };
	const server = await serveHttp({ app: http.app, host: "127.0.0.1", port: 0, log });
	running.push(server);
	const run = async (args: string) => {
		const [out, err]: [string[], string[]] = [[], []];
		const code = await runCli(
			args.split(" "),
			{ stdout: { write: (text) => out.push(text) }, stderr: { write: (text) => err.push(text) } },
			{ RECANT_URL: server.url },
		);
		return { code, out: out.join(""), err: err.join("") };
	};
	return { ...http, run };
}

describe("recant restore", () => {
	it("shows what it would do, and does it with --apply alone", async () => {
		const { run, last } = await served();
		const dry = await run("restore --to 5 --namespace a b --layer semantic --layer episodic");
		expect(dry.code).toBe(EXIT.ok);
		expect(dry.out).toContain("semantic → episodic");
		expect(dry.out).toContain("handler_owned");
		expect(dry.out).toContain("add 0, change 1, remove 0, skip 1; operations: 1");
		expect(dry.out).toContain("nothing was written; add --apply");
		expect(last("restore").slice(1)).toEqual([
			{
				to: { at: { kind: "height", height: 5n }, generation: undefined },
				selection: {
					namespaces: ["a", "b"],
					layers: ["semantic", "episodic"],
					collections: undefined,
				},
			},
			{ dryRun: true },
		]);
		const done = await run(`restore --to ${HASH_A} --generation 2 --collection c --apply --key k`);
		expect(done.code).toBe(EXIT.ok);
		expect(done.out).toContain("applied 1, failed 0, waiting 0");
		expect(last("restore").slice(1)).toEqual([
			{
				to: { at: { kind: "hash", hash: HASH_A }, generation: 2n },
				selection: { namespaces: undefined, layers: undefined, collections: ["c"] },
			},
			{ dryRun: false, idempotencyKey: "k", caller: "" },
		]);
	});

	it("ends with 1 when an operation failed, and names it", async () => {
		const failure = {
			operationId: "0b0e7a3a-64c5-4d3a-9df5-7f1f4d2b6c01" as never,
			kind: "put",
			namespace: "default",
			id: "fact:\u001b1",
			status: "refused",
			reason: { code: "version_conflict", message: "it has version 4, not 3" },
			position: 13n,
			originalSlot: 21n,
			effectiveSlot: undefined,
			versionId: undefined,
			anchor: undefined,
			anchors: undefined,
			derivedFrom: undefined,
			onLoss: "recant",
			suspect: false,
			final: false,
		} as const;
		const outcome = { applied: 0, failed: 1, waiting: 0, truncated: false };
		const { run } = await served({
			outcome: { ...outcome, operations: [failure], failures: [failure] },
		});
		const { code, out } = await run("restore --to 5 --namespace a --apply");
		expect(code).toBe(EXIT.failed);
		expect(out).toContain(
			"refused default fact:\\u001b1: it has version 4, not 3 (version_conflict)",
		);
	});

	it("says how to ask again for what waits", async () => {
		const outcome = { applied: 0, failed: 0, waiting: 1, truncated: false };
		const { run } = await served({
			committed: false,
			at: undefined,
			outcome: { ...outcome, operations: [], failures: [] },
		});
		const { out } = await run("restore --to 5 --namespace a --apply");
		expect(out).toContain("ask again with --key restore-1");
	});

	it("is one document with --json", async () => {
		const { run } = await served();
		expect(JSON.parse((await run("restore --to 5 --namespace a --json")).out)).toMatchObject({
			dryRun: true,
			plan: { counts: { change: 1 } },
		});
	});
});

describe("recant merge", () => {
	it.each([
		["latest", { kind: "latest" }],
		["theirs", { kind: "source", side: "theirs" }],
		["ours", { kind: "source", side: "ours" }],
		["function:both", { kind: "function", name: "both" }],
		[
			"field --field a=theirs --field b=c=latest --otherwise theirs",
			{ kind: "field", fields: { a: "theirs", "b=c": "latest" }, otherwise: "theirs" },
		],
		["field --field a=theirs b=ours", { kind: "field", fields: { a: "theirs", b: "ours" } }],
	])("by the rule %s", async (flags, rule) => {
		const { run, last } = await served();
		const { code, out } = await run(`merge --theirs ${HASH_A} --rule ${flags}`);
		expect(code).toBe(EXIT.ok);
		expect(out).toContain("nothing was written; add --apply to write it");
		expect(last("merge")[1]).toMatchObject({
			ours: { at: { kind: "tag", tag: "pending" } },
			theirs: { at: { kind: "hash", hash: HASH_A } },
			rule,
		});
		expect(last("merge")[2]).toEqual({ dryRun: true });
	});

	it.each([
		"merge --rule latest",
		"merge --theirs 5",
		"merge --theirs 5 --rule oldest",
		"merge --theirs 5 --rule latest --otherwise ours",
		"merge --theirs 5 --rule latest --field a=ours",
		"merge --theirs 5 --rule field --field a=mine",
		"merge --theirs 5 --rule field --field =ours",
		"merge --theirs 5 --rule latest --layer deep",
		"restore --namespace a",
		"restore --to soon --namespace a",
	])("`%s` is wrong usage, without a request", async (args) => {
		const { run, calls } = await served();
		const { code, err } = await run(args);
		expect(code).toBe(EXIT.usage);
		expect(err).toMatch(/^error: /);
		expect(calls.filter(({ method }) => method === "merge" || method === "restore")).toEqual([]);
	});
});
