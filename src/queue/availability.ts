/**
 * Whether the backend answers, as far as this process has seen, and the log lines about it.
 *
 * A client that retries reports an error every few milliseconds while its server is down. Only the
 * change is worth a line: one when the backend is lost, one when it is back.
 */
import type { Logger } from "../domain/logger.ts";

export type QueueLog = Pick<Logger, "info" | "warn" | "error">;

export interface Availability {
	readonly lost: boolean;
	/** The last error seen since the backend was lost; undefined while it answers. */
	readonly cause: unknown;
	onError(cause: unknown): void;
	onSuccess(): void;
}

export function createAvailability(backend: string, log: QueueLog): Availability {
	let lost = false;
	let cause: unknown;
	return {
		get lost() {
			return lost;
		},
		get cause() {
			return cause;
		},
		onError(error) {
			cause = error;
			if (lost) return;
			lost = true;
			// A refused connection's stack says nothing, and the log stands where users look first.
			const reason = error instanceof Error ? error.message : String(error);
			log.warn({ backend, reason }, "the rollback queue's backend does not answer");
		},
		onSuccess() {
			cause = undefined;
			if (!lost) return;
			lost = false;
			log.info({ backend }, "the rollback queue's backend answers again");
		},
	};
}
