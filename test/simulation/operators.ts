/** People who look after the chain: they roll back by hand, hold rollbacks up, and put right what stands. */
import { RecantError } from "../../src/domain/errors.ts";
import type { RollbackId } from "../../src/domain/ids.ts";
import { rollbackTarget } from "../../src/service/manual-rollback.ts";
import type { Random } from "../support/random.ts";
import { ConnectionLost, type Machine } from "./machine.ts";
import type { Control } from "./schedule.ts";
import { SIM_CHAIN_ID } from "./sim-ledger.ts";
import type { ProcessLife } from "./sim-process.ts";
import type { StandingChain } from "./stores.ts";
import type { Trace } from "./trace.ts";

/** After faults ended: how long a failed rollback stands before somebody comes. */
const COMES_AFTER_MS = 2_000;

export interface OperatorsOptions {
	readonly machines: () => readonly Machine[];
	readonly trace: Trace;
	readonly random: Random;
	readonly count: (what: string) => void;
}

export class Operators {
	readonly #options: OperatorsOptions;
	#cameMs = 0;

	constructor(options: OperatorsOptions) {
		this.#options = options;
	}

	rollBack(back: number): void {
		this.#ask("rolls back by hand", (life) => rollBackByHand(life, back));
	}

	control(control: Control): void {
		this.#ask(`says ${control}`, async (life) => {
			const active = await life.rollbackStore.active(SIM_CHAIN_ID);
			if (active !== undefined) await order(life, active.rollbackId, control);
		});
	}

	/** What only an operator can end. */
	async putRight({ rollbacks }: StandingChain, nowMs: number): Promise<void> {
		const stands = rollbacks.find(({ paused, state }) => paused || state === "failed");
		if (stands === undefined || nowMs - this.#cameMs < COMES_AFTER_MS) return;
		this.#cameMs = nowMs;
		const rollbackId = stands.rollbackId as RollbackId;
		const control =
			stands.state !== "failed" ? "resume" : this.#options.random.chance(0.5) ? "retry" : "abandon";
		this.#ask(`says ${control}`, (life) => order(life, rollbackId, control));
	}

	/** What is refused is refused; whatever else goes wrong is a failure of the run. */
	#ask(what: string, ask: (life: ProcessLife) => Promise<void>): void {
		const { machines, random, trace, count } = this.#options;
		const up = machines().filter(({ life }) => life !== undefined);
		if (up.length === 0) return;
		trace.note(`an operator ${what}`);
		void random
			.oneOf(up)
			.request(ask)
			.then(
				() => count("operatorsDone"),
				(error: unknown) => {
					if (!(error instanceof RecantError || error instanceof ConnectionLost)) throw error;
					count("operatorsRefused");
					trace.note(
						`an operator is told ${error instanceof RecantError ? error.code : error.name}`,
					);
				},
			);
	}
}

async function order(life: ProcessLife, rollbackId: RollbackId, control: Control): Promise<void> {
	await life.rollbackStore.order(rollbackId, control);
	life.rollbackDue();
}

/** As the service's startRollback. */
async function rollBackByHand(life: ProcessLife, back: number): Promise<void> {
	const { coordinator, writerStore, rollbackStore } = life;
	const { state } = await writerStore.loadChain(SIM_CHAIN_ID);
	const toBlock = (state.head?.number ?? 0n) - BigInt(back);
	const target = await rollbackTarget(SIM_CHAIN_ID, toBlock < 0n ? 0n : toBlock, {
		writerStore,
		rollbackStore,
	});
	await coordinator.record({
		chainId: SIM_CHAIN_ID,
		cause: "manual",
		fromGeneration: target.state.generation,
		ancestor: target.ancestor,
		from: target.from,
		branch: [],
		supersessions: 0,
		wantedStrategy: undefined,
	});
	life.rollbackDue();
}
