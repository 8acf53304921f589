/** Sizes of the stores against the limits to which they were measured. */
import { LIMITS } from "../../domain/limits.ts";
import type { CheckContext } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import { byPerson, subject } from "../subject.ts";

export const sizes: ScanRule<CheckContext> = {
	kind: "scan",
	name: "sizes",
	level: "comprehensive",
	severity: "warning",
	compares: "tables, collections and tails with the sizes that Recant was measured with",
	async *check({ state, read }) {
		for (const { table, bytes } of await state.sizes()) {
			await read(1);
			if (bytes <= LIMITS.tableBytes) continue;
			yield exceeded(
				"postgres",
				table,
				`table ${table} has ${bytes} bytes, measured were ${LIMITS.tableBytes}`,
			);
		}
		const collections = await state.collections();
		if (collections.length > LIMITS.collections)
			yield exceeded(
				"postgres",
				"collections",
				`${collections.length} collections, ${LIMITS.collections} are the most`,
			);
	},
};

function exceeded(store: "postgres", table: string, what: string): RuleFinding {
	return {
		class: "size_exceeded",
		subject: subject({ store, table }),
		message: what,
		since: undefined,
		remedy: byPerson("recant status", "recant snapshot create"),
	};
}
