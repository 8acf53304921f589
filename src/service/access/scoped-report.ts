/** A rollback and its report as one caller may see them. */
import { type Caller, sees } from "../../domain/caller.ts";
import type { RollbackCounts, RollbackReport, RollbackView } from "../rollback-view.ts";

/** A rollback without how much of everybody's it touched. */
export function withoutSizes(rollback: RollbackView, caller: Caller): RollbackView {
	if (caller.namespaces === undefined) return rollback;
	const counts = zeroed(rollback.counts);
	const progress = { done: 0, total: 0, ratePerSecond: undefined, etaMs: undefined };
	return { ...rollback, counts, progress };
}

/**
 * The lines of the caller's own namespaces, and counts of these. A report keeps the first lines of each
 * kind, so where it is `truncated` some of the caller's may be missing.
 */
export function visibleReport(report: RollbackReport, caller: Caller): RollbackReport {
	if (caller.namespaces === undefined) return report;
	const lists = Object.entries(report).map(([name, value]: [string, unknown]) => [
		name,
		Array.isArray(value) ? value.filter((line: unknown) => isOf(line, caller)) : value,
	]);
	// Each list has fewer lines of the same kind.
	const visible = Object.fromEntries(lists) as RollbackReport;
	return { ...visible, rollback: withCounts(report.rollback, visible, caller) };
}

function withCounts(rollback: RollbackView, report: RollbackReport, caller: Caller): RollbackView {
	const lists: Readonly<Record<string, unknown>> = { ...report };
	const counted = Object.keys(rollback.counts).map((name) => {
		const lines = lists[name];
		return [name, Array.isArray(lines) ? lines.length : 0];
	});
	// One count for each that there was.
	const counts = Object.fromEntries(counted) as RollbackCounts;
	return { ...withoutSizes(rollback, caller), counts };
}

/** A line that names no namespace is nobody's. */
function isOf(line: unknown, caller: Caller): boolean {
	if (typeof line !== "object" || line === null || !("namespace" in line)) return false;
	return typeof line.namespace === "string" && sees(caller, line.namespace);
}

function zeroed(counts: RollbackCounts): RollbackCounts {
	return Object.fromEntries(
		Object.keys(counts).map((name) => [name, 0]),
	) as unknown as RollbackCounts;
}
