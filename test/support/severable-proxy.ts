/** A TCP proxy before a real server, to take that server away from one test only. */
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { atTestEnd } from "./test-end.ts";

export interface SeverableProxy {
	/** The server's URL with the proxy's address in it. */
	readonly url: string;
	/** Breaks every connection and refuses new ones. */
	cut(): Promise<void>;
	/** Keeps connections, and takes new ones, but lets nothing through. */
	freeze(): void;
	/** Every piece of data arrives so much later, in its order. */
	slow(delayMs: number): void;
	/** Undoes `cut`, `freeze` and `slow`. */
	restore(): Promise<void>;
}

/** Stands before the server of `serverUrl`, which has a host and a port, until the test ends. */
export async function startSeverableProxy(serverUrl: string): Promise<SeverableProxy> {
	const target = new URL(serverUrl);
	const sockets = new Set<Socket>();
	let frozen = false;
	const delay = { ms: 0 };
	const server = createServer((client) => {
		const upstream = createConnection(Number(target.port), target.hostname);
		join(client, upstream, { sockets, delay });
		if (frozen) hold(sockets);
	});
	const port = await listen(server, 0);
	const cut = async (): Promise<void> => {
		for (const socket of sockets) socket.destroy();
		if (server.listening) await new Promise((resolve) => server.close(resolve));
	};
	atTestEnd(cut);
	const url = new URL(serverUrl);
	url.host = `127.0.0.1:${port}`;
	return {
		url: url.href,
		cut,
		freeze() {
			frozen = true;
			hold(sockets);
		},
		slow(delayMs) {
			delay.ms = delayMs;
		},
		async restore() {
			frozen = false;
			delay.ms = 0;
			for (const socket of sockets) socket.resume();
			if (!server.listening) await listen(server, port);
		},
	};
}

function join(
	client: Socket,
	upstream: Socket,
	{ sockets, delay }: { readonly sockets: Set<Socket>; readonly delay: { readonly ms: number } },
): void {
	for (const [one, other] of [
		[client, upstream],
		[upstream, client],
	] as const) {
		sockets.add(one);
		one.setNoDelay(true);
		const pass = inOrder((chunk: Uint8Array) => {
			if (other.writable) other.write(chunk);
		});
		one.on("data", (chunk: Uint8Array) => pass(chunk, delay.ms));
		one.on("close", () => {
			sockets.delete(one);
			other.destroy();
		});
		// Followed by `close`; both ends of a broken connection see it.
		one.on("error", () => other.destroy());
	}
}

/** Hands pieces on after their delays; none overtakes one that came before it. */
function inOrder<Piece>(take: (piece: Piece) => void): (piece: Piece, delayMs: number) => void {
	let lastDueMs = 0;
	let waiting = 0;
	return (piece, delayMs) => {
		if (delayMs === 0 && waiting === 0) return take(piece);
		const nowMs = performance.now();
		lastDueMs = Math.max(lastDueMs, nowMs + delayMs);
		waiting += 1;
		// Timers of different lengths that are due in one millisecond may fire in either order.
		lastDueMs = Math.ceil(lastDueMs) + 1;
		setTimeout(() => {
			waiting -= 1;
			take(piece);
		}, lastDueMs - nowMs);
	};
}

function hold(sockets: Iterable<Socket>): void {
	for (const socket of sockets) socket.pause();
}

function listen(server: Server, port: number): Promise<number> {
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, "127.0.0.1", () => {
			const address = server.address();
			resolve(typeof address === "object" && address !== null ? address.port : port);
		});
	});
}
