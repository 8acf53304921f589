/** A rollback's report in words that people understand. */
import type { RollbackReportAnswer } from "../../src/client/answers.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import { nameOf } from "./cast.ts";

type Recanted = RollbackReportAnswer["recanted"][number];
type Verdict = RollbackReportAnswer["suspended"][number];

/** Wide enough for the longest list of names, narrow enough for a terminal of 100. */
const TEXT_WIDTH = 68;

/** Cells of a table: what happened, how often, to what. */
export type OutcomeRow = readonly [
	outcome: "recanted" | "suspended" | "reinstated" | "replayed" | "derived anew",
	count: string,
	what: string,
];

/** `reinstated`: ids of notes that came back since, with blocks above the rollback's. */
export function outcomeRows(
	report: RollbackReportAnswer,
	reinstated: readonly { readonly id: string; readonly slot: string }[],
): readonly OutcomeRow[] {
	const { counts, to } = report.rollback;
	const since = reinstated.map(({ id, slot }) => {
		const later = BigInt(slot) - BigInt(to.height);
		return `note ${id}, in block ${slot}: ${later} blocks after the fork`;
	});
	return [
		["recanted", `${counts.recanted}`, recantedLines(report.recanted).join("\n")],
		["suspended", `${counts.suspended}`, report.suspended.map(suspendedLine).join("\n")],
		["reinstated", `${counts.reinstated + since.length}`, since.join("\n")],
		["replayed", `${counts.replayed}`, report.replayed.map(replayedLine).join("\n")],
		["derived anew", `${counts.derivedAnew}`, derivedLines(report.derivedAnew).join("\n")],
	];
}

function recantedLines(recanted: readonly Recanted[]): readonly string[] {
	const of = (kind: string) => recanted.filter(({ id }) => kindOf(id) === kind);
	return [
		listLine("balances:", of("holder").map(balanceChange).toSorted()),
		listLine("payments:", of("transfer").map(paymentChange).toSorted()),
		listLine("recent payments of", of("recent").map(holderName).toSorted()),
		listLine(
			"notes:",
			of("note").map(({ id }) => id),
		),
	].flat();
}

/** Each note has one anchor, so one thing is lost. */
function suspendedLine({ id, lost }: Verdict): string {
	return `note ${id}: its ${lost.map(({ kind }) => kind).join(", ")} is gone`;
}

function replayedLine({ id, originalSlot, effectiveSlot }: Verdict): string {
	const moved = originalSlot === effectiveSlot ? "" : `, was at ${originalSlot}`;
	return `note ${id}, at block ${effectiveSlot}${moved}`;
}

function derivedLines(derived: RollbackReportAnswer["derivedAnew"]): readonly string[] {
	const count = (kind: string) => derived.filter(({ id }) => kindOf(id) === kind).length;
	return [
		`${count("transfer")} payments, ${count("holder")} balances and ${count("recent")} lists, from the new blocks`,
	];
}

function balanceChange({ before, after }: Recanted): string {
	const change = `${text(before, "balance")} → ${after ? text(after, "balance") : "none"}`;
	return `${nameOf(text(before, "address"))} ${change}`;
}

function paymentChange({ before, after }: Recanted): string {
	const moved = after ? ` (now in block ${text(after, "blockNumber")})` : "";
	const sides = `${nameOf(text(before, "from"))} → ${nameOf(text(before, "to"))}`;
	return `${sides} ${text(before, "value")}${moved}`;
}

function holderName({ before }: Recanted): string {
	return nameOf(text(before, "address"));
}

/** Of the ledger's ids, see chains/anvil.ts; what agents wrote has no colon here. */
function kindOf(id: string): string {
	return id.includes(":") ? (id.split(":")[0] ?? id) : "note";
}

/** `label a, b, c`, broken into lines; nothing at all for no items. */
function listLine(label: string, items: readonly string[]): readonly string[] {
	const lines: string[] = [];
	let line = label;
	for (const [index, item] of items.entries()) {
		const part = index < items.length - 1 ? `${item},` : item;
		if (line.length + part.length >= TEXT_WIDTH) {
			lines.push(line);
			line = " ";
		}
		line = `${line} ${part}`;
	}
	return items.length === 0 ? [] : [...lines, line];
}

function text(content: JsonObject, field: string): string {
	return String(content[field] ?? "?");
}
