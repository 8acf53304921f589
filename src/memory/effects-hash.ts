import { hash } from "node:crypto";
import type { ChainLog, TransactionReceipt } from "../domain/block.ts";
import { FatalError } from "../domain/errors.ts";
import type { Hex } from "../domain/ids.ts";
import { encodeFields, type Field } from "./canonical.ts";

/**
 * SHA-256 of what a transaction did: its status and its logs in order (address, topics, data).
 *
 * Nothing positional takes part: not the block, the height, the transaction's or a log's index. So a
 * transaction that is included again elsewhere with the same outcome keeps its hash, and an anchor on
 * it holds. Gas, fees and return data are left out: a memory cannot have been made from them.
 *
 * The input is `encodeFields("recant.effects.v1", …)` over: status in ASCII; then for each log its
 * address (bytes), its number of topics (one byte), each topic (bytes), its data (bytes). Bytes and
 * not hexadecimal text, so the case that a node writes does not matter.
 *
 * Throws `FatalError("internal")` for malformed hexadecimal: rpc/ has checked what nodes answer.
 */
export function effectsHash(receipt: TransactionReceipt): Hex {
	const fields = [receipt.status, ...receipt.logs.flatMap(logFields)];
	return `0x${hash("sha256", encodeFields("recant.effects.v1", fields))}`;
}

function logFields(log: ChainLog): readonly Field[] {
	return [
		bytes(log.address),
		Uint8Array.of(log.topics.length),
		...log.topics.map(bytes),
		bytes(log.data),
	];
}

const WHOLE_BYTES = /^0x(?:[0-9a-fA-F]{2})*$/;

/** `Buffer.from` stops at the first bad digit without a word, which would make logs equal. */
function bytes(hex: Hex): Uint8Array {
	if (!WHOLE_BYTES.test(hex)) {
		throw new FatalError("internal", {
			message: `a log holds ${JSON.stringify(hex.slice(0, 80))}, which is not hexadecimal`,
			hint: "this is a defect of Recant; please report it with the log",
		});
	}
	return Buffer.from(hex.slice(2), "hex");
}
