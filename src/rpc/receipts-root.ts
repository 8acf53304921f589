/**
 * The receipts' root of a block, made again from the receipts (Yellow Paper section 4.4.1, EIP-2718).
 *
 * A receipt of a typed transaction has the type's byte before its RLP, whatever the type is: 1 to 4 today.
 * Before Byzantium a receipt had the state's root in place of its status (EIP-658). Deposits of the OP stack
 * (type 0x7e) have two fields more from Canyon on, which a node answers with them.
 */
import { hexToBytes, toRlp } from "viem";
import type { ChainLog } from "../domain/block.ts";
import type { Hex } from "../domain/ids.ts";
import { listRoot } from "./list-root.ts";
import { rlpQuantity } from "./rlp.ts";

/** What of a receipt is under the root. Numbers are as the node gives them. */
export interface ProvedReceipt {
	/** 0x0: a transaction from before types. */
	readonly type: Hex;
	/** The status, or the state's root after the transaction. */
	readonly outcome: Hex;
	readonly cumulativeGasUsed: Hex;
	readonly logsBloom: Hex;
	readonly logs: readonly ChainLog[];
	/** Of a deposit: its nonce and the version of its receipt. Else empty. */
	readonly extra: readonly Hex[];
}

/** Of receipts in the order of their transactions. */
export async function receiptsRoot(receipts: readonly ProvedReceipt[]): Promise<Hex> {
	return listRoot(receipts.map(encodedReceipt));
}

function encodedReceipt(receipt: ProvedReceipt): Uint8Array {
	const { type, outcome, cumulativeGasUsed, logsBloom, logs, extra } = receipt;
	const fields = [
		outcome.length === STATE_ROOT_DIGITS ? outcome : rlpQuantity(outcome),
		rlpQuantity(cumulativeGasUsed),
		logsBloom,
		logs.map(({ address, topics, data }) => [address, [...topics], data]),
		...extra.map(rlpQuantity),
	];
	const encoded = toRlp(fields);
	const isTyped = rlpQuantity(type) !== "0x";
	return hexToBytes(isTyped ? `0x${typeByte(type)}${encoded.slice(2)}` : encoded);
}

/** 0x and 32 bytes. */
const STATE_ROOT_DIGITS = 66;

function typeByte(type: Hex): string {
	return rlpQuantity(type).slice(2);
}
