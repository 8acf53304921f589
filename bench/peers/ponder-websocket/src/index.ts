import { ponder } from "ponder:registry";
import { transfer } from "ponder:schema";

ponder.on("Token:Transfer", async ({ event, context }) => {
	await context.db.insert(transfer).values({
		id: `${event.transaction.hash}:${event.log.logIndex}`,
		token: event.log.address,
		from: event.args.from,
		to: event.args.to,
		value: event.args.value,
		blockNumber: event.block.number,
		blockHash: event.block.hash,
		logIndex: event.log.logIndex,
	});
});
