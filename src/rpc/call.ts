/**
 * eth_call on the state after one block. It is asked for by the block's hash (EIP-1898), so that the answer
 * cannot be of another branch.
 */
import type { Hex } from "../domain/ids.ts";
import type { CallResult, ChainCall } from "../follower/chain-source.ts";
import { resultAt } from "./blocks.ts";
import type { RpcOutcome } from "./json-rpc.ts";
import type { Provider } from "./provider.ts";
import { malformed } from "./provider-error.ts";

const METHOD = "eth_call";
/** What nodes answer for a call that the contract refused. */
const REVERTED_CODE = 3;
const BYTES = /^0x(?:[0-9a-f]{2})*$/i;

/** Throws `ProviderError`, also where the provider does not have the block's state. */
export async function fetchCall(provider: Provider, request: ChainCall): Promise<CallResult> {
	const asked = { provider: provider.url, method: METHOD };
	const { to, data, block } = request;
	const [outcome] = await provider.ask([
		{ method: METHOD, params: [{ to, data }, { blockHash: block.hash }] },
	]);
	if (outcome?.kind === "error" && outcome.code === REVERTED_CODE) {
		return { type: "reverted", data: revertData(outcome) };
	}
	const result = resultAt(outcome, asked);
	if (typeof result !== "string" || !BYTES.test(result)) throw malformed(asked, "no bytes");
	return { type: "ok", data: `0x${result.slice(2).toLowerCase()}` };
}

function revertData(outcome: Extract<RpcOutcome, { readonly kind: "error" }>): Hex {
	const { data } = outcome;
	return typeof data === "string" && BYTES.test(data) ? `0x${data.slice(2).toLowerCase()}` : "0x";
}
