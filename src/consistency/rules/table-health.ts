/** How LanceDB's tables are kept: fragments, indexes, and old versions that are still named. */
import { LIMITS } from "../../domain/limits.ts";
import type { CheckContext } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import type { StoredCollection } from "../stored-state.ts";
import { byPerson, subject } from "../subject.ts";

export const tableHealth: ScanRule<CheckContext> = {
	kind: "scan",
	name: "table-health",
	level: "comprehensive",
	severity: "warning",
	compares: "fragments and indexes of LanceDB's tables with what a search can bear",
	async *check({ state, parts, read }) {
		for (const collection of await state.collections()) {
			const { table, pointer } = collection;
			if (pointer.tableVersion === 0n) continue;
			await read(1);
			const { fragments, indexes } = await parts.tables.health(table, pointer.tableVersion);
			if (fragments > LIMITS.tableFragments) {
				yield unhealthy(
					collection,
					`${fragments} fragments, ${LIMITS.tableFragments} are the most that compaction leaves`,
				);
			}
			for (const { name, unindexedRows } of indexes) {
				if (unindexedRows > LIMITS.unindexedRows)
					yield unhealthy(collection, `index ${name} does not know ${unindexedRows} rows`);
			}
		}
	},
};

function unhealthy({ name, table }: StoredCollection, what: string): RuleFinding {
	return {
		class: "index_unhealthy",
		subject: subject({ store: "lancedb", table, collection: name }),
		message: `collection ${name} is slow to search: ${what}`,
		since: undefined,
		// Nothing is wrong in it, and flushes compact it by themselves; a repair would do nothing.
		remedy: byPerson("recant status", "recant check --level comprehensive"),
	};
}
