/**
 * SIGKILL of the service in the middle of a rollback that restores the ancestor's state: the next start
 * finishes it by the same strategy, with the same result, and leaves no shadow behind.
 */
import { describe, expect, test } from "vitest";
import { STAGES } from "../../src/rollback/rollback-record.ts";
import { HANDLERS_CODE } from "../support/handlers-code.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import { runSql } from "../support/run-sql.ts";
import { type ServiceOptions, startService } from "../support/service-process.ts";
import { takeSnapshot } from "../support/snapshot-api.ts";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

const TIMEOUT_MS = 180_000;

describe.each(["snapshot", "rebuild"] as const)("a rollback by %s", (strategy) => {
	test.each(STAGES)(
		"survives a SIGKILL before its stage %s",
		async (stage) => {
			const { world, fork } = await inhabited(strategy === "snapshot");
			const service = await startOn(world, { hangBefore: stage });
			await fork();
			await service.said((event) => event.event === "stage" && event.stage === stage);
			await service.kill();
			await expectFinished(world, strategy);
		},
		TIMEOUT_MS,
	);

	test(
		"survives a SIGKILL right after its commit",
		async () => {
			const { world, fork } = await inhabited(strategy === "snapshot");
			const service = await startOn(world, { hangAfterCommit: true });
			await fork();
			await service.said((event) => event.event === "committed");
			await service.kill();
			await expectFinished(world, strategy);
		},
		TIMEOUT_MS,
	);
});

/** No memory may be set back one by one, so that every rollback restores. */
async function inhabited(snapshot: boolean) {
	const world = await World.create({ name: "kill-restore", rollbackChanges: 0 });
	await world.write(
		{ op: "put", id: "early", content: { n: 0 }, text: "the whale sleeps" },
		{
			op: "put",
			id: "vector",
			content: {},
			vector: Array.from({ length: 384 }, (_, at) => Math.sin(at)),
		},
		{ op: "put", id: "doomed", content: {} },
	);
	await world.block({ from: 1, to: 2, value: 5n });
	if (snapshot) await takeSnapshot(world.recant);
	await world.write({ op: "patch", id: "early", content: { m: 1 } });
	await world.block({ from: 2, to: 3, value: 7n });
	await world.block({ from: 3, to: 1, value: 9n });
	await world.write(
		{ op: "patch", id: "early", content: { patched: true } },
		{ op: "delete", id: "doomed" },
		{ op: "put", id: "ends", content: {}, expiresAtBlock: 12n },
	);
	await world.block({ from: 1, to: 1, value: 1n });
	await world.remember();
	const fork = () =>
		world.gate.hold(async () => {
			await world.chain.drop(2);
			await world.chain.block({ from: 1, to: 3, value: 11n });
			await world.chain.empty(2);
		});
	return { world, fork };
}

async function startOn(world: World, options: Omit<ServiceOptions, "environment">) {
	const { home } = world.recant;
	await world.stop();
	const service = await startService({
		flushRows: 4,
		rollbackChanges: 0,
		handlersCode: HANDLERS_CODE,
		...options,
		environment: {
			RECANT_RPC_URL: world.gate.url,
			RECANT_TOKEN: world.chain.token.address,
			RECANT_POLL_INTERVAL_MS: "25",
			RECANT_DATA_DIR: home.dataDir,
			DATABASE_URL: home.databaseUrl,
		},
	});
	await untilFollowed(service.client, CHAIN, world.gate.url);
	return service;
}

async function expectFinished(world: World, strategy: "snapshot" | "rebuild"): Promise<void> {
	await world.start();
	await expectStraightRun(world);
	expect(await world.rollbacks()).toMatchObject([{ state: "committed", strategy }]);
	// What a process left behind right after its commit, retention takes away.
	const left = async () => {
		const [row] = await runSql(
			world,
			`select (select count(*) from recant.shadows)::int as shadows,
				(select count(*) from recant.shadow_versions)::int as rows`,
		);
		return row;
	};
	await until(
		"no shadow is left",
		async () => (await left())?.["shadows"] === 0 && (await left())?.["rows"] === 0,
		left,
	);
}
