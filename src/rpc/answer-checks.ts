/**
 * What a node's answers are held against. One for all providers of a chain, since part of it is what the chain
 * was seen to do.
 *
 * 1. A block that leaves here has the hash that its header's fields give, where `headerHash` is on.
 * 2. A bloom that leaves here is proved by that hash, and is one that the chain keeps: some chains leave all
 *    blooms at zero. So a zero bloom counts only once another was seen.
 * 3. Logs that leave here stand in their block: at a transaction that it has, in its bloom where that counts.
 *
 * What a check refutes is a `ProviderError` of kind `untrue`: nothing of the answer is used, the provider is
 * put aside, and another is asked.
 */
import type { ChainBlock, ChainLog } from "../domain/block.ts";
import type { Hex } from "../domain/ids.ts";
import type { Trust } from "../follower/chain-source.ts";
import { proveHeader } from "./header-hash.ts";
import { bloomOf, holdsLog, isEmptyBloom } from "./log-bloom.ts";
import type { Asked, ProviderError } from "./provider-error.ts";
import { untrue } from "./provider-error.ts";

const DEFAULT_TRUST: Trust = { headerHash: true, logsBloom: true, receipts: false };

/** Keccak-256 of the RLP of an empty string: the root of a trie that holds nothing. */
const EMPTY_ROOT: Hex = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";

/** What was asked of whom, and what the answer is held against. */
export interface Question extends Asked {
	readonly checks: AnswerChecks;
}

export class AnswerChecks {
	readonly trust: Trust;
	/** Whether a bloom other than zero was seen. */
	#keepsBlooms = false;

	constructor(trust: Trust = DEFAULT_TRUST) {
		this.trust = trust;
	}

	/** `block` as it was read from `raw`, without its bloom where that cannot be relied on. */
	block(raw: object, block: ChainBlock, asked: Asked): ChainBlock {
		if (!this.trust.headerHash) return { ...block, logsBloom: undefined };
		const proof = proveHeader(raw, block.hash);
		if (proof.type === "incomplete") throw unproved(asked, `it has no ${proof.field}`);
		if (proof.type === "other")
			throw unproved(asked, `block ${block.number} says ${block.hash}, its header ${proof.hash}`);
		if (block.transactions.length === 0 && !isRootOfNone(raw))
			throw untrue(asked, `block ${block.hash} without the transactions that its header has`);
		return { ...block, logsBloom: this.#bloomOf(block) };
	}

	/** Throws unless the bloom that a receipt came with is that of its logs, on a chain that keeps blooms. */
	receiptBloom(logsBloom: Hex | undefined, logs: readonly ChainLog[], asked: Asked): void {
		if (logsBloom === undefined || !this.trust.logsBloom || !this.#keepsBlooms) return;
		if (logsBloom !== bloomOf(logs))
			throw untrue(asked, `a receipt whose bloom is not that of its ${logs.length} logs`);
	}

	#bloomOf({ logsBloom }: ChainBlock): Hex | undefined {
		if (!this.trust.logsBloom || logsBloom === undefined) return undefined;
		if (!this.#keepsBlooms) this.#keepsBlooms = !isEmptyBloom(logsBloom);
		return this.#keepsBlooms ? logsBloom : undefined;
	}
}

/** What logs are held against. */
export type KnownBlock = Pick<ChainBlock, "number" | "hash" | "logsBloom" | "transactions">;

/** Throws unless every log stands in `block`, which came from an `AnswerChecks`. */
export function requireLogsIn(block: KnownBlock, logs: readonly ChainLog[], asked: Asked): void {
	const { number, hash, logsBloom, transactions } = block;
	for (const log of logs) {
		const at = `log ${log.logIndex} of block ${number}`;
		if (log.blockHash !== hash || log.blockNumber !== number)
			throw untrue(asked, `${at} names ${log.blockHash}, not ${hash}`);
		if (transactions[log.transactionIndex] !== log.transactionHash)
			throw untrue(asked, `${at} names ${log.transactionHash}, which is not its transaction`);
		if (logsBloom !== undefined && !holdsLog(logsBloom, log))
			throw untrue(asked, `${at} is not in its bloom`);
	}
}

/** A chain whose headers have other fields needs `trust.headerHash: false` in its file. */
function unproved(asked: Asked, what: string): ProviderError {
	return untrue(asked, `a header that does not give its block's hash (trust.headerHash): ${what}`);
}

function isRootOfNone(raw: { readonly transactionsRoot?: unknown }): boolean {
	const { transactionsRoot } = raw;
	return typeof transactionsRoot === "string" && transactionsRoot.toLowerCase() === EMPTY_ROOT;
}
