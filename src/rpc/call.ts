/**
 * eth_call on the state after one block. It is asked for by the block's hash (EIP-1898), so that the answer
 * cannot be of another branch. A node that does not take a hash is asked by number, and its block there is
 * looked at before and after: the answer counts when it was this block both times.
 */
import type { Hex } from "../domain/ids.ts";
import type { CallResult, ChainCall } from "../follower/chain-source.ts";
import { fetchBlocks, resultAt } from "./blocks.ts";
import type { RpcOutcome } from "./json-rpc.ts";
import type { Provider } from "./provider.ts";
import { type Asked, malformed, ProviderError } from "./provider-error.ts";
import { isPruned, isReverted, refusesBlockHash } from "./refusal-words.ts";

const METHOD = "eth_call";
const BYTES = /^0x(?:[0-9a-f]{2})*$/i;
/** Parity's revert data stands behind a word. */
const WORDED_BYTES = /^reverted (0x(?:[0-9a-f]{2})*)$/i;

type RpcFailure = Extract<RpcOutcome, { readonly kind: "error" }>;

/**
 * Throws `ProviderError`: `pruned` where the node has not got the block's state any more, `lacking` where it
 * has not got the block, also when the block changed while it was asked by number.
 */
export async function fetchCall(provider: Provider, request: ChainCall): Promise<CallResult> {
	const asked = { provider: provider.url, method: METHOD };
	if (provider.takesBlockHash) {
		const outcome = await callAt(provider, request, { blockHash: request.block.hash });
		if (outcome.kind === "result" || !isRefusedHash(outcome)) return readCall(outcome, asked);
		provider.takesBlockHash = false;
	}
	return readCall(await callByNumber(provider, request, asked), asked);
}

async function callByNumber(
	provider: Provider,
	request: ChainCall,
	asked: Asked,
): Promise<RpcOutcome> {
	await requireBlock(provider, request, asked);
	const outcome = await callAt(provider, request, `0x${request.block.number.toString(16)}`);
	await requireBlock(provider, request, asked);
	return outcome;
}

async function requireBlock(provider: Provider, { block }: ChainCall, asked: Asked): Promise<void> {
	const [found] = await fetchBlocks(provider, [block.number]);
	if (found?.hash === block.hash.toLowerCase()) return;
	const what = `was asked for the state after block ${block.number} ${block.hash}, and has ${found?.hash ?? "none"}`;
	throw new ProviderError(asked, { kind: "lacking" }, what);
}

async function callAt(
	provider: Provider,
	{ to, data }: ChainCall,
	block: { readonly blockHash: Hex } | string,
): Promise<RpcOutcome> {
	const calls = [{ method: METHOD, params: [{ to, data }, block] }];
	const [outcome] = await provider.ask(calls);
	if (outcome === undefined)
		throw malformed({ provider: provider.url, method: METHOD }, "a call was not answered");
	return outcome;
}

function readCall(outcome: RpcOutcome, asked: Asked): CallResult {
	if (outcome.kind === "error" && isReverted(outcome))
		return { type: "reverted", data: revertData(outcome.data) };
	const result = resultAt(outcome, asked);
	if (typeof result !== "string" || !BYTES.test(result)) throw malformed(asked, "no bytes");
	return { type: "ok", data: lower(result) };
}

/** What the contract did, and what the node lacks, is told by a node that read the hash. */
function isRefusedHash(failure: RpcFailure): boolean {
	return refusesBlockHash(failure) && !isReverted(failure) && !isPruned(failure);
}

/** As the execution API has it; some nodes wrap it in an object, or put a word before it. */
function revertData(data: unknown): Hex {
	if (typeof data === "object" && data !== null && "data" in data) return revertData(data.data);
	if (typeof data !== "string") return "0x";
	const bytes = WORDED_BYTES.exec(data)?.[1] ?? data;
	return BYTES.test(bytes) ? lower(bytes) : "0x";
}

function lower(bytes: string): Hex {
	return `0x${bytes.slice(2).toLowerCase()}`;
}
