/**
 * RLP of a list of byte strings (Yellow Paper, appendix B): all that a header is. Written for headers, of which
 * a backfill checks thousands a second; viem's takes five times as long, and is used where lists nest.
 */
import type { Hex } from "../domain/ids.ts";

/** Longest string, or list, whose length stands in its first byte. */
const SHORT_BYTES = 55;
const STRING = 0x80;
const LIST = 0xc0;

/** `strings` are whole bytes in hexadecimal. */
export function rlpList(strings: readonly Hex[]): Buffer {
	const contentBytes = strings.reduce((sum, string) => sum + encodedBytes(string), 0);
	const bytes = Buffer.allocUnsafe(headBytes(contentBytes) + contentBytes);
	let at = writeHead(bytes, 0, { base: LIST, length: contentBytes });
	for (const string of strings) {
		const length = string.length / 2 - 1;
		if (!isItself(string)) at = writeHead(bytes, at, { base: STRING, length });
		at += bytes.write(string.slice(2), at, "hex");
	}
	return bytes;
}

/** RLP has no leading zeros in a number, and nothing at all for zero. `value` is in hexadecimal. */
export function rlpQuantity(value: string): Hex {
	const digits = value.slice(2).replace(/^0+/, "");
	return digits.length % 2 === 0 ? `0x${digits}` : `0x0${digits}`;
}

/** One byte below 0x80 has nothing before it. */
function isItself(string: Hex): boolean {
	return string.length === 4 && string < "0x80";
}

function encodedBytes(string: Hex): number {
	const length = string.length / 2 - 1;
	return isItself(string) ? 1 : headBytes(length) + length;
}

function headBytes(length: number): number {
	return length <= SHORT_BYTES ? 1 : 1 + lengthBytes(length);
}

function lengthBytes(length: number): number {
	return Math.ceil((32 - Math.clz32(length)) / 8);
}

/** Where the content begins. */
function writeHead(
	bytes: Buffer,
	at: number,
	{ base, length }: { readonly base: number; readonly length: number },
): number {
	if (length <= SHORT_BYTES) return bytes.writeUInt8(base + length, at);
	const count = lengthBytes(length);
	bytes.writeUInt8(base + SHORT_BYTES + count, at);
	return bytes.writeUIntBE(length, at + 1, count);
}
