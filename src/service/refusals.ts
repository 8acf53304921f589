/** What the service refuses, and why. */
import { FatalError, type RecantError, RetryableError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import { isActive, type RollbackRecord } from "../rollback/rollback-record.ts";
import type { ChainRuntime } from "./chain-runtime.ts";

/** A halted chain runs no rounds, so a rollback would be recorded and never begin. */
export async function refuseHalted(chain: ChainRuntime): Promise<void> {
	const { state, problem } = await chain.status();
	if (state !== "halted") return;
	throw new FatalError("chain_halted", {
		message: `chain "${chain.spec.name}" is halted: ${problem?.message ?? "see its status"}`,
		hint: problem?.hint ?? "see the chain's status",
		fields: { chain: chain.spec.name },
	});
}

/** Standing on a failed rollback is what a retry is for. */
export async function refuseHaltedOtherwise(chain: ChainRuntime): Promise<void> {
	const { problem } = await chain.status();
	if (problem?.code !== "rollback_failed") await refuseHalted(chain);
}

export function noReport({ rollbackId, state }: RollbackRecord): RecantError {
	const detail = {
		message: `rollback ${rollbackId} has no report: it is ${state}`,
		hint: "a report is there once a rollback is committed",
		fields: { rollbackId, state },
	};
	return isActive(state)
		? new RetryableError("not_ready", detail)
		: new FatalError("not_found", detail);
}

export function memoryNotFound(
	name: { readonly namespace: string; readonly id: string },
	height: Height | undefined,
): FatalError {
	return new FatalError("memory_not_found", {
		message: `there is no memory "${name.id}" in namespace "${name.namespace}"${height === undefined ? "" : ` at height ${height}`}`,
		hint: "see its history for where it holds, or list the namespace",
		fields: { namespace: name.namespace, id: name.id },
	});
}
