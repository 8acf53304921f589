import { describe, expect, it } from "vitest";
import type { OneMemoryAnswer, RollbackAnswer } from "../../src/client/answers.ts";
import { FatalError, RetryableError } from "../../src/domain/errors.ts";
import { ROLLBACK_ORDERS } from "../../src/service/rollback-view.ts";
import { AT, MEMORY, ROLLBACK, readJson, testHttp, UUID } from "./http-fixture.ts";

describe("answers", () => {
	it("hold decimal strings, ISO dates, and leave out what has no value", async () => {
		const http = testHttp();
		const rollback = await readJson<RollbackAnswer>(
			await http.get(`/v1/chains/anvil/rollbacks/${UUID}`),
		);
		expect(rollback.ancestor.height).toBe("0");
		expect(rollback.createdAt).toBe("1970-01-01T00:00:00.000Z");
		expect(rollback).not.toHaveProperty("finishedAt");
		expect(rollback.progress).toEqual({ done: 1, total: 4 });
	});

	it("that read state carry the coordinate, exact beyond 2^53", async () => {
		const answer = await readJson<OneMemoryAnswer>(
			await testHttp().get("/v1/chains/anvil/memories/fact:1"),
		);
		expect(answer.at).toEqual({
			chain: 31_337,
			height: "9007199254740993",
			generation: "0",
			logPosition: "12",
			pending: true,
		});
		expect(answer.memory.content).toEqual({ answer: 42 });
	});

	it("keep content as it is, even keys that name a prototype", async () => {
		const content = JSON.parse('{"__proto__":{"a":1},"b":null}');
		const memory = async () => ({ at: AT, memory: { ...MEMORY, content } });
		const http = testHttp({ overrides: { memory } });
		const text = await (await http.get("/v1/chains/anvil/memories/x")).text();
		expect(text).toContain('"content":{"__proto__":{"a":1},"b":null}');
	});

	it("are not cached nor sniffed", async () => {
		const { headers } = await testHttp().get("/v1/status");
		expect(headers.get("cache-control")).toBe("no-store");
		expect(headers.get("x-content-type-options")).toBe("nosniff");
	});
});

describe("a memory's id in a path", () => {
	it.each([
		"fact:1",
		"a/b",
		"a%2Fb",
		"100%",
		"?#&",
		"naïve ☃",
		"a b",
		"../x",
		"history",
		"a/history",
	])("may be %s", async (id) => {
		const http = testHttp();
		const path = `/v1/chains/anvil/memories/${encodeURIComponent(id)}`;
		expect((await http.get(`${path}?namespace=ledger`)).status).toBe(200);
		expect(http.last("memory")[1]).toMatchObject({ id, namespace: "ledger" });
		expect((await http.get(`${path}/history`)).status).toBe(200);
		expect(http.last("history")[1]).toMatchObject({ id, namespace: "default" });
	});

	it("may hold a colon as it is", async () => {
		const http = testHttp();
		await http.get("/v1/chains/anvil/memories/holder:0xabc:0xdef");
		expect(http.last("memory")[1]).toMatchObject({ id: "holder:0xabc:0xdef" });
	});

	it("may not hold NUL", async () => {
		expect((await testHttp().get("/v1/chains/anvil/memories/a%00b")).status).toBe(400);
	});
});

describe("a rollback by hand", () => {
	it("tells what it would do", async () => {
		const http = testHttp();
		const response = await http.post("/v1/chains/anvil/rollbacks", { toBlock: 0, dryRun: true });
		expect(response.status).toBe(200);
		expect(await response.json()).toMatchObject({ dryRun: true, blocks: 20 });
		expect(http.calls.map(({ method }) => method)).toEqual(["planRollback"]);
	});

	it("is recorded and can be followed", async () => {
		const http = testHttp();
		const response = await http.post("/v1/chains/anvil/rollbacks", { toBlock: "0" });
		expect(response.status).toBe(202);
		expect(response.headers.get("location")).toBe(`/v1/chains/31337/rollbacks/${ROLLBACK.id}`);
		expect(http.last("startRollback")).toEqual(["anvil", 0n, undefined]);
	});

	it.each([{}, { toBlock: -1 }, { toBlock: 1, dryrun: true }, { toBlock: 1, dryRun: "yes" }])(
		"is refused for %j",
		async (body) => {
			expect((await testHttp().post("/v1/chains/anvil/rollbacks", body)).status).toBe(400);
		},
	);
});

describe("an operator's order for a rollback", () => {
	const at = `/v1/chains/anvil/rollbacks/${UUID}`;

	it.each(ROLLBACK_ORDERS)("%s is answered with the rollback as it is then", async (order) => {
		const overrides = { orderRollback: async () => ({ ...ROLLBACK, paused: true }) };
		const http = testHttp({ overrides });
		const response = await http.get(`${at}/${order}`, { method: "POST" });
		expect(response.status).toBe(200);
		expect(await response.json()).toMatchObject({ id: UUID, paused: true, retries: 0 });
		expect(http.last("orderRollback")).toEqual(["anvil", UUID, order]);
	});

	it("is refused with the code and what can be done instead", async () => {
		const over = new FatalError("rollback_over", {
			message: "it is committed",
			hint: "see others",
		});
		const http = testHttp({ overrides: { orderRollback: () => Promise.reject(over) } });
		const response = await http.get(`${at}/pause`, { method: "POST" });
		expect(response.status).toBe(409);
		expect(await response.json()).toMatchObject({ code: "rollback_over", hint: "see others" });
	});

	it.each(["hold", "pause/now", ""])("%s is none", async (order) => {
		expect((await testHttp().get(`${at}/${order}`, { method: "POST" })).status).toBe(404);
	});
});

describe("what is not there", () => {
	it("is 404 with a code", async () => {
		const response = await testHttp().get("/v2/status");
		expect(response.status).toBe(404);
		expect(await response.json()).toMatchObject({ code: "not_found", path: "/v2/status" });
	});

	it("is 405 with the methods that are, where only the method is wrong", async () => {
		const http = testHttp();
		const response = await http.get("/v1/chains/anvil/rollbacks", { method: "DELETE" });
		expect(response.status).toBe(405);
		expect(response.headers.get("allow")).toBe("GET, POST");
		expect(await response.json()).toMatchObject({ code: "method_not_allowed", method: "DELETE" });
	});

	it("is the service's own error for an unknown chain", async () => {
		const response = await testHttp().get("/v1/chains/mainnet/memories");
		expect(response.status).toBe(404);
		expect(await response.json()).toMatchObject({ code: "unknown_chain", chain: "mainnet" });
	});
});

describe("errors of the service", () => {
	it("keep code, hint and fields, and say when to come back", async () => {
		const error = new RetryableError("inbox_full", {
			message: "10000 operations wait",
			hint: "wait",
			fields: { value: 10_000, retryAfterMs: 2_500 },
		});
		const http = testHttp({ overrides: { status: () => Promise.reject(error) } });
		const response = await http.get("/v1/status");
		expect(response.status).toBe(429);
		expect(response.headers.get("retry-after")).toBe("3");
		expect(await response.json()).toMatchObject({
			code: "inbox_full",
			detail: "10000 operations wait",
			hint: "wait",
			value: 10_000,
			retryable: true,
		});
		expect(http.logged).toEqual([]);
	});

	it("cannot replace the problem's own members by fields", async () => {
		const error = new FatalError("version_conflict", {
			message: "m",
			hint: "h",
			fields: { code: "other", status: 200 },
		});
		const http = testHttp({ overrides: { status: () => Promise.reject(error) } });
		const response = await http.get("/v1/status");
		expect(await response.json()).toMatchObject({ code: "version_conflict", status: 409 });
	});

	it("that nobody expected say nothing about the inside, and are logged", async () => {
		const error = new TypeError("secret at /etc/passwd");
		const http = testHttp({ overrides: { status: () => Promise.reject(error) } });
		const response = await http.get("/v1/status");
		expect(response.status).toBe(500);
		const text = await response.text();
		expect(text).not.toMatch(/secret|passwd|TypeError|\.ts/);
		const { instance } = JSON.parse(text);
		expect(http.logged).toEqual([
			{ message: "a request failed", fields: expect.objectContaining({ err: error, instance }) },
		]);
	});
});

describe("readiness", () => {
	it("is 503 while a part is not ready, with the part named", async () => {
		const checks = { database: { ok: false, required: true, detail: "no answer" } };
		const readiness = { roles: ["api" as const], ready: false, degraded: [], checks, stores: [] };
		const http = testHttp({ overrides: { readiness: async () => readiness } });
		const response = await http.get("/readyz");
		expect(response.status).toBe(503);
		expect(await response.json()).toEqual(readiness);
	});
});
