/**
 * Runs a chain's handlers over the logs of blocks. Deterministic, as long as the handlers are.
 *
 * Order within a block: logs as they stand in it, for each the handlers in the order of the chain's file; a
 * contract that a log makes is followed from the next log on. Then the block handlers, in the file's order.
 */
import type { BlockHeader, ChainLog } from "../domain/block.ts";
import { FatalError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import { type BlockCalls, BlockClient, unanswered } from "./block-calls.ts";
import type { ChainSpec, IntervalSpec } from "./chain-spec.ts";
import type { HandlerClient, HandlerMemoryAccess } from "./define-chain.ts";
import { FactoryChildren, isMade } from "./factory-children.ts";
import type { HandlerState } from "./handler-state.ts";
import { isBetween, routerOf, type Taker } from "./log-router.ts";

export interface DeriveContext {
	readonly state: HandlerState;
	readonly calls: BlockCalls;
}

/** Block handlers that run in the block of that height. */
function intervalsAt(
	intervals: readonly IntervalSpec[],
	height: BlockHeader["number"],
): readonly IntervalSpec[] {
	return intervals.filter(
		(each) => isBetween(height, each) && (height - each.startBlock) % each.interval === 0n,
	);
}

/**
 * What the handlers make of one block's logs, which are in order.
 *
 * Throws `FatalError("handler_failed")` naming block, handler and cause, and what the store behind the
 * handlers' reads and the node behind their calls throw: `RetryableError("database_unavailable")` and
 * `("rpc_unavailable")` also where they do not answer in time.
 */
export async function deriveBlock(
	spec: Pick<ChainSpec, "contracts" | "intervals">,
	{ header, logs }: { readonly header: BlockHeader; readonly logs: readonly ChainLog[] },
	context: DeriveContext,
): Promise<readonly HandlerOperation[]> {
	const operations: HandlerOperation[] = [];
	const block = { number: header.number, hash: header.hash, timestamp: header.timestamp };
	const { state } = context;
	const router = routerOf(spec.contracts);
	const accesses = new Map<string, HandlerMemoryAccess>();
	const accessTo = (namespaces: readonly [string, ...string[]]): HandlerMemoryAccess => {
		const key = namespaces.join("\n");
		const access = accesses.get(key) ?? state.at(header.number, operations, namespaces);
		accesses.set(key, access);
		return access;
	};
	const children = new FactoryChildren(({ factory }) => accessTo([factory.namespace]));
	const matched = new Map<string, number>();
	for (const log of logs) {
		const takers = router.takersOf(log);
		const isPlain = !takers.some(({ contract }) => isMade(contract));
		for (const taker of isPlain ? takers : await takersOf(log, takers, children)) {
			const { handler } = taker.event;
			const args = handler.decode(log);
			if (args === undefined) continue;
			const place = `${handler.name}:${log.transactionHash}`;
			const matchedIndex = matched.get(place) ?? 0;
			matched.set(place, matchedIndex + 1);
			const event = { args, ...placeOf(log), matchedIndex };
			const memory = accessTo(taker.contract.namespaces);
			await run(handler.name, header, context, (client) =>
				handler.run({ event, block, memory, client }),
			);
		}
		for (const contract of router.madeBy(log)) {
			const address = contract.factory.childOf(log);
			if (address === undefined) continue;
			await children.add(contract, { address, block: header.number, by: log.address });
		}
	}
	for (const each of intervalsAt(spec.intervals, header.number)) {
		const memory = accessTo(each.namespaces);
		await run(each.name, header, context, (client) => each.run({ block, memory, client }));
	}
	return operations;
}

/** Of contracts that factories make, only those that were made before this log. */
async function takersOf(
	log: ChainLog,
	takers: readonly Taker[],
	children: FactoryChildren,
): Promise<readonly Taker[]> {
	const known: Taker[] = [];
	for (const taker of takers) {
		const { contract } = taker;
		if (!isMade(contract) || (await children.has(contract, log.address))) known.push(taker);
	}
	return known;
}

function placeOf({ address, transactionHash, transactionIndex, logIndex }: ChainLog) {
	return { address, transactionHash, transactionIndex, logIndex };
}

async function run(
	name: string,
	header: BlockHeader,
	{ state, calls }: DeriveContext,
	handler: (client: HandlerClient) => Promise<void> | void,
): Promise<void> {
	const client = new BlockClient(calls, header);
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<never>((_resolve, reject) => {
		timer = setTimeout(() => {
			const what = `it ran for more than ${LIMITS.handlerMs} ms`;
			if (state.isReading) reject(unread(name, header, what));
			else reject(client.isWaiting ? unanswered(name, header) : failed(name, header, what));
		}, LIMITS.handlerMs);
	});
	try {
		await Promise.race([handler(client), late]);
		client.assertDone();
	} catch (error) {
		// The store and the node may be away for a moment; that is not the handler's fault, whatever it made of it.
		const behind = state.failure ?? client.failure;
		if (behind !== undefined) throw behind.error;
		if (error instanceof RetryableError) throw error;
		throw failed(name, header, error instanceof Error ? error.message : String(error), error);
	} finally {
		clearTimeout(timer);
	}
	if (state.failure !== undefined) throw state.failure.error;
}

/** A handler that waits for the store does not hang by itself. */
function unread(name: string, header: BlockHeader, what: string): RetryableError {
	return new RetryableError("database_unavailable", {
		message: `handler ${name} waits for a memory at block ${header.number}: ${what}`,
		hint: "it is tried again; see whether Postgres answers slowly",
		fields: { handler: name, block: header.number.toString() },
	});
}

function failed(name: string, header: BlockHeader, reason: string, cause?: unknown): FatalError {
	return new FatalError("handler_failed", {
		message: `handler ${name} failed at block ${header.number} (${header.hash}): ${reason}`,
		hint: "correct the handler in the chain's file and start again; nothing of this block was committed",
		fields: { handler: name, block: header.number.toString(), blockHash: header.hash },
		cause,
	});
}

/** A node's block without what only handlers and anchors need. */
export function headerOnly(block: BlockHeader): BlockHeader {
	const { number, hash, parentHash, timestamp } = block;
	return { number, hash, parentHash, timestamp };
}
