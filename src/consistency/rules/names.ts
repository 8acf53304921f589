/** The table of names against the versions that they name. */
import { memoryKey } from "../../memory/memory-key.ts";
import type { CheckContext } from "../check-context.ts";
import type { MemoryRule, RuleFinding, ScanRule } from "../rule.ts";
import type { StoredName, StoredVersion } from "../stored-state.ts";
import { BY_REPAIR, subject, versionSubject } from "../subject.ts";

export const namesOfVersions: MemoryRule<CheckContext> = {
	kind: "memories",
	name: "names-of-versions",
	level: "full",
	severity: "error",
	compares: "the namespace, layer and id of every version with the table of names",
	open: async ({ state }) => ({
		page: async (memories) => {
			const rows = memories.flatMap((memory) => onePerLayer(memory.rows));
			const unnamed = await state.unnamed(rows);
			return rows.filter((row) => unnamed.has(nameKey(row))).map(nameMissing);
		},
		end: async () => [],
		close: () => undefined,
	}),
};

/** As `StoredState.unnamed` answers it. */
function nameKey(row: Pick<StoredVersion, "memoryKey" | "layer">): string {
	return `${row.memoryKey}/${row.layer}`;
}

/** A damaged row has no name to look for; the rule that reads it says so. */
function onePerLayer(rows: readonly StoredVersion[]): readonly StoredVersion[] {
	const sound = rows.filter(
		(row) => row.layer !== undefined && memoryKey(row.namespace, row.id) === row.memoryKey,
	);
	return [...new Map(sound.map((row) => [row.layer, row])).values()];
}

function nameMissing(row: StoredVersion): RuleFinding {
	return {
		class: "name_missing",
		subject: { ...versionSubject(row), table: "memories" },
		message: `"${row.id}" in "${row.namespace}" has no name in ${row.layer}, so no page lists it`,
		since: row.fromBlock,
		remedy: BY_REPAIR,
	};
}

/**
 * A name stays when retention takes its last version away, so one without versions is wrong only if
 * nothing was taken away, or if the log, while it is whole, never spoke of it.
 */
export const names: ScanRule<CheckContext> = {
	kind: "scan",
	name: "names",
	level: "full",
	severity: "warning",
	compares: "every name with its key and with the versions that have it",
	async *check({ state, read }) {
		for await (const page of state.names()) {
			await read(page.length);
			yield* page.filter(hasWrongKey).map((name) => nameExtra(name, "its key is another name's"));
			const bare = page.filter((name) => !name.hasVersions && !hasWrongKey(name));
			if (bare.length === 0 || state.chain.logCutTo > 0n) continue;
			const logged = await state.inLog(bare.map((name) => name.memoryKey));
			yield* bare
				.filter((name) => !logged.has(name.memoryKey))
				.map((name) => nameExtra(name, "no version has it, and none ever had"));
		}
	},
};

function hasWrongKey(name: StoredName): boolean {
	return name.layer === undefined || memoryKey(name.namespace, name.id) !== name.memoryKey;
}

function nameExtra(name: StoredName, why: string): RuleFinding {
	return {
		class: "name_extra",
		subject: subject({
			store: "postgres",
			table: "memories",
			memoryKey: name.memoryKey,
			namespace: name.namespace,
			id: name.id,
		}),
		message: `the name "${name.id}" in "${name.namespace}" is wrong: ${why}`,
		since: undefined,
		remedy: BY_REPAIR,
	};
}
