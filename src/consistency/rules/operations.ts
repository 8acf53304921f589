/** Where agents' operations stand, against the log that says how they got there. */

import { memoryKey } from "../../memory/memory-key.ts";
import type { CheckContext } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import type { StoredOperationRow, StoredState } from "../stored-state.ts";
import { byPerson, subject } from "../subject.ts";

export const operations: ScanRule<CheckContext> = {
	kind: "scan",
	name: "operations",
	level: "comprehensive",
	severity: "error",
	compares: "the state of agents' operations with their log entries and versions",
	async *check({ state, read }) {
		for await (const page of state.operations()) {
			await read(page.length);
			yield* page.flatMap((row) => againstLog(row, state.chain));
			yield* await againstVersions(page, state);
		}
	},
};

function againstLog(row: StoredOperationRow, chain: StoredState["chain"]): readonly RuleFinding[] {
	const { position, status } = row;
	if (position === undefined || isBelowCut(row, chain)) return [];
	const wanted = status === "refused" ? "refused" : "operation";
	if (row.loggedAs === undefined) return [wrong(row, `its log entry ${position} is missing`)];
	if (row.loggedAs !== wanted)
		return [wrong(row, `it is ${status}, and its log entry ${position} is a ${row.loggedAs}`)];
	if (row.loggedOperation !== row.operationId)
		return [wrong(row, `its log entry ${position} is of operation ${row.loggedOperation}`)];
	return [];
}

function isBelowCut({ position }: StoredOperationRow, { logCutTo }: StoredState["chain"]): boolean {
	return position !== undefined && position <= logCutTo;
}

/**
 * An applied operation's version has a row, or gave its slot to a later one. Below the cut it may have come
 * with an imported snapshot, which holds no versions that were overwritten before it.
 */
async function againstVersions(
	page: readonly StoredOperationRow[],
	state: StoredState,
): Promise<readonly RuleFinding[]> {
	const applied = page.flatMap((row) =>
		row.status === "applied" && row.versionId !== undefined && !isBelowCut(row, state.chain)
			? [{ row, versionId: row.versionId, memoryKey: memoryKey(row.namespace, row.id) }]
			: [],
	);
	if (applied.length === 0) return [];
	const memories = await state.memoriesOf([...new Set(applied.map((each) => each.memoryKey))]);
	const rowsOf = new Map(memories.map((memory) => [memory.memoryKey, memory.rows]));
	return applied.flatMap(({ row, versionId, memoryKey: key }) => {
		const rows = rowsOf.get(key) ?? [];
		const held = rows.some(
			(each) =>
				each.versionId === versionId ||
				(each.versionId > versionId && each.fromBlock === row.effectiveSlot),
		);
		return held ? [] : [wrong(row, `it is applied, and its version ${versionId} has no row`)];
	});
}

function wrong(row: StoredOperationRow, what: string): RuleFinding {
	return {
		class: "log_corrupt",
		subject: subject({
			store: "postgres",
			table: "operations",
			namespace: row.namespace,
			id: row.id,
			position: row.position,
			versionId: row.versionId,
		}),
		message: `operation ${row.operationId} is wrong: ${what}`,
		since: row.effectiveSlot,
		remedy: byPerson(`recant check --level paranoid`),
	};
}
