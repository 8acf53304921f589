/** Why a write cannot be taken in as things stand. */
import { FatalError, RetryableError } from "../../domain/errors.ts";
import type { OperationId } from "../../domain/ids.ts";
import type { ChainSpec } from "../../follower/chain-spec.ts";
import type { Problem } from "../../writer/writer-store.ts";

/** Throws `not_ready` before the first block, and `chain_halted`. */
export function requireTakenIn(
	{ name }: ChainSpec,
	{ hasHead, halt }: { readonly hasHead: boolean; readonly halt: Problem | undefined },
): void {
	if (!hasHead) {
		throw new RetryableError("not_ready", {
			message: `chain "${name}" has no committed block yet`,
			hint: "check that a process follows it and that its node answers; see the chain's status",
		});
	}
	if (halt === undefined) return;
	throw new FatalError("chain_halted", {
		message: `chain "${name}" is halted: ${halt.message}`,
		hint: halt.hint,
	});
}

export function notWrittenHere({ name }: ChainSpec): RetryableError {
	return new RetryableError("not_ready", {
		message: `this process does not write chain "${name}" at the moment`,
		hint: "try again shortly after a start; else the chain's status says which process does",
	});
}

/** An import replaces what was admitted, and keeps the keys of those who wrote it. */
export function givenUp(operationIds: readonly OperationId[]): FatalError {
	return new FatalError("idempotency_conflict", {
		message: `what was written under this Idempotency-Key (operation ${operationIds[0]}) went when a snapshot was imported`,
		hint: "look at what the memories say now, and write again under a new key",
		fields: { operationId: operationIds[0] ?? null },
	});
}
