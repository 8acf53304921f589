/** Why a writer commits nothing. */
import { RetryableError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import type { Problem } from "./writer-store.ts";

export function leaseLost(chainId: ChainId): RetryableError {
	return new RetryableError("lease_lost", {
		message: `another process writes chain ${chainId} now`,
		hint: "this process stops following the chain; it tries to take it up again later",
		fields: { chainId },
	});
}

export function standingStill(chainId: ChainId, { message, hint }: Problem): RetryableError {
	return new RetryableError("not_ready", {
		message: `chain ${chainId} is halted, and nothing is committed: ${message}`,
		hint,
		fields: { chainId },
	});
}
