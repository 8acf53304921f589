/** A head as a node announces it: a hint, believed of nothing. What is not well-formed is left out. */
import { FOREVER, type Height, type Hex } from "../domain/ids.ts";
import { isObject } from "./json-rpc.ts";
import { BLOOM, HASH, QUANTITY } from "./patterns.ts";

export interface AnnouncedHead {
	readonly height: Height;
	/** In seconds. */
	readonly timestamp: bigint | undefined;
	readonly hash: Hex | undefined;
	readonly parentHash: Hex | undefined;
	readonly logsBloom: Hex | undefined;
}

type RawHeader = {
	readonly [Name in "number" | "timestamp" | "hash" | "parentHash" | "logsBloom"]?: unknown;
};

/** Undefined: it has no height. */
export function readAnnounced(header: unknown): AnnouncedHead | undefined {
	if (!isObject(header)) return undefined;
	const raw: RawHeader = header;
	const height = numberOf(raw.number);
	if (height === undefined || height >= FOREVER) return undefined;
	return {
		height,
		timestamp: numberOf(raw.timestamp),
		hash: hexOf(raw.hash, HASH),
		parentHash: hexOf(raw.parentHash, HASH),
		logsBloom: hexOf(raw.logsBloom, BLOOM),
	};
}

function numberOf(value: unknown): bigint | undefined {
	return typeof value === "string" && QUANTITY.test(value) ? BigInt(value) : undefined;
}

function hexOf(value: unknown, pattern: RegExp): Hex | undefined {
	const isHex = typeof value === "string" && pattern.test(value);
	return isHex ? (value.toLowerCase() as Hex) : undefined;
}
