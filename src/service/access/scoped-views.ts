/** Where a chain stands, without what tells a caller of some namespaces about the others. */
import type { Caller } from "../../domain/caller.ts";
import type { ChainView, CheckpointView, StatusView } from "../recant-service.ts";
import { withoutSizes } from "./scoped-report.ts";

export function visibleStatus(status: StatusView, caller: Caller): StatusView {
	if (caller.namespaces === undefined) return status;
	return {
		...status,
		workingMemory: { ...status.workingMemory, entries: 0, hits: 0, misses: 0, resets: 0 },
		chains: status.chains.map((chain) => visibleChain(chain, caller)),
	};
}

/** Who writes how much, into what, and what was found wrong with it, is the operator's to know. */
export function visibleChain(chain: ChainView, caller: Caller): ChainView {
	if (caller.namespaces === undefined) return chain;
	const { rollback } = chain;
	return {
		...chain,
		inbox: 0,
		rollback: rollback && withoutSizes(rollback, caller),
		consistency: undefined,
		collections: [],
		providers: [],
	};
}

/** Names of collections are others' words. */
export function visibleCheckpoint(checkpoint: CheckpointView, caller: Caller): CheckpointView {
	return caller.namespaces === undefined ? checkpoint : { ...checkpoint, pointers: {} };
}
