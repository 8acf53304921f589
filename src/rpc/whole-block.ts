/**
 * A block with its transactions as a whole, so that the list of their hashes is proved as well: each hash is that
 * of the transaction's encoding, and the encodings give the root in the header. Transactions of types whose
 * fields are not known here are the exception: their hashes are believed, and then the root cannot be made.
 */
import type { ChainBlock } from "../domain/block.ts";
import type { Hex } from "../domain/ids.ts";
import type { Question } from "./answer-checks.ts";
import { parseBlock, parsePlace, parseRoot } from "./answers.ts";
import { isObject } from "./json-rpc.ts";
import { keccak256Hex } from "./keccak.ts";
import { listRoot } from "./list-root.ts";
import { malformed, untrue } from "./provider-error.ts";
import { encodeTransaction } from "./transaction-encoding.ts";

export interface WholeBlock {
	readonly block: ChainBlock;
	/** Of each transaction, in order; undefined where only their hashes were asked for. */
	readonly types: readonly number[] | undefined;
	readonly receiptsRoot: Hex;
}

export function wholeBlockCall(hash: Hex) {
	return { method: "eth_getBlockByHash", params: [hash, true] };
}

/** Undefined for null. Throws `ProviderError`, also for another block than the one of that hash. */
export async function readWholeBlock(
	hash: Hex,
	value: unknown,
	asked: Question,
): Promise<WholeBlock | undefined> {
	if (value === null) return undefined;
	const raw: { readonly transactions?: unknown } = isObject(value) ? value : {};
	if (!Array.isArray(raw.transactions)) throw malformed(asked, "a block without transactions");
	const transactions = raw.transactions.map((each) => readTransaction(each, asked));
	const hashes = transactions.map((each) => each.hash);
	const block = parseBlock({ ...raw, transactions: hashes }, asked);
	if (block?.hash !== hash.toLowerCase()) throw malformed(asked, `another block for ${hash}`);
	const isOf = ({ blockHash, blockNumber, index }: ReadTransaction, at: number) =>
		blockHash === block.hash && blockNumber === block.number && index === at;
	if (!transactions.every(isOf)) throw untrue(asked, `a transaction that is not of block ${hash}`);
	await requireRoot(transactions, parseRoot(value, "transactionsRoot", asked), asked);
	return {
		block,
		types: transactions.map(({ type }) => type),
		receiptsRoot: parseRoot(value, "receiptsRoot", asked),
	};
}

interface ReadTransaction extends ReturnType<typeof parsePlace> {
	/** Undefined: of a type that is not known. */
	readonly bytes: Buffer | undefined;
}

function readTransaction(value: unknown, asked: Question): ReadTransaction {
	const place = parsePlace(value, asked);
	const encoding = encodeTransaction(isObject(value) ? value : {});
	if (encoding.type === "unknown") return { ...place, bytes: undefined };
	if (encoding.type === "incomplete")
		throw malformed(asked, `transaction ${place.hash} without ${encoding.field}`);
	const bytes = Buffer.from(encoding.bytes.slice(2), "hex");
	if (keccak256Hex(bytes) !== place.hash)
		throw untrue(asked, `transaction ${place.hash} has the hash ${keccak256Hex(bytes)}`);
	return { ...place, bytes };
}

async function requireRoot(
	transactions: readonly ReadTransaction[],
	expected: Hex,
	asked: Question,
): Promise<void> {
	const encoded = transactions.flatMap(({ bytes }) => (bytes === undefined ? [] : [bytes]));
	if (encoded.length < transactions.length) return;
	const root = await listRoot(encoded);
	if (root !== expected)
		throw untrue(asked, `${encoded.length} transactions give the root ${root}, not ${expected}`);
}
