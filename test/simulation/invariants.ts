/**
 * What holds at every moment of a run, looked at whenever something took effect.
 *
 * 1. Generation, fence, log position and version ids only grow.
 * 2. The log is dense: every position up to the last is there, and what stands at one never changes.
 * 3. What a reader sees at a sealed coordinate gives the root that its checkpoint says, and is the same for
 *    good, as long as the coordinate is kept.
 * 4. At most one rollback of a chain is active, and its state goes forward only.
 */
import { differingLayers } from "../../src/commitment/state-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import { isActive } from "../../src/rollback/rollback-record.ts";
import type { Random } from "../support/random.ts";
import type { FakePostgres } from "./fakes/fake-postgres.ts";
import { SimulationError } from "./sim-clock.ts";
import { SIM_CHAIN_ID } from "./sim-ledger.ts";

export class Invariants {
	readonly #postgres: FakePostgres;
	readonly #random: Random;
	#generation = 0n;
	#fence = 0n;
	#position = 0n;
	#versionSeq = 0n;
	#retainedFrom = 0n;
	/** The first that was seen broken; thrown by `look`, since whoever wrote it would swallow it. */
	#broken: SimulationError | undefined;

	constructor(postgres: FakePostgres, random: Random) {
		this.#postgres = postgres;
		this.#random = random;
		postgres.onChange((chainId) => {
			if (chainId === SIM_CHAIN_ID) this.#changed();
		});
	}

	/** Throws what was found, and looks at a coordinate by chance. */
	look(): void {
		if (this.#broken !== undefined) throw this.#broken;
		this.#readSomewhere();
		if (this.#broken !== undefined) throw this.#broken;
	}

	#changed(): void {
		const { read } = this.#postgres;
		const { generation, fence, logPosition, versionSeq, retainedFrom, logCutTo } =
			read.chain(SIM_CHAIN_ID);
		this.#grows("generation", this.#generation, generation);
		if (generation > this.#generation && retainedFrom !== this.#retainedFrom) {
			// An imported state goes on from the numbers of its own log.
			this.#position = logCutTo;
			this.#versionSeq = 0n;
		}
		this.#retainedFrom = retainedFrom;
		this.#require(generation <= this.#generation + 1n, () => `generation ${generation} skips one`);
		this.#grows("fence", this.#fence, fence);
		this.#grows("log position", this.#position, logPosition);
		this.#grows("version id", this.#versionSeq, versionSeq);
		if (logPosition !== this.#position) this.#logGrew(this.#position, logPosition);
		this.#generation = generation;
		this.#fence = fence;
		this.#position = logPosition;
		this.#versionSeq = versionSeq;
		const active = read.rollbacks(SIM_CHAIN_ID).filter(({ state }) => isActive(state));
		this.#require(active.length <= 1, () => `${active.length} rollbacks are active`);
	}

	#logGrew(before: bigint, now: bigint): void {
		const added = this.#postgres.read
			.log(SIM_CHAIN_ID)
			.filter(({ position }) => position > before)
			.map(({ position }) => position);
		const isDense = added.every((position, index) => position === before + 1n + BigInt(index));
		this.#require(
			isDense && before + BigInt(added.length) === now,
			() => `the log has ${added.join()} above ${before}, and says that it ends at ${now}`,
		);
	}

	#readSomewhere(): void {
		const { read } = this.#postgres;
		const checkpoints = read.checkpoints(SIM_CHAIN_ID);
		if (checkpoints.length === 0) return;
		const { height, roots, fromGen, toGen } = this.#random.oneOf(checkpoints);
		const { generation } = read.chain(SIM_CHAIN_ID);
		const newest = toGen - 1n < generation ? toGen - 1n : generation;
		const at = { height, generation: this.#random.chance(0.5) ? fromGen : newest };
		const tree = new StateTree();
		for (const version of read.visible(SIM_CHAIN_ID, at)) tree.set(version);
		const differing = differingLayers(tree.roots(), roots);
		this.#require(
			differing.length === 0,
			() =>
				`at ${at.height} in generation ${at.generation} readers see another ${differing.join()}`,
		);
	}

	#grows(what: string, before: bigint, now: bigint): void {
		this.#require(now >= before, () => `${what} went from ${before} to ${now}`);
	}

	#require(holds: boolean, what: () => string): void {
		if (!holds) this.#broken ??= new SimulationError(`invariant: ${what()}`);
	}
}
