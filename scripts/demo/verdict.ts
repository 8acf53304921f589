/** Whether the survivor of the fork is what an instance would be that never saw the fork. */
import type { Token } from "../support/token.ts";
import { ledgerBalances, strayBalances } from "./balances.ts";
import type { Cleanup } from "./cleanup.ts";
import { type Comparison, compare } from "./comparison.ts";
import { followed } from "./instance.ts";
import { notesFrom, strayNotes, writeNote } from "./notes.ts";
import { observe } from "./observation.ts";
import { type Stage, setTwinStage, type TwinStage } from "./stage.ts";
import { copyBlock } from "./winning-chain.ts";

export interface CheckOptions {
	readonly token: Token;
	/** Operation ids of the notes, by note id. */
	readonly written: ReadonlyMap<string, string>;
	/** Asked of both. */
	readonly questions: readonly string[];
	/** Runs when both stand still; tests make them differ here. */
	readonly beforeComparison?: (twin: TwinStage) => Promise<void>;
}

export interface Verdict extends Comparison {
	/** Blocks of the winning chain, genesis not counted. */
	readonly blocks: number;
}

export async function check(
	cleanup: Cleanup,
	stage: Stage,
	options: CheckOptions,
): Promise<Verdict> {
	const twin = await setTwinStage(cleanup, stage.anvil);
	const blocks = await relive(stage, twin);
	await options.beforeComparison?.(twin);
	const { client } = stage.recant;
	const [survivor, fresh, balances] = await Promise.all([
		observe(client, options.questions),
		observe(twin.recant.client, options.questions),
		ledgerBalances(client, options.token, "latest"),
	]);
	const comparison = compare(survivor, fresh);
	const strays = await Promise.all([
		strayNotes(client, options.written),
		strayBalances(options.token, balances),
	]);
	return { ...comparison, blocks, differences: [...strays.flat(), ...comparison.differences] };
}

/**
 * The winning chain, block by block, with each note at the height at which it came to hold. They are
 * written without anchors: the anchor decided where they hold, and is not part of the memory.
 */
async function relive(stage: Stage, twin: TwinStage): Promise<number> {
	const blocks = Number(await stage.anvil.blockNumber());
	await followed(twin.recant, twin.anvil.request);
	for (let height = 1; height <= blocks; height += 1) {
		for (const note of notesFrom(height)) await writeNote(twin.recant.client, note, undefined);
		await copyBlock(stage.anvil, twin.anvil, height);
		await followed(twin.recant, twin.anvil.request);
	}
	return blocks;
}
