/** Who is told of rollbacks and of halts, and what became of it. */
import { FatalError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/operation.ts";
import { toWire } from "../domain/wire.ts";
import { createWebhookSender } from "../outbound/webhook-sender.ts";
import { createDeliveryQueue } from "../queue/delivery-queue.ts";
import type { Recant } from "../service/recant.ts";
import { Deliveries } from "../service/records/deliveries.ts";
import type { DeliveriesService } from "../service/records/deliveries-service.ts";
import { PostgresDeliveryStore } from "../store/records/postgres-delivery-store.ts";
import type { Delivery } from "../webhooks/delivery.ts";
import { haltMessage } from "../webhooks/halt-message.ts";
import { reportMessage } from "../webhooks/report-message.ts";
import { WebhookDispatch } from "../webhooks/webhook-dispatch.ts";
import type { Foundation } from "./foundation.ts";

/** Deliveries as they are read and asked for again; whoever has the role `worker` sends them. */
export function openDeliveries(
	{ database, environment, notices }: Foundation,
	service: Pick<Recant, "chainId">,
): DeliveriesService {
	return new Deliveries({
		store: new PostgresDeliveryStore(database),
		urls: environment.webhook?.urls ?? [],
		due: (chainId) => notices.send({ kind: "delivery", chainId }),
		chainId: (chain) => service.chainId(chain),
	});
}

export interface OpenWebhooks {
	start(): void;
	/** Something may be in the outbox. */
	relay(): void;
	stop(closeMs: number): Promise<void>;
}

/** Sends them; undefined: nobody is told of anything. */
export function openWebhooks(
	{ environment: { webhook: settings }, database, backend, prefix, log }: Foundation,
	service: Recant,
): OpenWebhooks | undefined {
	if (settings === undefined) return undefined;
	const queue = createDeliveryQueue({ backend, prefix, log });
	const dispatch = new WebhookDispatch({
		store: new PostgresDeliveryStore(database),
		queue,
		send: createWebhookSender(settings),
		urls: settings.urls,
		body: (delivery) => bodyOf(delivery, service, settings.publicUrl),
		log,
	});
	return {
		start: () => dispatch.start(),
		relay: () => dispatch.relay(),
		async stop(closeMs) {
			await dispatch.stop();
			await queue.close(closeMs);
		},
	};
}

/** Undefined: the rollback, or its report, is not kept any more. */
async function bodyOf(
	{ chainId, createdAt, told }: Delivery,
	service: Recant,
	publicUrl: string | undefined,
): Promise<string | undefined> {
	if (told.kind !== "rollback.committed") {
		return haltMessage({ told, chainId, at: createdAt, publicUrl });
	}
	const { rollbackId } = told;
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
