/** The chain's numbers against the largest that stand in rows. Costs a few index look-ups. */
import type { Height } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { CheckContext } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import type { StoredChain, StoredGeneration, StoredState, Watermarks } from "../stored-state.ts";
import { byPerson, subject } from "../subject.ts";

export const watermarks: ScanRule<CheckContext> = {
	kind: "scan",
	name: "watermarks",
	level: "basic",
	severity: "critical",
	compares: "head, safe, finalized, generation, log position and version id with the rows' largest",
	async *check({ state, read }) {
		await read(1);
		yield* watermarkFindings(state);
	},
};

/** What the numbers say now. */
export async function* watermarkFindings(state: StoredState): AsyncGenerator<RuleFinding, void> {
	const { chain } = state;
	yield* againstRows(chain, await state.watermarks()).map(wrong);
	yield* ordered(chain).map(wrong);
	yield* await endOfLog(state);
	yield* generationsOf(chain, await state.generations()).map((what) => ({
		...wrong(what),
		subject: subject({ store: "postgres", table: "generations" }),
	}));
}

function againstRows(chain: StoredChain, rows: Watermarks): readonly string[] {
	const { head, logPosition, versionSeq, generation } = chain;
	const slot = head === undefined ? chain.startBlock : head + 1n;
	const logged = rows.logPosition ?? chain.logCutTo;
	return [
		...(logged === logPosition
			? []
			: [`log position is ${logPosition}, the log ends at ${logged}`]),
		...above("a version has the id", rows.versionId, "the last given out is", versionSeq),
		...above(
			"a version is of generation",
			rows.versionGeneration,
			"the present one is",
			generation,
		),
		...above("a version begins at", rows.slot, "the pending slot is", slot),
		...(rows.block === head
			? []
			: [`the head is ${head}, the highest block kept is ${rows.block}`]),
		...above("a checkpoint is of height", rows.checkpoint, "the head is", head ?? -1n),
		...(rows.generation === generation
			? []
			: [`generation is ${generation}, the last kept is ${rows.generation}`]),
	];
}

function above(
	what: string,
	found: bigint | undefined,
	most: string,
	limit: bigint,
): readonly string[] {
	return found === undefined || found <= limit ? [] : [`${what} ${found}, ${most} ${limit}`];
}

function ordered({ head, safe, finalized }: StoredChain): readonly string[] {
	const pairs: readonly (readonly [string, Height | undefined, string, Height | undefined])[] = [
		["finalized", finalized, "safe", safe],
		["safe", safe, "head", head],
	];
	return pairs.flatMap(([low, a, high, b]) =>
		a !== undefined && b !== undefined && a > b ? [`${low} is ${a}, above ${high}, ${b}`] : [],
	);
}

async function endOfLog(state: CheckContext["state"]): Promise<readonly RuleFinding[]> {
	const { logPosition, logCutTo } = state.chain;
	const entries = Number(logPosition - logCutTo);
	const looked = Math.min(entries, LIMITS.basicLogEntries);
	const found = await state.countLogEnd(looked);
	if (found === looked) return [];
	return [
		{
			...wrong(`of the last ${looked} positions of the log ${looked - found} are missing`),
			class: "log_corrupt",
			subject: subject({ store: "postgres", table: "log" }),
		},
	];
}

function generationsOf(chain: StoredChain, kept: readonly StoredGeneration[]): readonly string[] {
	return kept.flatMap(({ generation, lastHeight }, index) => {
		const before = kept[index - 1]?.generation;
		const gap = before !== undefined && generation !== before + 1n;
		const open = lastHeight === undefined;
		return [
			...(gap ? [`generation ${generation} follows ${before}`] : []),
			...(open === (generation === chain.generation)
				? []
				: [
						`generation ${generation} is ${open ? "open" : "ended"}, the present one is ${chain.generation}`,
					]),
		];
	});
}

function wrong(what: string): RuleFinding {
	return {
		class: "watermark_wrong",
		subject: subject({ store: "postgres", table: "chains" }),
		message: `the chain's numbers do not agree: ${what}`,
		since: undefined,
		remedy: byPerson("recant status", "recant check --level full"),
	};
}
