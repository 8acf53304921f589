/**
 * The process that works on a rollback is killed before one of its stages, and another on another host, which
 * cannot see that it is gone, notices within five seconds and commits within ten, counted from the kill.
 */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Stage } from "../../src/rollback/rollback-record.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import {
	type ServiceOptions,
	type ServiceProcess,
	startService,
} from "../support/service-process.ts";
import { testDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

const OTHER_HOST = fileURLToPath(new URL("../support/other-host.ts", import.meta.url));
const NOTICED_MS = 5_000;
const COMMITTED_MS = 10_000;
const TIMEOUT_MS = 180_000;

async function startOn(
	world: World,
	hangBefore: Stage | undefined,
	options: Pick<ServiceOptions, "hangAfterRollbacks" | "inlineRollbacks"> = {
		inlineRollbacks: false,
	},
): Promise<ServiceProcess> {
	const { home } = world.recant;
	return startService({
		preloads: [OTHER_HOST],
		...options,
		...(hangBefore === undefined ? {} : { hangBefore }),
		environment: {
			RECANT_RPC_URL: world.gate.url,
			RECANT_TOKEN: world.chain.token.address,
			RECANT_POLL_INTERVAL_MS: "25",
			RECANT_DATA_DIR: testDir("other"),
			LANCEDB_URI: `${home.dataDir}/lancedb`,
			DATABASE_URL: home.databaseUrl,
		},
	});
}

test.each(["plan", "replay"] as const)(
	"a process that prepares it for another, killed before its stage %s",
	async (stage) => {
		const world = await World.create({ name: "takeover", inlineRollbacks: false });
		await world.write({ op: "put", id: "a", content: { n: 1 }, text: "it stays" });
		await world.block({ from: 1, to: 2, value: 5n });
		await world.block({ from: 2, to: 3, value: 7n });
		await world.remember();
		await world.stop();

		const first = await startOn(world, stage);
		await untilFollowed(first.client, CHAIN, world.gate.url);
		await world.gate.hold(async () => {
			await world.chain.drop(2);
			await world.chain.block({ from: 1, to: 3, value: 11n });
			await world.chain.empty(2);
		});
		await first.said((event) => event.event === "stage" && event.stage === stage);
		const second = await startOn(world, undefined);
		expect(second.output()).not.toContain('"attempt"');

		const killedAt = performance.now();
		await first.kill();
		await second.said((event) => event.event === "stage" && event.attempt === 2);
		const noticedMs = performance.now() - killedAt;
		await until("the rollback is committed", async () => {
			const { items } = await second.client.rollbacks(CHAIN);
			return items[0]?.state === "committed";
		});
		const committedMs = performance.now() - killedAt;
		console.info(
			`before ${stage}: noticed after ${Math.round(noticedMs)} ms, committed after ${Math.round(committedMs)}`,
		);
		expect(noticedMs).toBeLessThan(NOTICED_MS);
		expect(committedMs).toBeLessThan(COMMITTED_MS);
		await second.stop();
		await world.start();
		await expectStraightRun(world);
	},
	TIMEOUT_MS,
);

/** Each but the first stands by for the one before it, works on the next rollback itself, and is killed then. */
test(
	"the process that follows the chain, killed before its stage rewind, verify, commit",
	async () => {
		const stages = ["rewind", "verify", "commit"] as const;
		const world = await World.create({ name: "takeover" });
		await world.write({ op: "put", id: "a", content: { n: 1 }, text: "it stays" });
		for (const value of [5n, 7n, 9n]) await world.block({ from: 1, to: 2, value });
		await world.remember();
		await world.stop();

		let working = await startOn(world, stages[0], {});
		for (const [nth, stage] of stages.entries()) {
			await untilFollowed(working.client, CHAIN, world.gate.url);
			const standing = await startOn(world, stages[nth + 1], { hangAfterRollbacks: 1 });
			await world.gate.hold(async () => {
				await world.chain.drop(2);
				await world.chain.block({ from: 1, to: 3, value: BigInt(11 + nth) });
				await world.chain.empty(2);
			});
			await working.said((event) => event.event === "hangs" && event.stage === stage);
			const before = await standing.client.rollbacks(CHAIN);
			expect(before.items).toMatchObject([
				{ state: stage === "rewind" ? "running" : "prepared" },
				...stages.slice(0, nth).map(() => ({ state: "committed" })),
			]);

			const killedAt = performance.now();
			await working.kill();
			await until("the rollback is committed", async () => {
				const { items } = await standing.client.rollbacks(CHAIN);
				return items.length === nth + 1 && items[0]?.state === "committed";
			});
			const committedMs = performance.now() - killedAt;
			console.info(`before ${stage}: committed after ${Math.round(committedMs)} ms`);
			expect(committedMs).toBeLessThan(COMMITTED_MS);
			working = standing;
		}
		await working.stop();
		await world.start();
		await expectStraightRun(world);
	},
	TIMEOUT_MS,
);
