import { describe, expect, it } from "vitest";
import type { KeyRequest } from "../../src/service/keys/keys.ts";
import { MemoryKeyStore, testKeys } from "../support/memory-key-store.ts";
import { readJson, testHttp, UUID } from "./http-fixture.ts";

const ROOT = "a-root-key-of-the-environment";
const KEY = { name: "operator", scopes: ["read", "write", "operate"] };
const C = "/v1/chains/anvil";

async function secretOf(response: Response): Promise<string> {
	expect(response.status).toBe(201);
	return (await readJson<{ readonly secret: string }>(response)).secret;
}

function bearer(secret: string, more: Record<string, string> = {}): RequestInit {
	return {
		headers: { "content-type": "application/json", authorization: `Bearer ${secret}`, ...more },
	};
}

/** The app, with a key of these properties beside a root key. */
async function withKey(fields: Partial<KeyRequest>) {
	const keyStore = new MemoryKeyStore();
	const http = testHttp({ apiKeys: [ROOT], keyStore });
	const { secret } = await testKeys(keyStore, [ROOT]).service.create({
		name: "tested",
		scopes: ["read", "write", "operate"],
		namespaces: undefined,
		requestsPerMinute: undefined,
		expiresAt: undefined,
		...fields,
	});
	return { http, ...bearer(secret), secret };
}

describe("the first key", () => {
	it("is made without one, and from then on every request needs one", async () => {
		const http = testHttp();
		expect((await http.get("/v1/status")).status).toBe(200);
		const secret = await secretOf(await http.post("/v1/keys", KEY));
		expect((await http.get("/v1/status")).status).toBe(401);
		expect((await http.post("/v1/keys", KEY)).status).toBe(401);
		expect((await http.get("/v1/status", bearer(secret))).status).toBe(200);
		expect((await http.get("/healthz")).status).toBe(200);
	});

	it("is not made by a web page, nor through a name that points here", async () => {
		const http = testHttp();
		const json = { "content-type": "application/json" };
		const page = { headers: { ...json, origin: "https://evil.example" } };
		expect((await http.post("/v1/keys", KEY, page)).status).toBe(403);
		const host = { headers: { ...json, host: "evil.example" } };
		expect((await http.post("/v1/keys", KEY, host)).status).toBe(403);
	});

	it("gone, programs of this machine need none again", async () => {
		const http = testHttp();
		const made = await http.post("/v1/keys", KEY);
		const { id, secret } = await readJson<{ id: string; secret: string }>(made);
		const gone = await http.get(`/v1/keys/${id}`, { method: "DELETE", ...bearer(secret) });
		expect(gone.status).toBe(200);
		expect((await http.get("/v1/status")).status).toBe(200);
	});
});

describe("a root key", () => {
	it("stays one beside keys of the database, and knows no rate", async () => {
		const { http } = await withKey({ requestsPerMinute: 1 });
		for (let n = 0; n < 5; n += 1) {
			expect((await http.get("/v1/status", bearer(ROOT))).status).toBe(200);
		}
		expect((await http.get("/v1/status", bearer("rk_unknown"))).status).toBe(401);
	});
});

describe("a key of the database", () => {
	it("is shown once, and never again", async () => {
		const http = testHttp({ apiKeys: [ROOT] });
		const secret = await secretOf(await http.post("/v1/keys", KEY, bearer(ROOT)));
		const list = await (await http.get("/v1/keys", bearer(ROOT))).text();
		expect(list).toContain("operator");
		expect(list).not.toContain(secret.slice(3));
		expect(list).not.toContain("hash");
	});

	it("is told when it may come again", async () => {
		const { http, secret } = await withKey({ requestsPerMinute: 1 });
		expect((await http.get("/v1/status", bearer(secret))).status).toBe(200);
		const refused = await http.get("/v1/status", bearer(secret));
		expect(refused.status).toBe(429);
		expect(Number(refused.headers.get("retry-after"))).toBe(60);
		expect(await refused.json()).toMatchObject({ code: "rate_limited", retryable: true });
	});

	it.each<readonly [scope: "read" | "write" | "operate", path: string, init: RequestInit]>([
		["read", "/v1/status", {}],
		["read", C, {}],
		["read", `${C}/memories`, {}],
		["read", `${C}/diff?from=0`, {}],
		["read", "/v1/events", { method: "HEAD" }],
		["read", `${C}/search`, { method: "POST", body: '{"text":"a"}' }],
		["write", `${C}/operations`, { method: "POST", body: '{"op":"delete","id":"a"}' }],
		["operate", `${C}/rollbacks`, { method: "POST", body: '{"toBlock":1}' }],
		["operate", `${C}/rollbacks/${UUID}/pause`, { method: "POST" }],
		["operate", `${C}/rollbacks/${UUID}/abandon`, { method: "POST" }],
		["operate", `${C}/consistency`, {}],
		["operate", `${C}/tree?layer=semantic`, {}],
		["operate", "/v1/keys", {}],
	])("needs the scope %s for %s", async (scope, path, init) => {
		const others = (["read", "write", "operate"] as const).filter((each) => each !== scope);
		const without = await withKey({ scopes: others });
		const refused = await without.http.get(path, { ...init, ...bearer(without.secret) });
		expect(refused.status).toBe(403);
		expect(without.http.calls).toEqual([]);
		const allowed = await withKey({ scopes: [scope] });
		const answer = await allowed.http.get(path, { ...init, ...bearer(allowed.secret) });
		expect([200, 201, 202]).toContain(answer.status);
	});

	it.each<readonly [path: string, init: RequestInit]>([
		[`${C}/rollbacks`, { method: "POST", body: '{"toBlock":1}' }],
		[`${C}/rollbacks/${UUID}/retry`, { method: "POST" }],
		[`${C}/restores`, { method: "POST", body: '{"to":1,"namespaces":["mine"]}' }],
		[`${C}/consistency`, {}],
		[`${C}/tree?layer=semantic`, {}],
		[`${C}/tree/memories?keys=0197a000-0000-7000-8000-00000000abcd`, {}],
		["/v1/keys", {}],
	])("for some namespaces does nothing that concerns all: %s", async (path, init) => {
		const { http, secret } = await withKey({ namespaces: ["mine"] });
		const refused = await http.get(path, { ...init, ...bearer(secret) });
		expect(refused.status).toBe(403);
		expect(await refused.json()).toMatchObject({ code: "forbidden_namespace" });
		expect(http.calls).toEqual([]);
	});

	it.each([
		{ name: "", scopes: ["read"] },
		{ name: "a", scopes: [] },
		{ name: "a", scopes: ["admin"] },
		{ name: "a", scopes: ["read"], namespaces: [] },
		{ name: "a", scopes: ["read"], namespaces: [""] },
		{ name: "a", scopes: ["read"], requestsPerMinute: 0 },
		{ name: "a", scopes: ["read"], expiresAt: "tomorrow" },
		{ name: "a", scopes: ["read"], expiresAt: "2030-01-01T00:00" },
		{ name: "a", scopes: ["read"], id: "mine" },
	])("is refused as %j", async (body) => {
		const http = testHttp({ apiKeys: [ROOT] });
		const refused = await http.post("/v1/keys", body, bearer(ROOT));
		expect(refused.status).toBe(400);
	});
});
