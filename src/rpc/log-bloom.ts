/**
 * The bloom of a block's logs: 2,048 bits, of which each address and each topic sets three (Yellow Paper
 * section 4.3.1).
 *
 * A bit that is not set proves that a thing is not in the block. Three that are set prove nothing: others may
 * have set them, and in a full block of a busy chain nearly all bits are.
 */
import { LRUCache } from "lru-cache";
import type { ChainLog } from "../domain/block.ts";
import type { Hex } from "../domain/ids.ts";
import type { LogFilter } from "../follower/chain-source.ts";
import { keccak256 } from "./keccak.ts";

/** Places in the bloom, counted from its lowest bit. */
type Bits = readonly [number, number, number];

const BLOOM_DIGITS = 512;
const BLOOM_BITS = 2_048;
/** Contracts and events come again and again; what was hashed once is found in a third of the time. */
const REMEMBERED = 16_384;
/**
 * With more values than this at one place, such as the contracts of a factory, one of them seems to be in nearly
 * every bloom, and looking through all of them costs more than asking.
 */
const MOST_VALUES = 1_024;

const remembered = new LRUCache<Hex, Bits>({ max: REMEMBERED });

/** False: the block surely holds no log that the filter takes. */
export function mayHold(bloom: Hex, filter: LogFilter): boolean {
	return placesOf(filter).every(
		(values) =>
			values === undefined ||
			values.length > MOST_VALUES ||
			values.some((value) => isIn(bloom, value)),
	);
}

/**
 * The chance that a bloom without such a log seems to hold one, since other logs have set its bits: near 0 on a
 * quiet chain, near 1 on a busy one.
 */
export function chanceByOthers(bloom: Hex, filter: LogFilter): number {
	const ofOne = (setBits(bloom) / BLOOM_BITS) ** 3;
	return placesOf(filter)
		.map((values) => (values === undefined ? 1 : 1 - (1 - ofOne) ** values.length))
		.reduce((chance, ofPlace) => chance * ofPlace, 1);
}

/** Of blocks that seem to hold such logs, so many may turn out to hold none. */
const MOST_CHANCE = 0.05;

/** Whether the bloom seems to hold such a log, and that is not likely to be by chance. */
export function promises(bloom: Hex, filter: LogFilter): boolean {
	return mayHold(bloom, filter) && chanceByOthers(bloom, filter) < MOST_CHANCE;
}

/** Whether a log with this bloom's block can be: its address and all its topics are in it. */
export function holdsLog(bloom: Hex, { address, topics }: Pick<ChainLog, "address" | "topics">) {
	const [signature, ...args] = topics;
	return (
		isIn(bloom, address) &&
		(signature === undefined || isIn(bloom, signature)) &&
		// Arguments are mostly new ones: remembering them would take longer, and push the others out.
		args.every((topic) => hasBits(bloom, bitsOf(topic)))
	);
}

/** The bloom that exactly these logs give. */
export function bloomOf(logs: readonly Pick<ChainLog, "address" | "topics">[]): Hex {
	const digits = new Uint8Array(BLOOM_DIGITS);
	for (const { address, topics } of logs) {
		for (const value of [address, ...topics]) {
			for (const bit of bitsOf(value)) {
				const digit = digitOf(bit);
				digits[digit] = (digits[digit] ?? 0) | (1 << (bit & 3));
			}
		}
	}
	return `0x${Array.from(digits, (digit) => digit.toString(16)).join("")}`;
}

/** True for a bloom of no logs. */
export function isEmptyBloom(bloom: Hex): boolean {
	return /^0x0*$/.test(bloom);
}

/** What may stand at each place of a log; undefined: anything. */
function placesOf({ addresses, topics, args = [] }: LogFilter): readonly LogFilter["addresses"][] {
	return topics.length === 0 ? [addresses] : [addresses, topics, ...args];
}

function setBits(bloom: Hex): number {
	let count = 0;
	for (const digit of bloom.slice(2)) count += BITS_OF_DIGIT[Number.parseInt(digit, 16)] ?? 0;
	return count;
}

const BITS_OF_DIGIT: readonly number[] = [0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4];

function isIn(bloom: Hex, value: Hex): boolean {
	let bits = remembered.get(value);
	if (bits === undefined) {
		bits = bitsOf(value);
		remembered.set(value, bits);
	}
	return hasBits(bloom, bits);
}

function hasBits(bloom: Hex, bits: Bits): boolean {
	return bits.every(
		(bit) => (Number.parseInt(bloom.charAt(2 + digitOf(bit)), 16) & (1 << (bit & 3))) !== 0,
	);
}

/** The digit that a bit stands in: the lowest is the last. */
function digitOf(bit: number): number {
	return BLOOM_DIGITS - 1 - (bit >> 2);
}

/** The low eleven bits of each of the first three pairs of bytes of its hash. */
function bitsOf(value: Hex): Bits {
	const hash = Buffer.from(keccak256(Buffer.from(value.slice(2), "hex")));
	return [hash.readUInt16BE(0) & 0x7ff, hash.readUInt16BE(2) & 0x7ff, hash.readUInt16BE(4) & 0x7ff];
}
