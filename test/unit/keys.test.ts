import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Scope } from "../../src/domain/caller.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { KeyRequest } from "../../src/service/keys/keys.ts";
import { MemoryKeyStore, testKeys } from "../support/memory-key-store.ts";

function wish(fields: Partial<KeyRequest> = {}): KeyRequest {
	return {
		name: "a key",
		scopes: ["operate"],
		namespaces: undefined,
		requestsPerMinute: undefined,
		expiresAt: undefined,
		...fields,
	};
}

const LATER = new Date(Date.now() + 3_600_000);

function keys(rootKeys: readonly string[] = []) {
	const store = new MemoryKeyStore();
	return { store, ...testKeys(store, rootKeys) };
}

describe("an API key", () => {
	it("has 256 random bits as its secret, of which the SHA-256 alone is kept", async () => {
		const { store, service } = keys();
		const { secret } = await service.create(wish());
		expect(secret).toMatch(/^rk_[A-Za-z0-9_-]{43}$/);
		expect((await service.create(wish())).secret).not.toBe(secret);
		const [row] = store.rows;
		expect(Buffer.from(row?.hash ?? [])).toEqual(createHash("sha256").update(secret).digest());
		expect(JSON.stringify(store.rows)).not.toContain(secret.slice(3));
	});

	it("is listed without secret and hash, the newest first, in pages", async () => {
		const { service } = keys();
		const made = [];
		for (const name of ["one", "two", "three"]) made.push(await service.create(wish({ name })));
		const first = await service.list({ limit: 2, cursor: undefined });
		expect(first.items.map(({ name }) => name)).toEqual(["three", "two"]);
		const second = await service.list({ limit: 2, cursor: first.cursor });
		expect(second.items.map(({ name }) => name)).toEqual(["one"]);
		expect(second.cursor).toBeUndefined();
		for (const item of [...first.items, ...second.items]) {
			expect(item).not.toHaveProperty("hash");
			expect(item).not.toHaveProperty("secret");
		}
		expect(made).toHaveLength(3);
	});

	it("that would have expired already is refused", async () => {
		const past = keys().service.create(wish({ expiresAt: new Date(0) }));
		await expect(past).rejects.toMatchObject({ code: "invalid_request" });
	});

	it("that is not there, or is revoked, cannot be revoked", async () => {
		const { service } = keys();
		const { id } = await service.create(wish());
		await expect(service.revoke("0197a000-0000-7000-8000-000000000000")).rejects.toMatchObject({
			code: "key_not_found",
		});
		await service.revoke(id);
		await expect(service.revoke(id)).rejects.toMatchObject({ code: "key_not_found" });
	});

	it("past the limit is refused by its name", async () => {
		const { store, service } = keys();
		await service.create(wish());
		const [row] = store.rows;
		for (let n = store.rows.length; n < LIMITS.storedKeys && row !== undefined; n += 1) {
			store.rows.push({ ...row, id: `${n}` });
		}
		await expect(service.create(wish())).rejects.toMatchObject({
			code: "limit_exceeded",
			fields: { limit: "storedKeys" },
		});
	});
});

describe("the first key", () => {
	it.each<readonly [what: string, fields: Partial<KeyRequest>]>([
		["may not operate", { scopes: ["read", "write"] satisfies Scope[] }],
		["is for some namespaces", { namespaces: ["a"] }],
		["has an end", { expiresAt: LATER }],
	])("is refused when it %s: nobody could make another", async (_what, fields) => {
		const { store, service } = keys();
		await expect(service.create(wish(fields))).rejects.toMatchObject({ code: "last_key" });
		expect(store.rows).toEqual([]);
	});

	it("may be any where there are root keys", async () => {
		const { service } = keys(["a-root-key-of-the-environment"]);
		await expect(service.create(wish({ namespaces: ["a"] }))).resolves.toMatchObject({
			namespaces: ["a"],
		});
	});
});

describe("the last key that can make others", () => {
	it("stays while there are others", async () => {
		const { service } = keys();
		const operator = await service.create(wish());
		const reader = await service.create(wish({ scopes: ["read"] }));
		await expect(service.revoke(operator.id)).rejects.toMatchObject({ code: "last_key" });
		await service.revoke(reader.id);
		await expect(service.revoke(operator.id)).resolves.toMatchObject({ id: operator.id });
	});

	it("goes where another can, or where there are root keys", async () => {
		const two = keys().service;
		const operator = await two.create(wish());
		await two.create(wish());
		await two.create(wish({ scopes: ["read"] }));
		await expect(two.revoke(operator.id)).resolves.toMatchObject({ id: operator.id });
		const rooted = keys(["a-root-key-of-the-environment"]).service;
		const only = await rooted.create(wish());
		await rooted.create(wish({ scopes: ["read"] }));
		await expect(rooted.revoke(only.id)).resolves.toMatchObject({ id: only.id });
	});
});
