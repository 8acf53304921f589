import { describe, expect, test } from "vitest";
import { parseBlockReceipt } from "../../src/rpc/answers.ts";
import { parseProviderUrl } from "../../src/rpc/provider-url.ts";
import { receiptsRoot } from "../../src/rpc/receipts-root.ts";
import { REAL_BLOCKS, type RealReceipt, SERVED } from "../support/real-block.ts";

const ASKED = { provider: parseProviderUrl("http://node.test:8545"), method: "eth_test" };

function rootOf(receipts: readonly object[]): Promise<string> {
	return receiptsRoot(receipts.map((receipt) => parseBlockReceipt(receipt, ASKED).proved));
}

/** The receipts with one of them changed. */
function edited(index: number, change: object): readonly object[] {
	return SERVED.receipts.map((receipt, at) => (at === index ? { ...receipt, ...change } : receipt));
}

function withoutLogs({ logs }: RealReceipt): object {
	return { logs: logs.slice(1) };
}

describe.each(REAL_BLOCKS)("receipts of $network, $what", ({ block, receipts }) => {
	test("give the root of their block", async () => {
		expect(await rootOf(receipts)).toBe(block.receiptsRoot);
	});

	test("give it without the blooms, which their logs give", async () => {
		const bare = receipts.map((receipt) => ({ ...receipt, logsBloom: undefined }));
		expect(await rootOf(bare)).toBe(block.receiptsRoot);
	});

	test("give it beside a status that a node made up for a root", async () => {
		const made = receipts.map((receipt) => ({ status: "0x1", ...receipt }));
		expect(await rootOf(made)).toBe(block.receiptsRoot);
	});
});

describe("receipts give another root", () => {
	const [, , third] = SERVED.receipts;
	if (third === undefined) throw new RangeError("the block has six");
	test.each([
		["when one is missing", SERVED.receipts.slice(0, -1)],
		[
			"when two have changed places",
			SERVED.receipts.toSpliced(2, 2, ...SERVED.receipts.slice(2, 4).reverse()),
		],
		["when one failed", edited(1, { status: "0x0" })],
		["when one used other gas", edited(1, { cumulativeGasUsed: "0x1" })],
		["when one is of another type", edited(1, { type: "0x4" })],
		["when one is of a type that is not known", edited(1, { type: "0x64" })],
		["when one has a log less", edited(2, withoutLogs(third))],
		["when a deposit has another nonce", edited(0, { depositNonce: "0x1" })],
		["when a deposit is of before Canyon", edited(0, { depositReceiptVersion: undefined })],
	])("%s", async (_, receipts) => {
		expect(await rootOf(receipts)).not.toBe(SERVED.block.receiptsRoot);
	});
});

test("no receipts give the root of nothing", async () => {
	expect(await rootOf([])).toBe(
		"0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
	);
});

test.each([
	["without status and root", { status: undefined }],
	["with a type of no number", { type: "2" }],
	["with a deposit's version and no nonce", { depositReceiptVersion: "0x1" }],
	["with gas of no number", { cumulativeGasUsed: undefined }],
])("a receipt %s is malformed", (_, change) => {
	expect(() => edited(1, change).map((receipt) => parseBlockReceipt(receipt, ASKED))).toThrow(
		"malformed answer",
	);
});
