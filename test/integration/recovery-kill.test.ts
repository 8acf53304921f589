/** SIGKILL in the middle of a recovery: the chain is halted until it is done, and the next start goes on with it. */
import postgres from "postgres";
import { expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import { startService } from "../support/service-process.ts";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

const TIMEOUT_MS = 180_000;
const DEPTH = 6;

/** A chain that is halted by a fork below finality, whose service is stopped. */
async function stoppedHalted(): Promise<World> {
	const world = await World.create({ name: "recovery_kill", slotsInAnEpoch: 1, providers: 2 });
	for (let index = 0; index < DEPTH + 2; index += 1) {
		await world.block({ from: 1, to: 2, value: BigInt(index + 1) });
		await world.write({ op: "put", id: `note ${index}`, content: { n: index }, text: "it moves" });
	}
	await world.remember();
	await world.hold(async (chain) => {
		await chain.drop(DEPTH);
		for (let index = 0; index < DEPTH; index += 1) {
			await chain.block({ from: 3, to: 2, value: BigInt(index + 1) });
		}
	});
	await until("it is halted", async () => (await world.service.chain(CHAIN)).state === "halted");
	await world.stop();
	return world;
}

async function rowsOf({ recant }: World) {
	const sql = postgres(recant.home.databaseUrl, { max: 1 });
	try {
		const [chain] = await sql`select halt, generation from recant.chains`;
		const [recovery] = await sql`select recovery_id, state from recant.recoveries`;
		return { chain, recovery };
	} finally {
		await sql.end();
	}
}

test.each(["plan", "replay", "verify", "commit"] as const)(
	"before the stage %s",
	async (stage) => {
		const world = await stoppedHalted();
		const service = await startService({
			hangBefore: stage,
			environment: {
				RECANT_RPC_URL: world.gates.map(({ url }) => url).join(","),
				RECANT_TOKEN: world.chain.token.address,
				RECANT_POLL_INTERVAL_MS: "25",
				RECANT_DATA_DIR: world.recant.home.dataDir,
				DATABASE_URL: world.recant.home.databaseUrl,
			},
		});
		await until(
			"it is halted still",
			async () => (await service.client.chain(CHAIN)).state === "halted",
		);
		const begun = await service.client.recover(CHAIN, { kind: "accept" });
		await service.said((event) => event.event === "stage" && event.stage === stage);
		await service.kill();
		expect(await rowsOf(world)).toMatchObject({
			chain: { halt: expect.stringContaining("fork_below_finality"), generation: "0" },
			recovery: { recovery_id: begun.id, state: "running" },
		});
		await world.start();
		const client = new RecantClient({ url: world.recant.url });
		const done = await until(
			"the recovery has ended",
			async () => {
				const recovery = await client.recovery(CHAIN, begun.id);
				return recovery.state !== "running" && recovery;
			},
			() => world.service.chain(CHAIN),
		);
		expect(done).toMatchObject({ state: "done", attempt: 1 });
		await world.followed();
		await expectStraightRun(world, 10n);
	},
	TIMEOUT_MS,
);
