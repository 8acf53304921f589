/**
 * The table of derivations, made again from the log. How deep an operation was derived the log does not say: it is
 * taken from the operation's other rows, or from the versions that the sources name.
 */
import type { LogPosition, MemoryKey } from "../../domain/ids.ts";
import type { SourceRef } from "../../domain/provenance.ts";
import { type HeldKey, heldKey, sourceKey } from "../../memory/ground.ts";
import type { KeptFinding } from "../consistency-run.ts";
import {
	depthAgain,
	isSameDerivation,
	type LoggedSources,
	loggedSources,
} from "../derivation-rows.ts";
import type { StoredLogEntry } from "../stored-log-entry.ts";
import type {
	DerivationPlace,
	HeldVersion,
	StoredDerivation,
	StoredProvenance,
} from "../stored-provenance.ts";
import type { StoredVersion } from "../stored-state.ts";
import type { PlanContext } from "./plan-context.ts";
import { forPerson, planned, type RowRepair, sound, type Verdict } from "./repair-plan.ts";

interface DerivationPlan {
	readonly verdicts: ReadonlyMap<number, Verdict>;
	readonly rows: readonly RowRepair[];
}

/** What becomes of the rows of one operation; undefined: its entry cannot be read. */
type Changes = readonly RowRepair["change"][] | undefined;

export async function planDerivations(
	{ findings, state }: PlanContext,
	repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>,
): Promise<DerivationPlan> {
	const own = findings.filter(({ class: kind }) => kind === "derivation_wrong");
	const positions = [...new Set(own.flatMap(({ subject }) => subject.position ?? []))].sort(
		(a, b) => (a < b ? -1 : 1),
	);
	const { provenance, chain } = state;
	const entries = new Map(
		(await provenance.entriesAt(positions)).map((each) => [each.position, each]),
	);
	const stored = Map.groupBy(await provenance.derivationsAt(positions), (row) => row.position);
	const depths = new Map<LogPosition, number>();
	const changes = new Map<LogPosition, Changes>();
	// What was derived first comes first: others may be derived from it.
	for (const position of positions) {
		const entry = entries.get(position);
		const logged = loggedAt(position, entry, chain.logPosition);
		const rows = stored.get(position) ?? [];
		if (logged === undefined || logged.rows.length === 0 || entry === undefined) {
			changes.set(position, logged && rows.map(removal));
			continue;
		}
		const held = await heldThen(logged.sources.flat(), entry, { provenance, repaired });
		const depth = mostOften(rows) ?? depthAgain(logged, held, depths) ?? rows[0]?.depth ?? 1;
		depths.set(position, depth);
		changes.set(position, changesOf(logged, rows, depth));
	}
	const repairs = [...changes.values()].flatMap((each) => each ?? []);
	return {
		verdicts: new Map(own.map((each) => [each.seq, verdictOf(each, changes)])),
		rows: repairs.map((change) => ({ change, class: "derivation_wrong", source: "log" })),
	};
}

/** As the rows say, or as they will say when they are repaired. */
async function heldThen(
	sources: readonly SourceRef[],
	entry: StoredLogEntry,
	{
		provenance,
		repaired,
	}: {
		readonly provenance: StoredProvenance;
		readonly repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>;
	},
): Promise<ReadonlyMap<HeldKey, HeldVersion>> {
	const held = new Map(await provenance.heldBefore(sources, entry));
	for (const source of sources) {
		const rows = repaired.get(sourceKey(source));
		const row = rows && heldIn(rows, source, entry);
		if (row === undefined) continue;
		const { fromBlock: slot, grounds, suspect, position, contentHash } = row;
		const [derived] = await provenance.derivationsAt([position]);
		const depth = derived?.depth ?? 0;
		const version = { slot, grounds, suspect, position, contentHash, depth };
		held.set(heldKey(sourceKey(source), contentHash), version);
	}
	return held;
}

function heldIn(
	rows: readonly StoredVersion[],
	{ contentHash }: SourceRef,
	{ generation, position }: StoredLogEntry,
): StoredVersion | undefined {
	const found = rows.filter(
		(row) =>
			row.contentHash === contentHash &&
			!row.tombstone &&
			row.position < position &&
			row.fromGen <= generation &&
			generation < row.toGen,
	);
	return found.find(({ suspect }) => !suspect) ?? found[0];
}

/** What the log says there; undefined: its entry is damaged. No entry stands above the log's end. */
function loggedAt(
	position: LogPosition,
	entry: StoredLogEntry | undefined,
	logPosition: LogPosition,
): LoggedSources | undefined {
	if (entry !== undefined) return loggedSources(entry);
	return position > logPosition ? { sources: [], isSystems: false, rows: [] } : undefined;
}

/** What most rows of an operation say, which were written with one depth; undefined: no depth is said most often. */
function mostOften(rows: readonly StoredDerivation[]): number | undefined {
	const byDepth = Map.groupBy(rows, ({ depth }) => depth);
	const [first, second] = [...byDepth].sort(([, a], [, b]) => b.length - a.length);
	return first?.[1].length === second?.[1].length ? undefined : first?.[0];
}

function changesOf(
	{ rows: wanted }: LoggedSources,
	stored: readonly StoredDerivation[],
	depth: number,
): readonly RowRepair["change"][] {
	const extra = stored.filter((row) => !wanted.some((each) => isSamePlace(each, row)));
	const puts = wanted.filter(
		(row) => !stored.some((each) => isSameDerivation(each, row) && each.depth === depth),
	);
	return [
		...extra.map(removal),
		...puts.map((row) => ({ table: "derivations" as const, put: { ...row, depth } })),
	];
}

function removal({ position, setNo, sourceNo }: DerivationPlace): RowRepair["change"] {
	return { table: "derivations", remove: { position, setNo, sourceNo } };
}

function isSamePlace(a: DerivationPlace, b: DerivationPlace): boolean {
	return a.position === b.position && a.setNo === b.setNo && a.sourceNo === b.sourceNo;
}

function verdictOf(
	{ subject: { position } }: KeptFinding,
	changes: ReadonlyMap<LogPosition, Changes>,
): Verdict {
	const own = position === undefined ? undefined : changes.get(position);
	if (own === undefined) {
		return forPerson("the operation's log entry cannot be read", "recant check --level full");
	}
	if (own.length === 0) return sound("the table has what the log says");
	const action = own.some((change) => "put" in change) ? "put" : "remove";
	return planned(action, "log", `${own.length} rows are set as the operation's log entry says`);
}
