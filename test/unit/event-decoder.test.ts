/** Decoding by words gives what viem gives, or leaves the log to it. */
import {
	type AbiEvent,
	decodeEventLog,
	encodeAbiParameters,
	parseAbiItem,
	toEventSelector,
} from "viem";
import { expect, test } from "vitest";
import { wordDecoder } from "../../src/config/event-decoder.ts";
import { decoderOf } from "../../src/config/event-handlers.ts";
import type { ChainLog } from "../../src/domain/block.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";

const EVENT = parseAbiItem(
	"event Mixed(uint8 small, address indexed who, int24 tick, bool flag, bytes4 indexed tag, uint256 large, int256 signed, uint96 middle, bytes32 word)",
);
const topic = toEventSelector(EVENT);

function hex(random: Random, bytes: number): Hex {
	return `0x${Array.from({ length: bytes }, () => random.between(0, 255).toString(16).padStart(2, "0")).join("")}`;
}

function viems(topics: readonly Hex[], data: Hex): unknown {
	return orUndefined(
		() => decodeEventLog({ abi: [EVENT], topics: topics as [Hex, ...Hex[]], data }).args,
	);
}

function orUndefined(decode: () => unknown): unknown {
	try {
		return decode();
	} catch {
		return undefined;
	}
}

test("gives what viem gives, in the same order, for every value", () => {
	const random = new Random(announcedSeed("test/unit/event-decoder.test.ts"));
	const decode = wordDecoder(EVENT);
	for (let round = 0; round < 300; round += 1) {
		const pick = (bits: number) => BigInt.asUintN(bits, BigInt(hex(random, 32)));
		const data = encodeAbiParameters(
			EVENT.inputs.filter((input) => !("indexed" in input)),
			[
				Number(pick(8)),
				Number(BigInt.asIntN(24, pick(24))),
				random.between(0, 1) === 1,
				pick(256),
				BigInt.asIntN(256, pick(256)),
				pick(96),
				hex(random, 32),
			],
		);
		const who: Hex = `0x${"0".repeat(24)}${hex(random, 20).slice(2)}`;
		const tag: Hex = `${hex(random, 4)}${"0".repeat(56)}`;
		const args = decode?.([topic, who, tag], data);
		expect(args).toEqual(viems([topic, who, tag], data));
		expect(Object.keys(args ?? {})).toEqual(Object.keys(viems([topic, who, tag], data) as object));
	}
});

const WHO: Hex = `0x${"0".repeat(24)}${"ab".repeat(20)}`;
const TAG: Hex = `0x12345678${"0".repeat(56)}`;
const ZEROS: Hex = `0x${"0".repeat(64 * 7)}`;

test.each<[string, readonly Hex[], Hex]>([
	["an address with dirt above it", [topic, `0x${"ff".repeat(32)}`, TAG], ZEROS],
	["a topic too few", [topic, WHO], ZEROS],
	["a topic too many", [topic, WHO, TAG, TAG], ZEROS],
	["a word too few", [topic, WHO, TAG], `0x${"0".repeat(64 * 6)}`],
	["bytes too many", [topic, WHO, TAG], `${ZEROS}00`],
	["no data", [topic, WHO, TAG], "0x"],
	["a number out of its bounds", [topic, WHO, TAG], `0x${"f".repeat(64)}${"0".repeat(64 * 6)}`],
])("leaves to viem: %s", (_, topics, data) => {
	expect(wordDecoder(EVENT)?.(topics, data)).toBeUndefined();
	const log = { topics, data } as ChainLog;
	expect(orUndefined(() => decoderOf([EVENT])(log))).toEqual(viems(topics, data));
});

test.each([
	"event Text(string text)",
	"event List(uint256[] list)",
	"event Unnamed(uint256, address)",
	"event Twice(uint256 same, address same)",
	"event Odd(uint256 __proto__)",
])("does not take on %s", (event) => {
	expect(wordDecoder(parseAbiItem([event]) as AbiEvent)).toBeUndefined();
});
