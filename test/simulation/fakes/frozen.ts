/** Values as a server gives them: copies that nobody can change. */
import { FatalError } from "../../../src/domain/errors.ts";
import type { Version } from "../../../src/domain/memory.ts";
import { canonicalJson, parseContent } from "../../../src/memory/canonical.ts";

/** Freezes plain data, all the way down; typed arrays cannot be, and are copied by whoever gives them out. */
export function frozen<Value>(value: Value): Value {
	if (typeof value !== "object" || value === null) return value;
	if (ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
	for (const each of Object.values(value)) frozen(each);
	return Object.freeze(value);
}

/** JSON there and back, bigints as decimal strings. */
export function throughJson(value: unknown): unknown {
	return frozen(
		JSON.parse(
			JSON.stringify(value, (_key, item: unknown) =>
				typeof item === "bigint" ? item.toString() : item,
			),
		),
	);
}

/** A version as it is read: its content is what canonical JSON keeps of it. */
export function storedVersion(version: Version): Version {
	const { content } = version;
	return Object.freeze({
		...version,
		content: content && frozen(parseContent(canonicalJson(content))),
	});
}

export function least(a: bigint, b: bigint): bigint {
	return a < b ? a : b;
}

/** As SQL's `greatest`: of those that are there. */
export function greatest(...values: readonly (bigint | undefined)[]): bigint | undefined {
	return values.reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a));
}

export function rising(a: bigint, b: bigint): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

/** In the order of text of one case: UUIDs, names. */
export function byText(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

export function broken(message: string): FatalError {
	return new FatalError("internal", {
		message,
		hint: "this is a defect of Recant; please report it with the log",
	});
}
