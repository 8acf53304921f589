/** One memory an event, without vectors; below finality one height in a thousand is kept. */
import { eventsChain } from "../events-chain.ts";

export default { ...eventsChain(), history: { every: 1_000 } };
