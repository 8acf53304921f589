import { createServer } from "node:net";

/**
 * A TCP port of the loopback interface that was free a moment ago. Where a server can pick its own
 * port, let it: between this answer and the server's start another process may take the port.
 */
export function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.once("error", reject);
		server.listen({ host: "127.0.0.1", port: 0 }, () => {
			const address = server.address();
			const port = typeof address === "object" && address !== null ? address.port : 0;
			server.close((error) => (error === undefined ? resolve(port) : reject(error)));
		});
	});
}
