/** Headers, blooms and receipts as Ethereum hashes them, through viem's RLP and keccak alone. */
import { bytesToHex, hexToBytes, keccak256, toRlp } from "viem";
import type { Hex } from "../../../src/domain/ids.ts";
import type { TreeLog, TreeTransaction } from "./block-content.ts";
import { listRoot } from "./trie-root.ts";

export const BLOOM_BYTES = 256;
const GAS_LIMIT = 30_000_000;
const GAS_OF_A_TRANSACTION = 50_000;
const ZERO_HASH: Hex = `0x${"00".repeat(32)}`;
/** Of no uncles, and of no items. */
const NO_UNCLES: Hex = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347";
const EMPTY_ROOT: Hex = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";
/** SHA-256 of nothing (EIP-7685). */
const NO_REQUESTS: Hex = "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** As nodes give it; in the order in which it is hashed. Later forks have more fields. */
export interface RawHeader {
	readonly parentHash: Hex;
	readonly sha3Uncles: Hex;
	readonly miner: Hex;
	readonly stateRoot: Hex;
	readonly transactionsRoot: Hex;
	readonly receiptsRoot: Hex;
	readonly logsBloom: Hex;
	readonly difficulty: Hex;
	readonly number: Hex;
	readonly gasLimit: Hex;
	readonly gasUsed: Hex;
	readonly timestamp: Hex;
	readonly extraData: Hex;
	readonly mixHash: Hex;
	readonly nonce: Hex;
	readonly baseFeePerGas?: Hex;
	readonly withdrawalsRoot?: Hex;
	readonly blobGasUsed?: Hex;
	readonly excessBlobGas?: Hex;
	readonly parentBeaconBlockRoot?: Hex;
	readonly requestsHash?: Hex;
}

export type HardFork = "paris" | "shanghai" | "cancun" | "prague";

export interface HeaderParts {
	readonly number: number;
	readonly parentHash: Hex;
	readonly timestamp: number;
	/** Anything that only this block says, as 32 bytes. */
	readonly stateRoot: Hex;
	readonly transactions: number;
	readonly receiptsRoot: Hex;
	readonly logsBloom: Hex;
}

/** Fields whose value is a number, which RLP writes without leading zeros. */
const QUANTITIES: readonly string[] = [
	"difficulty",
	"number",
	"gasLimit",
	"gasUsed",
	"timestamp",
	"baseFeePerGas",
	"blobGasUsed",
	"excessBlobGas",
];

export function headerOf(parts: HeaderParts, fork: HardFork): RawHeader {
	const { number, parentHash, timestamp, stateRoot, transactions } = parts;
	const { receiptsRoot, logsBloom } = parts;
	const level = ["paris", "shanghai", "cancun", "prague"].indexOf(fork);
	return {
		parentHash,
		sha3Uncles: NO_UNCLES,
		miner: `0x${"c0".repeat(20)}`,
		stateRoot,
		// Of its transactions nobody gets more than the hashes, so nobody can say what the root is.
		transactionsRoot: transactions === 0 ? EMPTY_ROOT : keccak256(stateRoot),
		receiptsRoot,
		logsBloom,
		difficulty: "0x0",
		number: quantity(number),
		gasLimit: quantity(GAS_LIMIT),
		gasUsed: quantity(transactions * GAS_OF_A_TRANSACTION),
		timestamp: quantity(timestamp),
		extraData: "0x",
		mixHash: ZERO_HASH,
		nonce: "0x0000000000000000",
		baseFeePerGas: quantity(1_000_000_000),
		...(level < 1 ? {} : { withdrawalsRoot: EMPTY_ROOT }),
		...(level < 2
			? {}
			: { blobGasUsed: "0x0", excessBlobGas: "0x0", parentBeaconBlockRoot: ZERO_HASH }),
		...(level < 3 ? {} : { requestsHash: NO_REQUESTS }),
	};
}

export function hashOfHeader(header: RawHeader): Uint8Array {
	const fields = Object.entries(header).map(([name, value]: [string, Hex]) =>
		QUANTITIES.includes(name) ? quantityBytes(value) : hexToBytes(value),
	);
	return keccak256(toRlp(fields, "bytes"), "bytes");
}

/** Status, gas so far, bloom, logs; of a transaction of type 2. */
export function receiptsRootOf(transactions: readonly TreeTransaction[]): Uint8Array {
	return listRoot(transactions.map(({ logs }, index) => encodedReceipt(logs, index)));
}

function encodedReceipt(logs: readonly TreeLog[], index: number): Uint8Array {
	const body = toRlp(
		[
			Uint8Array.of(1),
			quantityBytes(cumulativeGas(index)),
			bloomOf(logs),
			logs.map(({ address, topics, data }) => [
				hexToBytes(address),
				topics.map((topic) => hexToBytes(topic)),
				hexToBytes(data),
			]),
		],
		"bytes",
	);
	const typed = new Uint8Array(body.length + 1);
	typed[0] = 2;
	typed.set(body, 1);
	return typed;
}

export function cumulativeGas(index: number): Hex {
	return quantity((index + 1) * GAS_OF_A_TRANSACTION);
}

export function bloomOf(logs: readonly TreeLog[]): Uint8Array {
	const bloom = new Uint8Array(BLOOM_BYTES);
	for (const { address, topics } of logs) {
		for (const value of [address, ...topics]) {
			for (const bit of bitsOf(value)) {
				const byte = BLOOM_BYTES - 1 - (bit >> 3);
				bloom[byte] = (bloom[byte] ?? 0) | (1 << (bit & 7));
			}
		}
	}
	return bloom;
}

/** The same addresses and topics come again and again. */
const KNOWN_BITS = new Map<Hex, readonly number[]>();
const MOST_KNOWN = 100_000;

/** Eleven bits of each of the first three pairs of bytes. */
function bitsOf(value: Hex): readonly number[] {
	const known = KNOWN_BITS.get(value);
	if (known !== undefined) return known;
	const digest = keccak256(hexToBytes(value), "bytes");
	const bits = [0, 2, 4].map((at) => (((digest[at] ?? 0) << 8) | (digest[at + 1] ?? 0)) & 2_047);
	if (KNOWN_BITS.size < MOST_KNOWN) KNOWN_BITS.set(value, bits);
	return bits;
}

export function quantity(value: number): Hex {
	return `0x${value.toString(16)}`;
}

function quantityBytes(value: Hex): Uint8Array {
	const digits = value.slice(2).replace(/^0+/, "");
	if (digits === "") return new Uint8Array();
	return hexToBytes(`0x${digits.length % 2 === 1 ? "0" : ""}${digits}`);
}

export function hexOf(bytes: Uint8Array): Hex {
	return bytesToHex(bytes);
}
