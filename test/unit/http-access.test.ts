import { describe, expect, it } from "vitest";
import { FatalError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { isLoopbackHost } from "../../src/http/access.ts";
import { testHttp } from "./http-fixture.ts";

const KEYS = ["first-key-of-the-list", "second-key-of-the-list"];

describe("with API keys", () => {
	it.each(KEYS)("the key %s opens", async (key) => {
		const headers = { authorization: `Bearer ${key}` };
		expect((await testHttp({ apiKeys: KEYS }).get("/v1/status", { headers })).status).toBe(200);
	});

	it.each<readonly [authorization: string | undefined, what: string]>([
		[undefined, "none"],
		["", "empty"],
		["Bearer", "no key"],
		["Bearer first-key-of-the-lis", "a prefix"],
		["Bearer first-key-of-the-list2", "a longer one"],
		["Basic first-key-of-the-list", "another scheme"],
		["Bearer first-key-of-the-list second-key-of-the-list", "two"],
	])("%s does not (%s)", async (authorization) => {
		const http = testHttp({ apiKeys: KEYS });
		const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
		const response = await http.get("/v1/status", { headers });
		expect(response.status).toBe(401);
		expect(response.headers.get("www-authenticate")).toContain("Bearer");
		expect(await response.json()).toMatchObject({ code: "unauthorized" });
		expect(http.calls).toEqual([]);
	});

	it("paths that do not exist are not told apart without a key", async () => {
		expect((await testHttp({ apiKeys: KEYS }).get("/nope")).status).toBe(401);
	});

	it.each(["/healthz", "/readyz"])("%s stays open", async (path) => {
		expect((await testHttp({ apiKeys: KEYS }).get(path)).status).toBe(200);
	});

	it("any host is answered", async () => {
		const headers = { host: "recant.example", authorization: `Bearer ${KEYS[0]}` };
		expect((await testHttp({ apiKeys: KEYS }).get("/v1/status", { headers })).status).toBe(200);
	});

	it("the list may be neither too long nor hold an empty key", () => {
		const many = new Array(LIMITS.apiKeys + 1).fill("key");
		expect(() => testHttp({ apiKeys: many })).toThrow(FatalError);
		expect(() => testHttp({ apiKeys: [""] })).toThrow(FatalError);
	});
});

describe("without API keys", () => {
	it.each(["localhost", "localhost:8080", "127.0.0.1:80", "127.9.9.9", "[::1]:1", "a.localhost"])(
		"%s is loopback",
		(host) => expect(isLoopbackHost(host)).toBe(true),
	);

	it.each([
		"evil.example",
		"localhost.evil.example",
		"127.0.0.1.evil.example",
		"evil127.0.0.1",
		"10.0.0.1",
		"",
		"::1",
	])("%j is not", (host) => expect(isLoopbackHost(host)).toBe(false));

	it("a name that points here is refused, for reads too", async () => {
		const http = testHttp();
		const response = await http.get("/v1/status", { headers: { host: "evil.example" } });
		expect(response.status).toBe(403);
		expect(await response.json()).toMatchObject({ code: "forbidden_host", host: "evil.example" });
		expect(http.calls).toEqual([]);
	});

	it.each(["https://evil.example", "null", "http://localhost.evil.example"])(
		"a page of %s may not write",
		async (origin) => {
			const http = testHttp();
			const headers = { origin, "content-type": "application/json" };
			const response = await http.post("/v1/chains/anvil/rollbacks", { toBlock: 0 }, { headers });
			expect(response.status).toBe(403);
			expect(await response.json()).toMatchObject({ code: "forbidden_origin", origin });
			expect(http.calls).toEqual([]);
		},
	);

	it("a page of this machine may write", async () => {
		const headers = { origin: "http://localhost:3000", "content-type": "application/json" };
		const http = testHttp();
		const response = await http.post("/v1/chains/anvil/rollbacks", { toBlock: 0 }, { headers });
		expect(response.status).toBe(202);
	});
});
