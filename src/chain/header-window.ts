/**
 * The header window: the committed chain from the oldest block that can still be rolled back to, up
 * to the committed head.
 *
 * 1. It is never empty; a chain without a first block has no window.
 * 2. Every block's parent is the block before it, by height and by hash.
 * 3. It holds at most `mostBlocks` headers; past that the oldest leave it.
 * 4. It never changes: each operation answers another window, so a round that fails half way leaves
 *    what it began with.
 *
 * An append copies the array: 8,192 references take some tens of microseconds, far less than the
 * block's commit, and need no sharing that could leak memory or a change. Breaking 1 or 2 throws
 * `FatalError("internal")`, since data from a node is checked before it comes here.
 */
import type { BlockHeader } from "../domain/block.ts";
import { FatalError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { validateLinked } from "./branch.ts";

export class HeaderWindow {
	/** Ascending. */
	readonly headers: readonly BlockHeader[];
	readonly oldest: BlockHeader;
	/** The committed head. */
	readonly tip: BlockHeader;

	readonly #mostBlocks: number;

	private constructor(headers: readonly BlockHeader[], mostBlocks: number) {
		const kept = headers.slice(-mostBlocks);
		const oldest = kept[0];
		const tip = kept.at(-1);
		if (oldest === undefined || tip === undefined) {
			throw defect("a header window needs at least one block");
		}
		this.#mostBlocks = mostBlocks;
		this.headers = kept;
		this.oldest = oldest;
		this.tip = tip;
	}

	/** `headers` ascend and link; of more than `mostBlocks`, the chain's cap, the newest are kept. */
	static of(
		headers: readonly BlockHeader[],
		mostBlocks: number = LIMITS.windowBlocks,
	): HeaderWindow {
		assertLinked(headers);
		return new HeaderWindow(headers, mostBlocks);
	}

	/** Number of headers, at least 1. */
	get size(): number {
		return this.headers.length;
	}

	/** The committed block of that height; undefined outside of the window. */
	at(height: Height): BlockHeader | undefined {
		if (height < this.oldest.number || height > this.tip.number) return undefined;
		return this.headers[Number(height - this.oldest.number)];
	}

	/** Whether exactly this block is committed; false for every height outside of the window. */
	has(block: Pick<BlockHeader, "number" | "hash">): boolean {
		return this.at(block.number)?.hash === block.hash;
	}

	/** The headers strictly above a height, ascending. */
	above(height: Height): readonly BlockHeader[] {
		if (height < this.oldest.number) return this.headers;
		return this.headers.slice(Number(height - this.oldest.number) + 1);
	}

	/** `blocks` ascend and link to the tip. */
	append(blocks: readonly BlockHeader[]): HeaderWindow {
		if (blocks.length === 0) return this;
		assertLinked([this.tip, ...blocks]);
		return new HeaderWindow([...this.headers, ...blocks], this.#mostBlocks);
	}

	/** Drops every block above `ancestor`, which must be in the window and becomes the tip. */
	rewindTo(ancestor: Height): HeaderWindow {
		if (this.at(ancestor) === undefined) {
			throw defect(
				`the header window holds ${this.oldest.number} to ${this.tip.number} and cannot ` +
					`go back to ${ancestor}`,
			);
		}
		const kept = this.headers.slice(0, Number(ancestor - this.oldest.number) + 1);
		return new HeaderWindow(kept, this.#mostBlocks);
	}

	/** Drops every block strictly below `height`, and never the tip. */
	trimBelow(height: Height): HeaderWindow {
		const floor = height < this.tip.number ? height : this.tip.number;
		if (floor <= this.oldest.number) return this;
		const kept = this.headers.slice(Number(floor - this.oldest.number));
		return new HeaderWindow(kept, this.#mostBlocks);
	}
}

function assertLinked(headers: readonly BlockHeader[]): void {
	const broken = validateLinked(headers);
	if (broken !== undefined) throw defect(`the header window does not link: ${broken.message}`);
}

function defect(message: string): FatalError {
	return new FatalError("internal", {
		message,
		hint: "this is a defect of Recant or damage to its stored headers; please report it with the log",
	});
}
