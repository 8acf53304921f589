/** The story of the demo, in eight steps: what an agent believes, a fork, and what it believes then. */

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
import type { Cleanup } from "./cleanup.ts";
import { differences, type Fact } from "./comparison.ts";
import { CHAIN, followed } from "./instance.ts";
import type { Narrator } from "./narrator.ts";
import { NOTES } from "./notes.ts";
import { outcomeRows } from "./outcome.ts";
import { RollbackWatch } from "./rollback-watch.ts";
import { type Stage, setStage } from "./stage.ts";
import {
	type Answer,
	answerLine,
	answerTable,
	ask,
	balanceTable,
	noteTable,
	outcomeTable,
} from "./tables.ts";
import { type CheckOptions, check } from "./verdict.ts";

export const STEPS = 8;

const QUESTION = "Who paid rent to Dave?";
/** Asked of the survivor and of the fresh instance. */
const QUESTIONS = [QUESTION, "What did Bob lend?", "Which invoice is settled?", "audit of Dave"];

/** One cause can make hundreds of values differ. */
const DIFFERENCES_SHOWN = 20;

export interface StoryOptions extends Pick<CheckOptions, "beforeComparison"> {
	readonly narrator: Narrator;
	readonly cleanup: Cleanup;
	/** Leaves the data where they are when everything ends. */
	readonly keepData: boolean;
}

export interface Outcome {
	readonly stage: Stage;
	/** 0: the survivor equals an instance that never saw the fork; 1: it does not. */
	readonly exitCode: 0 | 1;
}

interface Scene extends StoryOptions {
	readonly stage: Stage;
	readonly token: Token;
	readonly written: Written;
	readonly watch: RollbackWatch;
}

/** What held before the fork. */
interface Before {
	readonly orphaned: OrphanedBranch;
	readonly balances: Balances;
	readonly answer: Answer;
}

/** Throws ToolError when a step cannot be played. */
export async function tellStory(options: StoryOptions): Promise<Outcome> {
	const { narrator, cleanup } = options;
	narrator.headline("Recant: an agent's memory lives through a fork", "bold");
	const stage = await narrator.step("Start Postgres, Anvil and Recant", () =>
		setStage(cleanup, options.keepData),
	);
	narrator.line(`Recant answers at ${stage.recant.url} and follows ${stage.gate.url}`);
	const written: Written = new Map();
	const token = await narrator.step("Deploy a token, and mine payments up to block 6", () =>
		mineCommon(stage, written),
	);
	const watch = await cleanup.start(
		() => RollbackWatch.open(stage.recant.client),
		(opened) => opened.close(),
	);
	const scene: Scene = { ...options, stage, token, written, watch };
	const before = await believe(scene);
	const balances = await reorganise(scene, before);
	const changed = await askAgain(scene, before, balances);
	return judge(scene, changed);
}

/** Steps 3 and 4. */
async function believe({ narrator, stage, token, written }: Scene): Promise<Before> {
	const { client } = stage.recant;
	const orphaned = await narrator.step(
		"Mine blocks 7 to 12, while an agent writes down what it believes",
		() => mineOrphaned(stage, token, written),
	);
	noteTable(narrator, NOTES);
	const answer = await narrator.step(`Search: “${QUESTION}”`, () =>
		ask(client, QUESTION, "latest"),
	);
	narrator.line(answerLine(answer));
	return { orphaned, answer, balances: await ledgerBalances(client, token, "latest") };
}

/** Steps 5 and 6. Answers the balances right after the fork. */
async function reorganise(scene: Scene, { orphaned }: Before): Promise<Balances> {
	const { narrator, stage, token, watch } = scene;
	const { client } = stage.recant;
	await narrator.step(
		`Fork: the last ${FORK_DEPTH} blocks are replaced, with other payments`,
		() => fork(stage, orphaned.payments),
		watch.stages(),
	);
	const rollback = await watch.committed();
	await followed(stage.recant, stage.anvil.request);
	const balances = await ledgerBalances(client, token, "latest");
	const back = await narrator.step(
		"Mine on: block 14 holds the loan again, which the fork had dropped",
		async () => {
			await mineDropped(stage, token, orphaned.payments);
			return watch.reinstated(rollback);
		},
	);
	const report = await client.report(CHAIN, rollback);
	outcomeTable(narrator, outcomeRows(report, [back]));
	return balances;
}

/** Step 7. Answers where the past, asked by its hash, is no longer what it was. */
async function askAgain(
	{ narrator, stage, token }: Scene,
	before: Before,
	afterFork: Balances,
): Promise<readonly string[]> {
	const { client } = stage.recant;
	const { head } = before.orphaned;
	const [balances, orphanedBalances, answer, orphanedAnswer] = await narrator.step(
		"Ask again: now, and by the hash of the orphaned block 12",
		() =>
			Promise.all([
				ledgerBalances(client, token, "latest"),
				ledgerBalances(client, token, head),
				ask(client, QUESTION, "latest"),
				ask(client, QUESTION, head),
			]),
	);
	const short = `${head.slice(0, 10)}…`;
	balanceTable(narrator, [
		["before the fork (12)", before.balances],
		["after it (12)", afterFork],
		["now (14)", balances],
		[`at ${short}`, orphanedBalances],
	]);
	narrator.line("");
	answerTable(narrator, [
		["before the fork", before.answer],
		["now", answer],
		[`at ${short}`, orphanedAnswer],
	]);
	return differences(
		pastFacts(before.balances, before.answer),
		pastFacts(orphanedBalances, orphanedAnswer),
		["then", `by hash ${head}`],
	);
}

function pastFacts(balances: Balances, answer: Answer): readonly Fact[] {
	return [
		...[...balances].map(([name, balance]): Fact => [`balance of ${name}`, balance]),
		[`best answer to “${QUESTION}”`, answer],
	];
}

/** Step 8. */
async function judge(scene: Scene, changed: readonly string[]): Promise<Outcome> {
	const { narrator, cleanup, stage } = scene;
	const verdict = await narrator.step(
		"Compare with a fresh instance that saw only the winning chain",
		() => check(cleanup, stage, { ...scene, questions: QUESTIONS }),
	);
	const { blocks, memories, roots, results } = verdict;
	narrator.line(
		`block by block, 1 to ${blocks}; then ${memories} memories, ${roots} roots and ${results} search results`,
	);
	const found = [...changed, ...verdict.differences];
	tellVerdict(narrator, found);
	return { stage, exitCode: found.length === 0 ? 0 : 1 };
}

function tellVerdict(narrator: Narrator, found: readonly string[]): void {
	if (found.length === 0) {
		narrator.headline(
			"EQUAL: memory is exactly what an instance holds that never saw the fork",
			"green",
		);
		return;
	}
	narrator.headline(`DIFFERENT in ${found.length} places:`, "red");
	const lines = found.slice(0, DIFFERENCES_SHOWN).flatMap((difference) => difference.split("\n"));
	for (const line of lines) narrator.line(line);
	const more = found.length - DIFFERENCES_SHOWN;
	if (more > 0) narrator.line(`and ${more} more`);
}
