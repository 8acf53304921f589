/** A handler that hangs stops its chain; a store that hangs under a handler must not. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { BlockHeader, ChainLog } from "../../src/domain/block.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { BlockCalls } from "../../src/follower/block-calls.ts";
import type { EventHandler } from "../../src/follower/chain-spec.ts";
import { deriveBlock } from "../../src/follower/derive.ts";
import { HandlerState } from "../../src/follower/handler-state.ts";
import { oneContract } from "../support/one-contract.ts";

const HASH: Hex = `0x${"1".repeat(64)}`;
const HEADER: BlockHeader = { number: 7n, hash: HASH, parentHash: HASH, timestamp: 0n };
const LOG: ChainLog = {
	address: `0x${"2".repeat(40)}`,
	topics: [HASH],
	data: "0x",
	blockNumber: 7n,
	blockHash: HASH,
	transactionHash: HASH,
	transactionIndex: 0,
	logIndex: 0,
};

beforeEach(() => {
	vi.useFakeTimers();
});
afterEach(() => {
	vi.useRealTimers();
});

function never<Answer>(): Promise<Answer> {
	return new Promise(() => undefined);
}

/** Runs one handler on one log until its time limit; answers what that makes of it. */
async function atTheLimit(run: EventHandler["run"]): Promise<unknown> {
	const handler: EventHandler = { name: "Token:Transfer", decode: () => ({}), run };
	const contracts = [oneContract(LOG.address, new Map([[HASH, handler]]), "ledger")];
	const context = {
		state: new HandlerState(["ledger"], () => never()),
		calls: new BlockCalls({ call: () => never() }),
	};
	const block = { header: HEADER, logs: [LOG] };
	const derived = deriveBlock({ contracts, intervals: [] }, block, context).catch(
		(error: unknown) => error,
	);
	await vi.advanceTimersByTimeAsync(LIMITS.handlerMs);
	return derived;
}

test("a handler that never ends has failed for good", async () => {
	expect(await atTheLimit(() => never())).toMatchObject({
		code: "handler_failed",
		retryable: false,
		message: expect.stringContaining("Token:Transfer failed at block 7"),
	});
});

test("a handler that waits for a memory all that time is run again", async () => {
	const reading = atTheLimit(async ({ memory }) => void (await memory.get("holder")));
	expect(await reading).toMatchObject({
		code: "database_unavailable",
		retryable: true,
		message: expect.stringContaining("Token:Transfer waits for a memory at block 7"),
	});
});

test("a handler that waits for a contract's answer all that time is run again", async () => {
	const calling = atTheLimit(async ({ client }) => {
		await client.call({ to: LOG.address, data: "0x" });
	});
	expect(await calling).toMatchObject({
		code: "rpc_unavailable",
		retryable: true,
		message: expect.stringContaining("Token:Transfer waits for a contract's answer at block 7"),
	});
});
