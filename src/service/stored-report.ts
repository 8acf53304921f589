import type { RollbackReport, RollbackView } from "./rollback-view.ts";

type Stored = Omit<RollbackReport, "rollback">;
type Verdicts = Stored["suspended"];

/** Reads a report as rollback/report.ts wrote it; one from before a list was known has it empty. */
export function reportOf(rollback: RollbackView, json: string): RollbackReport {
	const stored = JSON.parse(json) as Partial<Stored> & Pick<Stored, "recanted" | "truncated">;
	return {
		rollback,
		truncated: stored.truncated,
		recanted: stored.recanted,
		suspended: verdicts(stored.suspended),
		reinstated: verdicts(stored.reinstated),
		replayed: verdicts(stored.replayed),
		withdrawn: verdicts(stored.withdrawn),
		flagged: verdicts(stored.flagged),
		cleared: verdicts(stored.cleared),
		actions: (stored.actions ?? []).map((line) => ({ ...line, position: BigInt(line.position) })),
		derivedAnew: (stored.derivedAnew ?? []).map((line) => ({ ...line, slot: BigInt(line.slot) })),
	};
}

/** What memories say is left as it is: a content may have fields of the same names. */
function verdicts(lines: Verdicts | undefined): Verdicts {
	return (lines ?? []).map(({ originalSlot, effectiveSlot, lost, ...line }) => ({
		...line,
		originalSlot: BigInt(originalSlot),
		effectiveSlot: effectiveSlot === undefined ? undefined : BigInt(effectiveSlot),
		lost: lost ?? [],
	}));
}
