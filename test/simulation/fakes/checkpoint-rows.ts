import type { Checkpoint } from "../../../src/writer/commit-batch.ts";
import type { CheckpointRow } from "./chain-tables.ts";

/** Without the generations in which it stands. */
export function checkpointOf({ fromGen: _from, toGen: _to, ...point }: CheckpointRow): Checkpoint {
	return point;
}
