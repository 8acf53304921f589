import { randomBytes } from "node:crypto";
import { keccak256 as viemKeccak256 } from "viem";
import { expect, test } from "vitest";
import { keccak256, keccak256Hex } from "../../src/rpc/keccak.ts";

test("keccak-256 of nothing is the known one", () => {
	const nothing = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
	expect(keccak256Hex(new Uint8Array())).toBe(nothing);
});

test("keccak-256 is that of another implementation for every length around the sponge's blocks", () => {
	for (let length = 0; length <= 3 * 136 + 2; length += 1) {
		const bytes = new Uint8Array(randomBytes(length));
		expect(keccak256Hex(bytes), bytes.toString()).toBe(viemKeccak256(bytes));
	}
});

test("a hash does not depend on what was hashed before", () => {
	const first = Buffer.from(keccak256(Buffer.from("a")));
	keccak256(Buffer.alloc(1_000, 0xff));
	expect(Buffer.from(keccak256(Buffer.from("a")))).toEqual(first);
});
