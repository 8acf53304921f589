/**
 * How values look in JSON: bigints are decimal strings, dates are ISO 8601 in UTC, undefined
 * properties are left out. The HTTP answers are made by `toWire`; clients are typed by `Wire`.
 */
import type { AnsweredAt } from "./coordinate.ts";
import type { JsonObject } from "./operation.ts";

/** The type of a value after `toWire`. */
export type Wire<T> = T extends bigint | Date
	? string
	: T extends string | number | boolean | null | undefined
		? T
		: T extends JsonObject
			? T
			: T extends readonly (infer Item)[]
				? Wire<Item>[]
				: WireObject<T>;

type WireObject<T> = {
	[Key in keyof T as undefined extends T[Key] ? never : Key]: Wire<T[Key]>;
} & {
	[Key in keyof T as undefined extends T[Key] ? Key : never]?: Wire<Exclude<T[Key], undefined>>;
};

/** The coordinate of an answer as clients see it. */
export interface CoordinateView {
	/** EIP-155 chain id. */
	readonly chain: number;
	readonly height: string;
	readonly generation: string;
	readonly blockHash?: string;
	readonly logPosition: string;
	readonly pending: boolean;
	/** True: a rollback took that height back; absent: none did. */
	readonly rolledBack?: boolean;
}

export function coordinateView(at: AnsweredAt): CoordinateView {
	return {
		chain: at.chainId,
		height: at.height.toString(),
		generation: at.generation.toString(),
		...(at.blockHash === undefined ? {} : { blockHash: at.blockHash }),
		logPosition: at.logPosition.toString(),
		pending: at.pending,
		...(at.rolledBack === true ? { rolledBack: true } : {}),
	};
}

/** Makes a JSON value of a view. Contents are at most LIMITS.contentDepth deep, so it may recurse. */
export function toWire<T>(value: T): Wire<T> {
	// The conditional type cannot be followed through a recursion over unknown values.
	return convert(value) as Wire<T>;
}

function convert(value: unknown): unknown {
	if (typeof value === "bigint") return value.toString();
	if (value instanceof Date) return value.toISOString();
	if (Array.isArray(value)) return value.map(convert);
	if (typeof value !== "object" || value === null) return value;
	// fromEntries defines properties, so that a key named __proto__ stays plain data.
	return Object.fromEntries(
		Object.entries(value)
			.filter(([, item]) => item !== undefined)
			.map(([key, item]) => [key, convert(item)]),
	);
}
