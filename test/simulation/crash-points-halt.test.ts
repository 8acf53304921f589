/** Crash points of a halt: the node shows a branch that leaves the chain below what was final. */
import type { Hex } from "../../src/domain/ids.ts";
import { CALM_PROFILE, calmSchedule, endingAt } from "./calm-schedule.ts";
import { describeCrashes } from "./crash-suite.ts";
import { openFakeStores } from "./fake-stores.ts";
import { SimulationError } from "./sim-clock.ts";
import type { ProcessLife } from "./sim-process.ts";
import type { World } from "./simulation.ts";

const SEEDS = Array.from({ length: 20 }, (_, index) => 60_000 + index);
const LENGTH_MS = 9_000;
const FORK_AT_MS = 6_000;
const BLOCKS = 20;
/** Final blocks that the other branch leaves out, and how much longer it is than the chain. */
const FORK = { below: 3, above: 3n };
const LOOK_MS = 200;
/** In which a process that takes a halted chain over has looked at it. */
const TAKEN_OVER_MS = 8_000;

describeCrashes({
	title: "below finality, a crash at",
	steps: ["writer.halt"],
	seeds: SEEDS,
	again: [undefined, 1, 3],
	later: undefined,
	profile: CALM_PROFILE,
	run: (seed) => {
		const scene = new HaltScene();
		return {
			schedule: endingAt(calmSchedule(seed), LENGTH_MS),
			openStores: openFakeStores,
			script: (world) => scene.begin(world),
			isSettled: ({ halt }) => halt !== undefined && scene.isOver,
			alsoJudge: requireHalted,
		};
	},
});

/**
 * The fork comes as soon as something is final, and some time has passed. When the chain stands, its own branch
 * wins after all: that is no reason to go on without an operator, and the oracle can follow it.
 */
class HaltScene {
	isOver = false;

	begin(world: World): void {
		const { chain, time } = world;
		while (chain.head.number < BLOCKS) chain.step();
		time.in(FORK_AT_MS, () => this.#fork(world));
	}

	#fork(world: World): void {
		const { time } = world;
		const final = Math.max(...world.machines.map(({ life }) => finalOf(life)));
		if (final <= FORK.below) {
			time.in(LOOK_MS, () => this.#fork(world));
			return;
		}
		fork(world, BigInt(final - FORK.below));
		this.#waitForHalt(world);
	}

	#waitForHalt(world: World): void {
		world.time.in(LOOK_MS, () => {
			void world.stores.standing().then(({ halt, head }) => {
				if (halt === undefined) return this.#waitForHalt(world);
				const { chain } = world;
				const goal = chain.head.number;
				let block = head && chain.block(head.hash as Hex);
				while (block !== undefined && block.number <= goal) block = chain.mine(block);
				this.isOver = true;
			});
		});
	}
}

/** Negative: this process does not write the chain. */
function finalOf(life: ProcessLife | undefined): number {
	return Number(life?.chain.writer?.state.finalized ?? -1n);
}

function fork({ chain, note }: World, below: bigint): void {
	const goal = chain.head.number + FORK.above;
	const ancestor = chain.at(chain.head, below);
	if (ancestor === undefined) throw new SimulationError(`there is no block ${below}`);
	note(`the chain forks above ${below}, below what was final`);
	let head = ancestor;
	while (head.number < goal) head = chain.mine(head, [chain.transaction()]);
}

/** The log has it once, nothing comes after it, and whoever takes the chain over finds it as it was. */
async function requireHalted({ stores, machines, time }: World): Promise<void> {
	const before = await stores.reads.log(0n);
	const halts = before.filter(({ kind }) => kind === "halt");
	const { halt, head } = await stores.standing();
	if (halts.length !== 1 || halts[0] === undefined) {
		throw new SimulationError(`the log has ${halts.length} entries of the halt`);
	}
	if (!halts[0].body.includes("fork_below_")) throw new SimulationError(halts[0].body);
	for (const machine of machines) machine.kill(1_000);
	await time.run(time.nowMs + TAKEN_OVER_MS);
	const after = await stores.standing();
	if (after.halt !== halt || after.head?.hash !== head?.hash) {
		throw new SimulationError(`the halt was "${halt}" at ${head?.hash}, and is "${after.halt}"`);
	}
	const log = await stores.reads.log(0n);
	const later = log.filter(({ position }) => position > (before.at(-1)?.position ?? 0n));
	if (later.length > 0) throw new SimulationError(`${later[0]?.kind} was written while it stood`);
	const said = machines.map(({ life }) => life?.chain.status());
	if (!said.some((status) => status?.state === "halted" && status.problem?.message === halt)) {
		throw new SimulationError(`nobody says that it stands: ${JSON.stringify(said)}`);
	}
}
