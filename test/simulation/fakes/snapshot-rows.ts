/** Which snapshots a rollback may begin from; see postgres-restored-states.ts. */
import { FOREVER } from "../../../src/domain/ids.ts";
import type { ChainTables } from "./chain-tables.ts";
import type { StoredSnapshot } from "./fake-database.ts";

/** Of this log: made here, after the state was imported if it was, or that very import. */
export function isUsable(tables: ChainTables, snapshot: StoredSnapshot): boolean {
	const { state, cause, height, logPosition, manifestHash } = snapshot;
	if (state !== "verified" || manifestHash === undefined) return false;
	const { retainedFrom, logCutTo } = tables.row;
	if (height === retainedFrom && logPosition === logCutTo) return true;
	if (cause === "import") return false;
	return retainedFrom === 0n || isCanonical(tables, snapshot);
}

export function isCanonical(
	{ blocks }: ChainTables,
	{ height, blockHash, generation }: StoredSnapshot,
): boolean {
	return blocks
		.all()
		.some(
			(row) =>
				row.number === height &&
				row.hash === blockHash &&
				row.toGen === FOREVER &&
				row.fromGen <= generation,
		);
}
