/** A rollback's report, as far as the reference model says what must be in it. */
import { expect } from "vitest";
import { type MemoryName, nameOf } from "./reference-history.ts";
import type { ModelReport } from "./reference-model.ts";

const LISTS = [
	"suspended",
	"reinstated",
	"replayed",
	"withdrawn",
	"flagged",
	"cleared",
	"actions",
] as const;

/** Each list by what it names. */
export type ReportLists = {
	readonly [List in (typeof LISTS)[number]]?:
		| readonly { readonly operationId: string }[]
		| undefined;
} & { readonly recanted: readonly MemoryName[] };

/** Whether a rule made it: the model has no rules. */
export function isConsolidated(id: string): boolean {
	return id.startsWith("consolidated:");
}

/** Exactly what the model says, whatever the order. */
export function expectReport(actual: ReportLists, expected: ModelReport, which: string): void {
	const said = Object.fromEntries(
		LISTS.map((list) => [list, (actual[list] ?? []).map(({ operationId }) => operationId).sort()]),
	);
	const recanted = actual.recanted
		.filter(({ id }) => !isConsolidated(id))
		.map(nameOf)
		.filter((name) => !expected.over.includes(name));
	expect({ ...said, recanted: recanted.sort() }, which).toEqual({
		...Object.fromEntries(LISTS.map((list) => [list, [...expected[list]].sort()])),
		recanted: [...expected.recanted].sort(),
	});
}
