import type { RollbackReport, RollbackView } from "./recant-service.ts";

/** Reads a report as rollback/report.ts wrote it. */
export function reportOf(rollback: RollbackView, json: string): RollbackReport {
	const heights = new Set(["originalSlot", "effectiveSlot", "slot"]);
	const stored = JSON.parse(json, (key, value: unknown) =>
		heights.has(key) && typeof value === "string" ? BigInt(value) : value,
	) as Omit<RollbackReport, "rollback">;
	return { rollback, ...stored };
}
