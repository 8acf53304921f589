/**
 * Carries the committed chain forward: finalized blocks in wide groups, what is above one by one.
 *
 * Nothing is committed before the last call that can fail has answered, and a group is committed only
 * on the block that it stands on.
 */
import { type Finality, finality } from "../chain/finality.ts";
import { HeaderWindow } from "../chain/header-window.ts";
import { higher, lower } from "../chain/height.ts";
import type { BlockHeader, ChainBlock } from "../domain/block.ts";
import { RetryableError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ChainWriter } from "../writer/chain-writer.ts";
import type { DerivedBlock, DerivedGroup } from "../writer/derived-blocks.ts";
import type { WriterStore } from "../writer/writer-store.ts";
import { deriveRange } from "./backfill.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { HandlerCache } from "./handler-cache.ts";
import type { WindowDeriver } from "./window-deriver.ts";

/** Blocks of the window in one commit while catching up: a commit of tens of milliseconds. */
const WINDOW_GROUP = 64;
/** Blocks between two looks at which operations became final: each costs a write. */
const SETTLE_EVERY = 16n;

/** What the node answers for its marks; undefined where it has no such tag. */
interface Tags {
	readonly safe: ChainBlock | undefined;
	readonly finalized: ChainBlock | undefined;
}

export interface ExtensionOptions {
	readonly spec: ChainSpec;
	readonly source: ChainSource;
	readonly writer: ChainWriter;
	readonly writerStore: WriterStore;
	readonly deriver: WindowDeriver;
	readonly isStopped: () => boolean;
}

export class Extension {
	readonly #options: ExtensionOptions;
	readonly #handlers: HandlerCache;

	constructor(options: ExtensionOptions) {
		this.#options = options;
		this.#handlers = new HandlerCache(options.writerStore, options.spec.id);
	}

	/** What handlers wrote was taken back: it is read again. */
	forget(): void {
		this.#handlers.clear();
	}

	/** Height of a chain's first block: below its start block, so that a fork there has an ancestor. */
	async firstHeight(head: ChainBlock): Promise<Height> {
		const { startBlock } = this.#options.spec;
		const lowest = startBlock - BigInt(LIMITS.windowBlocks - 1);
		const mark = await this.#finalityMark(head);
		return higher(0n, higher(lowest, lower(startBlock - 1n, mark)));
	}

	/** Consecutive headers on top of the window. */
	async extend(headers: readonly BlockHeader[]): Promise<void> {
		for (let start = 0; start < headers.length; start += WINDOW_GROUP) {
			if (this.#options.isStopped()) return;
			await this.#extendGroup(headers.slice(start, start + WINDOW_GROUP));
		}
	}

	/**
	 * The next part of a long way to `head`. Answers the next headers to look at where they are not
	 * final yet, or the header at `from` when it does not stand on the tip: then there was a fork.
	 */
	async advance(
		from: Height,
		head: ChainBlock,
	): Promise<
		| { readonly type: "committed" }
		| { readonly type: "look"; readonly blocks: readonly ChainBlock[] }
	> {
		const { source, writer } = this.#options;
		const mark = await this.#finalityMark(head);
		if (from > mark) {
			const count = lower(BigInt(WINDOW_GROUP), head.number - from + 1n);
			const heights = Array.from({ length: Number(count) }, (_, index) => from + BigInt(index));
			return { type: "look", blocks: leadingChain(await source.blocksByNumber(heights)) };
		}
		const tip = writer.window?.tip;
		const [first] = await source.blocksByNumber([from]);
		if (tip !== undefined && first !== undefined && first.parentHash !== tip.hash) {
			return { type: "look", blocks: [first] };
		}
		const to = lower(mark, groupEnd(from));
		await this.#backfill({ from, to, parentHash: tip?.hash });
		return { type: "committed" };
	}

	/** Takes over where the node holds the chain for safe and final now, if that moved without a block. */
	async settle(): Promise<void> {
		const { writer } = this.#options;
		if (writer.window === undefined) return;
		const now = this.#finalityOf(writer.window, await this.#tags(writer.window.tip));
		const { finalized, safe } = writer.state;
		if (now.finalized !== finalized || now.safe !== safe) await writer.settle(now);
	}

	async #extendGroup(headers: readonly BlockHeader[]): Promise<void> {
		const { deriver, spec, writer } = this.#options;
		const [first] = headers;
		const last = headers.at(-1);
		if (first === undefined || last === undefined) return;
		const [blocks, tags] = await Promise.all([
			deriver.derive(headers, writer.waiting, (key) => this.#handlers.read(key)),
			this.#tags(last),
		]);
		const plain = blocks.map((block) => block.header);
		const window = writer.window?.append(plain) ?? HeaderWindow.of(plain);
		await this.#commit({
			mode: "window",
			blocks,
			from: first.number,
			finality: this.#finalityOf(window, tags),
			handlersHash: spec.handlersHash,
		});
	}

	async #backfill(range: {
		readonly from: Height;
		readonly to: Height;
		readonly parentHash: string | undefined;
	}): Promise<void> {
		const { source, spec, writer, writerStore } = this.#options;
		const blocks = await deriveRange(range, {
			spec,
			source,
			suspended: writer.waiting,
			times: await writerStore.expiryTimes(spec.id, writer.window?.tip.timestamp ?? -1n),
			read: (key) => this.#handlers.read(key),
		});
		await this.#commit({
			mode: "backfill",
			blocks,
			from: range.from,
			finality: { safe: range.to, finalized: range.to },
			handlersHash: spec.handlersHash,
		});
	}

	async #commit(group: DerivedGroup & { readonly finality: Finality }): Promise<void> {
		const { writer } = this.#options;
		try {
			await writer.commitBlocks(group);
			this.#handlers.keep(group.blocks);
		} catch (error) {
			this.#handlers.clear();
			throw error;
		}
		if (settlesAt(group.blocks)) await writer.settle(group.finality);
	}

	async #tags(tip: BlockHeader): Promise<Tags> {
		const { source } = this.#options;
		const [safe, finalized] = await Promise.all([
			source.tagged("safe"),
			source.tagged("finalized"),
		]);
		return { safe: await this.#atMost(safe, tip), finalized: await this.#atMost(finalized, tip) };
	}

	/**
	 * A tag above the tip counts for the node's block at the tip's height, which is asked for after it: the
	 * tip may have lost its place since it was seen, and an orphan that is marked as final halts the chain
	 * for good.
	 */
	async #atMost(tag: ChainBlock | undefined, tip: BlockHeader): Promise<ChainBlock | undefined> {
		if (tag === undefined || tag.number <= tip.number) return tag;
		const there = await this.#options.source.blockByNumber(tip.number);
		if (there !== undefined) return there;
		throw new RetryableError("rpc_failed", {
			message: `the node tags block ${tag.number} and does not have block ${tip.number}`,
			hint: "it is asked again; if this goes on, check the node",
		});
	}

	#finalityOf(window: HeaderWindow, tagged: Tags): Finality {
		const { spec, writer } = this.#options;
		const { safe, finalized } = writer.state;
		return finality({
			window,
			tagged,
			depthBlocks: spec.finalityDepthBlocks,
			previous: { safe: safe ?? 0n, finalized: finalized ?? 0n },
		});
	}

	/** Highest height that the node holds for final now; −1: none. */
	async #finalityMark(head: ChainBlock): Promise<Height> {
		const finalized = await this.#options.source.tagged("finalized");
		const depth = BigInt(this.#options.spec.finalityDepthBlocks);
		return finalized?.number ?? higher(-1n, head.number - depth);
	}
}

/** Groups end at multiples of their size, so that every checkpoint's height is the end of one. */
function groupEnd(from: Height): Height {
	const size = BigInt(LIMITS.groupBlocks);
	return (from / size + 1n) * size;
}

function settlesAt(blocks: readonly DerivedBlock[]): boolean {
	const last = blocks.at(-1);
	return last !== undefined && (blocks.length > 1 || last.header.number % SETTLE_EVERY === 0n);
}

/** The leading blocks that are there and stand on one another. */
function leadingChain(blocks: readonly (ChainBlock | undefined)[]): readonly ChainBlock[] {
	const chain: ChainBlock[] = [];
	for (const block of blocks) {
		const parent = chain.at(-1);
		if (block === undefined || (parent !== undefined && parent.hash !== block.parentHash)) break;
		chain.push(block);
	}
	return chain;
}
