/** How the oracle says what is not as it should be. */
import { isDeepStrictEqual } from "node:util";

export type OracleCheck = "content" | "model" | "roots" | "vectors" | "writes";

class OracleFailure extends Error {
	override readonly name = "OracleFailure";
	readonly check: OracleCheck;

	constructor(check: OracleCheck, message: string) {
		super(`${check}: ${message}`);
		this.check = check;
	}
}

export function require(check: OracleCheck, holds: boolean, what: () => string): void {
	if (!holds) throw new OracleFailure(check, what());
}

export function requireEqual(
	check: OracleCheck,
	actual: unknown,
	expected: unknown,
	what: string,
): void {
	require(check, isDeepStrictEqual(actual, expected), () => {
		return `${what} is ${readable(actual)}, and should be ${readable(expected)}`;
	});
}

export function requireSameMap<Value>(
	check: OracleCheck,
	actual: ReadonlyMap<string, Value>,
	expected: ReadonlyMap<string, Value>,
	where: string,
): void {
	for (const name of new Set([...actual.keys(), ...expected.keys()])) {
		requireEqual(check, actual.get(name), expected.get(name), `${where}: ${name}`);
	}
}

function readable(value: unknown): string {
	if (value === undefined) return "nothing";
	return JSON.stringify(value, (_key, each: unknown) =>
		typeof each === "bigint" ? each.toString() : each,
	);
}
