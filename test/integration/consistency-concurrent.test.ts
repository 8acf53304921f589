/** Checks while everything moves: blocks, agents' writes, flushes, expiries and rollbacks give no finding. */
import { expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { RecantError } from "../../src/domain/errors.ts";
import { checked } from "../support/consistency.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";
import { World } from "../support/world.ts";

const SEED = announcedSeed("test/integration/consistency-concurrent.test.ts");
const WORK_MS = 15_000;
/** On a busy machine, or with a seed that rarely forks, until enough was seen. */
const MOST_WORK_MS = 60_000;
const MOST_DEPTH = 3;

test("full checks in a loop find nothing while the chain works", { timeout: 120_000 }, async () => {
	const world = await World.create({ name: "consistency-concurrent" });
	const client = new RecantClient({ url: world.recant.url });
	const random = new Random(SEED);
	const begunMs = performance.now();
	const runs: string[] = [];
	let rollbacks = 0;
	const hasSeenEnough = () => rollbacks > 2 && runs.length > 5;
	const works = () => {
		const sinceMs = performance.now() - begunMs;
		return sinceMs < WORK_MS || (sinceMs < MOST_WORK_MS && !hasSeenEnough());
	};
	const chain = async () => {
		while (works()) {
			const head = Number((await world.chain.head()).number);
			if (head > MOST_DEPTH && random.chance(0.15)) {
				rollbacks += 1;
				await world.gate.hold(async () => {
					await world.chain.reorg(random.between(1, MOST_DEPTH));
					await world.chain.block({ from: 1, to: 3, value: 1n });
				});
			} else {
				await world.chain.block({ from: random.between(1, 2), to: 3, value: 1n });
			}
			await new Promise((resolve) => setTimeout(resolve, random.between(0, 150)));
		}
	};
	const agent = async (name: string, layer: "semantic" | "short_term") => {
		for (let n = 0; works(); n += 1) {
			const id = `${name}${random.between(0, 30)}`;
			const { number } = await world.chain.head();
			const life = random.chance(0.3)
				? { expiresAtBlock: number + BigInt(random.between(2, 6)) }
				: {};
			const text = random.chance(0.5) ? { text: `${name} says ${n}` } : {};
			const deadlineMs = random.chance(0.1) ? 0 : 5_000;
			await world
				.submit([{ op: "put", id, layer, content: { n }, ...text, ...life }], deadlineMs)
				.catch(passedOver);
		}
	};
	const checks = async () => {
		while (works()) {
			const level = random.oneOf(["basic", "full", "full", "comprehensive", "paranoid"]);
			const sample = random.chance(0.2)
				? { seed: `${SEED}/${runs.length}`, confidence: 0.9, tolerance: 0.05 }
				: undefined;
			const { run, findings } = await checked(client, { level, sample });
			expect(findings, `${level} at ${JSON.stringify(run.at)}`).toEqual([]);
			expect(run.state, run.error?.message).toBe("done");
			runs.push(level);
		}
	};
	await Promise.all([chain(), agent("a", "semantic"), agent("b", "short_term"), checks()]);
	await world.followed();
	const { findings } = await checked(client, { level: "comprehensive" });
	expect(findings).toEqual([]);
	expect({ rollbacks, runs: runs.length, enough: hasSeenEnough() }).toMatchObject({ enough: true });
	console.info(`${runs.length} checks, ${rollbacks} forks, ${world.journal.length} writes`);
});

/** The chain may have gone past the height at which the memory was to end. */
function passedOver(error: unknown): void {
	if (!(error instanceof RecantError) || !error.message.startsWith("it expires at")) throw error;
}
