/**
 * Keys and hashes as bytes, and a key's digits: two bits each, the most significant first, so that
 * digits in order are the key's bytes in order.
 */
import { FatalError } from "../domain/errors.ts";
import type { Hex, MemoryKey } from "../domain/ids.ts";

/** Bytes of a memory key. */
export const KEY_BYTES = 16;
/** Bytes of a hash. */
export const HASH_BYTES = 32;
/** Digits of a key: bits 2i and 2i+1 are digit i, counted from the most significant bit of byte 0. */
export const KEY_DIGITS = 64;
/** Values of a digit, and children of a node. */
export const RADIX = 4;

const UUID_LENGTH = 36;
const HEX_LENGTH = 66;
/** Where in a UUID's text each of the 16 bytes begins. */
const UUID_BYTES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;
const UUID_DASHES = [8, 13, 18, 23] as const;

/** Value of each lower-case hexadecimal character; of every other more than a nibble holds. */
const NO_NIBBLE = 0xff;
const NIBBLES = Uint8Array.from({ length: 128 }, (_, code) => {
	const value = "0123456789abcdef".indexOf(String.fromCharCode(code));
	return value === -1 ? NO_NIBBLE : value;
});

/** Digit `index` (0..63) of the key that begins at `offset`. */
export function digitAt(bytes: Uint8Array, index: number, offset = 0): number {
	const byte = bytes[offset + (index >> 2)] ?? 0;
	return (byte >> (6 - 2 * (index & 3))) & 3;
}

/**
 * Writes the 16 bytes of a lower-case UUID. Throws `FatalError("verification_failed")` for any other
 * text.
 */
export function writeKey(key: MemoryKey, target: Uint8Array, offset = 0): void {
	let seen = key.length === UUID_LENGTH ? 0 : NO_NIBBLE;
	for (const at of UUID_DASHES) if (key.charCodeAt(at) !== 0x2d) seen = NO_NIBBLE;
	let to = offset;
	for (const at of UUID_BYTES) {
		const high = NIBBLES[key.charCodeAt(at)] ?? NO_NIBBLE;
		const low = NIBBLES[key.charCodeAt(at + 1)] ?? NO_NIBBLE;
		seen |= high | low;
		target[to++] = (high << 4) | low;
	}
	if (seen > 0xf) throw malformed(key, "a lower-case UUID");
}

/**
 * Writes the 32 bytes of a `0x`-prefixed lower-case hash. Throws `FatalError("verification_failed")`
 * for any other text.
 */
export function writeHash(hash: Hex, target: Uint8Array, offset = 0): void {
	let seen = hash.length === HEX_LENGTH && hash.startsWith("0x") ? 0 : NO_NIBBLE;
	for (let byte = 0; byte < HASH_BYTES; byte++) {
		const high = NIBBLES[hash.charCodeAt(2 + 2 * byte)] ?? NO_NIBBLE;
		const low = NIBBLES[hash.charCodeAt(3 + 2 * byte)] ?? NO_NIBBLE;
		seen |= high | low;
		target[offset + byte] = (high << 4) | low;
	}
	if (seen > 0xf) throw malformed(hash, "32 bytes of lower-case hexadecimal");
}

/** The key that begins at `offset`, as a UUID. */
export function readKey(bytes: Uint8Array, offset: number): MemoryKey {
	const hex = hexText(bytes, offset, KEY_BYTES);
	const groups = [
		hex.slice(0, 8),
		hex.slice(8, 12),
		hex.slice(12, 16),
		hex.slice(16, 20),
		hex.slice(20),
	];
	return groups.join("-") as MemoryKey;
}

/** The hash that begins at `offset`. */
export function readHash(bytes: Uint8Array, offset: number): Hex {
	return `0x${hexText(bytes, offset, HASH_BYTES)}`;
}

function hexText(bytes: Uint8Array, offset: number, length: number): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString("hex");
}

function malformed(text: string, wanted: string): FatalError {
	return new FatalError("verification_failed", {
		message: `${JSON.stringify(text)} is not ${wanted}`,
		hint: "a stored key or hash was changed outside of Recant; restore it from a backup",
	});
}
