/** A chain that is halted while a rollback is active: that would be in the way of every recovery. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Hex, RollbackId } from "../../src/domain/ids.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresRollbackStore } from "../../src/store/writing/postgres-rollback-store.ts";
import { CHAIN } from "../support/recant.ts";
import { until } from "../support/until.ts";
import { withSql } from "../support/with-sql.ts";
import { World } from "../support/world.ts";

const HALT = { code: "fork_below_finality", message: "it forked", hint: "recover" };
const NOWHERE: Hex = `0x${"77".repeat(32)}`;
const TIMEOUT_MS = 120_000;

/** A service that ended with a rollback recorded, and whose chain was halted. */
async function left(cause: "reorg" | "manual") {
	const world = await World.create({ name: "rollback_halted" });
	await world.block({ from: 1, to: 2, value: 5n });
	await world.block({ from: 2, to: 3, value: 7n });
	const { head, chainId } = await world.service.chain(CHAIN);
	if (head === undefined) throw new Error("it has followed");
	await world.stop();
	const { databaseUrl } = world.recant.home;
	const [below] = await withSql(
		databaseUrl,
		(sql) => sql`select hash from blocks where height = ${(head.height - 1n).toString()}`,
	);
	const parentHash: Hex = below?.["hash"];
	const rollbackId = randomUUID() as string as RollbackId;
	const database = await Database.open(databaseUrl);
	await new PostgresRollbackStore(database, () => true).record(
		{
			rollbackId,
			chainId,
			cause,
			fromGeneration: 0n,
			ancestor: { height: head.height - 1n, hash: parentHash },
			from: { height: head.height, hash: head.hash },
			branch:
				cause === "manual"
					? []
					: [{ number: head.height, hash: NOWHERE, parentHash, timestamp: 0n }],
			supersessions: 0,
			wantedStrategy: undefined,
		},
		undefined,
	);
	await database.close();
	await withSql(databaseUrl, (sql) => sql`update chains set halt = ${JSON.stringify(HALT)}`);
	await world.start();
	return { world, rollbackId };
}

test(
	"one that follows a fork is given up",
	async () => {
		const { world, rollbackId } = await left("reorg");
		await until("it is given up", async () => {
			return (await world.service.rollback(CHAIN, rollbackId)).state === "cancelled";
		});
	},
	TIMEOUT_MS,
);

test(
	"one that was asked for by hand waits for its operator, who can cancel it",
	async () => {
		const { world, rollbackId } = await left("manual");
		await new Promise((resolve) => setTimeout(resolve, 1_500));
		// It may be prepared meanwhile, which needs no lease; it is not committed.
		const active = (await world.service.rollback(CHAIN, rollbackId)).state;
		expect(["recorded", "running", "prepared"]).toContain(active);
		const { state } = await world.service.orderRollback(CHAIN, rollbackId, "cancel");
		expect(state).toBe("cancelled");
	},
	TIMEOUT_MS,
);
