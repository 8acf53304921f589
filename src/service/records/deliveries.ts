import { FatalError } from "../../domain/errors.ts";
import type { ChainId } from "../../domain/ids.ts";
import type { Delivery, DeliveryStore } from "../../webhooks/delivery.ts";
import { cursorInvalid, decodeCursor, encodeCursor } from "../reading/cursor.ts";
import type { DeliveriesService, DeliveryView } from "./deliveries-service.ts";

export interface DeliveriesOptions {
	readonly store: DeliveryStore;
	/** Receivers that are told at present. */
	readonly urls: readonly string[];
	/** Something is in the outbox, about that chain. */
	readonly due: (chainId: ChainId) => void;
	/** Throws `unknown_chain`. */
	readonly chainId: (chain: string) => ChainId;
}

export class Deliveries implements DeliveriesService {
	readonly #options: DeliveriesOptions;

	constructor(options: DeliveriesOptions) {
		this.#options = options;
	}

	async deliveries(chain: string, query: Parameters<DeliveriesService["deliveries"]>[1]) {
		const { limit, cursor } = query;
		const after = cursor === undefined ? undefined : deliveryOfCursor(cursor);
		const chainId = this.#options.chainId(chain);
		const found = await this.#options.store.page(chainId, { after, limit: limit + 1 });
		const last = found.length > limit ? found[limit - 1] : undefined;
		return {
			items: found.slice(0, limit).map(viewOf),
			cursor: last && encodeCursor({ d: last.deliveryId }),
		};
	}

	async retryDelivery(chain: string, deliveryId: string): Promise<DeliveryView> {
		const { store, urls, due } = this.#options;
		const delivery = await this.#find(chain, deliveryId);
		if (!urls.includes(delivery.url)) throw removed(delivery);
		await store.again(deliveryId);
		due(delivery.chainId);
		return viewOf({ ...delivery, state: "waiting", finishedAt: undefined });
	}

	async #find(chain: string, deliveryId: string): Promise<Delivery> {
		const chainId = this.#options.chainId(chain);
		const delivery = isUuid(deliveryId) ? await this.#options.store.load(deliveryId) : undefined;
		if (delivery?.chainId === chainId) return delivery;
		throw new FatalError("delivery_not_found", {
			message: `chain ${chainId} has no delivery ${deliveryId}`,
			hint: "see the chain's deliveries; those that ended are kept for a month",
			fields: { deliveryId },
		});
	}
}

function viewOf({ deliveryId, url, told, ...rest }: Delivery): DeliveryView {
	const rollbackId = told.kind === "rollback.committed" ? told.rollbackId : undefined;
	return { id: deliveryId, kind: told.kind, rollbackId, receiver: new URL(url).origin, ...rest };
}

function removed({ deliveryId, url }: Delivery): FatalError {
	return new FatalError("webhook_removed", {
		message: `delivery ${deliveryId} was for ${new URL(url).origin}, which is not told any more`,
		hint: "name its whole URL in WEBHOOK_URL again and restart",
		fields: { deliveryId },
	});
}

function deliveryOfCursor(cursor: string): string {
	const { d } = decodeCursor(cursor, ["d"]);
	if (!isUuid(d)) throw cursorInvalid();
	return d;
}

function isUuid(value: string): boolean {
	return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value);
}
