/** What errors of nodes and providers mean, in the words that were seen. */
import { describe, expect, test } from "vitest";
import {
	isPruned,
	isRateLimit,
	isReverted,
	mayMeanTooLarge,
	refusesBlockHash,
	retryAfterOf,
} from "../../src/rpc/refusal-words.ts";
import { parseRetryAfter } from "../../src/rpc/retry-after.ts";

function failure(code: number, message: string, data?: unknown) {
	return { code, message, data };
}

describe("a limit of the rate", () => {
	test.each([
		[429, "slow down"],
		[-32005, "limit exceeded"],
		[-32005, "daily request count exceeded, request rate limited"],
		[-32097, "busy"],
		[-32029, "Rate limit exceeded"],
		[-32007, "50/second request limit reached"],
		[-32000, "Your app has exceeded its compute units per second capacity"],
		[-32022, "over compute unit limit, retry in 3 seconds"],
		[-32021, "over network traffic limit, retry in 3 seconds"],
		[-32000, "Too Many Requests"],
		[-32000, "project is rate-limited"],
		[-32603, "request throttled"],
		[-32000, "monthly quota exceeded"],
		[-32090, "Too many requests, reason: call rate limit exhausted, retry in 10s"],
	])("is heard: %i %s", (code, message) => {
		expect(isRateLimit(failure(code, message))).toBe(true);
		// Where logs were asked for, two words alone may be about their size as well.
		expect(mayMeanTooLarge(failure(code, message))).toBe(message === "limit exceeded");
	});

	test.each([
		[-32000, "header not found"],
		[-32000, "query returned more than 10000 results"],
		[-32602, "eth_getLogs is limited to a 10,000 range"],
		[-32603, "internal error"],
	])("is not heard in: %i %s", (code, message) => {
		expect(isRateLimit(failure(code, message))).toBe(false);
	});

	test.each([
		["retry in 3 seconds", undefined, 3_000],
		["call rate limit exhausted, retry in 10s", undefined, 10_000],
		["try again in 250 ms", undefined, 250],
		["Please retry after 2 minutes.", undefined, 120_000],
		["slow down", { rate: { backoff_seconds: 24 } }, 24_000],
		["slow down", undefined, undefined],
		["slow down", { rate: { backoff_seconds: "soon" } }, undefined],
	])("says how long to wait: %s %o", (message, data, ms) => {
		expect(retryAfterOf(failure(-32005, message, data))).toBe(ms);
	});
});

test.each([
	["7", 7_000],
	[" 0.5 ", 500],
	["0", 0],
	["Wed, 21 Oct 2015 07:28:00 GMT", 0],
	["soon", undefined],
	[undefined, undefined],
])("Retry-After %s is %s ms", (value, ms) => {
	expect(parseRetryAfter(value, Date.parse("2026-01-01"))).toBe(ms);
});

test("a date of Retry-After is waited for", () => {
	const now = Date.parse("2015-10-21T07:27:00Z");
	expect(parseRetryAfter("Wed, 21 Oct 2015 07:28:00 GMT", now)).toBe(60_000);
});

test.each([
	"query returned more than 10000 results",
	"block range is too wide",
	"exceed maximum block range: 5000",
	"eth_getLogs is limited to a 10,000 range",
	"Log response size exceeded",
	"query timeout exceeded",
	"range 1000000 exceeds limit of 10000",
	"block range too high",
	"block range is bigger than maxBlockRange",
	"backend response too large",
])("a limit of the size is heard: %s", (message) => {
	expect(mayMeanTooLarge(failure(-32000, message))).toBe(true);
	expect(isRateLimit(failure(-32000, message))).toBe(false);
});

describe("pruned history", () => {
	test.each([
		failure(4444, "gone"),
		failure(-32000, "missing trie node b03d68 (path )"),
		failure(-32000, "required historical state unavailable (reexec=128)"),
		failure(-32000, "historical state 0xab is not available"),
		failure(-32000, "state at block #100 is pruned"),
		failure(-32000, "old data not available due to pruning"),
		failure(-32603, "Internal error", "Nethermind.Trie.MissingTrieNodeException: Node A"),
		failure(-32000, "distance to target block exceeds maximum proof window"),
		failure(-32000, "project lacks archive requests, needs an archive node"),
	])("is told by %o", (error) => {
		expect(isPruned(error)).toBe(true);
	});

	test.each([
		failure(-32000, "header not found"),
		failure(-32000, "unknown block"),
		failure(3, "execution reverted"),
		failure(-32602, "invalid argument 1: hex string without 0x prefix"),
	])("is not told by %o", (error) => {
		expect(isPruned(error)).toBe(false);
	});
});

describe("a refused hash", () => {
	test.each([
		failure(-32602, "invalid params"),
		failure(
			-32000,
			"invalid argument 1: json: cannot unmarshal object into Go value of type string",
		),
		failure(-32600, "expected a string for the block parameter"),
		failure(-32603, "unable to parse block number"),
	])("is told by %o", (error) => {
		expect(refusesBlockHash(error)).toBe(true);
	});

	test.each([failure(-32000, "header for hash not found"), failure(-32603, "internal error")])(
		"is not told by %o",
		(error) => {
			expect(refusesBlockHash(error)).toBe(false);
		},
	);
});

describe("a refusal of the contract", () => {
	test.each([
		failure(3, "whatever"),
		failure(-32000, "execution reverted: no"),
		failure(-32015, "VM execution error."),
		failure(-32000, "stack underflow (0 <=> 1)"),
	])("is told by %o", (error) => {
		expect(isReverted(error)).toBe(true);
	});

	test.each([
		failure(-32000, "out of gas"),
		failure(-32000, "gas required exceeds allowance (50000000)"),
		failure(-32000, "header not found"),
	])("is not told by %o", (error) => {
		expect(isReverted(error)).toBe(false);
	});
});
