/**
 * Derives a backfill's groups, each while the one before it is being committed: the node, the handlers and
 * Postgres then work at the same time.
 *
 * 1. One group ahead, so no more than two are held.
 * 2. A group ahead reads handlers' memories as the group before it leaves them, from what that one wrote.
 *    Where many have to be read from the store, they are read at once; see rehearsal.ts.
 * 3. It counts only for the very range and parent that are asked for, and only if nothing that decides which
 *    blocks are looked at changed meanwhile; else it is derived anew. So a commit that failed, an agent's write
 *    or a fork costs time and changes nothing.
 */
import type { BlockHeader } from "../domain/block.ts";
import type { Hex, MemoryKey } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { HandlerVersion } from "../rollback/branch-deriver.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import type { OpenOperation } from "../writer/writer-store.ts";
import {
	assertStandsOn,
	type BackfillRange,
	childrenKnownTo,
	deriveFetched,
	type FetchedRange,
	fetchRange,
} from "./backfill.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { type HandlerCache, writtenBy } from "./handler-cache.ts";
import { keysToRead } from "./rehearsal.ts";
import type { WindowDeriver } from "./window-deriver.ts";

/** What decides, beside the chain, which of a range's blocks are looked at. */
export interface LookedFor {
	readonly suspended: readonly OpenOperation[];
	/** Block times in seconds at which something ends. */
	readonly times: readonly bigint[];
}

interface Ahead {
	readonly range: BackfillRange;
	readonly parentHash: Hex;
	readonly lookedFor: LookedFor;
	readonly blocks: Promise<readonly DerivedBlock[]>;
}

export class BackfillGroups {
	readonly #spec: ChainSpec;
	readonly #source: ChainSource;
	readonly #deriver: Pick<WindowDeriver, "calls">;
	readonly #handlers: HandlerCache;
	#ahead: Ahead | undefined;
	/** Whether the handlers run twice, first to know what they read. */
	#rehearses = false;

	constructor(parts: {
		readonly spec: ChainSpec;
		readonly source: ChainSource;
		readonly deriver: Pick<WindowDeriver, "calls">;
		readonly handlers: HandlerCache;
	}) {
		this.#spec = parts.spec;
		this.#source = parts.source;
		this.#deriver = parts.deriver;
		this.#handlers = parts.handlers;
	}

	/** The blocks of a range that stands on `parentHash`; undefined: on any. */
	async derive(
		range: BackfillRange & { readonly parentHash: Hex | undefined },
		lookedFor: LookedFor,
	): Promise<readonly DerivedBlock[]> {
		const ahead = this.#ahead;
		this.#ahead = undefined;
		if (ahead !== undefined && isFor(ahead, range, lookedFor)) return ahead.blocks;
		return this.#derive(range, range.parentHash, { lookedFor, written: new Map() });
	}

	/** Begins with `range`, which stands on the last of `before`: blocks that are about to be committed. */
	begin(range: BackfillRange, before: readonly DerivedBlock[], lookedFor: LookedFor): void {
		const parent = before.at(-1)?.header;
		if (parent === undefined) return;
		const written = writtenBy(before);
		const later = laterThan(parent, lookedFor);
		const blocks = this.#derive(range, parent.hash, { lookedFor: later, written });
		// Whoever asks for it is told; nobody does after a stop, or when another range is asked for.
		blocks.catch(() => undefined);
		this.#ahead = { range, parentHash: parent.hash, lookedFor: later, blocks };
	}

	/** The chain went elsewhere. */
	forget(): void {
		this.#ahead = undefined;
	}

	/** Resolves when nothing is under way. */
	async idle(): Promise<void> {
		await this.#ahead?.blocks.catch(() => undefined);
	}

	/** `written`: what the blocks below leave that are not committed yet. */
	async #derive(
		range: BackfillRange,
		parentHash: Hex | undefined,
		{ lookedFor, written }: { readonly lookedFor: LookedFor; readonly written: Written },
	): Promise<readonly DerivedBlock[]> {
		const [spec, source] = [this.#spec, this.#source];
		const read = async (key: MemoryKey): Promise<HandlerVersion | undefined> => {
			const here = written.get(key);
			return here === undefined ? this.#handlers.read(key) : here.version;
		};
		const fetched = await fetchRange(range, {
			...{ spec, source, children: childrenKnownTo(read) },
			...lookedFor,
		});
		assertStandsOn(fetched, parentHash);
		await this.#readAhead(fetched, written);
		const misses = this.#handlers.misses;
		const blocks = await deriveFetched(fetched, { spec, calls: this.#deriver.calls, read });
		this.#rehearses ||= this.#handlers.misses - misses >= LIMITS.rehearsedFromReads;
		return blocks;
	}

	/** What the handlers will read, at once, where the group before read much that was not at hand. */
	async #readAhead(fetched: FetchedRange, written: Written): Promise<void> {
		if (!this.#rehearses) return;
		const known = (key: MemoryKey) => written.get(key) ?? this.#handlers.known(key);
		const keys = await keysToRead(fetched, this.#spec, known);
		await this.#handlers.readAhead(keys);
		this.#rehearses = keys.length >= LIMITS.rehearsedFromReads;
	}
}

type Written = ReturnType<typeof writtenBy>;

/** What ends by the time of the block below a range is over when the range begins. */
function laterThan({ timestamp }: BlockHeader, { suspended, times }: LookedFor): LookedFor {
	return { suspended, times: times.filter((time) => time > timestamp) };
}

function isFor(
	ahead: Ahead,
	range: BackfillRange & { readonly parentHash: Hex | undefined },
	{ suspended, times }: LookedFor,
): boolean {
	return (
		ahead.range.from === range.from &&
		ahead.range.to === range.to &&
		ahead.parentHash === range.parentHash &&
		// Operations are read anew after a commit that touches one of them.
		ahead.lookedFor.suspended.length === 0 &&
		suspended.length === 0 &&
		ahead.lookedFor.times.join() === times.join()
	);
}
