/** The story of the demo, in eight steps: what an agent believes, a fork, and what it believes then. */
import type { SearchAnswer } from "../../src/client/answers.ts";
import type { RecantClient } from "../../src/client/client.ts";
import type { Token } from "../support/token.ts";
import { type Balances, ledgerBalances } from "./balances.ts";
import {
	FORK_DEPTH,
	fork,
	mineCommon,
	mineDropped,
	mineOrphaned,
	type OrphanedBranch,
	type Written,
} from "./branches.ts";
import { PEOPLE } from "./cast.ts";
import type { Cleanup } from "./cleanup.ts";
import { EventLog } from "./event-log.ts";
import { CHAIN, followed } from "./instance.ts";
import type { Narrator } from "./narrator.ts";
import { NOTES } from "./notes.ts";
import { outcomeRows } from "./outcome.ts";
import { type Stage, setStage } from "./stage.ts";
import { type CheckOptions, check } from "./verdict.ts";

export const STEPS = 8;
const CHAIN_ID = 31_337;
const QUESTION = "Who paid rent to Dave?";
const QUESTIONS = [QUESTION, "What did Bob lend?", "Which invoice is settled?", "Dave's balance"];
const ROLLBACK_STAGES = ["plan", "rewind", "replay", "verify", "commit"] as const;
/** Characters of a hash that are shown: enough to tell branches apart. */
const HASH_SHOWN = 10;

export interface StoryOptions extends Pick<CheckOptions, "beforeComparison"> {
	readonly narrator: Narrator;
	readonly cleanup: Cleanup;
	readonly keepData: boolean;
}

export interface Outcome {
	readonly stage: Stage;
	/** Empty: the survivor equals an instance that never saw the fork. */
	readonly differences: readonly string[];
}

/** Throws ToolError when a step cannot be played. */
export async function tellStory(options: StoryOptions): Promise<Outcome> {
	const { narrator, cleanup } = options;
	const stage = await narrator.step("Start Postgres, Anvil and Recant", () =>
		setStage(cleanup, options.keepData),
	);
	narrator.line(`Recant at ${stage.recant.url}, following Anvil at ${stage.gate.url}`);
	const written: Written = new Map();
	const token = await narrator.step("Deploy a token and mine 6 blocks of payments", () =>
		mineCommon(stage, written),
	);
	const before = await rememberOrphaned({ ...options, stage, token, written });
	return forkAndCheck({ ...options, stage, token, written, before });
}
