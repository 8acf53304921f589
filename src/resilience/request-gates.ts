/** How many heavy requests run at once: each holds memory or a connection to Postgres, which others need too. */
import { type RetryableCode, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { Gate } from "./gate.ts";

interface Kind {
	/** In the plural, for the message. */
	readonly what: string;
	readonly code: RetryableCode;
	readonly hint: string;
}

const SEARCHES = {
	code: "vectors_unavailable",
	hint: "try again later; see /v1/status for which store is slow",
} as const;

/** Whole searches. */
export function searchGate(): Gate {
	const limits = { running: LIMITS.searches, waiting: LIMITS.searchesWaiting };
	return gateOf(limits, { ...SEARCHES, what: "searches" });
}

/** Those among them that LanceDB does not answer. */
export function scanGate(): Gate {
	const limits = { running: LIMITS.scans, waiting: LIMITS.searches };
	return gateOf(limits, { ...SEARCHES, what: "searches without LanceDB" });
}

/** Restores of a part of the state, and merges. */
export function partialGate(): Gate {
	const limits = { running: LIMITS.partialRunning, waiting: LIMITS.partialWaiting };
	return gateOf(limits, {
		what: "restores and merges",
		code: "chain_busy",
		hint: "try again when those under way are done",
	});
}

/** Chunks of snapshots on their way in and out. */
export function chunkGate(): Gate {
	const limits = { running: LIMITS.chunkTransfers, waiting: LIMITS.chunkTransfersWaiting };
	return gateOf(limits, {
		what: "chunks",
		code: "archive_unavailable",
		hint: "carry fewer chunks at once, and try again when those under way are done",
	});
}

function gateOf(
	limits: { readonly running: number; readonly waiting: number },
	{ what, code, hint }: Kind,
): Gate {
	return new Gate({
		...limits,
		full: () =>
			new RetryableError(code, {
				message: `${limits.waiting} ${what} wait for their turn already`,
				hint,
				fields: { ...limits },
			}),
	});
}
