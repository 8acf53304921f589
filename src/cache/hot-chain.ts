/**
 * The working memory of one chain while this process writes it.
 *
 * Invariants
 * 1. Something is answered from here only at a state that Postgres held when the read began: that of the last
 *    commit that is known to have succeeded, and only while the lease is held, so that nobody else can commit.
 * 2. What a commit changes is taken away before it is sent, and nothing is put in before it is known to have
 *    succeeded. While it is not known to be gone, nothing is answered; nor after a commit of unknown outcome.
 * 3. A read that waited for its copy answers only if nothing began meanwhile (`#epoch`).
 * 4. While Postgres does not answer, nothing is answered from here either.
 */
import type { AnsweredAt } from "../domain/coordinate.ts";
import { type ChainId, FOREVER, type Height, type MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { HotEntry, HotMemory } from "../service/reading/working-memory-reader.ts";
import type { CommittedState, WorkingMemory } from "../writer/working-memory.ts";
import type { HotEntries, OpenHotEntries } from "./hot-entries.ts";

export interface HotChainOptions {
	readonly chainId: ChainId;
	readonly openEntries: OpenHotEntries;
	readonly isLeaseHeld: () => boolean;
	/** False while Postgres does not answer. */
	readonly isDatabaseUp: () => boolean;
	readonly onReset: () => void;
	readonly onClose: () => void;
}

export class HotChain implements WorkingMemory {
	readonly #options: HotChainOptions;
	readonly #entries: HotEntries;
	/** Undefined while it is not known what Postgres holds. */
	#state: CommittedState | undefined;
	#epoch = 0;
	/** A commit was sent, and what became of it is not known yet. */
	#isChanging = false;
	/** Deletions that are not acknowledged yet. */
	#leaving = 0;

	constructor(options: HotChainOptions) {
		this.#options = options;
		this.#entries = options.openEntries(options.chainId, options.onReset);
	}

	get size(): number {
		return this.#entries.size;
	}

	/** What the commit does not touch says the same before and after it, so it is answered meanwhile. */
	changing(keys: readonly MemoryKey[]): void {
		this.#epoch += 1;
		this.#isChanging = true;
		void this.#takeAway(keys);
	}

	changed(state: CommittedState, written: readonly Version[]): void {
		this.#isChanging = false;
		this.#state = state;
		const pending = pendingHeight(state);
		if (pending === undefined) return;
		// The later row of a memory is the one that holds; an earlier one ends below the pending slot.
		const hot = written.filter((version) => isHot(version) && holdsAt(version, pending));
		this.#entries.set(hot);
	}

	suspend(): void {
		this.#forgetState();
	}

	resume(state: CommittedState): void {
		this.#forgetState();
		this.#entries.reset();
		this.#options.onReset();
		this.#state = state;
	}

	close(): void {
		this.#forgetState();
		this.#options.onClose();
		// Only tidiness, and never fails: what it leaves lapses.
		void this.#entries.close();
	}

	async read(key: MemoryKey): Promise<HotMemory | undefined> {
		const epoch = this.#epoch;
		const at = this.#at();
		if (at === undefined) return undefined;
		const found = this.#entries.get(key);
		const version = found instanceof Promise ? await found : found;
		const state = this.#state;
		if (version === undefined || epoch !== this.#epoch || this.#at() === undefined)
			return undefined;
		const { safe, finalized } = state ?? {};
		const marks = { head: state?.head?.number, safe, finalized };
		return holdsAt(version, at.height) ? { at, marks, version } : undefined;
	}

	/**
	 * Keeps what Postgres answered, if that is still all there is. An answer from behind the state that is
	 * held here means that the commit under way is through: nothing older is answered after it.
	 */
	learned(answered: AnsweredAt, version: Version): void {
		const at = this.#at();
		// While a commit is under way the copy may not get back what was taken away for it.
		if (at !== undefined && answered.logPosition > at.logPosition) this.#forgetState();
		const isPresent =
			at !== undefined &&
			!this.#isChanging &&
			at.height === answered.height &&
			at.generation === answered.generation &&
			at.logPosition === answered.logPosition;
		if (isPresent && isHot(version) && holdsAt(version, at.height)) this.#entries.set([version]);
	}

	async *entries(): AsyncGenerator<HotEntry> {
		if (this.#at() !== undefined) yield* this.#entries.all();
	}

	async drop(key: MemoryKey): Promise<void> {
		this.#epoch += 1;
		await this.#takeAway([key]);
	}

	/** The coordinate of answers from here; undefined: there are none now. */
	#at(): AnsweredAt | undefined {
		const { chainId, isLeaseHeld, isDatabaseUp } = this.#options;
		const state = this.#state;
		if (state === undefined || this.#leaving > 0) return undefined;
		const height = pendingHeight(state);
		if (height === undefined || !isLeaseHeld() || !isDatabaseUp()) return undefined;
		const { generation, logPosition } = state;
		return { chainId, height, generation, blockHash: undefined, logPosition, pending: true };
	}

	#forgetState(): void {
		this.#epoch += 1;
		this.#isChanging = false;
		this.#state = undefined;
	}

	async #takeAway(keys: readonly MemoryKey[]): Promise<void> {
		const leaving = this.#entries.delete(keys);
		if (leaving === undefined) return;
		this.#leaving += 1;
		try {
			await leaving;
		} finally {
			this.#leaving -= 1;
		}
	}
}

function pendingHeight({ head }: CommittedState): Height | undefined {
	return head && head.number + 1n;
}

function holdsAt(version: Version, height: Height): boolean {
	return version.fromBlock <= height && height < version.toBlock;
}

/** Short-term, believed in the present generation, and no tombstone. */
function isHot({ layer, content, toGen }: Version): boolean {
	return layer === "short_term" && content !== undefined && toGen === FOREVER;
}
