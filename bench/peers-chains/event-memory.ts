/** One memory an event, with what the other side keeps of it in a row. */
import type { JsonObject } from "../../src/domain/operation.ts";
import type { HandlerContext, HandlerPut } from "../../src/follower/define-chain.ts";

type Transfer = HandlerContext<{
	readonly from: string;
	readonly to: string;
	readonly value: bigint;
}>;

export const NAMESPACE = "events";

export function eventMemory({ event, block }: Transfer): HandlerPut {
	const content: JsonObject = {
		token: event.address,
		from: event.args.from,
		to: event.args.to,
		value: event.args.value.toString(),
		blockNumber: block.number.toString(),
		blockHash: block.hash,
		logIndex: event.logIndex.toString(),
	};
	return { layer: "episodic", id: `${event.transactionHash}:${event.logIndex}`, content };
}
