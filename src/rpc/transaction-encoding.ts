/**
 * The encoding of a transaction, made again from its fields as a node answers them: what its hash is of, and
 * what is under the transactions' root of its block (Yellow Paper section 4.3; EIP-2718, 2930, 1559, 4844, 7702;
 * deposits of the OP stack, type 0x7e).
 */
import { toRlp } from "viem";
import type { Hex } from "../domain/ids.ts";
import { isObject } from "./json-rpc.ts";
import { rlpQuantity } from "./rlp.ts";

/** unknown: of a type whose fields are not known here. incomplete: a field is missing, or not of its form. */
export type TransactionEncoding =
	| { readonly type: "encoded"; readonly bytes: Hex }
	| { readonly type: "unknown" }
	| { readonly type: "incomplete"; readonly field: string };

type Rlp = Hex | readonly Rlp[];
/** Undefined: not of its form. */
type Encoder = (value: unknown) => Rlp | undefined;
type Field = readonly [name: string, encoder: Encoder];
type RawTransaction = Readonly<Record<string, unknown>>;

const BYTES = /^0x(?:[0-9a-f]{2})*$/i;
const QUANTITY = /^0x[0-9a-f]{1,64}$/i;
const EMPTY: Hex = "0x";

const quantity: Encoder = (value) =>
	typeof value === "string" && QUANTITY.test(value) ? rlpQuantity(value) : undefined;
const bytes: Encoder = (value) =>
	typeof value === "string" && BYTES.test(value) ? `0x${value.slice(2)}` : undefined;
/** Of a creation there is no receiver. */
const receiver: Encoder = (value) => (value === null || value === undefined ? EMPTY : bytes(value));
/** Most deposits mint nothing. */
const mint: Encoder = (value) => (value === null || value === undefined ? EMPTY : quantity(value));
const flag: Encoder = (value) => (value === true ? "0x01" : EMPTY);

function list(encoder: Encoder): Encoder {
	return (value) => {
		if (!Array.isArray(value)) return undefined;
		const encoded = value.map(encoder).filter((each) => each !== undefined);
		return encoded.length === value.length ? encoded : undefined;
	};
}

function record(fields: readonly Field[]): Encoder {
	return (value) => {
		if (!isObject(value)) return undefined;
		const encoded = encodedFields(value, fields);
		return encoded.type === "fields" ? encoded.values : undefined;
	};
}

const SIGNATURE: readonly Field[] = [
	["v", quantity],
	["r", quantity],
	["s", quantity],
];
const CALL: readonly Field[] = [
	["gas", quantity],
	["to", receiver],
	["value", quantity],
	["input", bytes],
];
const ACCESS_LIST: Field = [
	"accessList",
	list(
		record([
			["address", bytes],
			["storageKeys", list(bytes)],
		]),
	),
];
const AUTHORIZATIONS: Field = [
	"authorizationList",
	list(
		record([
			["chainId", quantity],
			["address", bytes],
			["nonce", quantity],
			["yParity", quantity],
			["r", quantity],
			["s", quantity],
		]),
	),
];
const PRICED: readonly Field[] = [
	["nonce", quantity],
	["gasPrice", quantity],
];
const FEES: readonly Field[] = [
	["chainId", quantity],
	["nonce", quantity],
	["maxPriorityFeePerGas", quantity],
	["maxFeePerGas", quantity],
];
const BLOBS: readonly Field[] = [
	["maxFeePerBlobGas", quantity],
	["blobVersionedHashes", list(bytes)],
];

/** By type; type 0 has no byte before its list. */
const FIELDS: ReadonlyMap<number, readonly Field[]> = new Map([
	[0, [...PRICED, ...CALL, ...SIGNATURE]],
	[1, [["chainId", quantity], ...PRICED, ...CALL, ACCESS_LIST, ...SIGNATURE]],
	[2, [...FEES, ...CALL, ACCESS_LIST, ...SIGNATURE]],
	[3, [...FEES, ...CALL, ACCESS_LIST, ...BLOBS, ...SIGNATURE]],
	[4, [...FEES, ...CALL, ACCESS_LIST, AUTHORIZATIONS, ...SIGNATURE]],
	[
		0x7e,
		[
			["sourceHash", bytes],
			["from", bytes],
			["to", receiver],
			["mint", mint],
			["value", quantity],
			["gas", quantity],
			["isSystemTx", flag],
			["input", bytes],
		],
	],
]);

export function encodeTransaction(transaction: object): TransactionEncoding {
	const raw: RawTransaction = { ...transaction };
	const { type = "0x0" } = raw;
	if (typeof type !== "string" || !QUANTITY.test(type))
		return { type: "incomplete", field: "type" };
	const number = Number(type);
	const fields = FIELDS.get(number);
	if (fields === undefined) return { type: "unknown" };
	// Of a typed transaction v is the parity, which older nodes answer under this name alone.
	const v = number === 0 ? raw["v"] : (raw["yParity"] ?? raw["v"]);
	const encoded = encodedFields({ ...raw, v }, fields);
	if (encoded.type === "incomplete") return encoded;
	const rlp = toRlp(encoded.values as Parameters<typeof toRlp>[0]) as Hex;
	const prefix = number === 0 ? "" : rlpQuantity(type).slice(2);
	return { type: "encoded", bytes: `0x${prefix}${rlp.slice(2)}` };
}

function encodedFields(
	value: object,
	fields: readonly Field[],
):
	| { readonly type: "fields"; readonly values: readonly Rlp[] }
	| { readonly type: "incomplete"; readonly field: string } {
	const raw: RawTransaction = { ...value };
	const values: Rlp[] = [];
	for (const [name, encoder] of fields) {
		const encoded = encoder(raw[name]);
		if (encoded === undefined) return { type: "incomplete", field: name };
		values.push(encoded);
	}
	return { type: "fields", values };
}
