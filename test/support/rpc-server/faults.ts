/**
 * What can be wrong with an answer, switched per call: by method, from the n-th on, so many times, each
 * n-th, or by a probability that the seed repeats.
 */
import type { Hex } from "../../../src/domain/ids.ts";
import { Random } from "../random.ts";
import {
	answerOf,
	logsIn,
	type NodeView,
	type RawBlock,
	type RawLog,
	type RpcCall,
	RpcFailure,
} from "./node-answers.ts";
import type { Shown } from "./served-chain.ts";

/** Of one call. */
export type AnswerFault =
	| { readonly kind: "null" }
	| { readonly kind: "error"; readonly code: number; readonly message: string }
	/** As a node that is so many blocks behind. */
	| { readonly kind: "lag"; readonly blocks: number }
	/** As a node on that branch. */
	| { readonly kind: "other_fork"; readonly shown: () => Shown }
	/** Logs of the block at that height of the other branch, under the hash that was asked for. */
	| { readonly kind: "relabelled_logs"; readonly shown: () => Shown }
	/** None, or all but the last of each block. */
	| { readonly kind: "truncated_logs"; readonly keep: "none" | "most" }
	| { readonly kind: "removed_logs" }
	/** A header whose hash its fields do not give. */
	| { readonly kind: "wrong_field"; readonly field: "stateRoot" | "timestamp" | "gasUsed" }
	| { readonly kind: "wrong_bloom" }
	| { readonly kind: "zero_bloom" }
	| { readonly kind: "wrong_parent" }
	| { readonly kind: "wrong_hash" }
	| { readonly kind: "wrong_receipts" }
	| { readonly kind: "chain_id"; readonly chainId: number }
	/** Answers well, and then the chain moves before the next call of the same batch. */
	| { readonly kind: "then"; readonly move: () => void }
	/** Of a batch: no answer at all. */
	| { readonly kind: "missing" }
	/** Of a batch: the answer comes twice. */
	| { readonly kind: "doubled" };

/** Of the whole exchange in which the call is. */
export type ExchangeFault =
	| { readonly kind: "status"; readonly status: number; readonly retryAfterS?: number }
	/** An error object in place of the whole answer, with status 200. */
	| { readonly kind: "body_error"; readonly code: number; readonly message: string }
	| { readonly kind: "hang" }
	/** Begins to answer and never ends. */
	| { readonly kind: "hang_in_body" }
	| { readonly kind: "slow"; readonly ms: number }
	| { readonly kind: "malformed" }
	/** The first half of the answer, ended as if it were whole. */
	| { readonly kind: "truncated_body" }
	| { readonly kind: "reset" }
	| { readonly kind: "out_of_order" };

export type Fault = AnswerFault | ExchangeFault;

const OF_EXCHANGES: readonly string[] = [
	"status",
	"body_error",
	"hang",
	"hang_in_body",
	"slow",
	"malformed",
	"truncated_body",
	"reset",
	"out_of_order",
] satisfies readonly ExchangeFault["kind"][];

export interface FaultRule {
	readonly fault: Fault;
	/** Default: all. */
	readonly methods?: readonly string[];
	/** Beside the method; default: every call. */
	readonly when?: (call: RpcCall) => boolean;
	/** Calls that pass first. */
	readonly skip?: number;
	/** How often it strikes; default: for good. */
	readonly times?: number;
	/** Strikes each n-th call that fits; default 1. */
	readonly every?: number;
	/** Default 1. */
	readonly probability?: number;
}

/** A rule that was switched on. */
export interface SwitchedFault {
	/** How often it struck. */
	readonly struck: number;
	off(): void;
}

export class FaultSwitch {
	readonly #random: Random;
	readonly #rules = new Set<Counted>();

	constructor(seed: number) {
		this.#random = new Random(seed);
	}

	on(rule: FaultRule): SwitchedFault {
		const counted: Counted = { rule, seen: 0, struck: 0 };
		this.#rules.add(counted);
		return {
			get struck() {
				return counted.struck;
			},
			off: () => void this.#rules.delete(counted),
		};
	}

	clear(): void {
		this.#rules.clear();
	}

	/** What strikes this call: of several rules the first. */
	of(call: RpcCall): Fault | undefined {
		for (const counted of this.#rules) {
			if (this.#strikes(counted, call)) return counted.rule.fault;
		}
		return undefined;
	}

	#strikes(counted: Counted, call: RpcCall): boolean {
		const { methods, when, skip = 0, times, every = 1, probability = 1 } = counted.rule;
		if (methods?.includes(call.method) === false || when?.(call) === false) return false;
		counted.seen += 1;
		if (counted.seen <= skip || (times !== undefined && counted.struck >= times)) return false;
		if ((counted.seen - skip) % every !== 0 || !this.#random.chance(probability)) return false;
		counted.struck += 1;
		return true;
	}
}

interface Counted {
	readonly rule: FaultRule;
	seen: number;
	struck: number;
}

export function isOfExchange(fault: Fault | undefined): fault is ExchangeFault {
	return fault !== undefined && OF_EXCHANGES.includes(fault.kind);
}

/** The answer with what is wrong with it. */
export function faultyAnswer(view: NodeView, call: RpcCall, fault: AnswerFault): unknown {
	switch (fault.kind) {
		case "null":
			return null;
		case "error":
			return new RpcFailure(fault.code, fault.message);
		case "lag":
			return answerOf({ ...view, head: Math.max(0, view.head - fault.blocks) }, call);
		case "other_fork":
			return answerOf({ ...view, ...fault.shown() }, call);
		case "chain_id":
			return answerOf({ ...view, traits: { ...view.traits, chainId: fault.chainId } }, call);
		case "relabelled_logs":
			return relabelled(view, call, fault.shown());
		case "truncated_logs":
			return onLogs(answerOf(view, call), (logs) => truncated(logs, fault.keep));
		case "removed_logs":
			return onLogs(answerOf(view, call), (logs) => logs.map((log) => ({ ...log, removed: true })));
		case "wrong_receipts":
			return onReceipts(answerOf(view, call));
		default:
			return onBlock(answerOf(view, call), (block) => altered(block, fault));
	}
}

function altered(block: RawBlock, fault: AnswerFault): RawBlock {
	switch (fault.kind) {
		case "wrong_field":
			return { ...block, [fault.field]: bumped(block[fault.field]) };
		case "wrong_bloom":
			return { ...block, logsBloom: `0x${"a5".repeat(256)}` };
		case "zero_bloom":
			return { ...block, logsBloom: `0x${"00".repeat(256)}` };
		case "wrong_parent":
			return { ...block, parentHash: bumped(block.parentHash) };
		case "wrong_hash":
			return { ...block, hash: bumped(block.hash) };
		default:
			return block;
	}
}

/** The same length with another last digit. */
function bumped(value: Hex): Hex {
	return `${value.slice(0, -1)}${value.endsWith("7") ? "8" : "7"}` as Hex;
}

function onBlock(answer: unknown, change: (block: RawBlock) => RawBlock): unknown {
	return isBlock(answer) ? change(answer) : answer;
}

function isBlock(answer: unknown): answer is RawBlock {
	return typeof answer === "object" && answer !== null && "logsBloom" in answer;
}

function onLogs(answer: unknown, change: (logs: readonly RawLog[]) => readonly RawLog[]): unknown {
	if (!Array.isArray(answer)) return answer;
	const isOfReceipts = answer.some((each) => typeof each === "object" && "logs" in each);
	if (!isOfReceipts) return change(answer as readonly RawLog[]);
	const last = answer.at(-1) as { readonly logs: readonly RawLog[] };
	return [...answer.slice(0, -1), { ...last, logs: change(last.logs) }];
}

function onReceipts(answer: unknown): unknown {
	if (!Array.isArray(answer)) return answer;
	return answer.map((receipt) => ({ ...receipt, cumulativeGasUsed: "0x1" }));
}

function truncated(logs: readonly RawLog[], keep: "none" | "most"): readonly RawLog[] {
	if (keep === "none") return [];
	return logs.filter((log, index) => logs[index + 1]?.blockHash === log.blockHash);
}

function relabelled(view: NodeView, call: RpcCall, other: Shown): unknown {
	const answer = answerOf(view, call);
	if (!Array.isArray(answer)) return answer;
	const [filter] = call.params as readonly { readonly blockHash?: Hex }[];
	const hash = filter?.blockHash;
	const place = hash === undefined ? undefined : view.tree.place(hash);
	if (hash === undefined || place === undefined) {
		return answer.map((log: RawLog) => theirsAt(view, other, log) ?? log);
	}
	const theirs = logsIn(view.tree, other.branch, place.height);
	const ofToken = theirs.filter(({ address }) => address === view.tree.token);
	// None at all would be logs that were left out, which no header tells.
	return ofToken.length === 0 ? answer : ofToken.map((log) => ({ ...log, blockHash: hash }));
}

/** The log that is in its place on the other branch. */
function theirsAt({ tree }: NodeView, { branch }: Shown, log: RawLog): RawLog | undefined {
	const theirs = logsIn(tree, branch, Number(log.blockNumber));
	const same = theirs.find(
		({ logIndex, address }) => logIndex === log.logIndex && address === tree.token,
	);
	return same && { ...same, blockHash: log.blockHash };
}
