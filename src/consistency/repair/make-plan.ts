/**
 * Puts a plan together: reads the log once for everything that is damaged, then plans each kind of record
 * in the order in which one is the source of the next. Reads only.
 */
import { FatalError } from "../../domain/errors.ts";
import type { MemoryKey, VersionId } from "../../domain/ids.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import type { KeptFinding } from "../consistency-run.ts";
import type { FindingClass } from "../finding.ts";
import { watermarkFindings } from "../rules/watermarks.ts";
import { LogIndex } from "./log-index.ts";
import { type MemoryHistory, memoryHistory } from "./memory-history.ts";
import { heightsOf, planBlocks } from "./plan-blocks.ts";
import type { PlanContext } from "./plan-context.ts";
import { planDerivations } from "./plan-derivations.ts";
import { planLinks } from "./plan-links.ts";
import { isOfNames, planNames } from "./plan-names.ts";
import { planRecordedRoots } from "./plan-recorded-roots.ts";
import { planTables } from "./plan-tables.ts";
import { isOfVectors, planVectors } from "./plan-vectors.ts";
import { isOfVersions, type LogTruth, memoriesOf, planVersions } from "./plan-versions.ts";
import {
	forPerson,
	planned,
	type RepairOutcome,
	type RepairPlan,
	sound,
	type Verdict,
} from "./repair-plan.ts";

export async function makePlan(runId: string, context: PlanContext): Promise<RepairPlan> {
	const truth = await truthOf(context);
	const versions = await planVersions(context, truth);
	const names = await planNames(context, truth, versions.repaired);
	const links = await planLinks(context, versions.repaired);
	const derivations = await planDerivations(context, versions.repaired);
	const vectors = await planVectors(context, truth, versions.repaired);
	const blocks = await planBlocks(context, truth.index, versions.repaired);
	const tables = await planTables(context, vectors.overlay, versions.repaired);
	const roots = await planRecordedRoots(context, versions.repaired);
	const drops = context.findings.filter(isStale).flatMap(({ subject }) => subject.memoryKey ?? []);
	const parts = [versions, names, links, derivations, vectors, blocks, tables, roots];
	const verdicts = new Map(parts.flatMap((part) => [...part.verdicts]));
	const rows = [versions, names, links, derivations, vectors, blocks, roots].flatMap(
		(part) => part.rows,
	);
	const known = { repaired: rows.length, watermarks: await watermarkMessages(context) };
	return {
		chainId: context.chainId,
		runId,
		outcomes: context.findings.map((finding) =>
			outcomeOf(finding, verdicts.get(finding.seq) ?? alone(finding, known)),
		),
		rows,
		tables: tables.tables,
		drops: [...new Set(drops)],
	};
}

function outcomeOf({ seq, class: kind, subject }: KeptFinding, verdict: Verdict): RepairOutcome {
	return { seq, class: kind, subject, ...verdict };
}

function isStale(finding: KeptFinding): boolean {
	return finding.class === "working_memory_stale";
}

interface Known {
	/** How many rows are repaired. */
	readonly repaired: number;
	/** What is wrong with the chain's numbers now. */
	readonly watermarks: ReadonlySet<string>;
}

/** Findings about what rows that are repaired may have shown wrongly. */
const TAKEN_FROM_ROWS: ReadonlySet<FindingClass> = new Set([
	"watermark_wrong",
	"link_orphaned",
	"source_lost",
]);

/** What no plan of records takes. */
function alone(finding: KeptFinding, { repaired, watermarks }: Known): Verdict {
	if (isStale(finding)) return planned("drop", "versions", "the copy is forgotten, and read again");
	if (finding.class === "log_corrupt") {
		return forPerson(
			"the log is the source of everything else, and cannot be made again",
			"recant snapshot list",
			"recant snapshot import <dir> --apply --replace",
			"restore the database from a backup",
		);
	}
	if (finding.class === "watermark_wrong" && !watermarks.has(finding.message)) {
		return sound("the chain's numbers agree with the rows");
	}
	if (TAKEN_FROM_ROWS.has(finding.class) && repaired > 0) {
		return sound("it was taken from rows that are repaired; the next check says whether it stays");
	}
	return forPerson(finding.message, ...finding.remedy.commands);
}

async function watermarkMessages({ findings, state }: PlanContext): Promise<ReadonlySet<string>> {
	const messages = new Set<string>();
	if (!findings.some((finding) => finding.class === "watermark_wrong")) return messages;
	for await (const { message } of watermarkFindings(state)) messages.add(message);
	return messages;
}

/** Reads the log only if something has to be made from it. */
async function truthOf(context: PlanContext): Promise<LogTruth> {
	const { findings, state } = context;
	const vectors = findings.filter(isOfVectors);
	const ids = vectors.flatMap(({ subject }) => subject.versionId ?? []);
	const heights = heightsOf(findings);
	const ofMemories = findings.filter(
		(each) => isOfVersions(each) || isOfNames(each) || isOfVectors(each),
	);
	if (ofMemories.length === 0 && heights.size === 0) {
		return { index: new LogIndex(), history: "it was not read" };
	}
	const index = await LogIndex.read(state, { versionIds: new Set<VersionId>(ids), heights });
	const keys = new Set<MemoryKey>([
		...ofMemories.flatMap(memoriesOf),
		...findings.filter(isOfNames).flatMap(namedBy),
		...index.keys.values(),
	]);
	return { index, history: await historyOf(context, index, keys) };
}

function namedBy({ subject: { namespace, id } }: KeptFinding): readonly MemoryKey[] {
	const readable = namespace?.isWellFormed() === true && id?.isWellFormed() === true;
	return readable ? [memoryKey(namespace, id)] : [];
}

async function historyOf(
	{ chainId, state, rows, parts }: PlanContext,
	index: LogIndex,
	keys: ReadonlySet<MemoryKey>,
): Promise<MemoryHistory | string> {
	try {
		return await memoryHistory({
			chainId,
			state,
			keys,
			rollbacks: await rows.rollbacks(),
			lastGroup: index.lastGroup,
			deriver: parts.deriver,
		});
	} catch (error) {
		// The log contradicts itself, or its groups cannot be derived: other sources may do.
		if (error instanceof FatalError && error.code !== "internal") return error.message;
		throw error;
	}
}
