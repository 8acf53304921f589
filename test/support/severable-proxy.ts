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
	/** Undoes `cut` and `freeze`. */
	restore(): Promise<void>;
}

/** Stands before the server of `serverUrl`, which has a host and a port, until the test ends. */
export async function startSeverableProxy(serverUrl: string): Promise<SeverableProxy> {
	const target = new URL(serverUrl);
	const sockets = new Set<Socket>();
	let frozen = false;
	const server = createServer((client) => {
		const upstream = createConnection(Number(target.port), target.hostname);
		join(client, upstream, sockets);
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
		async restore() {
			frozen = false;
			for (const socket of sockets) socket.resume();
			if (!server.listening) await listen(server, port);
		},
	};
}

function join(client: Socket, upstream: Socket, sockets: Set<Socket>): void {
	for (const [one, other] of [
		[client, upstream],
		[upstream, client],
	] as const) {
		sockets.add(one);
		one.setNoDelay(true);
		one.on("data", (chunk) => other.write(chunk));
		one.on("close", () => {
			sockets.delete(one);
			other.destroy();
		});
		// Followed by `close`; both ends of a broken connection see it.
		one.on("error", () => other.destroy());
	}
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
