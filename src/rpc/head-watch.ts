/**
 * Tells when there may be a new head: at a poll interval always, and at each announcement of those
 * providers that can announce. The interval is what is relied on; an announcement is only sooner,
 * so a lost subscription costs time and nothing else, also when it is lost during a fork.
 *
 * A socket that is open and silent is noticed by what the polls see: a head above the last announced one that
 * is not announced for several blocks' time. It is opened anew, and again later each time it stays silent.
 */
import type { Clock } from "../domain/clock.ts";
import type { Height } from "../domain/ids.ts";
import { readAnnounced } from "./announced-head.ts";
import { backoffMs } from "./backoff.ts";
import type { Connection, HeadSubscription } from "./connection.ts";
import type { HeadNotes } from "./head-notes.ts";
import { lookAhead } from "./logs.ts";
import type { Provider } from "./provider.ts";
import { ProviderError } from "./provider-error.ts";
import type { RpcLog } from "./rpc-log.ts";

export interface HeadWatch {
	readonly providers: readonly Provider[];
	readonly heads: HeadNotes<Provider>;
	readonly pollIntervalMs: number;
	readonly clock: Clock;
	readonly log: RpcLog | undefined;
	readonly onHead: () => void;
}

/** Returns the stop function; `onHead` is not called after it. */
export function watchHeads(watch: HeadWatch): () => void {
	const stopPolls = watch.clock.every(watch.pollIntervalMs, watch.onHead);
	const subscribers = watch.providers.flatMap((provider) => {
		const { subscribeHeads } = provider.connection;
		return subscribeHeads === undefined
			? []
			: [new HeadSubscriber({ ...watch, provider, subscribeHeads })];
	});
	return () => {
		stopPolls();
		for (const subscriber of subscribers) subscriber.stop();
	};
}

interface SubscriberOptions extends Omit<HeadWatch, "providers" | "pollIntervalMs"> {
	readonly provider: Provider;
	readonly subscribeHeads: NonNullable<Connection["subscribeHeads"]>;
}

/** How many blocks' time an announcement may take, and how long at least. */
const SILENT_BLOCKS = 3;
const SILENT_MS = 2_000;
/** 2^7 times that is four minutes: how long a node that never announces is left alone at most. */
const MOST_SILENT_DOUBLINGS = 7;

/**
 * Keeps one subscription at one provider, from its making until `stop`. After a drop or a failure
 * it subscribes again, with pauses that grow to LIMITS.rpcBackoffMs: without end, because nothing
 * else would bring the announcements back.
 */
class HeadSubscriber {
	readonly #options: SubscriberOptions;
	readonly #endListening: () => void;
	#subscription: HeadSubscription | undefined;
	#stopTimer: (() => void) | undefined;
	#failures = 0;
	/** Sockets in a row that were given up for their silence. */
	#silences = 0;
	/** Highest head that needs no announcement: it was announced, or there when the subscription began. */
	#announced: Height | undefined;
	/** When a head above it was seen first. */
	#missedSinceMs: number | undefined;
	#stopped = false;

	constructor(options: SubscriberOptions) {
		this.#options = options;
		this.#endListening = options.heads.listen((_who, { height }) => this.#seen(height));
		void this.#subscribe();
	}

	stop(): void {
		this.#stopped = true;
		this.#endListening();
		this.#stopTimer?.();
		void this.#cancel();
	}

	async #subscribe(): Promise<void> {
		const { clock, subscribeHeads } = this.#options;
		const startedMs = clock.now();
		try {
			this.#subscription = await subscribeHeads({
				onHead: (header) => this.#announce(header),
				onDrop: () => this.#subscribeLater(),
			});
		} catch (error) {
			this.#note(error, startedMs);
			return this.#subscribeLater();
		}
		this.#failures = 0;
		this.#announced = undefined;
		this.#missedSinceMs = undefined;
		if (this.#stopped) return await this.#cancel();
		// For the heads of the time without a subscription.
		this.#tell();
	}

	#subscribeLater(): void {
		const { clock, provider } = this.#options;
		this.#subscription = undefined;
		if (this.#stopped) return;
		this.#failures += 1;
		const waitMs = Math.max(backoffMs(this.#failures, clock.random()), provider.asideMs);
		this.#stopTimer = clock.after(waitMs, () => void this.#subscribe());
	}

	#announce(header: unknown): void {
		if (this.#stopped) return;
		const { provider, heads } = this.#options;
		const head = readAnnounced(header);
		if (head !== undefined) lookAhead(provider, head);
		this.#silences = 0;
		this.#missedSinceMs = undefined;
		this.#announced = head?.height ?? heads.highest;
		if (head !== undefined) heads.note(provider, head);
		this.#tell();
	}

	/** Some provider showed this head. */
	#seen(height: Height): void {
		if (this.#subscription === undefined || this.#stopped) return;
		this.#announced ??= height;
		if (height <= this.#announced) return;
		const now = this.#options.clock.now();
		this.#missedSinceMs ??= now;
		if (now - this.#missedSinceMs >= this.#silentMs()) this.#abandon(height);
	}

	#silentMs(): number {
		const blocksMs = SILENT_BLOCKS * (this.#options.heads.blockMs ?? 0);
		return Math.max(SILENT_MS, blocksMs) * 2 ** Math.min(this.#silences, MOST_SILENT_DOUBLINGS);
	}

	#abandon(height: Height): void {
		const { provider, log } = this.#options;
		this.#silences += 1;
		const why = `did not announce block ${height}`;
		log?.warn({ provider: provider.url.shown }, `provider's socket is silent: it ${why}`);
		this.#subscription?.abandon(why);
	}

	#tell(): void {
		if (!this.#stopped) this.#options.onHead();
	}

	async #cancel(): Promise<void> {
		const startedMs = this.#options.clock.now();
		try {
			await this.#subscription?.cancel();
		} catch (error) {
			this.#note(error, startedMs);
		}
	}

	#note(error: unknown, startedMs: number): void {
		if (!(error instanceof ProviderError)) throw error;
		this.#options.provider.standing.failed(error, startedMs);
	}
}
