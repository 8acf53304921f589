/**
 * Looks up agents' anchors on blocks that are about to be committed. A transaction counts when it did
 * the same as before (effects hash), whatever block it is in now; a block counts when it is the same.
 */
import type { ChainBlock } from "../domain/block.ts";
import { RetryableError } from "../domain/errors.ts";
import type { Height, Hex, OperationId } from "../domain/ids.ts";
import type { AnchorTarget } from "../domain/operation.ts";
import type { FoundAnchor } from "../memory/anchors.ts";
import { effectsHash } from "../memory/effects-hash.ts";
import type { OpenOperation } from "../writer/writer-store.ts";
import type { ChainSource } from "./chain-source.ts";

/** By height of the block that holds the anchors. */
export type FoundAnchors = ReadonlyMap<Height, ReadonlyMap<OperationId, readonly FoundAnchor[]>>;

/** One anchor of one operation that is looked for. */
interface Wanted {
	readonly operationId: OperationId;
	/** Its place in the operation's set. */
	readonly anchor: number;
	readonly target: AnchorTarget;
}

/** `blocks` come with their transactions' hashes. */
export async function findAnchors(
	source: ChainSource,
	blocks: readonly Pick<ChainBlock, "number" | "hash" | "transactions">[],
	watched: readonly OpenOperation[],
): Promise<FoundAnchors> {
	const found = new Map<Height, Map<OperationId, FoundAnchor[]>>();
	const wanted = wantedAnchors(watched);
	if (wanted.length === 0) return found;
	const byBlock = groupBy(wanted, ({ target }) =>
		target.kind === "block" ? target.blockHash : undefined,
	);
	const byTransaction = groupBy(wanted, ({ target }) =>
		target.kind === "transaction" ? target.transactionHash : undefined,
	);
	for (const block of blocks) {
		const here = new Map<OperationId, FoundAnchor[]>();
		const note = ({ operationId, anchor }: Wanted) => {
			const place = { anchor, blockHash: block.hash, height: block.number };
			here.set(operationId, [...(here.get(operationId) ?? []), place]);
		};
		for (const each of byBlock.get(block.hash) ?? []) note(each);
		for (const hash of block.transactions) {
			const waiting = byTransaction.get(hash);
			if (waiting === undefined) continue;
			const effects = await effectsIn(source, hash, block.hash);
			for (const each of waiting) if (hasEffects(each, effects)) note(each);
		}
		if (here.size > 0) found.set(block.number, here);
	}
	return found;
}

function wantedAnchors(watched: readonly OpenOperation[]): readonly Wanted[] {
	return watched.flatMap(({ stored }) =>
		stored.anchors.anchors.map((target, anchor) => ({
			operationId: stored.operationId,
			anchor,
			target,
		})),
	);
}

function hasEffects({ target }: Wanted, effects: Hex): boolean {
	return target.kind === "transaction" && target.effectsHash === effects;
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
