import { describe, expect, test } from "vitest";
import type { ChainLog, TransactionReceipt } from "../../src/domain/block.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { effectsHash } from "../../src/memory/effects-hash.ts";

const TOKEN: Hex = `0x${"ab".repeat(20)}`;
const HASH: Hex = `0x${"99".repeat(32)}`;
const TOPIC_1: Hex = `0x${"01".repeat(32)}`;
const TOPIC_2: Hex = `0x${"02".repeat(32)}`;

function log(parts: Partial<ChainLog> = {}): ChainLog {
	return {
		address: TOKEN,
		topics: [TOPIC_1, TOPIC_2],
		data: "0xbeef",
		blockNumber: 5n,
		blockHash: HASH,
		transactionHash: HASH,
		transactionIndex: 0,
		logIndex: 3,
		...parts,
	};
}

function receipt(parts: Partial<TransactionReceipt> = {}): TransactionReceipt {
	const logs = [log(), log({ topics: [], data: "0x", logIndex: 4 })];
	return {
		transactionHash: HASH,
		blockHash: HASH,
		blockNumber: 5n,
		status: "success",
		logs,
		...parts,
	};
}

/** Made with another language from the documented bytes. */
test("has the documented bytes", () => {
	expect(effectsHash(receipt())).toBe(
		"0xcf2219b4ffde6664aa57f2bafbafb058cba2be7c9615822f08762545d39f93a6",
	);
	expect(effectsHash(receipt({ status: "reverted", logs: [] }))).toBe(
		"0x47fb7dfa6ee76df019ec1868ab34eff4aa3dca6098f858e28722c8be8fb7a3ed",
	);
});

test("stays the same wherever the transaction is included, and in either case of hexadecimal", () => {
	const elsewhere = { blockNumber: 9n, blockHash: TOPIC_1, transactionIndex: 7, logIndex: 30 };
	const upper: Hex = `0x${"AB".repeat(20)}`;
	const logs = receipt().logs.map((each) => ({ ...each, ...elsewhere, address: upper }));
	const moved = receipt({ blockNumber: 9n, blockHash: TOPIC_1, logs });
	expect(effectsHash(moved)).toBe(effectsHash(receipt()));
});

describe("changes with", () => {
	const [first, second] = [log(), log({ topics: [], data: "0x" })];
	test.each<[string, Partial<TransactionReceipt>]>([
		["the status", { status: "reverted" }],
		["a log that is gone", { logs: [first] }],
		["a log that is new", { logs: [first, second, second] }],
		["the order of logs", { logs: [second, first] }],
		["an address", { logs: [log({ address: `0x${"ac".repeat(20)}` }), second] }],
		["the order of topics", { logs: [log({ topics: [TOPIC_2, TOPIC_1] }), second] }],
		[
			"a topic that moves into the data",
			{ logs: [log({ topics: [TOPIC_1], data: TOPIC_2 }), second] },
		],
		["the data", { logs: [log({ data: "0xbeee" }), second] }],
	])("%s", (_what, parts) => {
		expect(effectsHash(receipt(parts))).not.toBe(effectsHash(receipt()));
	});
});

test.each(["0xabc", "0xzz", "0x12 4"] as const)("refuses %s, which is not whole bytes", (data) => {
	const malformed = receipt({ logs: [log({ data })] });
	expect(() => effectsHash(malformed)).toThrow(expect.objectContaining({ code: "internal" }));
});
