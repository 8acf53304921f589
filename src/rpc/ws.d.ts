/** The part of the `ws` package that is used here; the package carries no types of its own. */
declare module "ws" {
	import type { EventEmitter } from "node:events";

	interface Events {
		open: [];
		message: [data: Buffer];
		pong: [];
		close: [code: number];
		error: [error: Error];
	}

	export class WebSocket extends EventEmitter<Events> {
		static readonly OPEN: number;
		readonly readyState: number;
		constructor(url: string, options: { readonly maxPayload: number });
		send(data: string): void;
		ping(): void;
		/** Ends the connection at once, without the closing handshake. */
		terminate(): void;
	}
}
