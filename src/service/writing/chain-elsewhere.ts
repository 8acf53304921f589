/**
 * One chain while another process writes it: what is written here goes into the inbox, and its outcome is
 * heard of. Looks at once when a commit is heard of, and now and then, since a notice can be missed.
 */
import { type Clock, systemClock } from "../../domain/clock.ts";
import { RecantError } from "../../domain/errors.ts";
import type { ChainId, Height, Hex, OperationId } from "../../domain/ids.ts";
import type { ChainElsewhereStore, ChainStanding } from "../chain-standing.ts";

/** For commits that were not heard of: a reconnect takes about as long, and a write waits for seconds at most. */
const LOOK_MS = 250;

export interface ChainElsewhereOptions {
	readonly chainId: ChainId;
	readonly store: ChainElsewhereStore;
	/** Tells whoever writes the chain that its inbox holds something. */
	readonly inboxDue: () => void;
	/** Tells it that the node may have a new block. */
	readonly headDue: () => void;
	readonly clock?: Clock | undefined;
}

interface Waiting {
	readonly left: Set<OperationId>;
	readonly done: () => void;
}

export class ChainElsewhere {
	readonly #options: ChainElsewhereOptions;
	readonly #clock: Clock;
	readonly #waiting = new Set<Waiting>();
	#heard = Promise.withResolvers<void>();
	#looking: Promise<void> | undefined;
	#again = false;
	#stopLooking: (() => void) | undefined;

	constructor(options: ChainElsewhereOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
	}

	standing(): Promise<ChainStanding> {
		return this.#options.store.standing(this.#options.chainId);
	}

	blockHash(height: Height): Promise<Hex | undefined> {
		return this.#options.store.blockHash(this.#options.chainId, height);
	}

	tailRows(): Promise<number> {
		return this.#options.store.tailRows(this.#options.chainId);
	}

	inboxDue(): void {
		this.#options.inboxDue();
	}

	headDue(): void {
		this.#options.headDue();
	}

	/** The chain's log has grown, or may have. */
	committed(): void {
		this.#heard.resolve();
		this.#heard = Promise.withResolvers();
		if (this.#waiting.size > 0) this.#look();
	}

	/** Resolves at the next commit that is heard of, and after `limitMs` at the latest. */
	async nextCommit(limitMs: number): Promise<void> {
		await this.#within(limitMs, this.#heard.promise);
	}

	/** Resolves when all of these have their outcome, and after `limitMs` at the latest. */
	async settled(operationIds: readonly OperationId[], limitMs: number): Promise<void> {
		const done = Promise.withResolvers<void>();
		const waiting: Waiting = { left: new Set(operationIds), done: () => done.resolve() };
		this.#waiting.add(waiting);
		this.#stopLooking ??= this.#clock.every(LOOK_MS, () => this.#look());
		// What is committed already is heard of by nobody.
		this.#look();
		try {
			await this.#within(limitMs, done.promise);
		} finally {
			this.#waiting.delete(waiting);
			if (this.#waiting.size === 0) {
				this.#stopLooking?.();
				this.#stopLooking = undefined;
			}
		}
	}

	/** One look for all who wait; another after it when something was heard meanwhile. */
	#look(): void {
		if (this.#looking !== undefined) {
			this.#again = true;
			return;
		}
		this.#again = false;
		this.#looking = this.#settle()
			.catch((error: unknown) => {
				// Postgres is away: the next look tells, and the operations are durable.
				if (!(error instanceof RecantError)) throw error;
			})
			.finally(() => {
				this.#looking = undefined;
				if (this.#again && this.#waiting.size > 0) this.#look();
			});
	}

	async #settle(): Promise<void> {
		const asked = [...this.#waiting];
		const ids = asked.flatMap(({ left }) => [...left]);
		if (ids.length === 0) return;
		const { store, chainId } = this.#options;
		const queued = new Set(await store.stillQueued(chainId, ids));
		for (const { left, done } of asked) {
			for (const id of left) if (!queued.has(id)) left.delete(id);
			if (left.size === 0) done();
		}
	}

	async #within(limitMs: number, work: Promise<void>): Promise<void> {
		const late = Promise.withResolvers<void>();
		const cancel = this.#clock.after(Math.max(0, limitMs), () => late.resolve());
		try {
			await Promise.race([work, late.promise]);
		} finally {
			cancel();
		}
	}
}
