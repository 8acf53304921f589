/**
 * JSON-RPC over WebSocket: one socket, opened when it is needed and anew after its end.
 *
 * Not viem's transport: it keeps a dead socket after its last attempt to reconnect, has no limit on
 * the time of opening, and shares sockets between all users of a URL in the process, so that closing
 * one chain's would close another's.
 */
import type { Clock } from "../domain/clock.ts";
import type { Connection, HeadListener, HeadSubscription } from "./connection.ts";
import type { RpcCall, RpcOutcome } from "./json-rpc.ts";
import { ProviderError } from "./provider-error.ts";
import type { ProviderUrl } from "./provider-url.ts";
import { RpcSocket } from "./rpc-socket.ts";

interface WebSocketOptions {
	/** Of opening, and of each call. */
	readonly timeoutMs: number;
	readonly clock: Clock;
}

export class WebSocketConnection implements Connection {
	readonly #provider: ProviderUrl;
	readonly #options: WebSocketOptions;
	#socket: RpcSocket | undefined;
	#closed = false;

	constructor(provider: ProviderUrl, options: WebSocketOptions) {
		this.#provider = provider;
		this.#options = options;
	}

	async send(calls: readonly RpcCall[]): Promise<readonly RpcOutcome[]> {
		const [first] = calls;
		if (first === undefined) return [];
		return await this.#present(first.method).send(calls, first.method);
	}

	readonly subscribeHeads = async (listener: HeadListener): Promise<HeadSubscription> =>
		await this.#present("eth_subscribe").subscribeHeads(listener);

	close(): void {
		this.#closed = true;
		this.#socket?.end({ kind: "closed" }, "was closed");
	}

	#present(method: string): RpcSocket {
		const provider = this.#provider;
		if (this.#closed)
			throw new ProviderError({ provider, method }, { kind: "closed" }, "was closed");
		this.#socket ??= new RpcSocket({
			provider,
			...this.#options,
			onEnd: () => {
				this.#socket = undefined;
			},
		});
		return this.#socket;
	}
}
