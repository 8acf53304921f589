/** A node that says of logs that it took them back: a hint of a fork, and part of what a rollback is recorded with. */
import { expect, test } from "vitest";
import { FaultWorld, openFaultChain } from "../support/rpc-server/fault-world.ts";
import { announcedSeed } from "../support/seed.ts";

const HEAD = 20;
const TEST_MS = 90_000;

test.each([
	["HTTP", false],
	["WebSocket", true],
] as const)(
	"over %s, removed logs stand in the evidence of the fork that they told of",
	async (how, overWebSocket) => {
		const seed = announcedSeed("test/integration/rpc-removed-logs.test.ts");
		const name = `removed-${how.toLowerCase()}`;
		const chain = await openFaultChain({ name, seed, head: HEAD, overWebSocket });
		const world = await FaultWorld.open(name, [chain]);
		const { chain: served } = chain.server;
		const { faults } = chain.server.provider(0);
		await world.settled(chain);

		// A fork that nothing but itself tells of, first.
		served.fork(2, 3);
		await world.settled(chain);
		const removed = faults.on({ fault: { kind: "removed_logs" }, methods: ["eth_getLogs"] });
		// Enough of them that some have logs.
		served.mine(8);
		await expect.poll(() => removed.struck, { timeout: 20_000 }).toBeGreaterThan(1);
		served.fork(12, 13);
		await expect
			.poll(async () => (await world.chain(chain)).nodeHead, { timeout: 20_000 })
			.toBe(BigInt(served.head));
		faults.clear();
		await world.settled(chain);

		const page = { limit: 10, cursor: undefined };
		const { items } = await world.recant.service.rollbacks(chain.name, page);
		const signals = items.map(({ evidence }) => evidence?.signals);
		expect(signals).toHaveLength(2);
		expect(signals.filter((each) => each?.includes("removed_logs"))).toHaveLength(1);
		expect(await world.differences(chain)).toEqual([]);
		await world.end();
	},
	TEST_MS,
);
