/**
 * Real processes: the one that works on a rollback is killed in each of its stages, with the other standing
 * by, and meanwhile the chain forks again, the first branch wins again, or an operator rolls back.
 */
import { expect, test } from "vitest";
import { RecantApiError } from "../../src/client/api-error.ts";
import type { Stage } from "../../src/rollback/rollback-record.ts";
import { startAnvil } from "../support/anvil.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import { GENESIS_TIMESTAMP, type TestChain } from "../support/test-chain.ts";
import { until } from "../support/until.ts";
import { type AnchorOf, FIRST_TRANSFERS, onlyOne } from "../support/world.ts";
import { ChaosWorld, type Seat } from "./chaos-world.ts";
import { settled, storedViolations } from "./settled.ts";

const TIMEOUT_MS = 180_000;

interface Scene {
	readonly chaos: ChaosWorld;
	readonly leader: Seat;
	readonly heir: Seat;
	/** The branch that was followed before the fork, and the other. */
	readonly first: TestChain;
	readonly second: TestChain;
}

type Meanwhile = (scene: Scene) => Promise<void>;

const MEANWHILE: Readonly<Record<string, Meanwhile>> = {
	nothing: async () => undefined,
	"another fork": async ({ chaos, second }) => {
		await chaos.world.gate.hold(async () => {
			await second.drop(2);
			await second.block({ from: 3, to: 2, value: 4n });
			await second.empty(2);
		});
	},
	"a deeper fork": async ({ chaos, second }) => {
		await chaos.world.gate.hold(async () => {
			await second.drop(4);
			await second.block({ from: 1, to: 2, value: 2n });
			await second.empty(4);
		});
	},
	"the first branch again": async ({ chaos, first }) => {
		await first.empty(2);
		await chaos.world.gate.hold(async () => chaos.world.switchTo(first));
	},
	"a rollback by hand": async ({ leader, heir }) => {
		for (const { client } of [leader, heir]) {
			const asked = client?.startRollback(CHAIN, 3);
			// There is one already: one of the two says so, and neither may be torn.
			await asked?.catch((error: unknown) => {
				if (!(error instanceof RecantApiError)) throw error;
			});
		}
	},
};

const CASES: readonly (readonly [Stage, string])[] = [
	["plan", "another fork"],
	["rewind", "the first branch again"],
	["replay", "a deeper fork"],
	["verify", "a rollback by hand"],
	["commit", "nothing"],
	["commit", "another fork"],
	["commit", "the first branch again"],
];

test.each(CASES)(
	"a SIGKILL before the stage %s, and meanwhile %s: the process that stands by goes on",
	async (stage, meanwhile) => {
		const scene = await prepared(stage);
		const { chaos, leader, heir, second } = scene;
		await chaos.world.gate.hold(async () => chaos.world.switchTo(second));
		await leader.process?.said((event) => event.event === "stage" && event.stage === stage);
		await writeMeanwhile(scene);
		await MEANWHILE[meanwhile]?.(scene);
		await leader.kill();
		if (heir.client === undefined) throw new Error("nobody stands by");
		await untilFollowed(heir.client, CHAIN, chaos.world.gate.url);
		await chaos.startMissing();
		await settled(chaos);
		expect(await storedViolations(chaos)).toEqual([]);
		await chaos.inspect(expectStraightRun);
	},
	TIMEOUT_MS,
);

/** A history with agents' memories, a branch beside it, and a first process that hangs before `stage`. */
async function prepared(stage: Stage): Promise<Scene> {
	const chaos = await ChaosWorld.create({ layout: "two processes", service: { stageDelayMs: 0 } });
	const { world } = chaos;
	const [leader, heir] = chaos.seats;
	if (leader === undefined || heir === undefined) throw new Error("there are two processes");
	await leader.start({ hangBefore: stage });
	await until("the first process has the lease", async () => (await chaos.leader()) === leader);
	await heir.start();
	const first = world.chain;
	const second = await first.twin(await startAnvil({ genesisTimestamp: GENESIS_TIMESTAMP }));
	await second.block(...FIRST_TRANSFERS);
	for (const chain of [first, second]) await chain.block({ from: 1, to: 2, value: 5n });
	second.diverge();
	const { sent, block } = await first.block({ from: 2, to: 3, value: 6n });
	await first.block({ from: 3, to: 1, value: 7n });
	await second.block({ from: 3, to: 1, value: 9n });
	await second.block({ from: 1, to: 3, value: 8n });
	await second.block(onlyOne(sent));
	await second.empty(1);
	await settled(chaos);
	const scene = { chaos, leader, heir, first, second };
	await write(scene, "free");
	await write(scene, "on a transfer", { transaction: onlyOne(sent).hash });
	await write(scene, "on a block", { block: block.hash });
	return scene;
}

/** What an agent writes during the rollback is durable at once, and admitted after it. */
async function writeMeanwhile(scene: Scene): Promise<void> {
	await write(scene, "meanwhile", undefined, 0);
}

async function write(
	{ chaos, leader }: Scene,
	id: string,
	anchor?: AnchorOf,
	waitMs = 5_000,
): Promise<void> {
	const said = { op: "put", id, content: { id }, text: `the whale says ${id}` } as const;
	const operation = anchor === undefined ? said : { ...said, anchor };
	const input = { ...operation, layer: "semantic" } as const;
	const answer = await leader.client?.write(CHAIN, input, { waitMs });
	expect(answer?.committed, id).toBe(waitMs > 0);
	chaos.world.adopt(answer?.operations[0]?.operationId ?? "none", operation);
}
