/**
 * Which committed memories the handlers of a range are going to read, so that they are read at once and not one
 * after the other: the handlers run over the blocks for nothing but that.
 *
 * 1. Nothing that a rehearsal says is kept. It decides what is read beforehand, and never what is derived.
 * 2. What is not at hand is shown as not there. So a handler may read other memories than it will, or fail; what
 *    was not foreseen is read when it is asked for.
 * 3. Contracts are not called: a handler that calls one ends there, and with it its block's rehearsal.
 */
import { RetryableError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ReadKnown } from "../rollback/known-memories.ts";
import type { FetchedRange } from "./backfill.ts";
import { BlockCalls } from "./block-calls.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { deriveBlock, headerOnly } from "./derive.ts";
import { committed } from "./handler-cache.ts";
import { HandlerState, type ReadCommitted } from "./handler-state.ts";

/** Keys that `known` does not know, at most `LIMITS.rehearsedKeys`. Never rejects. */
export async function keysToRead(
	fetched: FetchedRange,
	spec: ChainSpec,
	known: ReadKnown,
): Promise<readonly MemoryKey[]> {
	const keys = new Set<MemoryKey>();
	const read = async (key: MemoryKey) => {
		const found = known(key);
		if (found === undefined && keys.size < LIMITS.rehearsedKeys) keys.add(key);
		return committed(found?.version);
	};
	let isOver = false;
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<void>((resolve) => {
		timer = setTimeout(resolve, LIMITS.rehearsalMs);
	});
	await Promise.race([rehearse(fetched, spec, { read, isOver: () => isOver }), late]);
	isOver = true;
	clearTimeout(timer);
	return [...keys];
}

async function rehearse(
	{ blocks, logs }: FetchedRange,
	spec: ChainSpec,
	{ read, isOver }: { readonly read: ReadCommitted; readonly isOver: () => boolean },
): Promise<void> {
	const calls = new BlockCalls({ call: async () => Promise.reject(notAsked()) });
	for (const block of blocks) {
		if (isOver()) return;
		const state = new HandlerState(spec.namespaces, read);
		const here = { header: headerOnly(block), logs: logs.get(block.number) ?? [] };
		// What fails here fails when it counts, or does not.
		await deriveBlock(spec, here, { state, calls }).catch(() => undefined);
	}
}

function notAsked(): RetryableError {
	return new RetryableError("rpc_unavailable", {
		message: "contracts are not called in a rehearsal",
		hint: "none: nobody is shown this",
	});
}
