/** One memory an event, without vectors; every height is kept. */
import { eventsChain } from "../events-chain.ts";

export default eventsChain();
