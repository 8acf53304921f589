/**
 * What differs between BullMQ on Postgres and on Redis: how connections are made, and how one
 * installation's jobs are kept from another's. Everything above uses one code path.
 */
import type { BackendFactory, IQueueBackend } from "bullmq";

/** BullMQ's factory without its connection option: each backend brings its own connections. */
export type ConnectedFactory = BackendFactory<IQueueBackend, object>;

export interface BullBackend {
	readonly kind: "postgres" | "redis";
	/** Prefix of the Redis keys. On Postgres the schema separates, and BullMQ ignores this. */
	readonly keyPrefix: string;
	/** For enqueueing: gives up quickly. */
	readonly producer: ConnectedFactory;
	/** For consuming: waits for its server as long as it takes. */
	readonly consumer: ConnectedFactory;
	/** Brings the backend's own tables up to date. Throws what the driver throws. */
	prepare(): Promise<void>;
}
