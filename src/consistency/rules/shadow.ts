/** The head's state, built again beside the present one from log and chain, record by record. */
import type { CheckContext, RestoredMemory } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import { eachOf, mergeSorted } from "../sorted-merge.ts";
import type { StoredMemory, StoredState, StoredVersion } from "../stored-state.ts";
import { BY_REPAIR, subject, versionSubject } from "../subject.ts";
import { sealedLeaf } from "../visible-rows.ts";

export const shadow: ScanRule<CheckContext> = {
	kind: "scan",
	name: "shadow",
	level: "paranoid",
	severity: "critical",
	compares: "every visible memory with the state that log and chain give when they are run again",
	async *check({ chainId, at, state, parts, read }) {
		if (parts.shadow === undefined) return;
		const merged = mergeSorted(
			eachOf(parts.shadow.restoreMemories(chainId, at)),
			visible(state, at, read),
			{
				left: ({ memoryKey }: RestoredMemory) => memoryKey,
				right: ({ memoryKey }: StoredVersion) => memoryKey,
				compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
			},
		);
		for await (const pair of merged) {
			if (pair.type === "left") yield missing(pair.left);
			else if (pair.type === "right") yield differs(pair.right, undefined);
			else if (pair.left.contentHash !== pair.right.contentHash)
				yield differs(pair.right, pair.left);
		}
	},
};

async function* visible(
	state: StoredState,
	at: CheckContext["at"],
	read: (rows: number) => Promise<void>,
): AsyncGenerator<StoredVersion, void> {
	for await (const page of state.memories(undefined)) {
		await read(page.reduce((sum, { rows }: StoredMemory) => sum + rows.length, 0));
		for (const { rows } of page) {
			const leaf = sealedLeaf(rows, at);
			if (leaf !== undefined) yield leaf;
		}
	}
}

function missing({ memoryKey, versionId }: RestoredMemory): RuleFinding {
	return {
		class: "version_missing",
		subject: subject({ store: "postgres", table: "versions", memoryKey, versionId }),
		message: `log and chain give version ${versionId} of ${memoryKey}, and no row shows it`,
		since: undefined,
		remedy: BY_REPAIR,
	};
}

function differs(row: StoredVersion, made: RestoredMemory | undefined): RuleFinding {
	return {
		class: made === undefined ? "version_extra" : "version_corrupt",
		subject: versionSubject(row),
		message: `version ${row.versionId} of "${row.id}" has hash ${row.contentHash}, log and chain give ${made?.contentHash ?? "no such memory"}`,
		since: row.fromBlock,
		remedy: BY_REPAIR,
	};
}
