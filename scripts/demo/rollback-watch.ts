/** Sees a rollback happen, by the event stream. */
import type { EventAnswer } from "../../src/client/answers.ts";
import type { RecantClient } from "../../src/client/client.ts";
import { EventLog } from "./event-log.ts";
import { CHAIN } from "./instance.ts";
import type { Part } from "./narrator.ts";

/** Of chains/anvil.ts. */
const CHAIN_ID = 31_337;
const STAGES = {
	plan: "what the fork touches",
	rewind: "back to the common ancestor",
	replay: "handlers run again, notes are judged",
	verify: "every touched memory hashed",
	commit: "all of it at once",
} as const;
type StageName = keyof typeof STAGES;

export interface Reinstated {
	readonly id: string;
	readonly slot: string;
}

export class RollbackWatch {
	readonly #client: RecantClient;
	readonly #events: EventLog;

	private constructor(client: RecantClient, events: EventLog) {
		this.#client = client;
		this.#events = events;
	}

	/** Open it before the fork. */
	static async open(client: RecantClient): Promise<RollbackWatch> {
		return new RollbackWatch(client, await EventLog.open(client, CHAIN_ID));
	}

	close(): void {
		this.#events.close();
	}

	/** The first rollback's stages as they happen. */
	stages(): readonly Part[] {
		return Object.entries(STAGES).map(([name, meaning]) => ({
			name,
			ended: async () => {
				const ms = await this.#stageMs(name as StageName);
				return `${ms.toFixed(1).padStart(6)} ms  ${meaning}`;
			},
		}));
	}

	/** Id of the first rollback, as soon as it is committed. */
	committed(): Promise<string> {
		return this.#events.first("a rollback is committed", committedIn);
	}

	/** The first operation that came back after that rollback. */
	reinstated(rollback: string): Promise<Reinstated> {
		let after = false;
		return this.#events.first("an operation is reinstated", (event) => {
			after ||= committedIn(event) === rollback;
			const { verdict, id, slot } = event.data;
			if (!after || event.type !== "verdict" || verdict !== "reinstated") return undefined;
			return { id: String(id), slot: String(slot) };
		});
	}

	/** Progress is not kept, so a stage whose end was missed is read from the rollback itself. */
	async #stageMs(stage: StageName): Promise<number> {
		const seen = await this.#events.first(`stage ${stage} ends`, (event) => {
			const rollback = committedIn(event);
			return rollback === undefined ? progressOf(event, stage) : { rollback };
		});
		if ("ms" in seen) return seen.ms;
		const { stageMs } = await this.#client.rollback(CHAIN, seen.rollback);
		return stageMs[stage] ?? 0;
	}
}

function committedIn({ type, data }: EventAnswer): string | undefined {
	return type === "rollback" ? String(data["rollbackId"]) : undefined;
}

/** Progress tells how long each stage took that has ended. */
function progressOf(
	{ type, data }: EventAnswer,
	stage: StageName,
): { readonly ms: number } | undefined {
	const { stageMs } = data;
	if (type !== "rollback_progress" || typeof stageMs !== "object" || stageMs === null) return;
	const ms = Object.entries(stageMs).find(([name]) => name === stage)?.[1];
	return typeof ms === "number" ? { ms } : undefined;
}
