/** Deliveries of webhooks: what is to be sent to whom, and what became of it. */
import type { ChainId, RollbackId } from "../domain/ids.ts";
import type { JsonObject } from "../domain/operation.ts";

/** waiting: it is sent, or sent again, until it is one of the others. failed: it is not tried any more. */
export const DELIVERY_STATES = ["waiting", "delivered", "failed"] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/**
 * What a message tells of; its `type`. chain.halted: the chain is read-only until somebody does something
 * about it. chain.resumed: it goes on.
 */
export const DELIVERY_KINDS = ["rollback.committed", "chain.halted", "chain.resumed"] as const;
export type DeliveryKind = (typeof DELIVERY_KINDS)[number];

/** A rollback's report is read when it is sent. Of a halt nothing else is kept, so all of it is here. */
export type Told =
	| { readonly kind: "rollback.committed"; readonly rollbackId: RollbackId }
	| { readonly kind: "chain.halted" | "chain.resumed"; readonly data: JsonObject };

export interface Delivery {
	/** UUID; the message's `webhook-id` at every try. */
	readonly deliveryId: string;
	readonly chainId: ChainId;
	readonly told: Told;
	readonly url: string;
	readonly state: DeliveryState;
	/** Since it was recorded, those of an earlier retry by hand among them. */
	readonly attempts: number;
	/** Why the last try failed; undefined: none did, or it arrived since. */
	readonly error: string | undefined;
	readonly createdAt: Date;
	readonly finishedAt: Date | undefined;
}

/** The adapter is store/records/postgres-delivery-store.ts. */
export interface DeliveryStore {
	load(deliveryId: string): Promise<Delivery | undefined>;
	/** The newest first; `after`: those that follow this one. */
	page(
		chainId: ChainId,
		query: { readonly after: string | undefined; readonly limit: number },
	): Promise<readonly Delivery[]>;
	/** Ids of those that wait, the oldest first, at most LIMITS.deliveryBatch. */
	waiting(): Promise<readonly string[]>;
	/** What became of one more try. `state` waiting: it is tried again. */
	tried(
		deliveryId: string,
		outcome: { readonly state: DeliveryState; readonly error: string | undefined },
	): Promise<void>;
	/** Has it sent again, whatever became of it: state and outbox in one transaction. */
	again(deliveryId: string): Promise<void>;
	/** Entries of the outbox, at most LIMITS.deliveryBatch. */
	outbox(): Promise<readonly { readonly outboxId: bigint; readonly deliveryId: string }[]>;
	forget(outboxIds: readonly bigint[]): Promise<void>;
}

export interface DeliveryJob {
	readonly deliveryId: string;
	/** True: if this try fails there is no other. */
	readonly last: boolean;
}

/** done: it needs no further try. again: after a wait, while the queue has tries left. */
export type DeliveryOutcome = "done" | "again";

/** The adapter is queue/delivery-queue.ts. */
export interface DeliveryQueue {
	start(handler: (job: DeliveryJob) => Promise<DeliveryOutcome>): void;
	/**
	 * One delivery is one job: while it is there nothing is added. `now`: one that waits for its next try
	 * is tried at once. Throws `RetryableError("queue_unavailable")`.
	 */
	enqueue(deliveryId: string, options: { readonly now: boolean }): Promise<void>;
	close(deadlineMs: number): Promise<void>;
}

export interface Message {
	readonly url: string;
	readonly id: string;
	/** JSON. */
	readonly body: string;
}

/** arrived: 2xx. refused: it will not be taken, ever (410). failed: perhaps later. */
export type SendOutcome =
	| { readonly type: "arrived" }
	| { readonly type: "refused"; readonly why: string }
	| { readonly type: "failed"; readonly why: string };

/** The adapter is outbound/webhook-sender.ts. Never throws for what the receiver does. */
export type WebhookSender = (message: Message) => Promise<SendOutcome>;
