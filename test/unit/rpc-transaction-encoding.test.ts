import { randomBytes } from "node:crypto";
import {
	keccak256,
	parseTransaction,
	serializeTransaction,
	type TransactionSerializable,
	toHex,
} from "viem";
import { describe, expect, test } from "vitest";
import type { Hex } from "../../src/domain/ids.ts";
import { listRoot } from "../../src/rpc/list-root.ts";
import { encodeTransaction } from "../../src/rpc/transaction-encoding.ts";
import { SERVED, SERVED_TRANSACTIONS } from "../support/real-block.ts";

const ADDRESS: Hex = `0x${"0a".repeat(20)}`;
const WORD: Hex = `0x${"07".repeat(32)}`;
/** With leading zeros, which no encoding has. */
const R: Hex = `0x${"00".repeat(2)}${randomBytes(30).toString("hex")}`;
const S: Hex = `0x${"11".repeat(32)}`;

const FEES = {
	chainId: 1,
	nonce: 300,
	gas: 21_000n,
	to: ADDRESS,
	value: 10n ** 18n,
	data: "0xabcdef",
} as const;
const PRICES = { maxFeePerGas: 900n, maxPriorityFeePerGas: 0n };
const accessList = [
	{ address: ADDRESS, storageKeys: [WORD, S] },
	{ address: ADDRESS, storageKeys: [] },
];
const TYPED: readonly (readonly [string, string, TransactionSerializable])[] = [
	["0, as of before EIP-155", "0x0", { type: "legacy", ...FEES, chainId: undefined, gasPrice: 7n }],
	["0", "0x0", { type: "legacy", ...FEES, gasPrice: 7n }],
	["1", "0x1", { type: "eip2930", ...FEES, gasPrice: 7n, accessList }],
	["2", "0x2", { type: "eip1559", ...FEES, ...PRICES, accessList }],
	["2 without receiver", "0x2", { type: "eip1559", ...FEES, ...PRICES, to: null }],
	[
		"3",
		"0x3",
		{
			type: "eip4844",
			...FEES,
			...PRICES,
			maxFeePerBlobGas: 3n,
			blobVersionedHashes: [`0x01${"22".repeat(31)}`],
		},
	],
	[
		"4",
		"0x4",
		{
			type: "eip7702",
			...FEES,
			...PRICES,
			authorizationList: [{ chainId: 0, address: ADDRESS, nonce: 0, yParity: 1, r: R, s: S }],
		},
	],
] as const;

/** As a node answers it. */
function answered(type: string, serialized: Hex, transaction: TransactionSerializable): object {
	const parsed = parseTransaction(serialized as never) as Record<string, unknown>;
	const shown = Object.entries({ ...transaction, ...parsed }).map(([name, value]) => [
		name === "data" ? "input" : name,
		typeof value === "bigint" || typeof value === "number" ? toHex(value) : value,
	]);
	const lists = "authorizationList" in transaction && {
		authorizationList: [
			{ chainId: "0x0", address: ADDRESS, nonce: "0x0", yParity: "0x1", r: R, s: S },
		],
	};
	const v = toHex(BigInt(String(parsed["v"] ?? 0)));
	return { accessList: [], ...Object.fromEntries(shown), ...lists, v, r: R, s: S, type };
}

describe.each(TYPED)("a transaction of type %s", (_, type, transaction) => {
	const v =
		type === "0x0"
			? "chainId" in transaction && transaction.chainId !== undefined
				? 38n
				: 28n
			: undefined;
	const serialized = serializeTransaction(transaction, {
		r: R,
		s: S,
		...(v === undefined ? { yParity: 1 } : { v }),
	} as never);

	test("is encoded as by another implementation", () => {
		const encoding = encodeTransaction(answered(type, serialized, transaction));
		expect(encoding).toEqual({ type: "encoded", bytes: serialized });
	});
});

describe("the transactions of a real block, a deposit of the OP stack among them", () => {
	test("give their hashes and the root", async () => {
		const encoded = SERVED_TRANSACTIONS.map((each) => encodeTransaction(each));
		const bytes = encoded.map((each) => (each.type === "encoded" ? each.bytes : "0x"));
		expect(bytes.map((each) => keccak256(each))).toEqual(SERVED.block.transactions);
		const values = bytes.map((each) => Buffer.from(each.slice(2), "hex"));
		expect(await listRoot(values)).toBe(SERVED.block["transactionsRoot"]);
	});
});

test.each([
	["of a type that is not known", { type: "0x64" }, { type: "unknown" }],
	["with a type of no number", { type: 2 }, { type: "incomplete", field: "type" }],
	["without its nonce", { nonce: undefined }, { type: "incomplete", field: "nonce" }],
	["with half a byte of input", { input: "0x1" }, { type: "incomplete", field: "input" }],
	[
		"with an access list of another form",
		{ accessList: [{}] },
		{ type: "incomplete", field: "accessList" },
	],
	["without signature", { r: undefined }, { type: "incomplete", field: "r" }],
])("a transaction %s is not encoded", (_, change, expected) => {
	expect(encodeTransaction({ ...SERVED_TRANSACTIONS[1], ...change })).toEqual(expected);
});
