/** One of those that follow the shared chain, and what is seen of it at a change. */
import { ToolError } from "../scripts/support/tool-error.ts";
import type { Asked } from "./peers-asked.ts";
import type { Side } from "./peers-side.ts";
import { type Ground, type Outcome, startTrial, type Trial } from "./peers-trial.ts";

/** Started anew when it no longer comes to the right rows. */
export class Follower {
	readonly side: Side;
	readonly webSocket: boolean;
	readonly #ground: Ground;
	#trial: Trial | undefined;

	constructor(ground: Ground, side: Side, webSocket: boolean) {
		this.#ground = ground;
		this.side = side;
		this.webSocket = webSocket;
	}

	get trial(): Trial {
		if (this.#trial !== undefined) return this.#trial;
		throw new ToolError("measurement_failed", {
			message: `${this.side.name} was not started`,
			hint: "this is a defect of the benchmark",
		});
	}

	async start(): Promise<void> {
		await this.stop();
		this.#trial = await startTrial(this.#ground, this.side, { webSocket: this.webSocket });
	}

	async stop(): Promise<void> {
		await this.#trial?.stop();
		this.#trial = undefined;
	}
}

export interface Seen {
	readonly outcome: Outcome;
	/** When the node showed it. */
	readonly releasedAt: number;
	/** When the side was first answered with it, or told of it. */
	readonly shownAt: number;
	readonly asked: Asked;
}
