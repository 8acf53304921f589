/**
 * Looks up agents' anchors on blocks that are about to be committed. A transaction counts when it did
 * the same as before (effects hash), whatever block it is in now; a block counts when it is the same.
 */
import type { ChainBlock } from "../domain/block.ts";
import { RetryableError } from "../domain/errors.ts";
import type { Height, Hex, OperationId } from "../domain/ids.ts";
import { effectsHash } from "../memory/effects-hash.ts";
import type { FoundAnchor } from "../writer/derived-blocks.ts";
import type { OpenOperation } from "../writer/writer-store.ts";
import type { ChainSource } from "./chain-source.ts";

/** By height of the block that holds the anchor. */
export type FoundAnchors = ReadonlyMap<Height, ReadonlyMap<OperationId, FoundAnchor>>;

/** `blocks` come with their transactions' hashes. */
export async function findAnchors(
	source: ChainSource,
	blocks: readonly Pick<ChainBlock, "number" | "hash" | "transactions">[],
	watched: readonly OpenOperation[],
): Promise<FoundAnchors> {
	const found = new Map<Height, Map<OperationId, FoundAnchor>>();
	if (watched.length === 0) return found;
	const byTransaction = groupBy(watched, (each) =>
		each.stored.anchor.kind === "transaction" ? each.stored.anchor.transactionHash : undefined,
	);
	const byBlock = groupBy(watched, (each) =>
		each.stored.anchor.kind === "block" ? each.stored.anchor.blockHash : undefined,
	);
	for (const block of blocks) {
		const here = new Map<OperationId, FoundAnchor>();
		const place = { blockHash: block.hash, height: block.number };
		for (const each of byBlock.get(block.hash) ?? []) here.set(each.stored.operationId, place);
		for (const hash of block.transactions) {
			const waiting = byTransaction.get(hash);
			if (waiting === undefined) continue;
			const effects = await effectsIn(source, hash, block.hash);
			for (const each of waiting) {
				const { anchor } = each.stored;
				if (anchor.kind === "transaction" && anchor.effectsHash === effects) {
					here.set(each.stored.operationId, place);
				}
			}
		}
		if (here.size > 0) found.set(block.number, here);
	}
	return found;
}

async function effectsIn(source: ChainSource, transaction: Hex, blockHash: Hex): Promise<Hex> {
	const receipt = await source.receipt(transaction);
	if (receipt?.blockHash !== blockHash) {
		throw new RetryableError("rpc_failed", {
			message: `the node has no receipt of ${transaction} in block ${blockHash} any more`,
			hint: "the node's head moved meanwhile; it is asked again",
		});
	}
	return effectsHash(receipt);
}

function groupBy<Item>(
	items: readonly Item[],
	keyOf: (item: Item) => Hex | undefined,
): ReadonlyMap<Hex, readonly Item[]> {
	const groups = new Map<Hex, Item[]>();
	for (const item of items) {
		const key = keyOf(item);
		if (key === undefined) continue;
		const group = groups.get(key) ?? [];
		group.push(item);
		groups.set(key, group);
	}
	return groups;
}
