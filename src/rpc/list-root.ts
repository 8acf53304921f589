/** Root of the Merkle-Patricia trie over a list, from the RLP of each index: of receipts, and of transactions. */
import { bytesToHex, toRlp } from "viem";
import type { Hex } from "../domain/ids.ts";
import { keccak256 } from "./keccak.ts";
import { rlpQuantity } from "./rlp.ts";

export async function listRoot(values: readonly Uint8Array[]): Promise<Hex> {
	// Loaded where a chain has roots proved: 6 MiB.
	const { MerklePatriciaTrie } = await import("@ethereumjs/mpt");
	const trie = new MerklePatriciaTrie({ common: { customCrypto: { keccak256 } } });
	for (const [index, value] of values.entries()) {
		const key = toRlp(rlpQuantity(`0x${index.toString(16)}`), "bytes");
		await trie.put(key, value);
	}
	return bytesToHex(trie.root());
}
