/** An HTTP server whose answers the test writes, and that remembers what it was asked. */
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { atTestEnd } from "./test-end.ts";

export interface Asked {
	readonly path: string;
	readonly headers: IncomingHttpHeaders;
	readonly body: string;
	readonly atMs: number;
}

export interface Reply {
	readonly status?: number;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body?: string;
	/** Before anything is answered. */
	readonly afterMs?: number;
}

export interface AnsweringServer {
	readonly url: string;
	readonly asked: readonly Asked[];
	/** Ends the server with its connections; `open` brings it back on the same port. */
	close(): Promise<void>;
	open(): Promise<void>;
}

export async function startAnsweringServer(
	reply: (asked: Asked) => Reply | Promise<Reply>,
): Promise<AnsweringServer> {
	const asked: Asked[] = [];
	let server: Server | undefined;
	let port = 0;
	const open = async () => {
		const opening = createServer((request, response) => {
			const chunks: Buffer[] = [];
			request.on("data", (chunk: Buffer) => chunks.push(chunk));
			request.on("end", async () => {
				const one = {
					path: request.url ?? "",
					headers: request.headers,
					body: Buffer.concat(chunks).toString(),
					atMs: performance.now(),
				};
				asked.push(one);
				const { status = 200, headers = {}, body = "", afterMs = 0 } = await reply(one);
				await new Promise((resolve) => setTimeout(resolve, afterMs));
				response.writeHead(status, headers).end(body);
			});
		});
		await new Promise<void>((resolve) => opening.listen(port, "127.0.0.1", resolve));
		port = (opening.address() as AddressInfo).port;
		server = opening;
	};
	const close = async () => {
		const closing = server;
		server = undefined;
		if (closing === undefined) return;
		closing.closeAllConnections();
		await new Promise((resolve) => closing.close(resolve));
	};
	await open();
	atTestEnd(close);
	return { url: `http://127.0.0.1:${port}`, asked, open, close };
}
