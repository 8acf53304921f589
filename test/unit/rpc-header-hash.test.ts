import { keccak256, toRlp } from "viem";
import { describe, expect, test } from "vitest";
import type { Hex } from "../../src/domain/ids.ts";
import { proveHeader } from "../../src/rpc/header-hash.ts";
import { rlpList } from "../../src/rpc/rlp.ts";
import { REAL_HEADERS } from "../support/real-block.ts";

const [GENESIS] = REAL_HEADERS;
const NEWEST = REAL_HEADERS.at(-1);
if (GENESIS === undefined || NEWEST === undefined) throw new RangeError("there are vectors");

/** Fields that a node answers beside the header's. */
const BESIDE = ["hash", "totalDifficulty"];

/** The same header with one bit of one field turned over. */
function forged(header: object, name: string): object {
	const value = String((header as Record<string, unknown>)[name]);
	const last = Number.parseInt(value.at(-1) ?? "0", 16) ^ 1;
	return {
		...header,
		[name]: value === "0x" ? "0x01" : `${value.slice(0, -1)}${last.toString(16)}`,
	};
}

describe.each(REAL_HEADERS)("a header of $network, $fork", ({ header }) => {
	test("gives its block's hash", () => {
		expect(proveHeader(header, header.hash)).toEqual({ type: "proved" });
	});

	test("gives another hash when any field is another", () => {
		const names = Object.keys(header).filter((name) => !BESIDE.includes(name));
		expect(names.length).toBeGreaterThanOrEqual(15);
		for (const name of names)
			expect(proveHeader(forged(header, name), header.hash).type, name).toBe("other");
	});

	test("gives another hash without the last field that it has", () => {
		const names = ["requestsHash", "parentBeaconBlockRoot", "withdrawalsRoot", "baseFeePerGas"];
		const last = names.find((name) => name in header);
		const proof = proveHeader({ ...header, ...(last && { [last]: undefined }) }, header.hash);
		expect(proof.type).toBe(last === undefined ? "proved" : "other");
	});
});

describe("a header", () => {
	test.each([
		["without a field that all have", { ...GENESIS.header, stateRoot: undefined }, "stateRoot"],
		["with a number in decimal", { ...GENESIS.header, gasLimit: 5_000 }, "gasLimit"],
		["with half a byte", { ...GENESIS.header, extraData: "0x1" }, "extraData"],
		["with a fork's field of another form", { ...NEWEST.header, blobGasUsed: "0x" }, "blobGasUsed"],
	])("%s is incomplete", (_, header, field) => {
		expect(proveHeader(header, GENESIS.header.hash)).toEqual({ type: "incomplete", field });
	});

	test("is the same with fields that are null, padded numbers or capitals", () => {
		const header = {
			...GENESIS.header,
			baseFeePerGas: null,
			gasLimit: "0x0000001388",
			extraData: String(GENESIS.header["extraData"]).toUpperCase().replace("0X", "0x"),
		};
		expect(proveHeader(header, GENESIS.header.hash)).toEqual({ type: "proved" });
	});

	test("with Amsterdam's fields gives the hash of all its fields, in the order of go-ethereum", () => {
		const raw = NEWEST.header as Readonly<Record<string, unknown>>;
		const bytes = (name: string) => raw[name] as Hex;
		const number = (name: string): Hex => {
			const plain = BigInt(String(raw[name])).toString(16);
			return plain === "0" ? "0x" : `0x${plain.length % 2 === 0 ? "" : "0"}${plain}`;
		};
		const list: Hex = `0x${"ab".repeat(32)}`;
		const fields: readonly Hex[] = [
			...["parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot"].map(bytes),
			...["receiptsRoot", "logsBloom"].map(bytes),
			...["difficulty", "number", "gasLimit", "gasUsed", "timestamp"].map(number),
			...["extraData", "mixHash", "nonce"].map(bytes),
			number("baseFeePerGas"),
			bytes("withdrawalsRoot"),
			...["blobGasUsed", "excessBlobGas"].map(number),
			...["parentBeaconBlockRoot", "requestsHash"].map(bytes),
		];
		expect(keccak256(toRlp([...fields]))).toBe(NEWEST.header.hash);
		const hash = keccak256(toRlp([...fields, list, "0x0102"]));
		const amsterdam = { ...raw, blockAccessListHash: list, slotNumber: "0x102" };
		expect(proveHeader(amsterdam, hash)).toEqual({ type: "proved" });
		expect(proveHeader({ ...amsterdam, slotNumber: "0x103" }, hash).type).toBe("other");
		expect(proveHeader({ ...amsterdam, blockAccessListHash: undefined }, hash).type).toBe("other");
	});

	test("that lacks a fork's field before another one may leave it out, as Anvil's genesis does", () => {
		// Anvil 1.7 with --hardfork paris.
		const zero: Hex = `0x${"00".repeat(32)}`;
		const empty = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";
		const header = {
			...GENESIS.header,
			parentHash: zero,
			stateRoot: empty,
			difficulty: "0x0",
			gasLimit: "0x1c9c380",
			timestamp: "0x6b0159c3",
			extraData: "0x",
			nonce: "0x0000000000000000",
			baseFeePerGas: "0x3b9aca00",
			blobGasUsed: "0x0",
			excessBlobGas: "0x0",
		};
		const hash = "0x62b8c277e50908d1c8921d86f9ec116b3661ddc27c347334aa67fe478a10c719";
		expect(proveHeader(header, hash)).toEqual({ type: "proved" });
		expect(proveHeader({ ...header, blobGasUsed: "0x1" }, hash).type).toBe("other");
	});
});

test("RLP is that of another implementation, at every length at which its form changes", () => {
	for (const length of [0, 1, 2, 55, 56, 255, 256, 65_535, 65_536]) {
		const strings: Hex[] = [`0x${"8f".repeat(length)}`, "0x7f", "0x00", "0x80", "0xff", "0x"];
		expect(`0x${rlpList(strings).toString("hex")}`, `${length}`).toBe(toRlp(strings));
	}
	expect(`0x${rlpList([]).toString("hex")}`).toBe("0xc0");
});
