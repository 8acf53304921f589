/**
 * Decodes logs of events whose arguments are all of one word and all named, which most are, in a tenth of
 * viem's time: that makes the event's signature, with its hash, and the error of a log that does not fit anew
 * for each log.
 *
 * What comes out is what viem gives: whatever is not plainly in form (padding that is not zero, data of
 * another length) is left to it. Values are made once a log, so nothing is shared but addresses, which are text.
 */
import { LRUCache } from "lru-cache";
import { type AbiEvent, type AbiParameter, checksumAddress } from "viem";
import type { Hex } from "../domain/ids.ts";

/** Undefined: not in form, and viem's to judge. */
type Word = string | bigint | number | boolean | undefined;
type ReadWord = (word: string) => Word;

interface Field {
	readonly name: string;
	readonly read: ReadWord;
}

/** Answers the arguments of a log whose topic 0 is the event's; undefined: viem is to be asked. */
export type WordDecoder = (
	topics: readonly Hex[],
	data: Hex,
) => Readonly<Record<string, unknown>> | undefined;

const WORD_DIGITS = 64;
const ADDRESS_DIGITS = 40;
const ADDRESS_PADDING = "0".repeat(WORD_DIGITS - ADDRESS_DIGITS);
const MAX_NUMBER_BITS = 48;
/** Addresses come again and again, and the letters' case is a hash of each. */
const ADDRESSES = 16_384;

const checksummed = new LRUCache<string, Hex>({ max: ADDRESSES });

/** Undefined where an argument has no name, or one that another has, or does not fit one word. */
export function wordDecoder({ inputs }: AbiEvent): WordDecoder | undefined {
	const names = new Set(inputs.map(({ name }) => name));
	if (inputs.length === 0 || names.size < inputs.length) return undefined;
	const topics: Field[] = [];
	const words: Field[] = [];
	for (const input of inputs) {
		const read = readerOf(input.type);
		if (read === undefined || !isPlainName(input)) return undefined;
		(input.indexed === true ? topics : words).push({ name: input.name, read });
	}
	return (logTopics, data) => {
		if (logTopics.length !== topics.length + 1) return undefined;
		if (data.length !== 2 + words.length * WORD_DIGITS) return undefined;
		const args: Record<string, unknown> = {};
		for (let index = 0; index < topics.length; index += 1) {
			const word = logTopics[index + 1]?.slice(2) ?? "";
			if (!put(args, topics[index], word)) return undefined;
		}
		for (let index = 0; index < words.length; index += 1) {
			const from = 2 + index * WORD_DIGITS;
			if (!put(args, words[index], data.slice(from, from + WORD_DIGITS))) return undefined;
		}
		return args;
	};
}

function put(args: Record<string, unknown>, field: Field | undefined, word: string): boolean {
	const value = word.length === WORD_DIGITS ? field?.read(word) : undefined;
	if (field === undefined || value === undefined) return false;
	args[field.name] = value;
	return true;
}

/** Names such as `__proto__` and `0` are set, or put in order, in their own way. */
function isPlainName(
	input: AbiParameter,
): input is AbiParameter & { readonly name: string; readonly indexed?: boolean } {
	return input.name !== undefined && /^[A-Za-z][A-Za-z0-9_]*$/.test(input.name);
}

function readerOf(type: string): ReadWord | undefined {
	if (type === "address") return readAddress;
	if (type === "bool") return readBool;
	const [, kind, digits] = /^(u?int|bytes)([0-9]+)$/.exec(type) ?? [];
	if (kind === "bytes") return (word) => `0x${word.slice(0, 2 * Number(digits)).toLowerCase()}`;
	if (kind === undefined) return undefined;
	const bits = Number(digits);
	return kind === "uint" ? (word) => readUint(word, bits) : (word) => readInt(word, bits);
}

function readAddress(word: string): Word {
	if (!word.startsWith(ADDRESS_PADDING)) return undefined;
	const digits = word.slice(-ADDRESS_DIGITS).toLowerCase();
	const known = checksummed.get(digits);
	if (known !== undefined) return known;
	const address = checksumAddress(`0x${digits}`);
	checksummed.set(digits, address);
	return address;
}

function readBool(word: string): Word {
	const value = BigInt(`0x${word}`);
	return value > 1n ? undefined : value === 1n;
}

function readUint(word: string, bits: number): Word {
	const value = BigInt(`0x${word}`);
	if (BigInt.asUintN(bits, value) !== value) return undefined;
	return bits <= MAX_NUMBER_BITS ? Number(value) : value;
}

function readInt(word: string, bits: number): Word {
	const whole = BigInt.asIntN(256, BigInt(`0x${word}`));
	if (BigInt.asIntN(bits, whole) !== whole) return undefined;
	return bits <= MAX_NUMBER_BITS ? Number(whole) : whole;
}
