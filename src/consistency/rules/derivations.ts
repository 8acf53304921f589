/**
 * The table of derivations against the log, of which it is a projection: each operation that names sources
 * has a row for each of them, and there are no others.
 */
import type { LogPosition } from "../../domain/ids.ts";
import type { CheckContext } from "../check-context.ts";
import {
	comparePlaces,
	isSameDerivation,
	loggedSources,
	type WantedDerivation,
} from "../derivation-rows.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import { eachOf, type Merged, mergeSorted } from "../sorted-merge.ts";
import type { StoredLogEntry } from "../stored-log-entry.ts";
import type { StoredDerivation } from "../stored-provenance.ts";
import { BY_REPAIR, subject } from "../subject.ts";

/** Rows that are looked up together, of those that stand on one side alone. */
const PAGE = 1_000;

export const derivations: ScanRule<CheckContext> = {
	kind: "scan",
	name: "derivations",
	level: "full",
	severity: "error",
	compares: "what the log says that operations were derived from with the table of derivations",
	async *check(context) {
		const { provenance } = context.state;
		const merged = mergeSorted(
			eachOf(wanted(context)),
			eachOf(counted(provenance.derivations(), context)),
			{ left: placeOf, right: placeOf, compare: comparePlaces },
		);
		const depths = new Depths();
		let alone: Alone[] = [];
		for await (const each of merged) {
			if (each.type !== "both") alone.push(each);
			else if (!isSameDerivation(each.left.row, each.right)) yield wrong(each.right, DIFFERS);
			else if (!depths.agree(each.right)) yield wrong(each.right, OTHER_DEPTH);
			if (alone.length < PAGE) continue;
			yield* await unpaired(alone, context);
			alone = [];
		}
		yield* await unpaired(alone, context);
	},
};

const DIFFERS = "is not what the log says that it is";
const OTHER_DEPTH = "is derived otherwise deep than the operation's other sources";

/** A row that the log asks for, and the generation of the entry that does. */
interface Wanted {
	readonly row: WantedDerivation;
	readonly generation: bigint;
}

type Alone = Exclude<Merged<Wanted, StoredDerivation>, { readonly type: "both" }>;

async function* wanted(context: CheckContext): AsyncGenerator<readonly Wanted[], void> {
	for await (const page of counted(context.state.provenance.derivedEntries(), context)) {
		yield page.flatMap((entry) =>
			(loggedSources(entry)?.rows ?? []).map((row) => ({ row, generation: entry.generation })),
		);
	}
}

async function* counted<Row>(
	pages: AsyncIterable<readonly Row[]>,
	{ read }: CheckContext,
): AsyncGenerator<readonly Row[], void> {
	for await (const page of pages) {
		await read(page.length);
		yield page;
	}
}

function placeOf(item: Wanted | StoredDerivation): WantedDerivation {
	return "row" in item ? item.row : item;
}

/** An operation's rows are written together, with one depth. */
class Depths {
	#first: StoredDerivation | undefined;

	agree(row: StoredDerivation): boolean {
		if (this.#first?.position !== row.position) this.#first = row;
		return this.#first.depth === row.depth;
	}
}

async function unpaired(
	alone: readonly Alone[],
	context: CheckContext,
): Promise<readonly RuleFinding[]> {
	if (alone.length === 0) return [];
	const missing = alone.flatMap((each) => (each.type === "left" ? each.left : []));
	const extra = alone.flatMap((each) => (each.type === "right" ? each.right : []));
	return [...(await missed(missing, context)), ...(await unasked(extra, context))];
}

/** Retention takes rows away with the last version of what was derived; so older entries may have none. */
async function missed(
	missing: readonly Wanted[],
	{ state }: CheckContext,
): Promise<readonly RuleFinding[]> {
	const kept = (await state.generations())[0]?.generation ?? 0n;
	const older = missing.filter(({ generation }) => generation < kept);
	const needed = await state.provenance.needed(older.map(({ row }) => row));
	return missing
		.filter(({ row, generation }) => generation >= kept || needed.has(row.position))
		.map(({ row }) => wrong(row, "has no row"));
}

/** Entries that were cut, or that are damaged, say nothing about a row. */
async function unasked(
	extra: readonly StoredDerivation[],
	{ state }: CheckContext,
): Promise<readonly RuleFinding[]> {
	const entries = await state.provenance.entriesAt([
		...new Set(extra.map(({ position }) => position)),
	]);
	const entryOf = new Map(entries.map((entry) => [entry.position, entry]));
	return extra
		.filter(({ position }) => isKnown(position, entryOf.get(position), state.chain.logPosition))
		.map((row) => wrong(row, "is none that the log names"));
}

function isKnown(
	position: LogPosition,
	entry: StoredLogEntry | undefined,
	logPosition: LogPosition,
): boolean {
	return entry === undefined ? position > logPosition : entry.intact;
}

function wrong(
	{ position, setNo, sourceNo, memoryKey }: WantedDerivation,
	what: string,
): RuleFinding {
	return {
		class: "derivation_wrong",
		subject: subject({ store: "postgres", table: "derivations", memoryKey, position }),
		message: `source ${sourceNo} of set ${setNo} of the operation at log position ${position} ${what}`,
		since: undefined,
		remedy: BY_REPAIR,
	};
}
