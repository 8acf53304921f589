/**
 * Wall clocks that jump by hours. Leases and claims rest on Postgres' clock, and in a process on one
 * that only runs (performance.now()); so what a process thinks the time is changes nothing for them.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { untilFollowed } from "../support/ledger-state.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import { testDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { withSql } from "../support/with-sql.ts";
import { onlyOne } from "../support/world.ts";
import { ChaosWorld, type Seat } from "./chaos-world.ts";
import { settled } from "./settled.ts";

const SHIFTED_CLOCK = fileURLToPath(new URL("../support/shifted-clock.ts", import.meta.url));
const HOURS_MS = 6 * 3_600_000;
/** Longer than a lease, and than the 500 ms after which another process asks for it. */
const PAST_LEASE_MS = 5_500;
const TAKEN_OVER_MS = 10_000;
const TIMEOUT_MS = 180_000;

/** Sets a process's clock off by so much, from now on. */
interface ClockOf {
	jump(shiftMs: number): void;
}

/** Two processes whose clocks can be set, the first with the lease. */
async function startClocked() {
	const dir = testDir("clocks");
	const clocks = new Map<string, ClockOf>();
	const chaos = await ChaosWorld.create({
		layout: "two processes",
		service: { stageDelayMs: 0, preloads: [SHIFTED_CLOCK] },
	});
	for (const seat of chaos.seats) clocks.set(seat.name, await start(seat, dir));
	await settled(chaos);
	const clock = (seat: Seat | undefined): ClockOf => {
		const found = clocks.get(seat?.name ?? "");
		if (found === undefined) throw new Error("nobody has the lease");
		return found;
	};
	return { chaos, clock };
}

async function start(seat: Seat, dir: string): Promise<ClockOf> {
	const file = join(dir, seat.name);
	writeFileSync(file, "0");
	const { pid } = await seat.start({}, { RECANT_TEST_CLOCK: file });
	return {
		jump(shiftMs) {
			writeFileSync(file, `${shiftMs}`);
			process.kill(pid, "SIGUSR2");
		},
	};
}

async function fenceOf({ databaseUrl }: ChaosWorld): Promise<bigint> {
	const [row] = await withSql(
		databaseUrl,
		(sql) => sql<{ fence: string }[]>`select fence from chains`,
	);
	return BigInt(row?.fence ?? -1);
}

/** An agent's write with an anchor, and a fork that takes its block back. */
async function writeAndFork(chaos: ChaosWorld, name: string): Promise<void> {
	const { world } = chaos;
	const { block, sent } = await world.chain.block({ from: 1, to: 2, value: 5n });
	const [client] = chaos.clients;
	if (client === undefined) throw new Error("nobody answers");
	await untilFollowed(client, CHAIN, world.gate.url);
	for (const [id, anchor] of [
		[`${name} block`, { block: block.hash }],
		[`${name} transaction`, { transaction: onlyOne(sent).hash }],
	] as const) {
		const said = {
			op: "put",
			id,
			content: { name },
			text: `the whale knows ${id}`,
			anchor,
		} as const;
		const options = { idempotencyKey: id.replaceAll(" ", "-") };
		// While a lease changes hands the first answer may only say that the write is durable.
		const answer = await until("it is committed", async () => {
			const answered = await client.write(CHAIN, { ...said, layer: "semantic" }, options);
			return answered.committed && answered;
		});
		const again = await client.write(CHAIN, { ...said, layer: "semantic" }, options);
		expect([again.repeated, again.operations]).toEqual([true, answer.operations]);
		world.adopt(answer.operations[0]?.operationId ?? "none", said);
	}
	await world.gate.hold(async () => {
		await world.chain.drop(1);
		await world.chain.block({ from: 2, to: 3, value: 7n });
		await world.chain.block(...sent);
	});
	await settled(chaos);
}

test(
	"a process whose clock jumps by hours keeps its lease, and one whose clock jumped takes over in time",
	async () => {
		const { chaos, clock } = await startClocked();
		const leader = await chaos.leader();
		const other = chaos.seats.find((seat) => seat !== leader);
		const fence = await fenceOf(chaos);
		for (const [one, two] of [
			[HOURS_MS, -HOURS_MS],
			[-HOURS_MS, HOURS_MS],
		] as const) {
			clock(leader).jump(one);
			clock(other).jump(two);
			await writeAndFork(chaos, `after ${one}`);
			await sleep(PAST_LEASE_MS);
			expect(await fenceOf(chaos)).toBe(fence);
			expect(await chaos.leader()).toBe(leader);
		}
		clock(other).jump(-HOURS_MS);
		const killedMs = performance.now();
		await leader?.kill();
		if (other?.client === undefined) throw new Error("nobody stands by");
		await chaos.world.chain.block({ from: 1, to: 3, value: 1n });
		await untilFollowed(other.client, CHAIN, chaos.world.gate.url);
		expect(performance.now() - killedMs).toBeLessThan(TAKEN_OVER_MS);
		await chaos.inspect(expectStraightRun);
	},
	TIMEOUT_MS,
);

test(
	"a lease that lapses because Postgres' clock jumped ahead is one process's all the same",
	async () => {
		const { chaos } = await startClocked();
		for (const round of [1, 2, 3]) {
			// As if it had jumped: all that a lease and a claim are is a time on that clock.
			await withSql(
				chaos.databaseUrl,
				(sql) => sql`update chains set lease_until = lease_until - interval '6 hours'`,
			);
			await writeAndFork(chaos, `round ${round}`);
		}
		await chaos.inspect(expectStraightRun);
	},
	TIMEOUT_MS,
);
