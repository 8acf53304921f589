/** Runs a chain's handlers over the logs of blocks. Deterministic, as long as the handlers are. */
import type { BlockHeader, ChainLog } from "../domain/block.ts";
import { FatalError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import type { ChainSpec, EventHandler } from "./chain-spec.ts";
import type { HandlerState } from "./handler-state.ts";

/**
 * What the handlers make of one block's logs, which are in order.
 *
 * Throws `FatalError("handler_failed")` naming block, handler and cause, and what the store behind the
 * handlers' reads throws, `RetryableError("database_unavailable")` also where it does not answer in time.
 */
export async function deriveBlock(
	spec: ChainSpec,
	block: { readonly header: BlockHeader; readonly logs: readonly ChainLog[] },
	state: HandlerState,
): Promise<readonly HandlerOperation[]> {
	const { header } = block;
	const operations: HandlerOperation[] = [];
	const memory = state.at(header.number, operations);
	const matched = new Map<string, number>();
	for (const log of block.logs) {
		const matchedIndex = matched.get(log.transactionHash) ?? 0;
		matched.set(log.transactionHash, matchedIndex + 1);
		const [topic] = log.topics;
		const handler = topic === undefined ? undefined : spec.handlerOf(log.address, topic);
		const args = handler?.decode(log);
		if (handler === undefined || args === undefined) continue;
		const context = {
			event: {
				args,
				address: log.address,
				transactionHash: log.transactionHash,
				transactionIndex: log.transactionIndex,
				logIndex: log.logIndex,
				matchedIndex,
			},
			block: { number: header.number, hash: header.hash, timestamp: header.timestamp },
			memory,
		};
		await run(handler, header, context, state);
	}
	return operations;
}

async function run(
	handler: EventHandler,
	header: BlockHeader,
	context: Parameters<EventHandler["run"]>[0],
	state: HandlerState,
): Promise<void> {
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<never>((_resolve, reject) => {
		timer = setTimeout(() => {
			const what = `it ran for more than ${LIMITS.handlerMs} ms`;
			reject(state.isReading ? unread(handler, header, what) : failed(handler, header, what));
		}, LIMITS.handlerMs);
	});
	try {
		await Promise.race([handler.run(context), late]);
	} catch (error) {
		// The store behind the handler's reads may be away for a moment; that is not the handler's fault.
		if (error instanceof RetryableError) throw error;
		throw failed(handler, header, error instanceof Error ? error.message : String(error), error);
	} finally {
		clearTimeout(timer);
	}
}

/** A handler that waits for the store does not hang by itself. */
function unread(handler: EventHandler, header: BlockHeader, what: string): RetryableError {
	return new RetryableError("database_unavailable", {
		message: `handler ${handler.name} waits for a memory at block ${header.number}: ${what}`,
		hint: "it is tried again; see whether Postgres answers slowly",
		fields: { handler: handler.name, block: header.number.toString() },
	});
}

function failed(
	handler: EventHandler,
	header: BlockHeader,
	reason: string,
	cause?: unknown,
): FatalError {
	return new FatalError("handler_failed", {
		message: `handler ${handler.name} failed at block ${header.number} (${header.hash}): ${reason}`,
		hint: "correct the handler in the chain's file and start again; nothing of this block was committed",
		fields: { handler: handler.name, block: header.number.toString(), blockHash: header.hash },
		cause,
	});
}

/** A node's block without what only handlers and anchors need. */
export function headerOnly(block: BlockHeader): BlockHeader {
	const { number, hash, parentHash, timestamp } = block;
	return { number, hash, parentHash, timestamp };
}
