/**
 * Carries the committed chain forward: finalized blocks in wide groups, what is above one by one.
 *
 * Nothing is committed before the last call that can fail has answered, and a group is committed only
 * on the block that it stands on.
 */
import type { Finality } from "../chain/finality.ts";
import { HeaderWindow } from "../chain/header-window.ts";
import { higher, lower } from "../chain/height.ts";
import type { BlockHeader, ChainBlock } from "../domain/block.ts";
import type { Clock } from "../domain/clock.ts";
import { RetryableError } from "../domain/errors.ts";
import type { Height, Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { KnownMemories } from "../rollback/known-memories.ts";
import type { ChainWriter } from "../writer/chain-writer.ts";
import type { DerivedBlock, DerivedGroup } from "../writer/derived-blocks.ts";
import type { WriterStore } from "../writer/writer-store.ts";
import { BackfillGroups } from "./backfill-groups.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { FinalityMarks } from "./finality-marks.ts";
import { HandlerCache } from "./handler-cache.ts";
import type { NodeTags } from "./incidents.ts";
import type { WindowDeriver } from "./window-deriver.ts";

/** Blocks of the window in one commit while catching up: a commit of tens of milliseconds. */
const WINDOW_GROUP = 64;
/** Blocks between two looks at which operations became final: each costs a write. */
const SETTLE_EVERY = 16n;

export interface ExtensionOptions {
	readonly spec: ChainSpec;
	readonly source: ChainSource;
	readonly writer: ChainWriter;
	readonly writerStore: WriterStore;
	readonly deriver: WindowDeriver;
	readonly isStopped: () => boolean;
	/** Told of what the node answers for its marks. */
	readonly onTags: (tags: NodeTags) => void;
	readonly clock: Clock;
}

export class Extension {
	readonly #options: ExtensionOptions;
	readonly #handlers: HandlerCache;
	readonly #groups: BackfillGroups;
	readonly #marks: FinalityMarks;
	/** Blocks are caught up with: the marks are looked at with the last of them. */
	#isBehind = false;

	constructor(options: ExtensionOptions) {
		this.#options = options;
		this.#marks = new FinalityMarks(options);
		this.#handlers = new HandlerCache(options.writerStore, options.spec.id);
		const { deriver, source, spec } = options;
		this.#groups = new BackfillGroups({ spec, source, deriver, handlers: this.#handlers });
	}

	/** What handlers wrote was taken back: what was derived ahead is derived again. */
	forget(): void {
		this.#groups.forget();
	}

	/** What handlers are known to have written, for rollbacks. */
	get memories(): KnownMemories {
		return {
			in: ({ generation, fence, logPosition }) => {
				const { state } = this.#options.writer;
				const isSame =
					state.generation === generation &&
					state.fence === fence &&
					state.logPosition === logPosition;
				if (!isSame) return undefined;
				this.#handlers.enter(generation);
				return (key) => this.#handlers.known(key);
			},
			changed: (from, keys) => this.#handlers.changed(from, keys),
		};
	}

	/** Resolves when nothing is derived ahead any more. */
	async idle(): Promise<void> {
		await this.#groups.idle();
	}

	/** Height of a chain's first block: below its start block, so that a fork there has an ancestor. */
	async firstHeight(head: ChainBlock): Promise<Height> {
		const { startBlock, windowBlocks } = this.#options.spec;
		const lowest = startBlock - BigInt(windowBlocks - 1);
		const mark = await this.#finalityMark(head);
		return higher(0n, higher(lowest, lower(startBlock - 1n, mark)));
	}

	/** Whether it is time to ask the node for its marks, also where no block comes. */
	get marksAreDue(): boolean {
		return this.#marks.areDue;
	}

	/** The node is asked for its marks with the next block or look. */
	lookAtMarksAgain(): void {
		this.#marks.lookAgain();
	}

	/** Consecutive headers on top of the window. `toHead`: the last of them is the node's head. */
	async extend(
		headers: readonly BlockHeader[],
		{ toHead }: { readonly toHead: boolean },
	): Promise<void> {
		this.#isBehind ||= !toHead || headers.length > WINDOW_GROUP;
		for (let start = 0; start < headers.length; start += WINDOW_GROUP) {
			if (this.#options.isStopped()) return;
			const group = headers.slice(start, start + WINDOW_GROUP);
			const isEnd = toHead && start + group.length === headers.length;
			await this.#extendGroup(group, this.#marks.areDue || (isEnd && this.#isBehind));
		}
		this.#isBehind &&= !toHead;
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
		const { source, spec, writer } = this.#options;
		this.#isBehind = true;
		const mark = await this.#finalityMark(head);
		if (from > mark) {
			const count = lower(BigInt(WINDOW_GROUP), head.number - from + 1n);
			const heights = Array.from({ length: Number(count) }, (_, index) => from + BigInt(index));
			return { type: "look", blocks: leadingChain(await source.blocksByNumber(heights)) };
		}
		const tip = writer.window?.tip;
		const to = this.#groupEnd(from, mark);
		// A head that jumped ahead and comes back has made nothing final: what makes it so has to be there.
		const depth = BigInt(spec.finalityDepthBlocks);
		const isByDepth = mark === head.number - depth;
		const asked = isByDepth ? [from, to + depth] : [from];
		const [first, above] = await source.blocksByNumber(asked);
		if (isByDepth && above === undefined) throw jumpedAhead(head, to + depth);
		if (tip !== undefined && first !== undefined && first.parentHash !== tip.hash) {
			return { type: "look", blocks: [first] };
		}
		await this.#backfill({ from, to, parentHash: tip?.hash }, mark);
		return { type: "committed" };
	}

	/** Takes over where the node holds the chain for safe and final now, if that moved without a block. */
	async settle(): Promise<void> {
		const { writer } = this.#options;
		if (writer.window === undefined) return;
		const now = this.#finalityOf(writer.window, await this.#marks.look(writer.window.tip));
		const { finalized, safe } = writer.state;
		if (now.finalized !== finalized || now.safe !== safe) await writer.settle(now);
	}

	async #extendGroup(headers: readonly BlockHeader[], looksAtMarks: boolean): Promise<void> {
		const { deriver, spec, writer } = this.#options;
		const [first] = headers;
		const last = headers.at(-1);
		if (first === undefined || last === undefined) return;
		this.#handlers.enter(writer.state.generation);
		const [blocks, tags] = await Promise.all([
			deriver.derive(headers, writer.waiting, (key) => this.#handlers.read(key)),
			looksAtMarks ? this.#marks.look(last) : undefined,
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

	/** `mark`: height up to which the node holds the chain for final. */
	async #backfill(
		range: {
			readonly from: Height;
			readonly to: Height;
			readonly parentHash: Hex | undefined;
		},
		mark: Height,
	): Promise<void> {
		const { spec, writer, writerStore } = this.#options;
		this.#handlers.enter(writer.state.generation);
		const lookedFor = {
			suspended: writer.waiting,
			times: await writerStore.expiryTimes(spec.id, writer.window?.tip.timestamp ?? -1n),
		};
		const blocks = await this.#groups.derive(range, lookedFor);
		const next = range.to + 1n;
		if (next <= mark)
			this.#groups.begin({ from: next, to: this.#groupEnd(next, mark) }, blocks, lookedFor);
		await this.#commit({
			mode: "backfill",
			blocks,
			from: range.from,
			finality: { safe: range.to, finalized: range.to },
			handlersHash: spec.handlersHash,
			historyEvery: spec.historyEvery,
		});
	}

	#groupEnd(from: Height, mark: Height): Height {
		return lower(mark, groupEnd(from, this.#options.spec.historyEvery));
	}

	async #commit(group: DerivedGroup & { readonly finality: Finality }): Promise<void> {
		const { writer } = this.#options;
		try {
			await writer.commitBlocks(group);
			this.#handlers.keep(group.blocks);
		} catch (error) {
			this.forget();
			this.#handlers.clear();
			throw error;
		}
		if (settlesAt(group.blocks)) await writer.settle(group.finality);
	}

	#finalityOf(window: HeaderWindow, tags: NodeTags | undefined): Finality {
		const { safe, finalized } = this.#options.writer.state;
		return this.#marks.finalityOf(window, tags, { safe: safe ?? 0n, finalized: finalized ?? 0n });
	}

	/** Highest height that the node holds for final now; −1: none. */
	async #finalityMark(head: ChainBlock): Promise<Height> {
		const finalized = await this.#options.source.tagged("finalized");
		const depth = BigInt(this.#options.spec.finalityDepthBlocks);
		return finalized?.number ?? higher(-1n, head.number - depth);
	}
}

/**
 * Groups end at multiples of their size, so that every checkpoint's height is the end of one. Where history is
 * kept at checkpoints alone a group reaches from one to the next: what it overwrites within is written once.
 */
function groupEnd(from: Height, historyEvery = 1): Height {
	const { groupBlocks, checkpointIntervalBlocks } = LIMITS;
	const size = BigInt(
		historyEvery < checkpointIntervalBlocks ? groupBlocks : checkpointIntervalBlocks,
	);
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

function jumpedAhead(head: ChainBlock, height: Height): RetryableError {
	return new RetryableError("rpc_failed", {
		message: `the node showed the head ${head.number} and does not have block ${height}`,
		hint: "it is asked again; if this goes on, check the node",
	});
}
