/** Spans of every memory, in every generation that is kept, against the rules by which they change. */
import type { CheckContext } from "../check-context.ts";
import { spanProblems } from "../memory-spans.ts";
import type { MemoryRule } from "../rule.ts";
import { BY_REPAIR, versionSubject } from "../subject.ts";

export const spans: MemoryRule<CheckContext> = {
	kind: "memories",
	name: "spans",
	level: "full",
	severity: "critical",
	compares: "the spans of each memory's rows with one another and with the generations",
	open: async ({ state, at }) => {
		const bounds = {
			generation: at.generation,
			slot: at.height + 1n,
			generations: await state.generations(),
		};
		return {
			page: async (memories) =>
				memories.flatMap(({ rows }) =>
					spanProblems(rows, bounds).map(({ row, message }) => ({
						class: "span_wrong" as const,
						subject: versionSubject(row),
						message: `the span of version ${row.versionId} of "${row.id}" is wrong: ${message}`,
						since: row.fromBlock,
						remedy: BY_REPAIR,
					})),
				),
			end: async () => [],
			close: () => undefined,
		};
	},
};
