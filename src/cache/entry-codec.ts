/**
 * A hot copy as Redis holds it: eight bytes of SHA-256 in hex, a colon, and the version as JSON with its
 * bigints as decimal strings. What does not read back whole is no entry.
 */

import { hash } from "node:crypto";
import type { MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import { NOTHING_SAID } from "../memory/nothing-said.ts";

const CHECKSUM_DIGITS = 16;

type BigintField = {
	[Field in keyof Version]-?: bigint extends NonNullable<Version[Field]> ? Field : never;
}[keyof Version];

/** Every bigint of a version; one that is missing here fails to compile. */
const BIGINTS = {
	expiresBlock: true,
	expiresTime: true,
	fromBlock: true,
	fromGen: true,
	grounds: true,
	position: true,
	toBlock: true,
	toGen: true,
	versionId: true,
} as const satisfies Record<BigintField, true>;

export function encodeEntry(version: Version): string {
	const json = JSON.stringify(version, (_field, value: unknown) =>
		typeof value === "bigint" ? value.toString() : value,
	);
	return `${checksum(json)}:${json}`;
}

/** Undefined for what is damaged, or is not of this memory. */
export function decodeEntry(key: MemoryKey, entry: string): Version | undefined {
	const json = entry.slice(CHECKSUM_DIGITS + 1);
	if (entry.slice(0, CHECKSUM_DIGITS + 1) !== `${checksum(json)}:`) return undefined;
	// It was encoded above: the checksum says so.
	const version = versionOf(JSON.parse(json) as Record<string, unknown>);
	return version.memoryKey === key ? version : undefined;
}

function versionOf(stored: Record<string, unknown>): Version {
	const fields = Object.entries(stored).map(([field, value]) => [
		field,
		Object.hasOwn(BIGINTS, field) && typeof value === "string" ? BigInt(value) : value,
	]);
	const version: Version = { ...ABSENT, ...Object.fromEntries(fields) };
	if (version.owner !== "handler" || Object.hasOwn(stored, "grounds")) return version;
	// Entries of before do not say it: a handler's version rests on its own block.
	return { ...version, grounds: version.fromBlock };
}

function checksum(json: string): string {
	return hash("sha256", json).slice(0, CHECKSUM_DIGITS);
}

/**
 * What JSON leaves out when it is undefined, so that a copy equals what Postgres answers; and what entries
 * of before do not have.
 */
const ABSENT = {
	...NOTHING_SAID,
	suspect: false,
	grounds: undefined,
} as const satisfies Partial<Version>;
