/** One memory an event with a text, and so with a vector; every height is kept. */
import { eventsChain } from "../events-chain.ts";

export default eventsChain((memory) => {
	const { from, value, to, blockNumber } = memory.content;
	return { ...memory, text: `${from} transferred ${value} to ${to} in block ${blockNumber}` };
});
