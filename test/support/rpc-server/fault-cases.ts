/** What a single provider does wrong for a while, by name; each is struck while following, in a walk back and in a backfill. */

import type { FaultChain, FaultChainOptions } from "./fault-world.ts";
import type { FaultRule } from "./faults.ts";

export interface FaultCase {
	readonly name: string;
	/** What is switched on; later rules strike what earlier ones let pass. */
	readonly rules: (chain: FaultChain) => readonly FaultRule[];
	readonly file?: FaultChainOptions["file"];
}

export type Phase = "following" | "walk back" | "backfill";

const BLOCKS = ["eth_getBlockByNumber", "eth_getBlockByHash"];
const LOGS = ["eth_getLogs"];
const RECEIPTS = ["eth_getBlockReceipts"];
const RECEIPTS_CHECKED = { trust: { receipts: true } } as const;

/** Calls for a block by its number, and not by a tag. */
function isNumbered({ params: [block] }: { readonly params: readonly unknown[] }): boolean {
	return typeof block === "string" && block.startsWith("0x");
}

/** Another branch of the chain as it is now, which its other answers know nothing of. */
function besides(chain: FaultChain) {
	const other = chain.server.chain.beside(Math.min(3, chain.server.chain.head), 40);
	return () => other;
}

export const FAULT_CASES: readonly FaultCase[] = [
	one("null for a block by number", {
		fault: { kind: "null" },
		methods: ["eth_getBlockByNumber"],
		when: isNumbered,
		times: 4,
	}),
	one("null for the head", {
		fault: { kind: "null" },
		methods: ["eth_getBlockByNumber"],
		when: ({ params }) => params[0] === "latest",
		times: 2,
	}),
	one("a node that is three blocks behind", {
		fault: { kind: "lag", blocks: 3 },
		times: 8,
	}),
	one("every other answer three blocks behind", {
		fault: { kind: "lag", blocks: 3 },
		every: 2,
		times: 12,
	}),
	one("an internal error", {
		fault: { kind: "error", code: -32_603, message: "internal error" },
		times: 3,
	}),
	one("an error for logs", {
		fault: { kind: "error", code: -32_000, message: "unknown block" },
		methods: LOGS,
		times: 3,
	}),
	one("status 429", { fault: { kind: "status", status: 429 }, times: 2 }),
	one("status 429 with Retry-After", {
		fault: { kind: "status", status: 429, retryAfterS: 1 },
		times: 1,
	}),
	one("a rate limit as an error of each call", {
		fault: { kind: "error", code: -32_005, message: "rate limit exceeded" },
		times: 3,
	}),
	one("a rate limit as an error of the whole exchange", {
		fault: { kind: "body_error", code: -32_097, message: "too many requests, slow down" },
		times: 2,
	}),
	one("status 500", { fault: { kind: "status", status: 500 }, times: 2 }),
	one("no answer", { fault: { kind: "hang" }, times: 1 }),
	one("an answer that never ends", { fault: { kind: "hang_in_body" }, times: 1 }),
	one("slow answers", { fault: { kind: "slow", ms: 150 }, times: 8 }),
	one("an answer that is no JSON", { fault: { kind: "malformed" }, times: 2 }),
	one("an answer that is cut off", { fault: { kind: "truncated_body" }, times: 2 }),
	one("a connection that is cut", { fault: { kind: "reset" }, times: 4 }),
	one("a call of a batch without an answer", { fault: { kind: "missing" }, times: 3 }),
	one("two answers for a call of a batch", { fault: { kind: "doubled" }, times: 3 }),
	one("answers of a batch out of order", { fault: { kind: "out_of_order" }, times: 8 }),
	one("removed logs", { fault: { kind: "removed_logs" }, methods: LOGS, times: 2 }),
	one("a header with another state root", {
		fault: { kind: "wrong_field", field: "stateRoot" },
		methods: BLOCKS,
		times: 2,
	}),
	one("a header with another timestamp", {
		fault: { kind: "wrong_field", field: "timestamp" },
		methods: BLOCKS,
		times: 2,
	}),
	one("a header with another bloom", {
		fault: { kind: "wrong_bloom" },
		methods: BLOCKS,
		times: 2,
	}),
	one("a header with an empty bloom", {
		fault: { kind: "zero_bloom" },
		methods: BLOCKS,
		times: 2,
	}),
	one("a header with another parent", {
		fault: { kind: "wrong_parent" },
		methods: BLOCKS,
		times: 2,
	}),
	one("a header with another hash", { fault: { kind: "wrong_hash" }, methods: BLOCKS, times: 2 }),
	{
		name: "logs of the other branch",
		rules: (chain) => [
			{ fault: { kind: "other_fork", shown: besides(chain) }, methods: LOGS, times: 3 },
		],
	},
	{
		name: "logs of the other branch under this one's hash",
		rules: (chain) => [
			{ fault: { kind: "relabelled_logs", shown: besides(chain) }, methods: LOGS, times: 3 },
		],
	},
	{
		name: "one answer in five from another fork",
		rules: (chain) => [
			{ fault: { kind: "other_fork", shown: besides(chain) }, every: 5, times: 6 },
		],
	},
	{
		name: "the head moves between two answers",
		rules: (chain) => [
			{
				fault: { kind: "then", move: () => void chain.server.chain.fork(1, 2) },
				methods: ["eth_getBlockByHash", "eth_getBlockByNumber"],
				times: 3,
			},
		],
	},
	{
		name: "logs that are cut off, where receipts are checked",
		file: RECEIPTS_CHECKED,
		rules: () => [
			{ fault: { kind: "truncated_logs", keep: "most" }, methods: LOGS },
			{ fault: { kind: "truncated_logs", keep: "none" }, methods: RECEIPTS, times: 2 },
		],
	},
	{
		name: "receipts that are not the block's",
		file: RECEIPTS_CHECKED,
		rules: () => [{ fault: { kind: "wrong_receipts" }, methods: RECEIPTS, times: 2 }],
	},
];

function one(name: string, rule: FaultRule): FaultCase {
	return { name, rules: () => [rule] };
}
