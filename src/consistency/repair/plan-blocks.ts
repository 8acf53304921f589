/**
 * Headers and checkpoints, height by height: headers from the log's block entries, or from the node where
 * links and checksums prove them; checkpoints from the log, with roots computed again from the repaired rows.
 */
import { windowFloor } from "../../chain/finality.ts";
import type { StateRoots } from "../../commitment/state-root.ts";
import type { BlockHeader } from "../../domain/block.ts";
import { FOREVER, type Height, type Hex, type MemoryKey } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import { branchEnd, sealedEnd } from "../branch-end.ts";
import type { KeptFinding } from "../consistency-run.ts";
import type { StoredGeneration, StoredVersion } from "../stored-state.ts";
import type { LogIndex, SealedPlace } from "./log-index.ts";
import { isPruned, type PlanContext } from "./plan-context.ts";
import { placeName, type RootPlace, rootsAt } from "./plan-roots.ts";
import {
	type CheckpointRow,
	forPerson,
	type HeaderRow,
	planned,
	type RowRepair,
	sound,
	type Verdict,
} from "./repair-plan.ts";
import type { HeldCheckpoint, HeldHeader, HeldRow } from "./repair-store.ts";
import { SealedPointers } from "./sealed-pointers.ts";

type Header = HeldRow<HeldHeader, BlockHeader & { readonly fromGen: bigint }>;
type Held = HeldRow<HeldCheckpoint, Omit<CheckpointRow, "toGen">>;

function isOfBlocks({ class: kind, subject }: KeptFinding): boolean {
	if (kind === "header_corrupt" || kind === "checkpoint_corrupt") return true;
	return kind === "root_differs" && subject.table === "checkpoints";
}

export function heightsOf(findings: readonly KeptFinding[]): ReadonlySet<Height> {
	return new Set(findings.filter(isOfBlocks).flatMap(({ subject }) => subject.fromBlock ?? []));
}

interface HeightPlan {
	readonly rows: RowRepair[];
	/** What cannot be made again; undefined: all of it can. */
	problem: string | undefined;
}

export async function planBlocks(
	context: PlanContext,
	index: LogIndex,
	repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>,
): Promise<{
	readonly verdicts: ReadonlyMap<number, Verdict>;
	readonly rows: readonly RowRepair[];
}> {
	const findings = context.findings.filter(isOfBlocks);
	const heights = [...heightsOf(findings)].sort((a, b) => (a < b ? -1 : 1));
	if (heights.length === 0) return { verdicts: new Map(), rows: [] };
	const around = heights.flatMap((height) => [height - 1n, height, height + 1n]);
	const planner = new BlockPlanner(context, index, {
		generations: await context.state.generations(),
		headers: await context.rows.headers([...new Set(around)]),
		checkpoints: await context.rows.checkpoints(heights),
		pointers: await SealedPointers.read(context.rows),
	});
	for (const height of heights) await planner.headers(height);
	const places = heights.flatMap((height) => planner.places(height));
	const roots = await rootsAt(places, context, repaired);
	for (const height of heights) planner.checkpoints(height, roots);
	const verdicts = findings.map((finding) => [finding.seq, planner.verdict(finding)] as const);
	return { verdicts: new Map(verdicts), rows: planner.rows };
}

interface HeldBlocks {
	readonly generations: readonly StoredGeneration[];
	readonly headers: readonly Header[];
	readonly checkpoints: readonly Held[];
	readonly pointers: SealedPointers;
}

class BlockPlanner {
	readonly #context: PlanContext;
	readonly #index: LogIndex;
	readonly #held: HeldBlocks;
	readonly #plans = new Map<Height, HeightPlan>();
	/** Headers of the canonical branch as they will stand. */
	readonly #canonical = new Map<Height, HeaderRow>();

	constructor(context: PlanContext, index: LogIndex, held: HeldBlocks) {
		this.#context = context;
		this.#index = index;
		this.#held = held;
	}

	get rows(): readonly RowRepair[] {
		return [...this.#plans.values()].flatMap(({ rows }) => rows);
	}

	verdict({ subject, class: kind }: KeptFinding): Verdict {
		const plan = subject.fromBlock === undefined ? undefined : this.#plans.get(subject.fromBlock);
		if (plan === undefined) return forPerson("it names no block", "recant check --level full");
		if (plan.problem !== undefined) {
			return forPerson(
				plan.problem,
				"recant blocks --fork all",
				"restore the database from a backup",
			);
		}
		const [first] = plan.rows;
		if (first === undefined) return sound("header and checkpoint are as log and chain say");
		const source = plan.rows.find((row) => row.class === kind)?.source ?? first.source;
		const action = plan.rows.some(({ change }) => "put" in change) ? "put" : "remove";
		return planned(
			action,
			source,
			`${plan.rows.length} rows of block ${subject.fromBlock} are set`,
		);
	}

	/** Plans the headers of a height. */
	async headers(height: Height): Promise<void> {
		const plan = this.#plan(height);
		const rows = this.#headersAt(height);
		const logged = this.#placesIn(height).filter(({ header }) => header !== undefined);
		const generations = new Set(logged.map(({ generation }) => generation));
		for (const { header, generation } of logged) {
			if (header === undefined) continue;
			const known = rows.find(({ columns }) => columns.fromGen === generation);
			this.#header(plan, known, { ...header, fromGen: generation }, "log");
		}
		for (const row of rows) {
			if (!generations.has(row.columns.fromGen))
				await this.#unlogged(plan, row, generations.size > 0);
		}
		const due = logged.length === 0 && rows.length === 0;
		if (due) await this.#fromNode(plan, height);
	}

	/** Checkpoints that a height should have, and those that it has. */
	places(height: Height): readonly RootPlace[] {
		return this.#placesIn(height).filter((place) => this.#isDue(place));
	}

	checkpoints(height: Height, roots: ReadonlyMap<string, StateRoots>): void {
		const plan = this.#plan(height);
		const places = this.#placesIn(height);
		for (const place of places) {
			if (!this.#isDue(place)) continue;
			const made = roots.get(placeName(place));
			const hash = place.header?.hash ?? this.#hashAt(place);
			const held = this.#checkpointOf(place);
			if (made === undefined || hash === undefined) plan.problem ??= "its block is not known";
			else
				this.#checkpoint(plan, held, {
					...rowOf(place, this.#held.generations),
					blockHash: hash,
					roots: made,
				});
		}
		const kept = new Set(places.map(({ generation }) => generation));
		for (const held of this.#checkpointsAt(height)) {
			if (!kept.has(held.columns.fromGen)) this.#unsealed(plan, held);
		}
	}

	/** A checkpoint that the log does not know: from before it was cut, or one that should not be there. */
	#unsealed(plan: HeightPlan, { columns, intact }: Held): void {
		const { height, fromGen, toGen } = columns;
		const isOfBlock = this.#hashAt({ height, generation: fromGen }) === columns.blockHash;
		if (intact && isOfBlock) {
			const end = sealedEnd(columns, this.#held.generations);
			const roots = JSON.parse(columns.roots) as StateRoots;
			if (end === toGen) return;
			const put = { ...columns, toGen: end, roots };
			plan.rows.push({
				change: { table: "checkpoints", put },
				class: "checkpoint_corrupt",
				source: "log",
			});
		} else if (this.#index.isWhole) this.#remove(plan, "checkpoints", columns);
		else plan.problem ??= "the log does not say whether it was ever sealed";
	}

	#header(
		plan: HeightPlan,
		known: Header | undefined,
		made: BlockHeader & { readonly fromGen: bigint },
		source: "log" | "chain",
	): void {
		const toGen = branchEnd({ height: made.number, fromGen: made.fromGen }, this.#held.generations);
		if (isPruned(toGen, this.#context)) return;
		const row = { ...made, toGen };
		if (toGen === FOREVER) this.#canonical.set(made.number, row);
		const whole = known?.intact === true && known.columns.toGen === toGen && known.fits(made);
		if (whole) return;
		plan.rows.push({ change: { table: "blocks", put: row }, class: "header_corrupt", source });
	}

	/** A header that the log does not hold: below the window, or one that should not be there. */
	async #unlogged(plan: HeightPlan, row: Header, others: boolean): Promise<void> {
		const { columns, intact } = row;
		if (intact) return this.#header(plan, row, columns, "chain");
		const moved = this.#held.generations.find(({ generation }) =>
			row.fits({ ...columns, fromGen: generation }),
		);
		if (moved !== undefined) {
			this.#remove(plan, "blocks", { height: columns.number, fromGen: columns.fromGen });
			const known = this.#headersAt(columns.number).find(
				(each) => each.columns.fromGen === moved.generation,
			);
			if (known?.intact !== true)
				this.#header(plan, known, { ...columns, fromGen: moved.generation }, "chain");
			return;
		}
		const [block] = await this.#context.parts.node.blocksByNumber([columns.number]);
		const made = block && { ...headerOf(block), fromGen: columns.fromGen };
		if (made !== undefined && (row.fits(made) || isSame(made, columns) || this.#links(made)))
			this.#header(plan, row, made, "chain");
		else if (others && this.#index.isWhole) {
			this.#remove(plan, "blocks", { height: columns.number, fromGen: columns.fromGen });
		} else plan.problem ??= "neither the log nor the node has its block";
	}

	async #fromNode(plan: HeightPlan, height: Height): Promise<void> {
		const [block] = await this.#context.parts.node.blocksByNumber([height]);
		const fromGen =
			this.#placesIn(height).at(-1)?.generation ??
			this.#checkpointsAt(height).at(-1)?.columns.fromGen ??
			this.#canonicalAt(height - 1n)?.fromGen ??
			this.#canonicalAt(height + 1n)?.fromGen;
		const made = block && fromGen !== undefined ? { ...headerOf(block), fromGen } : undefined;
		if (made !== undefined && this.#links(made)) this.#header(plan, undefined, made, "chain");
		else plan.problem ??= "neither the log nor the node has its block";
	}

	/** Whether the blocks beside it, or its own checkpoint, say that it is the one. */
	#links({
		number,
		hash,
		parentHash,
		fromGen,
	}: BlockHeader & { readonly fromGen: bigint }): boolean {
		const checkpoint = this.#held.checkpoints.find(
			({ columns, intact }) => intact && columns.height === number && columns.fromGen === fromGen,
		);
		const child = this.#canonicalAt(number + 1n);
		const parent = this.#canonicalAt(number - 1n);
		const known = [
			checkpoint && checkpoint.columns.blockHash === hash,
			child && child.parentHash === hash,
		];
		const above = known.filter((each) => each !== undefined);
		const below = parent === undefined || parent.hash === parentHash;
		return above.length > 0 && above.every(Boolean) && below;
	}

	#checkpoint(
		plan: HeightPlan,
		held: Held | undefined,
		made: Omit<CheckpointRow, "pointers">,
	): void {
		const { pointers } = this.#held;
		const known = held?.columns.pointers;
		const choices = [...(known === undefined ? [] : [known]), ...pointers.around(made.height)];
		const proved = choices.find((each) => held?.fits({ ...made, pointers: each }) === true);
		if (proved !== undefined && held?.intact === true && held.columns.toGen === made.toGen) return;
		const chosen = proved ?? pointers.plausible(made.height, known);
		if (chosen === undefined) {
			plan.problem ??= "no checkpoint beside it says where the tables stood";
			return;
		}
		plan.rows.push({
			change: { table: "checkpoints", put: { ...made, pointers: chosen } },
			class: "checkpoint_corrupt",
			source: "log",
		});
	}

	/** Retention leaves few of the checkpoints below the window. */
	#isDue(place: SealedPlace): boolean {
		const { height, generation } = place;
		const toGen = sealedEnd({ height, fromGen: generation }, this.#held.generations);
		if (isPruned(toGen, this.#context)) return false;
		if (this.#checkpointOf(place) !== undefined || toGen !== FOREVER) return true;
		const { chain } = this.#context.state;
		const { finalized = 0n, head = 0n } = chain;
		const floor = windowFloor({ ...chain, head, finalized });
		return height >= floor || height % BigInt(LIMITS.checkpointIntervalBlocks) === 0n;
	}

	#remove(
		plan: HeightPlan,
		table: "blocks" | "checkpoints",
		{ height, fromGen }: { readonly height: Height; readonly fromGen: bigint },
	): void {
		const remove = { height, fromGen };
		plan.rows.push(
			table === "blocks"
				? { change: { table, remove }, class: "header_corrupt", source: "log" }
				: { change: { table, remove }, class: "checkpoint_corrupt", source: "log" },
		);
	}

	#plan(height: Height): HeightPlan {
		const plan = this.#plans.get(height) ?? { rows: [], problem: undefined };
		this.#plans.set(height, plan);
		return plan;
	}

	#placesIn(height: Height): readonly SealedPlace[] {
		return this.#index.sealed.get(height) ?? [];
	}

	#headersAt(height: Height): readonly Header[] {
		return this.#held.headers.filter(({ columns }) => columns.number === height);
	}

	#checkpointsAt(height: Height): readonly Held[] {
		return this.#held.checkpoints.filter(({ columns }) => columns.height === height);
	}

	#checkpointOf({ height, generation }: RootPlace): Held | undefined {
		return this.#checkpointsAt(height).find(({ columns }) => columns.fromGen === generation);
	}

	/** Hash of the block that is, or will be, kept there. */
	#hashAt({ height, generation }: RootPlace): Hex | undefined {
		const made = this.#canonical.get(height);
		if (made?.fromGen === generation) return made.hash;
		const row = this.#headersAt(height).find(({ columns }) => columns.fromGen === generation);
		return row?.intact === true ? row.columns.hash : undefined;
	}

	#canonicalAt(height: Height): HeaderRow | undefined {
		const made = this.#canonical.get(height);
		if (made !== undefined) return made;
		const row = this.#headersAt(height).find(
			({ columns, intact }) => intact && columns.toGen === FOREVER,
		);
		return row?.columns;
	}
}

function rowOf(place: SealedPlace, generations: readonly StoredGeneration[]) {
	const { height, generation: fromGen, logPosition, versionId } = place;
	return {
		height,
		fromGen,
		toGen: sealedEnd({ height, fromGen }, generations),
		logPosition,
		versionId,
	};
}

function headerOf({ number, hash, parentHash, timestamp }: BlockHeader): BlockHeader {
	return { number, hash, parentHash, timestamp };
}

/** The node says what the row says: then it is the checksum that is damaged. */
function isSame(a: BlockHeader, b: BlockHeader): boolean {
	return (
		a.number === b.number &&
		a.hash === b.hash &&
		a.parentHash === b.parentHash &&
		a.timestamp === b.timestamp
	);
}
