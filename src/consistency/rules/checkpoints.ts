/** Checkpoints: checksums, their blocks, and one for each block that may be an ancestor. */
import { windowFloor } from "../../chain/finality.ts";
import { FOREVER, type Height } from "../../domain/ids.ts";
import { isGoing, sealedEnd } from "../branch-end.ts";
import type { CheckContext } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import { eachOf, mergeSorted } from "../sorted-merge.ts";
import type { StoredCheckpoint, StoredGeneration, StoredHeader } from "../stored-state.ts";
import { BY_REPAIR, subject } from "../subject.ts";

export const checkpoints: ScanRule<CheckContext> = {
	kind: "scan",
	name: "checkpoints",
	level: "full",
	severity: "critical",
	compares: "every checkpoint with its checksum and its block, and the window's blocks with theirs",
	async *check({ state, at, read }) {
		const generations = await state.generations();
		const { finalized = 0n, retainedFrom } = state.chain;
		const floor = windowFloor({ ...state.chain, head: at.height, finalized });
		const merged = mergeSorted(
			eachOf(counted(state.headers(), read)),
			eachOf(counted(state.checkpoints(), read)),
			{ left: placeOf, right: placeOf, compare: byPlace },
		);
		let before: StoredCheckpoint | undefined;
		let last: StoredHeader | undefined;
		for await (const pair of merged) {
			if (pair.type !== "right") last = pair.left;
			if (pair.type === "left") {
				// An imported snapshot brings headers from below it, and one checkpoint.
				if (pair.left.height >= retainedFrom) yield* withoutCheckpoint(pair.left, floor);
				continue;
			}
			const { right: checkpoint } = pair;
			if (isGoing(checkpoint, generations)) continue;
			// Where handlers derived everything anew, the final block was sealed once more.
			const isAgain = generations.some(
				({ generation, isDerivedAnew, ancestor }) =>
					isDerivedAnew === true &&
					generation === checkpoint.fromGen &&
					ancestor === checkpoint.height,
			);
			const header = pair.type === "both" ? pair.left : isAgain ? last : undefined;
			const problem =
				alone(checkpoint, state.chain, generations) ??
				withHeader(checkpoint, header) ??
				afterOther(checkpoint, before);
			if (problem !== undefined) yield corrupt(checkpoint, problem);
			if (checkpoint.toGen === FOREVER) before = checkpoint;
		}
	},
};

async function* counted<Row>(
	pages: AsyncIterable<readonly Row[]>,
	read: (rows: number) => Promise<void>,
): AsyncGenerator<readonly Row[], void> {
	for await (const page of pages) {
		await read(page.length);
		yield page;
	}
}

interface Place {
	readonly height: Height;
	readonly fromGen: bigint;
}

function placeOf({ height, fromGen }: Place): Place {
	return { height, fromGen };
}

function byPlace(a: Place, b: Place): number {
	if (a.height !== b.height) return a.height < b.height ? -1 : 1;
	if (a.fromGen === b.fromGen) return 0;
	return a.fromGen < b.fromGen ? -1 : 1;
}

function* withoutCheckpoint(header: StoredHeader, floor: Height): Generator<RuleFinding, void> {
	// Every block that a fork took back was in the window, where each has one.
	if (header.toGen === FOREVER && header.height < floor) return;
	yield corrupt({ ...header, blockHash: header.hash }, "it is missing");
}

function alone(
	checkpoint: StoredCheckpoint,
	chain: { readonly logPosition: bigint; readonly versionSeq: bigint },
	generations: readonly StoredGeneration[],
): string | undefined {
	if (!checkpoint.intact) return "it does not fit its checksum";
	if (checkpoint.roots === undefined) return "its roots cannot be read";
	if (checkpoint.pointers === undefined) return "its pointers cannot be read";
	if (checkpoint.logPosition > chain.logPosition) return "its log position is above the log's end";
	if (checkpoint.versionId > chain.versionSeq) return "its version id is above the last given out";
	const end = sealedEnd(checkpoint, generations);
	if (checkpoint.toGen !== end)
		return `it ends at generation ${checkpoint.toGen}, its block at ${end}`;
	return undefined;
}

function withHeader(
	checkpoint: StoredCheckpoint,
	header: StoredHeader | undefined,
): string | undefined {
	if (header === undefined) return "its block has no header";
	if (header.hash !== checkpoint.blockHash) return `the header there is of block ${header.hash}`;
	return undefined;
}

function afterOther(
	{ logPosition, versionId, toGen }: StoredCheckpoint,
	before: StoredCheckpoint | undefined,
): string | undefined {
	if (before === undefined || toGen !== FOREVER) return undefined;
	const falls = logPosition < before.logPosition || versionId < before.versionId;
	return falls
		? `its log position or version id is below that of block ${before.height}`
		: undefined;
}

function corrupt(
	{ height, fromGen }: Place & { readonly blockHash: string },
	what: string,
): RuleFinding {
	return {
		class: "checkpoint_corrupt",
		subject: subject({ store: "postgres", table: "checkpoints", fromBlock: height, fromGen }),
		message: `the checkpoint of block ${height} is wrong: ${what}`,
		since: height,
		remedy: BY_REPAIR,
	};
}
