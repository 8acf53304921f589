/** Blocks, receipts and the chain's id: questions whose answer says what it is the answer to. */
import type { ChainBlock, TransactionReceipt } from "../domain/block.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import type { Question } from "./answer-checks.ts";
import { parseBlock, parseChainId, parseReceipt } from "./answers.ts";
import type { RpcOutcome } from "./json-rpc.ts";
import { resultOf } from "./json-rpc.ts";
import type { Provider } from "./provider.ts";
import type { Asked } from "./provider-error.ts";
import { malformed, ProviderError } from "./provider-error.ts";

/** Every function throws `ProviderError`; undefined is the node's own "I have none". */
export async function fetchChainId(provider: Provider): Promise<ChainId> {
	const asked = questionTo(provider, "eth_chainId");
	return parseChainId(await ask(provider, asked, []), asked);
}

export async function fetchLatest(provider: Provider): Promise<ChainBlock> {
	const asked = questionTo(provider, "eth_getBlockByNumber");
	const block = parseBlock(await ask(provider, asked, ["latest", false]), asked);
	if (block === undefined) throw malformed(asked, "no latest block");
	return block;
}

/** Undefined also where the node rejects the tag. */
export async function fetchTagged(
	provider: Provider,
	tag: "safe" | "finalized",
): Promise<ChainBlock | undefined> {
	const asked = questionTo(provider, "eth_getBlockByNumber");
	try {
		return parseBlock(await ask(provider, asked, [tag, false]), asked);
	} catch (error) {
		if (error instanceof ProviderError && rejectsTag(error)) return undefined;
		throw error;
	}
}

/** In the order of `heights`. */
export async function fetchBlocks(
	provider: Provider,
	heights: readonly Height[],
): Promise<readonly (ChainBlock | undefined)[]> {
	const asked = questionTo(provider, "eth_getBlockByNumber");
	const calls = heights.map((height) => blockByNumberCall(height));
	const outcomes = await provider.ask(calls);
	return heights.map((height, index) => readBlockAt(height, outcomes[index], asked));
}

export async function fetchBlockByHash(
	provider: Provider,
	hash: Hex,
): Promise<ChainBlock | undefined> {
	const asked = questionTo(provider, "eth_getBlockByHash");
	const [outcome] = await provider.ask([blockByHashCall(hash)]);
	return readBlockOf(hash, outcome, asked);
}

export async function fetchReceipt(
	provider: Provider,
	transactionHash: Hex,
): Promise<TransactionReceipt | undefined> {
	const asked = questionTo(provider, "eth_getTransactionReceipt");
	const receipt = parseReceipt(await ask(provider, asked, [transactionHash]), asked);
	if (receipt !== undefined && receipt.transactionHash !== transactionHash.toLowerCase())
		throw malformed(asked, `transaction ${receipt.transactionHash} for ${transactionHash}`);
	return receipt;
}

/** `method` is named in errors. */
export function questionTo({ url, checks }: Provider, method: string): Question {
	return { provider: url, method, checks };
}

export function blockByNumberCall(height: Height) {
	return { method: "eth_getBlockByNumber", params: [`0x${height.toString(16)}`, false] };
}

export function blockByHashCall(hash: Hex) {
	return { method: "eth_getBlockByHash", params: [hash, false] };
}

export function readBlockAt(
	height: Height,
	outcome: RpcOutcome | undefined,
	asked: Question,
): ChainBlock | undefined {
	const block = parseBlock(resultAt(outcome, asked), asked);
	if (block !== undefined && block.number !== height)
		throw malformed(asked, `block ${block.number} for ${height}`);
	return block;
}

export function readBlockOf(
	hash: Hex,
	outcome: RpcOutcome | undefined,
	asked: Question,
): ChainBlock | undefined {
	const block = parseBlock(resultAt(outcome, asked), asked);
	if (block !== undefined && block.hash !== hash.toLowerCase())
		throw malformed(asked, `block ${block.hash} for ${hash}`);
	return block;
}

/** The result at a place of a list of outcomes, which holds one for each call. */
export function resultAt(outcome: RpcOutcome | undefined, asked: Asked): unknown {
	if (outcome === undefined) throw malformed(asked, "a call was not answered");
	return resultOf(outcome, asked);
}

async function ask(provider: Provider, asked: Asked, params: readonly unknown[]): Promise<unknown> {
	const [outcome] = await provider.ask([{ method: asked.method, params }]);
	return resultAt(outcome, asked);
}

/**
 * Invalid params, resource not found, method not supported (EIP-1474), unknown block (execution
 * API). A passing failure such as an internal error must not count: it would look like a chain
 * without finality, and the mark would jump.
 */
const TAG_CODES: readonly number[] = [-32602, -32001, -32004, -39001];
/** go-ethereum: "finalized block not found"; others: "unknown block", "invalid block tag". */
const TAG_MESSAGE =
	/\b(?:safe|finalized)\b|block (?:tag|number|parameter)|unknown block|unsupported/i;

function rejectsTag({ reason }: ProviderError): boolean {
	if (reason.kind !== "refused") return false;
	return TAG_CODES.includes(reason.rpcCode) || TAG_MESSAGE.test(reason.rpcMessage);
}
