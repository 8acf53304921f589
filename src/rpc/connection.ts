import type { RpcCall, RpcOutcome } from "./json-rpc.ts";

/** What carries calls to one provider. Every method rejects with `ProviderError` only. */
export interface Connection {
	/** One outcome per call, in order, all in one request where the transport has batches. */
	send(calls: readonly RpcCall[]): Promise<readonly RpcOutcome[]>;
	/** Undefined where the transport cannot announce heads. */
	readonly subscribeHeads: ((listener: HeadListener) => Promise<HeadSubscription>) | undefined;
	/** Ends what is under way with the reason `closed`. */
	close(): void;
}

export interface HeadListener {
	/** `header` is what the node announced with it, unchecked. */
	onHead(header: unknown): void;
	/** The subscription is over: the connection was lost. Not called after `cancel`. */
	onDrop(): void;
}

export interface HeadSubscription {
	/** Rejects when the node could not be told; the listener is not called again in any case. */
	cancel(): Promise<void>;
	/** Ends the connection, as lost: it is there, and says nothing of what it should. */
	abandon(why: string): void;
}
