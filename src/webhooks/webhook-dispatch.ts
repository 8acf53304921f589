/**
 * Brings deliveries to the queue, and carries their jobs out.
 *
 * 1. A delivery is recorded in the transaction of what it tells of, with an entry in the outbox,
 *    which is looked at every second: what is committed is delivered, whatever dies when.
 * 2. A job is a reminder: the delivery's row says what it is about and whether it still waits. Those that
 *    wait are enqueued again at a start and now and then, in case the queue lost its jobs.
 * 3. Sent at least once: the process may die between the answer and its record. All tries of a delivery
 *    carry one id, by which the receiver knows them.
 */
import { RecantError } from "../domain/errors.ts";
import type { Logger } from "../domain/logger.ts";
import type {
	Delivery,
	DeliveryJob,
	DeliveryOutcome,
	DeliveryQueue,
	DeliveryStore,
	SendOutcome,
	WebhookSender,
} from "./delivery.ts";

const LOOK_MS = 1_000;
/** How often those that wait are enqueued again; a job that is there is not doubled by it. */
const ENQUEUE_AGAIN_MS = 600_000;

export interface WebhookDispatchOptions {
	readonly store: DeliveryStore;
	readonly queue: DeliveryQueue;
	readonly send: WebhookSender;
	/** Receivers that are told at present. */
	readonly urls: readonly string[];
	/** JSON of the message; undefined: the rollback's record is gone. */
	readonly body: (delivery: Delivery) => Promise<string | undefined>;
	readonly log: Logger;
	/** Tests shorten it. */
	readonly lookMs?: number;
}

export class WebhookDispatch {
	readonly #options: WebhookDispatchOptions;
	#timer: NodeJS.Timeout | undefined;
	#relaying: Promise<void> | undefined;
	#failing = false;
	/** On the clock of performance.now(). */
	#enqueueAgainAt = 0;

	constructor(options: WebhookDispatchOptions) {
		this.#options = options;
	}

	start(): void {
		this.#options.queue.start((job) => this.#deliver(job));
		this.#timer = setInterval(() => this.relay(), this.#options.lookMs ?? LOOK_MS);
		this.relay();
	}

	async stop(): Promise<void> {
		clearInterval(this.#timer);
		await this.#relaying;
	}

	/** Something may be in the outbox. */
	relay(): void {
		this.#relaying ??= this.#relay().finally(() => {
			this.#relaying = undefined;
		});
	}

	async #relay(): Promise<void> {
		const { store, queue, log } = this.#options;
		try {
			for (const { outboxId, deliveryId } of await store.outbox()) {
				await queue.enqueue(deliveryId, { now: true });
				await store.forget([outboxId]);
			}
			if (performance.now() >= this.#enqueueAgainAt) await this.#enqueueWaiting();
			this.#failing = false;
		} catch (error) {
			if (!(error instanceof RecantError)) throw error;
			if (!this.#failing) {
				log.warn({ err: error }, "deliveries of webhooks are not enqueued; it is tried again");
			}
			this.#failing = true;
		}
	}

	async #enqueueWaiting(): Promise<void> {
		const { store, queue } = this.#options;
		for (const deliveryId of await store.waiting()) await queue.enqueue(deliveryId, { now: false });
		this.#enqueueAgainAt = performance.now() + ENQUEUE_AGAIN_MS;
	}

	async #deliver({ deliveryId, last }: DeliveryJob): Promise<DeliveryOutcome> {
		const { store, log } = this.#options;
		const delivery = await store.load(deliveryId);
		if (delivery?.state !== "waiting") return "done";
		const outcome = await this.#sent(delivery);
		const over = outcome.type !== "failed" || last;
		const failure = outcome.type === "arrived" ? undefined : outcome.why;
		const ended = outcome.type === "arrived" ? "delivered" : "failed";
		await store.tried(deliveryId, { state: over ? ended : "waiting", error: failure });
		if (over && failure !== undefined) {
			const { told } = delivery;
			log.warn({ deliveryId, ...told, reason: failure }, "a webhook could not be delivered");
		}
		return over ? "done" : "again";
	}

	async #sent(delivery: Delivery): Promise<SendOutcome> {
		const { urls, body, send } = this.#options;
		if (!urls.includes(delivery.url)) {
			return { type: "refused", why: "WEBHOOK_URL does not name this receiver any more" };
		}
		const json = await body(delivery);
		if (json === undefined) {
			return { type: "refused", why: "the rollback's report is not kept any more" };
		}
		return send({ url: delivery.url, id: delivery.deliveryId, body: json });
	}
}
