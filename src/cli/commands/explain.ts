/** `recant explain <id>`: a memory's story, from what it says to what forks did to it. */
import type { ExplainAnswer } from "../../client/answers.ts";
import type { ExplainQuery } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { coordinateLine, type Session } from "../session.ts";
import { paint, printable, printJson, printLine, type Terminal } from "../terminal.ts";
import { timeOf } from "../time-of.ts";
import { type Branch, drawTree } from "../tree-drawing.ts";

type Source = ExplainAnswer["sources"][number];
type Operation = ExplainAnswer["operations"][number];

export async function explain(
	session: Session,
	id: string,
	query: ExplainQuery,
): Promise<ExitCode> {
	const { terminal, client } = session;
	const told = await client.explain(await session.chain(), id, query);
	if (session.json) {
		printJson(terminal, told);
		return EXIT.ok;
	}
	for (const line of story(terminal, told)) printLine(terminal, line);
	return EXIT.ok;
}

function story(terminal: Terminal, told: ExplainAnswer): readonly string[] {
	return [
		coordinateLine(told.at),
		`${paint(terminal, "bold", printable(told.id))} in ${printable(told.namespace)}`,
		...drawTree(saidBranches(terminal, told)),
		...chapter(terminal, "Operations, the newest first", operationBranches(terminal, told)),
		...chapter(terminal, "Rests on", setBranches(terminal, told, told.derivedFrom, new Set())),
		...chapter(terminal, "What rests on it", dependentBranches(terminal, told, undefined)),
		...chapter(
			terminal,
			"Rollbacks, the newest first",
			told.rollbacks.map((each) => rollbackBranch(terminal, each)),
		),
		...chapter(
			terminal,
			"In every generation, the newest first",
			told.history.map((each) => spanBranch(terminal, each)),
		),
		...(told.truncated.length === 0
			? []
			: [paint(terminal, "yellow", `only the first are told of: ${told.truncated.join(", ")}`)]),
	];
}

/** Nothing for an empty one. */
function chapter(
	terminal: Terminal,
	title: string,
	branches: readonly Branch[],
): readonly string[] {
	return branches.length === 0 ? [] : ["", paint(terminal, "bold", title), ...drawTree(branches)];
}

function saidBranches(terminal: Terminal, told: ExplainAnswer): readonly Branch[] {
	const { memory, finality, grounds } = told;
	if (memory === undefined) return [leaf(paint(terminal, "yellow", "says nothing here"))];
	const { suspect } = memory;
	const rests = grounds === undefined ? "rests on no block" : `rests on blocks up to ${grounds}`;
	return [
		leaf(`says ${printable(JSON.stringify(memory.content))}`),
		leaf(
			`${memory.layer}, written by ${memory.owner === "agent" ? "an agent" : "a handler"}, since ${placeOf(terminal, told, memory.since)}`,
		),
		leaf(
			suspect
				? paint(terminal, "red", `${finality ?? "pending"}, suspect: what it rests on is gone`)
				: `${finality ?? "pending"}: ${rests}`,
		),
	];
}

function operationBranches(terminal: Terminal, told: ExplainAnswer): readonly Branch[] {
	return told.operations.map(({ operation, verdicts }) => {
		const { kind, status, originalSlot, effectiveSlot, reason, operationId } = operation;
		const moved =
			originalSlot === effectiveSlot || effectiveSlot === undefined
				? ""
				: `, in effect at ${effectiveSlot}`;
		const slot = originalSlot === undefined ? "" : ` at ${originalSlot}${moved}`;
		return {
			text: `${kind} ${painted(terminal, status)}${slot}  ${paint(terminal, "dim", operationId)}`,
			branches: [
				...(reason === undefined ? [] : [leaf(`${printable(reason.message)} (${reason.code})`)]),
				...anchorBranches(terminal, told, operation),
				...verdicts.map((each) => verdictBranch(terminal, each)),
			],
		};
	});
}

function anchorBranches(
	terminal: Terminal,
	told: ExplainAnswer,
	{ anchors, suspect }: Operation["operation"],
): readonly Branch[] {
	const doubt = suspect ? [leaf(paint(terminal, "red", "kept, although its ground is gone"))] : [];
	if (anchors === undefined) return doubt;
	const leaves = anchors.anchors.map((anchor) => leaf(anchorText(terminal, told, anchor)));
	const many = { text: `anchored in ${anchors.mode} of`, branches: leaves };
	return [...(leaves.length > 1 ? [many] : leaves), ...doubt];
}

type Anchor = NonNullable<Operation["operation"]["anchors"]>["anchors"][number];

/** Where it is, or that it is nowhere. */
function anchorText(terminal: Terminal, told: ExplainAnswer, anchor: Anchor): string {
	const what = "transaction" in anchor ? `transaction ${anchor.transaction}` : "block";
	const { block, height } = anchor;
	if (height === undefined || block === undefined) {
		return `${[what, block].filter((part) => part !== undefined).join(" ")} ${paint(terminal, "yellow", "is not there now")}`;
	}
	const orphaned = told.blocks.find(({ hash }) => hash === block)?.canonical === false;
	const gone = orphaned ? paint(terminal, "yellow", ", orphaned") : "";
	return `${what}${"transaction" in anchor ? " in block" : ""} ${height} ${block}${gone}`;
}

function verdictBranch(terminal: Terminal, verdict: Operation["verdicts"][number]): Branch {
	const { generation, judgedAt, slot, reason, recordedAt } = verdict;
	const where = slot === undefined ? "" : ` at ${slot}`;
	const why = reason === undefined ? "" : `: ${printable(reason.message)}`;
	const when = paint(terminal, "dim", recordedAt);
	return leaf(
		`${painted(terminal, verdict.verdict)}${where} in generation ${generation}, judged at ${judgedAt}${why}  ${when}`,
	);
}

/** One level for each alternative where there are several. What was drawn before is only named. */
function setBranches(
	terminal: Terminal,
	told: ExplainAnswer,
	sets: readonly (readonly number[])[],
	drawn: Set<number>,
): readonly Branch[] {
	const alternatives = sets.map((set) => sourceBranches(terminal, told, set, drawn));
	if (alternatives.length < 2) return alternatives.flat();
	return alternatives.map((branches, index) => ({
		text: paint(terminal, "dim", index === 0 ? "all of" : "or all of"),
		branches,
	}));
}

function sourceBranches(
	terminal: Terminal,
	told: ExplainAnswer,
	set: readonly number[],
	drawn: Set<number>,
): readonly Branch[] {
	return set.flatMap((place) => {
		const source = told.sources[place];
		if (source === undefined) return [];
		const again = drawn.has(place);
		drawn.add(place);
		const below = again ? [] : setBranches(terminal, told, source.derivedFrom, drawn);
		const more =
			again && source.derivedFrom.length > 0 ? paint(terminal, "dim", "  (see above)") : "";
		return [{ text: `${sourceText(terminal, source)}${more}`, branches: below }];
	});
}

function sourceText(
	terminal: Terminal,
	{ namespace, id, state, memory, contentHash }: Source,
): string {
	const mark =
		state === "holds"
			? paint(terminal, "green", "✓")
			: state === "lost"
				? paint(terminal, "red", "✗ lost")
				: "hidden";
	const where = memory === undefined || state !== "holds" ? "" : ` since ${memory.since}`;
	const said = memory === undefined ? contentHash : printable(JSON.stringify(memory.content));
	return `${mark} ${printable(namespace)}/${printable(id)}${where}  ${paint(terminal, "dim", said)}`;
}

/** What rests on that one. An explanation is at most so deep, so it may recurse. */
function dependentBranches(
	terminal: Terminal,
	told: ExplainAnswer,
	of: number | undefined,
): readonly Branch[] {
	return told.dependents.flatMap((each, place) => {
		if (each.restsOn !== of) return [];
		const said = each.memory === undefined ? "" : printable(JSON.stringify(each.memory.content));
		const name = `${printable(each.namespace)}/${printable(each.id)}`;
		const text = `${name} ${painted(terminal, each.state)}  ${paint(terminal, "dim", said)}`;
		return [{ text, branches: dependentBranches(terminal, told, place) }];
	});
}

const EFFECTS = {
	gone: "took it back",
	back: "brought it back",
	changed: "changed what it says",
	kept: "judged it, and left what it says",
} as const;

function rollbackBranch(terminal: Terminal, rollback: ExplainAnswer["rollbacks"][number]): Branch {
	const { cause, ancestor, from, generation, effect, rollbackId, finishedAt } = rollback;
	const when = finishedAt === undefined ? "" : `  ${finishedAt}`;
	const what = paint(terminal, effect === "kept" ? "dim" : "yellow", EFFECTS[effect]);
	const which = `${cause ?? "rollback"} from ${from} to ${ancestor}, generation ${generation}`;
	return leaf(`${what}: ${which}  ${paint(terminal, "dim", `${rollbackId}${when}`)}`);
}

function spanBranch(terminal: Terminal, entry: ExplainAnswer["history"][number]): Branch {
	const { heights, generations, memory, present } = entry;
	const where = `heights ${heights.from} to ${heights.to ?? "now"}, generations ${generations.from} to ${generations.to ?? "now"}`;
	const said = memory === undefined ? "deleted" : printable(JSON.stringify(memory.content));
	return leaf(present ? `${where}: ${said}` : paint(terminal, "dim", `${where}: ${said}`));
}

/** A height with its block where that is known. */
function placeOf(terminal: Terminal, told: ExplainAnswer, height: string): string {
	const block = told.blocks.find((each) => each.height === height && each.canonical);
	if (block === undefined) return `height ${height}`;
	return `block ${height} ${paint(terminal, "dim", `${block.hash}, ${timeOf(block.timestamp)}`)}`;
}

const GOOD = new Set(["applied", "visible", "replayed", "reinstated"]);
const BAD = new Set(["recanted", "refused"]);

function painted(terminal: Terminal, state: string): string {
	if (GOOD.has(state)) return paint(terminal, "green", state);
	return paint(terminal, BAD.has(state) ? "red" : "yellow", state);
}

function leaf(text: string): Branch {
	return { text, branches: [] };
}
