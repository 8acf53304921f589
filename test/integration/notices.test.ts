/** Notices between processes, on a real Postgres: sent with their transaction, and heard again after a break. */
import { expect, it } from "vitest";
import type { Notice } from "../../src/domain/notice.ts";
import { Database } from "../../src/store/database.ts";
import { Notices, sendNotice } from "../../src/store/notices.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { atTestEnd } from "../support/test-end.ts";
import { until } from "../support/until.ts";

async function listening() {
	const test = await createTestDatabase("notices");
	const database = await Database.open(test.url);
	const heard: Notice[] = [];
	let resumed = 0;
	const warnings: string[] = [];
	const notices = new Notices({
		database,
		log: { warn: (_fields, message) => warnings.push(message) },
	});
	atTestEnd(async () => {
		await notices.close();
		await database.close();
	});
	await notices.start({
		onNotice: (notice) => heard.push(notice),
		onResumed: () => {
			resumed += 1;
		},
	});
	return { test, database, notices, heard, warnings, resumed: () => resumed };
}

const INBOX = { kind: "inbox", chainId: 1 } as const;
const COMMIT = { kind: "commit", chainId: 2 } as const;

it("are heard when their transaction is committed, and never when it is not", async () => {
	const { database, heard, resumed } = await listening();
	expect(resumed()).toBe(1);
	const failed = database.transaction(async (tx) => {
		await sendNotice(tx, COMMIT);
		throw new Error("no");
	});
	await expect(failed).rejects.toThrow();
	let sentAt = 0;
	await database.transaction(async (tx) => {
		await sendNotice(tx, INBOX);
		// Nobody hears of it before the end.
		await tx`select pg_sleep(0.1)`;
		expect(heard).toEqual([]);
		sentAt = performance.now();
	});
	await until("the notice", () => heard.length > 0);
	expect(performance.now() - sentAt).toBeLessThan(1_000);
	expect(heard).toEqual([INBOX]);
});

it("are listened for again when the connection breaks, and once something is looked for", async () => {
	const { test, notices, heard, warnings, resumed } = await listening();
	for (let breaks = 1; breaks <= 2; breaks += 1) {
		await test.query(
			(sql) => sql`select pg_terminate_backend(pid) from pg_stat_activity
				where datname = current_database() and query ilike 'listen%'`,
		);
		await until("the listener to be back", () => resumed() === 1 + breaks);
	}
	// The second came before the connection had held for a heartbeat.
	expect(warnings).toHaveLength(1);
	notices.send(INBOX);
	await until("a notice after it", () => heard.length > 0);
	expect(heard).toEqual([INBOX]);
	await notices.close();
	// What ended is not opened again.
	const listeners = await test.query(
		(sql) => sql`select pid from pg_stat_activity
			where datname = current_database() and query ilike 'listen%'`,
	);
	expect(listeners).toHaveLength(0);
});
