/**
 * Tells when there may be a new head: at a poll interval always, and at each announcement of those
 * providers that can announce. The interval is what is relied on; an announcement is only sooner,
 * so a lost subscription costs time and nothing else.
 */
import { backoffMs } from "./backoff.ts";
import type { Connection, HeadSubscription } from "./connection.ts";
import type { Provider } from "./provider.ts";
import { ProviderError } from "./provider-error.ts";

interface HeadWatch {
	readonly providers: readonly Provider[];
	readonly pollIntervalMs: number;
	readonly onHead: () => void;
}

/** Returns the stop function; `onHead` is not called after it. */
export function watchHeads({ providers, pollIntervalMs, onHead }: HeadWatch): () => void {
	const timer = setInterval(onHead, pollIntervalMs);
	const subscribers = providers.flatMap((provider) => {
		const { subscribeHeads } = provider.connection;
		return subscribeHeads === undefined
			? []
			: [new HeadSubscriber(provider, subscribeHeads, onHead)];
	});
	return () => {
		clearInterval(timer);
		for (const subscriber of subscribers) subscriber.stop();
	};
}

/**
 * Keeps one subscription at one provider, from its making until `stop`. After a drop or a failure
 * it subscribes again, with pauses that grow to LIMITS.rpcBackoffMs: without end, because nothing
 * else would bring the announcements back.
 */
class HeadSubscriber {
	readonly #provider: Provider;
	readonly #subscribeHeads: NonNullable<Connection["subscribeHeads"]>;
	readonly #onHead: () => void;
	#subscription: HeadSubscription | undefined;
	#timer: NodeJS.Timeout | undefined;
	#failures = 0;
	#stopped = false;

	constructor(
		provider: Provider,
		subscribeHeads: NonNullable<Connection["subscribeHeads"]>,
		onHead: () => void,
	) {
		this.#provider = provider;
		this.#subscribeHeads = subscribeHeads;
		this.#onHead = onHead;
		void this.#subscribe();
	}

	stop(): void {
		this.#stopped = true;
		clearTimeout(this.#timer);
		void this.#cancel();
	}

	async #subscribe(): Promise<void> {
		const startedMs = performance.now();
		try {
			this.#subscription = await this.#subscribeHeads({
				onHead: () => this.#tell(),
				onDrop: () => this.#subscribeLater(),
			});
		} catch (error) {
			this.#note(error, startedMs);
			return this.#subscribeLater();
		}
		this.#failures = 0;
		if (this.#stopped) return await this.#cancel();
		// For the heads of the time without a subscription.
		this.#tell();
	}

	#subscribeLater(): void {
		this.#subscription = undefined;
		if (this.#stopped) return;
		this.#failures += 1;
		this.#timer = setTimeout(() => void this.#subscribe(), backoffMs(this.#failures));
	}

	#tell(): void {
		if (!this.#stopped) this.#onHead();
	}

	async #cancel(): Promise<void> {
		const startedMs = performance.now();
		try {
			await this.#subscription?.cancel();
		} catch (error) {
			this.#note(error, startedMs);
		}
	}

	#note(error: unknown, startedMs: number): void {
		if (!(error instanceof ProviderError)) throw error;
		this.#provider.failed(error, startedMs);
	}
}
