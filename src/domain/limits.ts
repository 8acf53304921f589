import { CHAIN_LIMITS } from "./limits/chain-limits.ts";
import { CHECK_LIMITS } from "./limits/check-limits.ts";
import { MEMORY_LIMITS } from "./limits/memory-limits.ts";
import { ROLLBACK_LIMITS } from "./limits/rollback-limits.ts";
import { SEARCH_LIMITS } from "./limits/search-limits.ts";
import { SERVICE_LIMITS } from "./limits/service-limits.ts";
import { SNAPSHOT_LIMITS } from "./limits/snapshot-limits.ts";

/**
 * Every limit of Recant, with its reason, by subject. Going past one gives a typed error that names the limit
 * and the value; nothing is cut silently.
 */
export const LIMITS = {
	...MEMORY_LIMITS,
	...SEARCH_LIMITS,
	...CHAIN_LIMITS,
	...ROLLBACK_LIMITS,
	...SNAPSHOT_LIMITS,
	...CHECK_LIMITS,
	...SERVICE_LIMITS,
} as const;

/**
 * How the limits hang together. A test asserts each, so that changing one number cannot break
 * another quietly.
 */
export const LIMIT_RELATIONS: readonly { readonly why: string; readonly holds: boolean }[] = [
	{
		why: "a flush must begin before the tail is full, else every flush stops the writer",
		holds: LIMITS.tailFlushRows < LIMITS.tailRows,
	},
	{
		why: "a tail that is behind must hold what one that may not grow holds, and the inbox on top",
		holds: LIMITS.tailMostRows > LIMITS.tailRows + LIMITS.inboxOperations,
	},
	{
		why: "a backfilled group must end at each height that gets a checkpoint",
		holds: LIMITS.checkpointIntervalBlocks % LIMITS.groupBlocks === 0,
	},
	{
		why: "one request must fit the inbox, else it could never be accepted",
		holds: LIMITS.batchOperations <= LIMITS.inboxOperations,
	},
	{
		why: "one request of a key must fit its share of the inbox, and several keys the whole",
		holds:
			LIMITS.batchOperations <= LIMITS.inboxOperationsOfKey &&
			4 * LIMITS.inboxOperationsOfKey <= LIMITS.inboxOperations,
	},
	{
		why: "a partial restore must fit the inbox: a memory that changes its layer is deleted and put",
		holds: 2 * LIMITS.partialMemories <= LIMITS.inboxOperations,
	},
	{
		why: "one request is one inbox entry and commits whole, so a group must hold it",
		holds: LIMITS.batchOperations <= LIMITS.groupOperations,
	},
	{
		why: "orphaned branches stay readable at least as long as the window can roll back to them",
		holds: LIMITS.orphanRetentionBlocks >= LIMITS.windowMostBlocks,
	},
	{
		why: "several keys can read events at once",
		holds: 4 * LIMITS.eventClientsOfKey <= LIMITS.eventClients,
	},
	{
		why: "event clients leave connections for ordinary requests",
		holds: LIMITS.eventClients < LIMITS.connections,
	},
	{
		why: "a window is at least as long as the least and at most as long as the most",
		holds: LIMITS.windowBlocks <= LIMITS.windowMostBlocks,
	},
	{
		why: "a gap that is filled header by header must not push the block it stands on out of the window",
		holds: LIMITS.groupBlocks < LIMITS.windowBlocks,
	},
	{
		why: "the first round of a search, twice k, must be allowed",
		holds: 2 * LIMITS.searchK <= LIMITS.searchCandidates,
	},
	{
		why: "a memory of the largest content fits into one request",
		holds: LIMITS.contentBytes + LIMITS.textBytes < LIMITS.requestBytes,
	},
];
