import { describe, expect, test } from "vitest";
import type { Hex } from "../../src/domain/ids.ts";
import { AnswerChecks } from "../../src/rpc/answer-checks.ts";
import { parseBlock, parseLog, parseLogs, parseReceipt } from "../../src/rpc/answers.ts";
import { parseProviderUrl } from "../../src/rpc/provider-url.ts";

const ASKED = {
	provider: parseProviderUrl("http://node.test:8545"),
	method: "eth_test",
	checks: new AnswerChecks({ headerHash: false, logsBloom: true, receipts: false }),
};

function word(byte: string): Hex {
	return `0x${byte.repeat(32)}`;
}

const BLOCK = {
	number: "0x0",
	hash: word("Ab"),
	parentHash: word("00"),
	timestamp: "0x65",
	logsBloom: `0x${"0".repeat(512)}`,
	transactions: [word("CD")],
};

const LOG = {
	address: `0x${"Aa".repeat(20)}`,
	topics: [word("EF")],
	data: "0x",
	blockNumber: "0x7",
	blockHash: word("ab"),
	transactionHash: word("cd"),
	transactionIndex: "0x0",
	logIndex: "0x0",
	removed: false,
};

const RECEIPT = {
	transactionHash: word("cd"),
	blockHash: word("ab"),
	blockNumber: "0x7",
	status: "0x1",
	logs: [LOG],
};

describe("a block", () => {
	test("is read in lower case, block 0 like any other", () => {
		expect(parseBlock(BLOCK, ASKED)).toEqual({
			number: 0n,
			hash: word("ab"),
			parentHash: word("00"),
			timestamp: 101n,
			// Nothing proves it without the header's hash.
			logsBloom: undefined,
			transactions: [word("cd")],
		});
	});

	test("that the node does not have is undefined", () => {
		expect(parseBlock(null, ASKED)).toBeUndefined();
	});

	test("may lack the bloom", () => {
		expect(parseBlock({ ...BLOCK, logsBloom: undefined }, ASKED)?.logsBloom).toBeUndefined();
	});

	test.each([
		["a list", []],
		["text", "0x1"],
		["undefined", undefined],
		["a pending block", { ...BLOCK, hash: null, number: null }],
		["a short hash", { ...BLOCK, hash: "0xab" }],
		["a number in decimal", { ...BLOCK, number: 7 }],
		["a number without digits", { ...BLOCK, number: "0x" }],
		["a number above every height", { ...BLOCK, number: "0xffffffffffffffff" }],
		["a number of 65 bits", { ...BLOCK, number: "0x10000000000000000" }],
		["a negative timestamp", { ...BLOCK, timestamp: "-0x1" }],
		["no timestamp", { ...BLOCK, timestamp: undefined }],
		["a short bloom", { ...BLOCK, logsBloom: "0x00" }],
		["whole transactions", { ...BLOCK, transactions: [{ hash: word("cd") }] }],
		["no transactions", { ...BLOCK, transactions: undefined }],
	])("that is %s is malformed, and the error names method and provider", (_, block) => {
		expect(() => parseBlock(block, ASKED)).toThrow(
			expect.objectContaining({
				code: "rpc_failed",
				retryable: true,
				message: expect.stringMatching(
					/^http:\/\/node\.test:8545: eth_test got a malformed answer/,
				),
			}),
		);
	});
});

describe("a log", () => {
	test("is read in lower case", () => {
		expect(parseLog(LOG, ASKED)).toEqual({
			address: `0x${"aa".repeat(20)}`,
			topics: [word("ef")],
			data: "0x",
			blockNumber: 7n,
			blockHash: word("ab"),
			transactionHash: word("cd"),
			transactionIndex: 0,
			logIndex: 0,
		});
	});

	test.each([
		["pending", { ...LOG, blockHash: null, blockNumber: null, logIndex: null }],
		["of half a byte", { ...LOG, data: "0x0" }],
		["of five topics", { ...LOG, topics: Array.from({ length: 5 }, () => word("00")) }],
		["of a short topic", { ...LOG, topics: ["0x00"] }],
		["at an index without bounds", { ...LOG, logIndex: "0xffffffffffffffff" }],
		["null", null],
	])("that is %s is malformed", (_, log) => {
		expect(() => parseLog(log, ASKED)).toThrow("malformed answer");
	});

	test("that is removed is no log of the chain, and says why", () => {
		expect(() => parseLog({ ...LOG, removed: true }, ASKED)).toThrow(
			expect.objectContaining({ code: "rpc_failed", reason: { kind: "removed_logs" } }),
		);
	});
});

describe("a list of logs", () => {
	test("is put into the chain's order", () => {
		const logs = [
			{ ...LOG, blockNumber: "0x8", blockHash: word("08") },
			{ ...LOG, logIndex: "0xa" },
			{ ...LOG, logIndex: "0x9" },
		];
		const places = parseLogs(logs, ASKED).map((log) => [log.blockNumber, log.logIndex]);
		expect(places).toEqual([
			[7n, 9],
			[7n, 10],
			[8n, 0],
		]);
	});

	test.each([
		["null", null],
		["an object", {}],
		["two logs at one place", [LOG, LOG]],
		["logs of two blocks at one height", [LOG, { ...LOG, blockHash: word("99"), logIndex: "0x1" }]],
	])("that is %s is malformed", (_, logs) => {
		expect(() => parseLogs(logs, ASKED)).toThrow("malformed answer");
	});
});

describe("a receipt", () => {
	test.each([
		["0x1", "success"],
		["0x0", "reverted"],
	])("with status %s says %s", (status, expected) => {
		expect(parseReceipt({ ...RECEIPT, status }, ASKED)?.status).toBe(expected);
	});

	test.each([
		["without status", { ...RECEIPT, status: undefined }],
		["not included yet", { ...RECEIPT, blockHash: null, blockNumber: null }],
		["with a log of another block", { ...RECEIPT, blockHash: word("11") }],
		["with a log of another transaction", { ...RECEIPT, transactionHash: word("11") }],
	])("that is %s is malformed", (_, receipt) => {
		expect(() => parseReceipt(receipt, ASKED)).toThrow(/malformed answer|untrue answer/);
	});
});
