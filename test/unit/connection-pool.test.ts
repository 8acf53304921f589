/** Who waits for a connection when the pool is closed. */
import { expect, test } from "vitest";
import { ConnectionPool } from "../../src/store/connection-pool.ts";
import type { Sql } from "../../src/store/sql.ts";

/** With one connection. */
function smallPool() {
	const ended: number[] = [];
	const pool = new ConnectionPool(
		1,
		() => ({ sql: {} as Sql, end: async (timeoutS) => void ended.push(timeoutS) }),
		() => undefined,
	);
	return { pool, ended };
}

const CLOSED = {
	code: "database_unavailable",
	retryable: true,
	message: expect.stringContaining("closed"),
};

test("who waits for a connection is refused as soon as the pool is closed", async () => {
	const { pool, ended } = smallPool();
	const work = Promise.withResolvers<string>();
	const lent = pool.lend(() => work.promise);
	let isBegun = false;
	const refusals: unknown[] = [];
	const waiting = [1, 2].map(() =>
		pool
			.lend(async () => {
				isBegun = true;
			})
			.catch((error: unknown) => void refusals.push(error)),
	);
	await Promise.resolve();
	expect(pool.health()).toEqual({ size: 1, busy: 1, waiting: 2 });
	const closing = pool.close(1);
	await Promise.all(waiting);
	// While the work that has the connection goes on.
	expect(refusals).toMatchObject([CLOSED, CLOSED]);
	expect(pool.health().waiting).toBe(0);
	work.resolve("done");
	expect(await lent).toBe("done");
	await closing;
	expect(ended).toEqual([1]);
	expect(isBegun).toBe(false);
	await expect(pool.lend(async () => undefined)).rejects.toMatchObject(CLOSED);
});
