/** What became of the messages that told receivers of rollbacks and of halts. */
import type { ChainId, RollbackId } from "../../domain/ids.ts";
import type { DeliveryKind } from "../../webhooks/delivery.ts";
import type { Page } from "../recant-service.ts";

export interface DeliveryView {
	/** Also the message's `webhook-id`. */
	readonly id: string;
	readonly chainId: ChainId;
	readonly kind: DeliveryKind;
	/** Undefined: it tells of a chain that halted or goes on. */
	readonly rollbackId: RollbackId | undefined;
	/** Scheme and host of the receiver; its path may be a secret. */
	readonly receiver: string;
	/** waiting: it is sent, or sent again, until it is one of the others. failed: no further try by itself. */
	readonly state: "waiting" | "delivered" | "failed";
	readonly attempts: number;
	/** Why the last try failed; undefined: none did, or it arrived since. */
	readonly error: string | undefined;
	readonly createdAt: Date;
	readonly finishedAt: Date | undefined;
}

export interface DeliveriesService {
	/** The newest first. */
	deliveries(
		chain: string,
		query: { readonly limit: number; readonly cursor: string | undefined },
	): Promise<Page<DeliveryView>>;
	/**
	 * Sends it again, at once and with all tries, whatever became of it. Throws `delivery_not_found`, and
	 * `webhook_removed` when its receiver is not told any more.
	 */
	retryDelivery(chain: string, deliveryId: string): Promise<DeliveryView>;
}
