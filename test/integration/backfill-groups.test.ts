/** A backfill of several groups, of which handlers read in each what they wrote in the ones before. */
import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { FaultWorld, openFaultChain } from "../support/rpc-server/fault-world.ts";
import { announcedSeed } from "../support/seed.ts";

const HEAD = 3 * LIMITS.groupBlocks + 120;
const TIMEOUT_MS = 120_000;

test(
	"a group that is derived while the one before is committed builds on it",
	async () => {
		const seed = announcedSeed("test/integration/backfill-groups.test.ts");
		const chain = await openFaultChain({ name: "groups", seed, head: HEAD });
		const world = await FaultWorld.open("backfill-groups", [chain]);
		await world.settled(chain, TIMEOUT_MS);
		expect(await world.differences(chain)).toEqual([]);
	},
	TIMEOUT_MS,
);
