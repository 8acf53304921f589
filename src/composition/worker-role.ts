/**
 * The role `worker`: prepares rollbacks (see open-rollbacks.ts), sends reports of them, and deletes what is
 * past its keeping.
 */
import type { Recant } from "../service/recant.ts";
import type { Foundation } from "./foundation.ts";
import { openSweeper } from "./open-records.ts";
import { openWebhooks } from "./open-webhooks.ts";
import { CLOSE_MS } from "./start-options.ts";

export interface WorkerRole {
	start(): void;
	/** A report may be there to be sent. */
	deliveryDue(): void;
	stop(): Promise<void>;
}

export function openWorker(base: Foundation, service: Recant): WorkerRole {
	const webhooks = openWebhooks(base, service);
	const sweeper = openSweeper(base);
	return {
		start() {
			webhooks?.start();
			sweeper.start();
		},
		deliveryDue: () => webhooks?.relay(),
		async stop() {
			await Promise.all([webhooks?.stop(CLOSE_MS), sweeper.stop()]);
		},
	};
}
