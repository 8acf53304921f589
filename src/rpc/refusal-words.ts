/**
 * What a JSON-RPC error means, as far as its words tell. Codes are shared by errors of every kind, so most is
 * told by the words; each reading was chosen so that taking an error wrongly for it costs requests, not truth.
 */

/** A JSON-RPC error as it stands on the wire. */
export interface RpcFailureWords {
	readonly code: number;
	readonly message: string;
	readonly data: unknown;
}

/**
 * No code means "too large" with every provider, so it is told by the words, as in "query returned
 * more than 10000 results", "block range is too wide", "exceed maximum block range: 5000", "limited
 * to a 10,000 range", "Log response size exceeded", "query timeout exceeded". A limit of the rate is
 * none of the size. Taking an error wrongly for this costs a few smaller requests.
 */
const SIZE = /range|results?|logs?\b|blocks?\b|size|response|query/i;
const EXCESS =
	/too (?:many|large|wide|big|long|high)|(?:more|greater|bigger|larger) than|over \d|exceed|limit|up to|at most|max|time(?:d )?-?out/i;
const RATE = /too many requests|\brate\b|per (?:second|minute|day)|quota|throttl|capacity/i;

function saysTooLarge(message: string): boolean {
	return SIZE.test(message) && EXCESS.test(message) && !RATE.test(message);
}

/** EIP-1474's words for -32005, which nodes of BNB Smart Chain have for too many blocks, and others for a rate. */
const BARE_LIMIT = /^\s*limit exceeded\.?\s*$/i;

/** Whether it is about the size where it answers a question for logs. */
export function mayMeanTooLarge({ message }: RpcFailureWords): boolean {
	return saysTooLarge(message) || BARE_LIMIT.test(message);
}

/**
 * 429: Alchemy in batches. -32005: EIP-1474's "limit exceeded". -32007: QuickNode. -32029 and -32097: gateways.
 * Some providers have -32005 for too many logs as well; whoever asks for logs looks at the size first.
 */
const RATE_CODES: readonly number[] = [429, -32005, -32007, -32029, -32097];
const RATE_WORDS =
	/rate.?limit|limited? rate|too many requests|requests? (?:rate|limit)|compute units?|(?:exceeded|over|reached).{0,40}(?:quota|capacity|throughput|traffic)|quota.{0,40}exceeded|throttl|requests? per (?:second|minute|day)/i;

export function isRateLimit({ code, message }: RpcFailureWords): boolean {
	return RATE_CODES.includes(code) || RATE_WORDS.test(message);
}

const WAIT =
	/(?:retry|try again|back ?off|wait)\D{0,24}?(\d+(?:\.\d+)?)\s*(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m)\b/i;

/** How long a rate-limited caller is told to wait; undefined: it is not told. */
export function retryAfterOf({ message, data }: RpcFailureWords): number | undefined {
	const said = backoffSeconds(data);
	if (said !== undefined) return said * 1_000;
	const [, count, unit = ""] = WAIT.exec(message) ?? [];
	if (count === undefined) return undefined;
	return Number(count) * (/^m(?:s|illi)/i.test(unit) ? 1 : /^m/i.test(unit) ? 60_000 : 1_000);
}

/** Infura's `{rate: {backoff_seconds}}`. */
function backoffSeconds(data: unknown): number | undefined {
	const rate = propertyOf(data, "rate");
	const seconds = propertyOf(rate, "backoff_seconds");
	return typeof seconds === "number" && seconds >= 0 ? seconds : undefined;
}

/** go-ethereum's code for history that was cut off (EIP-4444). */
const PRUNED_CODE = 4444;
/**
 * go-ethereum: "missing trie node", "required historical state unavailable", "historical state … is not
 * available", "pruned history unavailable". Nethermind: a missing node "from the DB". Erigon: "old data not
 * available due to pruning". OpenEthereum: "your node is running with state pruning". reth: "distance to target
 * block exceeds maximum proof window", "state at block … is pruned".
 */
const PRUNED =
	/prun(?:ed|ing)|missing trie node|MissingTrieNode|missing from the DB|histor(?:y|ical).{0,40}(?:unavailable|not available|not (?:yet )?supported)|state .{0,48}(?:not available|unavailable)|maximum proof window|archive (?:node|data|state|request)|(?:requires?|only).{0,20}archive/i;

/** The node cannot answer because it keeps no history that goes back so far. */
export function isPruned({ code, message, data }: RpcFailureWords): boolean {
	return (
		code === PRUNED_CODE || PRUNED.test(message) || (typeof data === "string" && PRUNED.test(data))
	);
}

/** Invalid request, invalid params. */
const INVALID_CODES: readonly number[] = [-32600, -32602];
const INVALID =
	/invalid (?:argument|params?|block|type|input)|cannot unmarshal|unable to (?:decode|parse)|expected .{0,24}string|deseriali[sz]|blockhash.{0,24}(?:support|unknown|invalid)|unknown field/i;

/** The node does not read a block's hash where a number or tag may stand (EIP-1898). */
export function refusesBlockHash({ code, message }: RpcFailureWords): boolean {
	return INVALID_CODES.includes(code) || INVALID.test(message);
}

/**
 * 3: what the execution API has for a call that the contract refused; before it, and elsewhere, the words
 * alone say so. What ends the machine as surely, such as an invalid opcode, is the contract's answer too; a
 * lack of gas is not, since each node gives as much as it likes.
 */
const REVERTED_CODE = 3;
const REVERTED =
	/execution reverted|^reverted\b|vm (?:execution error|exception).*|invalid (?:opcode|jump)|stack (?:under|over)flow/i;
const OUT_OF_GAS = /out of gas|gas (?:required|limit|uint64)/i;

export function isReverted({ code, message }: RpcFailureWords): boolean {
	if (code === REVERTED_CODE) return true;
	return REVERTED.test(message) && !OUT_OF_GAS.test(message);
}

function propertyOf(value: unknown, name: string): unknown {
	if (typeof value !== "object" || value === null || !(name in value)) return undefined;
	return Object.entries(value).find(([key]) => key === name)?.[1];
}
