/** What handlers learn of contracts, how often the node is asked, and whose fault a failure is. */
import { encodeAbiParameters, encodeErrorResult, type Hex, parseAbi } from "viem";
import { expect, test } from "vitest";
import { chainSpec } from "../../src/config/chains.ts";
import { RetryableError } from "../../src/domain/errors.ts";
import type { CallResult } from "../../src/follower/chain-source.ts";
import type { HandlerContext } from "../../src/follower/define-chain.ts";
import { LogChain, putIds } from "../support/log-chain.ts";

const abi = parseAbi([
	"event Moved(uint256 value)",
	"function total() view returns (uint256)",
	"error Nothing(uint256 asked)",
]);
const A: Hex = `0x${"a".repeat(40)}`;
const MOVED = { at: A, abi, event: "Moved", args: { value: 1n } } as const;

function answering(value: bigint): CallResult {
	return { type: "ok", data: encodeAbiParameters([{ type: "uint256" }], [value]) };
}

/** Derives `blocks` blocks with two events each; `answers` is asked for each call that reaches the node. */
async function derive(
	handler: (context: HandlerContext) => Promise<void>,
	answers: () => Promise<CallResult>,
	blocks = 1,
) {
	const definition = {
		id: 1,
		name: "test",
		rpc: { urls: ["http://127.0.0.1:1"] },
		namespaces: ["ledger"],
		contracts: { A: { abi, address: A } },
		handlers: { "A:Moved": handler },
	};
	const spec = chainSpec(definition, { file: "test.ts", code: new Uint8Array() });
	const chain = new LogChain(Array.from({ length: blocks }, () => [MOVED, MOVED]));
	let asked = 0;
	chain.answer = () => {
		asked += 1;
		return answers();
	};
	const operations = await chain.backfill(spec, 0n, chain.tip);
	return { ids: putIds(operations), asked };
}

function total({ client, event }: HandlerContext): Promise<bigint> {
	return client.readContract({ abi, address: event.address, functionName: "total" });
}

async function sayTotal(context: HandlerContext): Promise<void> {
	const { block, event, memory } = context;
	const id = `${block.number} ${event.logIndex} ${await total(context)}`;
	await memory.put({ layer: "semantic", id, content: {} });
}

test("one block's question is asked once, another block's again", async () => {
	let next = 40n;
	const answers = async () => {
		next += 1n;
		return answering(next);
	};
	expect(await derive(sayTotal, answers, 2)).toEqual({
		ids: ["0 0 41", "0 1 41", "1 0 42", "1 1 42"],
		asked: 2,
	});
});

test("a refusal is the handler's to catch, with the contract's data", async () => {
	const data = encodeErrorResult({ abi, errorName: "Nothing", args: [7n] });
	const caught = async (context: HandlerContext) => {
		const error: unknown = await total(context).catch((each: unknown) => each);
		expect(error).toMatchObject({
			code: "call_reverted",
			message: `${A} refused total with Nothing at block 0`,
			fields: { data },
		});
		await context.memory.put({ layer: "semantic", id: "caught", content: {} });
	};
	const refusing = async (): Promise<CallResult> => ({ type: "reverted", data });
	expect((await derive(caught, refusing)).ids).toEqual(["caught", "caught"]);
	await expect(derive(sayTotal, refusing)).rejects.toMatchObject({ code: "handler_failed" });
});

test("no contract at the address is a refusal too", async () => {
	const nothing = async (): Promise<CallResult> => ({ type: "ok", data: "0x" });
	const asked = derive(async (context) => {
		await expect(total(context)).rejects.toMatchObject({ code: "call_reverted" });
	}, nothing);
	expect((await asked).ids).toEqual([]);
});

test("a node that fails is asked again another time, whatever the handler catches", async () => {
	const failing = async (): Promise<CallResult> => {
		throw new RetryableError("rpc_unavailable", { message: "away", hint: "wait" });
	};
	const swallowing = async (context: HandlerContext) => {
		await total(context).catch(() => 0n);
		await context.memory.put({ layer: "semantic", id: "wrong", content: {} });
	};
	const remade = async (context: HandlerContext) => {
		await total(context).catch(() => Promise.reject(new TypeError("of the handler's own")));
	};
	for (const handler of [sayTotal, swallowing, remade]) {
		await expect(derive(handler, failing)).rejects.toMatchObject({ code: "rpc_unavailable" });
	}
});

test("a handler that does not wait for its answer has failed", async () => {
	const hasty = async (context: HandlerContext) => void total(context);
	const late = () => new Promise<CallResult>((resolve) => setTimeout(resolve, 5, answering(1n)));
	await expect(derive(hasty, late)).rejects.toMatchObject({
		code: "handler_failed",
		message: expect.stringContaining("await every call"),
	});
});
