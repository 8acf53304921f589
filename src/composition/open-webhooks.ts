/** Who is told of rollbacks, and what became of it. */
import type { WebhookSettings } from "../config/webhook-settings.ts";
import { FatalError } from "../domain/errors.ts";
import type { Logger } from "../domain/logger.ts";
import type { JsonObject } from "../domain/operation.ts";
import { toWire } from "../domain/wire.ts";
import { createWebhookSender } from "../outbound/webhook-sender.ts";
import type { QueueBackendConfig } from "../queue/choose-backend.ts";
import { createDeliveryQueue } from "../queue/delivery-queue.ts";
import type { Recant } from "../service/recant.ts";
import { Deliveries } from "../service/records/deliveries.ts";
import type { DeliveriesService } from "../service/records/deliveries-service.ts";
import type { Database } from "../store/database.ts";
import { PostgresDeliveryStore } from "../store/records/postgres-delivery-store.ts";
import type { Delivery } from "../webhooks/delivery.ts";
import { reportMessage } from "../webhooks/report-message.ts";
import { WebhookDispatch } from "../webhooks/webhook-dispatch.ts";

export interface WebhookParts {
	readonly settings: WebhookSettings | undefined;
	readonly database: Database;
	readonly backend: QueueBackendConfig;
	/** As of the rollback queue. */
	readonly prefix: string;
	readonly service: Recant;
	readonly log: Logger;
}

export interface OpenWebhooks {
	readonly deliveries: DeliveriesService;
	start(): void;
	stop(closeMs: number): Promise<void>;
}

export function openWebhooks(parts: WebhookParts): OpenWebhooks {
	const { settings, database, backend, prefix, service, log } = parts;
	const store = new PostgresDeliveryStore(database);
	const urls = settings?.urls ?? [];
	const queue = settings && createDeliveryQueue({ backend, prefix, log });
	const dispatch =
		settings &&
		queue &&
		new WebhookDispatch({
			store,
			queue,
			send: createWebhookSender(settings),
			urls,
			body: (delivery) => bodyOf(delivery, service, settings.publicUrl),
			log,
		});
	const due = () => dispatch?.relay();
	const chainId = (chain: string) => service.chainId(chain);
	return {
		deliveries: new Deliveries({ store, urls, due, chainId }),
		start: () => dispatch?.start(),
		async stop(closeMs) {
			await dispatch?.stop();
			await queue?.close(closeMs);
		},
	};
}

/** Undefined: the rollback, or its report, is not kept any more. */
async function bodyOf(
	{ chainId, rollbackId }: Delivery,
	service: Recant,
	publicUrl: string | undefined,
): Promise<string | undefined> {
	try {
		const { rollback, ...report } = await service.report(chainId.toString(), rollbackId);
		const committedAt = rollback.finishedAt ?? rollback.createdAt;
		const shown = { ...(toWire(rollback) as JsonObject), id: rollback.id, chainId };
		return reportMessage({
			rollback: shown,
			report: toWire(report) as JsonObject,
			committedAt,
			publicUrl,
		});
	} catch (error) {
		const isGone =
			error instanceof FatalError &&
			(error.code === "rollback_not_found" || error.code === "not_found");
		if (isGone) return undefined;
		throw error;
	}
}
