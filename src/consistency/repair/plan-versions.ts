/**
 * Rows of versions: what the log gives for a memory against what stands there. Without a log that can be
 * believed, single rows are made again from a copy of the same version or from a snapshot, and only where
 * hashes prove them.
 */
import type { Generation, Height, MemoryKey } from "../../domain/ids.ts";
import { LAYERS } from "../../domain/layer.ts";
import type { Version } from "../../domain/memory.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import { shadowVersion } from "../../restore/shadow-store.ts";
import type { KeptFinding } from "../consistency-run.ts";
import { rowProblem } from "../rules/version-rows.ts";
import type { StoredGeneration, StoredVersion } from "../stored-state.ts";
import { hashedAgain, pendingLeaf } from "../visible-rows.ts";
import type { LogIndex } from "./log-index.ts";
import type { MemoryHistory } from "./memory-history.ts";
import { asStored, isPruned, type PlanContext } from "./plan-context.ts";
import { forPerson, planned, type RowRepair, sound, type Verdict } from "./repair-plan.ts";

const CLASSES: ReadonlySet<string> = new Set([
	"version_corrupt",
	"version_missing",
	"version_extra",
	"span_wrong",
]);

export function isOfVersions(finding: KeptFinding): boolean {
	return CLASSES.has(finding.class);
}

/** Memories that a finding may be about: the row's key, and that of its name. One of the two may be damaged. */
export function memoriesOf({ subject }: KeptFinding): readonly MemoryKey[] {
	const { memoryKey: key, namespace, id } = subject;
	const wellFormed = namespace?.isWellFormed() === true && id?.isWellFormed() === true;
	const named = wellFormed ? [memoryKey(namespace, id)] : [];
	return [...new Set(key === undefined ? named : [key, ...named])];
}

/** What the log says of the memories, and how far it can be believed. */
export interface LogTruth {
	readonly index: LogIndex;
	/** Text: why there is none. */
	readonly history: MemoryHistory | string;
}

export interface VersionPlan {
	readonly verdicts: ReadonlyMap<number, Verdict>;
	readonly rows: readonly RowRepair[];
	/** Rows of the repaired memories as they will stand. */
	readonly repaired: ReadonlyMap<MemoryKey, readonly StoredVersion[]>;
}

interface MemoryPlan {
	readonly changes: readonly RowRepair["change"][];
	readonly source: RowRepair["source"];
	/** Undefined: something stays damaged; `why` says what. */
	readonly rows: readonly StoredVersion[] | undefined;
	readonly why: string | undefined;
}

export async function planVersions(context: PlanContext, truth: LogTruth): Promise<VersionPlan> {
	const findings = context.findings.filter(isOfVersions);
	const keys = [...new Set(findings.flatMap(memoriesOf))];
	const stored = await context.state.memoriesOf(keys);
	const actual = new Map(stored.map((memory) => [memory.memoryKey, memory.rows]));
	const plans = new Map<MemoryKey, MemoryPlan>();
	const left: MemoryKey[] = [];
	for (const key of keys) {
		const plan = fromLog(key, actual.get(key) ?? [], context, truth);
		plans.set(key, plan);
		if (plan.rows === undefined) left.push(key);
	}
	const snapshot = await copiesOf(left, context);
	const generations = left.length === 0 ? [] : await context.state.generations();
	for (const key of left) {
		const copy = snapshot?.get(key);
		const version = copy && {
			...shadowVersion(copy),
			fromGen: earliestGeneration(copy.fromBlock, generations),
		};
		const plan = fromCopies(key, actual.get(key) ?? [], version, context);
		if (plan !== undefined) plans.set(key, plan);
	}
	return gathered(findings, plans);
}

async function copiesOf(keys: readonly MemoryKey[], { chainId, state, parts }: PlanContext) {
	const { head: height, generation, logPosition } = state.chain;
	if (keys.length === 0 || height === undefined) return undefined;
	return parts.snapshots?.memories({ chainId, height, generation, logPosition }, keys);
}

/**
 * The generation in which a row that holds now may begin, where that is not known: the last that went back
 * below its height. In all since, the slots up to it are the same.
 */
function earliestGeneration(
	fromBlock: Height,
	generations: readonly StoredGeneration[],
): Generation {
	const after = generations.findLast(
		({ ancestor }) => ancestor !== undefined && ancestor < fromBlock,
	);
	return after?.generation ?? generations[0]?.generation ?? 0n;
}

function gathered(
	findings: readonly KeptFinding[],
	plans: ReadonlyMap<MemoryKey, MemoryPlan>,
): VersionPlan {
	const classes = new Map<MemoryKey, KeptFinding["class"]>();
	const verdicts = new Map<number, Verdict>();
	for (const finding of findings) {
		const keys = memoriesOf(finding);
		for (const key of keys) if (!classes.has(key)) classes.set(key, finding.class);
		verdicts.set(finding.seq, verdictOf(keys.flatMap((key) => plans.get(key) ?? [])));
	}
	const rows = [...plans].flatMap(([key, { changes, source }]) =>
		changes.map((change) => ({ change, source, class: classes.get(key) ?? "version_corrupt" })),
	);
	const repaired = new Map(
		[...plans].flatMap(([key, plan]) => (plan.rows === undefined ? [] : [[key, plan.rows]])),
	);
	return { verdicts, rows, repaired };
}

function verdictOf(plans: readonly MemoryPlan[]): Verdict {
	const failed = plans.find(({ rows }) => rows === undefined);
	if (failed?.why !== undefined) {
		return forPerson(
			failed.why,
			"recant snapshot list",
			"recant rollback --to <height> --strategy snapshot",
			"restore the database from a backup",
		);
	}
	const changes = plans.flatMap((plan) => plan.changes);
	const [plan] = plans.filter((each) => each.changes.length > 0);
	if (plan === undefined) return sound("the memory's rows are what the log says");
	const puts = changes.filter((change) => "put" in change).length;
	const action = puts > 0 ? "put" : "remove";
	return planned(
		action,
		plan.source,
		`${puts} rows are written, ${changes.length - puts} taken out`,
	);
}

function fromLog(
	key: MemoryKey,
	actual: readonly StoredVersion[],
	context: PlanContext,
	{ index, history }: LogTruth,
): MemoryPlan {
	const flaw = typeof history === "string" ? history : index.flawFor(key);
	if (typeof history === "string" || flaw !== undefined)
		return notMade(`the log does not say what it was: ${flaw}`);
	const expected = history.rows(key).filter((row) => !isPruned(row.toGen, context));
	const other = otherLeaf(key, expected.map(asStored), context);
	if (other !== undefined) return notMade(other);
	return { ...difference(actual, expected), source: sourceOf(expected, index), why: undefined };
}

/** A row below the last group may have been derived again with it. */
function sourceOf(expected: readonly Version[], index: LogIndex): RowRepair["source"] {
	const derived = expected.some(
		({ owner, position }) =>
			owner === "handler" && index.lastGroup !== undefined && position <= index.lastGroup,
	);
	return derived ? "chain" : "log";
}

/** Why the rows cannot be the memory's: they give another leaf than was committed. */
function otherLeaf(
	key: MemoryKey,
	rows: readonly StoredVersion[],
	{ states, slot }: PlanContext,
): string | undefined {
	if (states === undefined) return undefined;
	const leaf = pendingLeaf(rows, slot);
	const differs = LAYERS.some((layer) => {
		const made = leaf?.layer === layer ? leaf.contentHash : undefined;
		return states.tree.contentHash(layer, key) !== made;
	});
	return differs ? "what the log gives for it is not what was committed" : undefined;
}

function difference(
	actual: readonly StoredVersion[],
	expected: readonly Version[],
): Pick<MemoryPlan, "changes" | "rows"> {
	const standing = new Map(actual.map((row) => [placeOf(row), row]));
	const puts = expected.filter((row) => !isSame(standing.get(placeOf(row)), row));
	const places = new Set(expected.map(placeOf));
	const removes = actual.filter((row) => !places.has(placeOf(row)));
	return {
		changes: [
			...removes.map(({ memoryKey: key, fromBlock, fromGen }) => ({
				table: "versions" as const,
				remove: { memoryKey: key, fromBlock, fromGen },
			})),
			...puts.map((put) => ({ table: "versions" as const, put })),
		],
		rows: expected.map(asStored),
	};
}

function isSame(row: StoredVersion | undefined, version: Version): boolean {
	return (
		row !== undefined &&
		rowProblem(row) === undefined &&
		row.contentHash === version.contentHash &&
		row.versionId === version.versionId &&
		row.position === version.position &&
		row.toBlock === version.toBlock &&
		row.toGen === version.toGen &&
		row.expiresBlock === version.expiresBlock &&
		row.suspect === version.suspect &&
		row.grounds === version.grounds
	);
}

/**
 * Rows that hashes prove: a damaged one takes what another row of the same version, or the snapshot, says,
 * where that has the content hash that the row's own checksum covers; a visible one that is gone comes from
 * the snapshot where that gives the committed leaf. Undefined: not all of it can be made so.
 */
function fromCopies(
	key: MemoryKey,
	actual: readonly StoredVersion[],
	copy: Version | undefined,
	context: PlanContext,
): MemoryPlan | undefined {
	const made = actual.map((row) => {
		if (rowProblem(row) === undefined) return row;
		if (!row.intact) return undefined;
		const twin = [...actual, ...(copy === undefined ? [] : [asStored(copy)])].find(
			(each) => each.contentHash === row.contentHash && hashedAgain(each) === row.contentHash,
		);
		return twin?.body && { ...row, ...twin.body, expiresBlock: twin.expiresBlock, body: twin.body };
	});
	const rows = made.filter((row) => row !== undefined);
	if (rows.length < made.length || context.states === undefined) return undefined;
	const lacking = otherLeaf(key, rows, context) === undefined ? undefined : copy;
	const all = lacking === undefined ? rows : withRow(rows, asStored(lacking));
	if (otherLeaf(key, all, context) !== undefined) return undefined;
	const changes = all.flatMap((row) => {
		const { body } = row;
		if (actual.includes(row) || body === undefined) return [];
		return [{ table: "versions" as const, put: { ...row, ...body } }];
	});
	return { changes, source: "snapshot", rows: all, why: undefined };
}

/** A row that is gone, unless another stands in its place. */
function withRow(rows: readonly StoredVersion[], row: StoredVersion): readonly StoredVersion[] {
	if (rows.some((each) => placeOf(each) === placeOf(row))) return rows;
	return [...rows, row].sort((a, b) => (a.fromBlock < b.fromBlock ? -1 : 1));
}

function notMade(why: string): MemoryPlan {
	return { changes: [], source: "none", rows: undefined, why };
}

function placeOf({ fromBlock, fromGen }: Pick<Version, "fromBlock" | "fromGen">): string {
	return `${fromBlock}/${fromGen}`;
}
