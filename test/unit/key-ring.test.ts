import { describe, expect, it } from "vitest";
import { RetryableError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { KeyRequest } from "../../src/service/keys/keys.ts";
import { MemoryKeyStore, testKeys } from "../support/memory-key-store.ts";

/** A ring whose clock stands still until it is moved, and another process's view of the same keys. */
function ring() {
	const clock = { now: 0 };
	const store = new MemoryKeyStore();
	const here = testKeys(store, [], () => clock.now);
	const elsewhere = testKeys(store, [], () => clock.now);
	const make = (fields: Partial<KeyRequest> = {}) =>
		elsewhere.service.create({
			name: "a key",
			scopes: ["operate"],
			namespaces: undefined,
			requestsPerMinute: undefined,
			expiresAt: undefined,
			...fields,
		});
	return { clock, store, here, elsewhere, make };
}

describe("keys that a process knows", () => {
	it("are read once for all requests of a second", async () => {
		const { store, here, make } = ring();
		const { secret } = await make();
		await Promise.all(Array.from({ length: 20 }, () => here.known.admit(secret)));
		await here.known.admit(secret);
		expect(store.reads).toBe(1);
	});

	it("are as old as is said at most: what another process revokes opens nothing after that", async () => {
		const { clock, here, elsewhere, make } = ring();
		const { id, secret } = await make();
		await make();
		expect(await here.known.admit(secret)).toMatchObject({ type: "known", caller: { id } });
		await elsewhere.service.revoke(id);
		clock.now = LIMITS.keyStalenessMs - 1;
		expect(await here.known.admit(secret)).toMatchObject({ type: "known" });
		clock.now = LIMITS.keyStalenessMs;
		expect(await here.known.admit(secret)).toEqual({ type: "unknown" });
		expect(await here.known.holds(id)).toBe(false);
	});

	it("change at once where they are changed", async () => {
		const { here, make } = ring();
		expect(await here.known.admit(undefined)).toEqual({ type: "none_needed" });
		await make();
		here.known.forget();
		expect(await here.known.admit(undefined)).toEqual({ type: "unknown" });
		expect(await here.known.holds("")).toBe(false);
	});

	it("of a reading that began before a change are not kept", async () => {
		const { store, here, make } = ring();
		const slow = Promise.withResolvers<void>();
		const known = store.known.bind(store);
		store.known = async () => {
			const rows = await known();
			await slow.promise;
			return rows;
		};
		const before = here.known.admit(undefined);
		await make();
		here.known.forget();
		slow.resolve();
		await before;
		expect(await here.known.admit(undefined)).toEqual({ type: "unknown" });
	});

	it("let nobody in while they are too old and cannot be read", async () => {
		const { clock, store, here, make } = ring();
		const { secret } = await make();
		await here.known.admit(secret);
		store.failure = new RetryableError("database_unavailable", { message: "away", hint: "wait" });
		expect(await here.known.admit(secret)).toMatchObject({ type: "known" });
		clock.now = LIMITS.keyStalenessMs;
		await expect(here.known.admit(secret)).rejects.toMatchObject({ code: "database_unavailable" });
		store.failure = undefined;
		expect(await here.known.admit(secret)).toMatchObject({ type: "known" });
	});

	it("open nothing from their end on, and are needed all the same", async () => {
		const { store, here, make } = ring();
		await make();
		const { secret } = await make({ expiresAt: new Date(Date.now() + 3_600_000) });
		expect(await here.known.admit(secret)).toMatchObject({ type: "known" });
		store.rows.splice(0, 1);
		for (const [index, row] of store.rows.entries()) {
			store.rows[index] = { ...row, expiresAt: new Date(Date.now() - 1) };
		}
		here.known.forget();
		expect(await here.known.admit(secret)).toEqual({ type: "unknown" });
		expect(await here.known.admit(undefined)).toEqual({ type: "unknown" });
	});

	it.each(["", "rk_", "rk_AAAA", "another secret"])("are not %j", async (secret) => {
		const { here, make } = ring();
		await make();
		expect(await here.known.admit(secret)).toEqual({ type: "unknown" });
	});
});

describe("the rate of a key", () => {
	it("is its own: what it has had comes back evenly, and others have theirs", async () => {
		const { clock, here, make } = ring();
		const { secret } = await make({ requestsPerMinute: 60 });
		const other = await make({ requestsPerMinute: 60 });
		for (let n = 0; n < 60; n += 1) await here.known.admit(secret);
		await expect(here.known.admit(secret)).rejects.toMatchObject({
			code: "rate_limited",
			retryable: true,
			fields: { requestsPerMinute: 60, retryAfterMs: 1_000 },
		});
		expect(await here.known.admit(other.secret)).toMatchObject({ type: "known" });
		clock.now = 999;
		await expect(here.known.admit(secret)).rejects.toMatchObject({ code: "rate_limited" });
		clock.now = 1_001;
		expect(await here.known.admit(secret)).toMatchObject({ type: "known" });
		await expect(here.known.admit(secret)).rejects.toMatchObject({ code: "rate_limited" });
	});

	it("is never saved up beyond a minute's", async () => {
		const { clock, here, make } = ring();
		const { secret } = await make({ requestsPerMinute: 2 });
		await here.known.admit(secret);
		clock.now = 3_600_000;
		for (let n = 0; n < 2; n += 1) await here.known.admit(secret);
		await expect(here.known.admit(secret)).rejects.toMatchObject({ code: "rate_limited" });
	});
});
