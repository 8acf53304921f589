import { FatalError } from "../../domain/errors.ts";
import type { ChainId } from "../../domain/ids.ts";

interface Named {
	readonly spec: { readonly id: ChainId; readonly name: string };
}

/** The chain of that id in decimal, or of that name. Throws `FatalError("unknown_chain")`. */
export function servedChain<Chain extends Named>(chains: readonly Chain[], chain: string): Chain {
	const found = chains.find(({ spec }) => spec.name === chain || spec.id.toString() === chain);
	if (found !== undefined) return found;
	throw new FatalError("unknown_chain", {
		message: `chain "${chain}" is not served here`,
		hint: `served: ${chains.map(({ spec }) => `${spec.name} (${spec.id})`).join(", ")}`,
		fields: { chain },
	});
}
