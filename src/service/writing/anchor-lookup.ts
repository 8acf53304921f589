/**
 * Looks up what operations are anchored to: where it stands on the chain, and for a transaction what it
 * did. Waits, as long as the caller does, for a block that is about to be committed.
 */

import type { TransactionReceipt } from "../../domain/block.ts";
import { type Clock, systemClock } from "../../domain/clock.ts";
import { FatalError, type RecantError, RetryableError } from "../../domain/errors.ts";
import type { Height, Hex } from "../../domain/ids.ts";
import type { Anchor, AnchorPlace, AnchorSet } from "../../domain/operation.ts";
import type { ChainSource } from "../../follower/chain-source.ts";
import { effectsHash } from "../../memory/effects-hash.ts";
import type { ChainWriter } from "../../writer/chain-writer.ts";
import type { ChainElsewhere } from "./chain-elsewhere.ts";

/** What an agent names its operation depends on. */
export type AnchorRequest = { readonly block: Hex } | { readonly transaction: Hex };

/** All of these, or any one of them. */
export interface AnchorsRequest {
	readonly mode: AnchorSet["mode"];
	readonly anchors: readonly AnchorRequest[];
}

export const ANCHORED_TO_NOTHING: AnchorsRequest = { mode: "all", anchors: [] };

/** How often a write looks whether its anchor's block is committed by now. */
const ANCHOR_LOOK_MS = 20;
/** The same where another process commits, whose commits are heard of. */
const ELSEWHERE_LOOK_MS = 250;

export interface AnchorLookupOptions {
	readonly source: ChainSource;
	readonly writer: () => Pick<ChainWriter, "window"> | undefined;
	/** While another process writes the chain; undefined: then nothing is known of it. */
	readonly elsewhere?:
		| Pick<ChainElsewhere, "standing" | "blockHash" | "nextCommit" | "headDue">
		| undefined;
	/** Looks at the node now: an anchor may be in a block that is about to be followed. */
	readonly poke: () => void;
	readonly clock?: Clock | undefined;
}

export class AnchorLookup {
	readonly #options: AnchorLookupOptions;
	readonly #clock: Clock;
	readonly #deadline: number;
	/** The operations of one request often name the same. */
	readonly #known = new Map<Hex, Promise<Anchor>>();
	/** One word is enough: whoever follows the chain looks by itself too. */
	#askedElsewhere = false;

	/** `deadline`: on the clock of `clock.now()`. */
	constructor(options: AnchorLookupOptions, deadline: number) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
		this.#deadline = deadline;
	}

	/**
	 * Throws `anchor_unknown`, `anchor_not_canonical` and `anchor_not_committed`: each of them must stand on
	 * the committed chain when the operation is written.
	 */
	async find({ mode, anchors }: AnchorsRequest): Promise<AnchorSet> {
		const found: Anchor[] = [];
		for (const request of anchors) found.push(await this.#anchor(request));
		return { mode, anchors: found };
	}

	#anchor(request: AnchorRequest): Promise<Anchor> {
		const hash = "block" in request ? request.block : request.transaction;
		const found =
			this.#known.get(hash) ??
			("block" in request ? this.#blockAnchor(hash) : this.#transactionAnchor(hash));
		this.#known.set(hash, found);
		return found;
	}

	async #blockAnchor(blockHash: Hex): Promise<Anchor> {
		const block = await this.#options.source.blockByHash(blockHash);
		if (block === undefined) throw unknownAnchor("block", blockHash);
		// A node serves side branches by hash too; below the window nothing else would tell.
		const canonical = await this.#options.source.blockByNumber(block.number);
		const place = { height: block.number, blockHash };
		if (canonical?.hash !== blockHash) throw notCommitted(place, block.number);
		await this.#committed(place);
		return { kind: "block", blockHash, place };
	}

	async #transactionAnchor(transactionHash: Hex): Promise<Anchor> {
		const receipt: TransactionReceipt | undefined =
			await this.#options.source.receipt(transactionHash);
		if (receipt === undefined) throw unknownAnchor("transaction", transactionHash);
		const place = { height: receipt.blockNumber, blockHash: receipt.blockHash };
		await this.#committed(place);
		return { kind: "transaction", transactionHash, effectsHash: effectsHash(receipt), place };
	}

	/** Waits until the block is part of the committed chain; one that lost is refused. */
	async #committed(block: AnchorPlace): Promise<void> {
		for (;;) {
			const { head, hash } = await this.#seen(block.height);
			if (head !== undefined && block.height <= head) {
				if (hash === undefined || hash === block.blockHash) return;
			}
			if (this.#clock.now() >= this.#deadline) throw notCommitted(block, head);
			await this.#next();
		}
	}

	/** The committed head, and the hash that is known at a height; below what is kept none is. */
	async #seen(
		height: Height,
	): Promise<{ readonly head: Height | undefined; readonly hash: Hex | undefined }> {
		const { writer, elsewhere } = this.#options;
		const written = writer();
		if (written !== undefined || elsewhere === undefined) {
			const window = written?.window;
			return { head: window?.tip.number, hash: window?.at(height)?.hash };
		}
		// In this order: a block at or below a head that was seen is there, unless it is not kept.
		const { head } = await elsewhere.standing();
		return { head, hash: await elsewhere.blockHash(height) };
	}

	async #next(): Promise<void> {
		const { writer, elsewhere, poke } = this.#options;
		if (writer() !== undefined || elsewhere === undefined) {
			poke();
			await this.#clock.sleep(ANCHOR_LOOK_MS);
			return;
		}
		if (!this.#askedElsewhere) elsewhere.headDue();
		this.#askedElsewhere = true;
		const left = this.#deadline - this.#clock.now();
		await elsewhere.nextCommit(Math.min(ELSEWHERE_LOOK_MS, left));
	}
}

function unknownAnchor(kind: "block" | "transaction", hash: Hex): FatalError {
	return new FatalError("anchor_unknown", {
		message: `the node knows no ${kind === "block" ? "block" : "mined transaction"} ${hash}`,
		hint: "anchor to a block or transaction that is on the chain now",
		fields: { [kind]: hash },
	});
}

function notCommitted(
	block: { readonly height: Height; readonly blockHash: Hex },
	head: Height | undefined,
): RecantError {
	const fields = { height: block.height.toString(), blockHash: block.blockHash };
	if (head !== undefined && block.height <= head) {
		return new FatalError("anchor_not_canonical", {
			message: `block ${block.blockHash} at height ${block.height} is not on the committed chain`,
			hint: "look the block or transaction up again; the chain moved",
			fields,
		});
	}
	return new RetryableError("anchor_not_committed", {
		message: `block ${block.height} is not committed yet; the committed head is ${head ?? "none"}`,
		hint: "try again in a moment",
		fields,
	});
}
