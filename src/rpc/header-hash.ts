/**
 * Whether a block's hash is the one that its header's fields give: keccak-256 of their RLP.
 *
 * Fields that came with a fork stand at the end, in the order of the forks (Yellow Paper section 4.4.3;
 * EIP-1559, 4895, 4844, 4788, 7685; of Amsterdam 7928 and 7843, in go-ethereum's order); Osaka added none.
 * Which of them a header has is told by which of them the node answers, so nothing has to be known of a
 * chain's forks. A later one without an earlier one is rare:
 * go-ethereum then puts an empty string in the place of the missing one, Anvil leaves it out, and the hash
 * tells which it was.
 */
import type { Hex } from "../domain/ids.ts";
import { keccak256Hex } from "./keccak.ts";
import { rlpList, rlpQuantity } from "./rlp.ts";

/** quantity: a number without leading zeros. bytes: as many as there are. */
type FieldKind = "quantity" | "bytes";
type Field = readonly [name: string, kind: FieldKind];

const FIELDS: readonly Field[] = [
	["parentHash", "bytes"],
	["sha3Uncles", "bytes"],
	["miner", "bytes"],
	["stateRoot", "bytes"],
	["transactionsRoot", "bytes"],
	["receiptsRoot", "bytes"],
	["logsBloom", "bytes"],
	["difficulty", "quantity"],
	["number", "quantity"],
	["gasLimit", "quantity"],
	["gasUsed", "quantity"],
	["timestamp", "quantity"],
	["extraData", "bytes"],
	["mixHash", "bytes"],
	["nonce", "bytes"],
];

const FORK_FIELDS: readonly Field[] = [
	["baseFeePerGas", "quantity"],
	["withdrawalsRoot", "bytes"],
	["blobGasUsed", "quantity"],
	["excessBlobGas", "quantity"],
	["parentBeaconBlockRoot", "bytes"],
	["requestsHash", "bytes"],
	["blockAccessListHash", "bytes"],
	["slotNumber", "quantity"],
];

const BYTES = /^0x(?:[0-9a-f]{2})*$/i;
const QUANTITY = /^0x[0-9a-f]{1,64}$/i;
const EMPTY: Hex = "0x";

/** other: the fields give `hash`. incomplete: a field that every header has is missing, or not of its form. */
export type HeaderProof =
	| { readonly type: "proved" }
	| { readonly type: "other"; readonly hash: Hex }
	| { readonly type: "incomplete"; readonly field: string };

type RawHeader = Readonly<Record<string, unknown>>;

/** `block` is as a node answers it; what is no field of a header is not looked at. `hash` is in lower case. */
export function proveHeader(block: object, hash: Hex): HeaderProof {
	const raw = block as RawHeader;
	const last = FORK_FIELDS.findLastIndex(([name]) => isGiven(raw[name]));
	const encoded: Hex[] = [];
	for (const [name, kind] of [...FIELDS, ...FORK_FIELDS.slice(0, last + 1)]) {
		const isGap = encoded.length >= FIELDS.length && !isGiven(raw[name]);
		const value = isGap ? EMPTY : encodedField(raw[name], kind);
		if (value === undefined) return { type: "incomplete", field: name };
		encoded.push(value);
	}
	const found = keccak256Hex(rlpList(encoded));
	if (found === hash || hashWithoutGaps(raw, encoded) === hash) return { type: "proved" };
	return { type: "other", hash: found };
}

/** Undefined where no field is missing before another. */
function hashWithoutGaps(raw: RawHeader, encoded: readonly Hex[]): Hex | undefined {
	const given = encoded.filter((_, index) => {
		const fork = FORK_FIELDS[index - FIELDS.length];
		return fork === undefined || isGiven(raw[fork[0]]);
	});
	return given.length === encoded.length ? undefined : keccak256Hex(rlpList(given));
}

function isGiven(value: unknown): boolean {
	return value !== undefined && value !== null;
}

function encodedField(value: unknown, kind: FieldKind): Hex | undefined {
	if (typeof value !== "string") return undefined;
	if (kind === "bytes") return BYTES.test(value) ? `0x${value.slice(2)}` : undefined;
	return QUANTITY.test(value) ? rlpQuantity(value) : undefined;
}
