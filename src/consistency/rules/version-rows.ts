/** Each row of `versions` against itself: checksum, key, content hash, and the chain's numbers. */
import { memoryKey } from "../../memory/memory-key.ts";
import type { CheckContext } from "../check-context.ts";
import type { MemoryRule, RuleFinding } from "../rule.ts";
import type { StoredChain, StoredVersion } from "../stored-state.ts";
import { BY_REPAIR, versionSubject } from "../subject.ts";
import { hashedAgain } from "../visible-rows.ts";

export const versionRows: MemoryRule<CheckContext> = {
	kind: "memories",
	name: "version-rows",
	level: "full",
	severity: "critical",
	compares: "every row of versions with its checksum, its key and the hash of what it says",
	open: async ({ state }) => ({
		page: async (memories) =>
			memories.flatMap(({ rows }) => rows.flatMap((row) => finding(row, state.chain))),
		end: async () => [],
		close: () => undefined,
	}),
};

/** Whether the row says what was written. */
export function rowProblem(row: StoredVersion): string | undefined {
	if (!row.intact) return "its checksum does not fit its columns";
	if (memoryKey(row.namespace, row.id) !== row.memoryKey)
		return `its key is not that of "${row.id}" in "${row.namespace}"`;
	const again = hashedAgain(row);
	if (again === undefined) return "its layer, owner, numbers or content cannot be read";
	if (again !== row.contentHash)
		return `its content hashes to ${again}, recorded is ${row.contentHash}`;
	return undefined;
}

function finding(row: StoredVersion, chain: StoredChain): readonly RuleFinding[] {
	const problem = rowProblem(row) ?? ahead(row, chain);
	if (problem === undefined) return [];
	return [
		{
			class: "version_corrupt",
			subject: versionSubject(row),
			message: `version ${row.versionId} of "${row.id}" is damaged: ${problem}`,
			since: row.fromBlock,
			remedy: BY_REPAIR,
		},
	];
}

function ahead({ versionId, position }: StoredVersion, chain: StoredChain): string | undefined {
	if (versionId > chain.versionSeq)
		return `its id is above the last given out, ${chain.versionSeq}`;
	if (position > chain.logPosition) return `its position ${position} is above the log's end`;
	return undefined;
}
