/** That a chain stands still, or goes on, with its entry in the log; see store/writing/record-halt.ts. */
import type { LogPosition } from "../../../src/domain/ids.ts";
import { canonicalJson } from "../../../src/memory/canonical.ts";
import type { Problem } from "../../../src/writer/writer-store.ts";
import type { ChainTables } from "./chain-tables.ts";
import { throughJson } from "./frozen.ts";

/** Answers the entry's position; undefined: there is an entry at that position, and none is added. */
export function recordHalt(
	tables: ChainTables,
	problem: Problem | undefined,
): LogPosition | undefined {
	tables.update({ halt: problem && (throughJson(problem) as Problem) });
	const { generation, headHeight, logPosition } = tables.row;
	const position = logPosition + 1n;
	const isNew = tables.log.insertIfNew({
		position,
		generation,
		height: headHeight ?? 0n,
		kind: "halt",
		operationId: undefined,
		memoryKey: undefined,
		body: canonicalJson(problem === undefined ? { isOver: true } : { ...problem }),
	});
	if (!isNew) return undefined;
	tables.update({ logPosition: position });
	return position;
}
