/** The example's ledger, whose memories have no texts, and so no vectors. */
import { tokenLedger } from "../../../chains/anvil.ts";
import { exampleChainSettings } from "../../../src/config/environment.ts";
import type { HandlerMemoryAccess } from "../../../src/follower/define-chain.ts";

const ledger = tokenLedger(exampleChainSettings());
const { "Token:Transfer": handler } = ledger.handlers;

function withoutTexts(memory: HandlerMemoryAccess): HandlerMemoryAccess {
	return {
		get: (id, options) => memory.get(id, options),
		put: ({ text: _, ...rest }) => memory.put(rest),
		delete: (id, options) => memory.delete(id, options),
	};
}

export default {
	...ledger,
	handlers: {
		"Token:Transfer": (context: Parameters<NonNullable<typeof handler>>[0]) =>
			handler?.({ ...context, memory: withoutTexts(context.memory) }),
	},
};
