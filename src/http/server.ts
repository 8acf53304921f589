/** Listens on a port, and closes within a deadline. */
import { createServer, type Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { FatalError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { HttpLog, OpenApiApp } from "./openapi-app.ts";

export interface HttpServer {
	/** `http://host:port`, with the port that was bound. */
	readonly url: string;
	/**
	 * Takes no more connections, ends the event streams, lets requests under way finish, and cuts
	 * what is left when the deadline passes. May be called again.
	 */
	close(deadlineMs: number): Promise<void>;
}

/** Time for a request's head and for the whole request: a batch of 4 MB at 1 Mbit/s takes 34 s. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** How late an exceeded time limit is noticed at worst; Node's own 30 s would make 10 s into 40. */
const LIMITS_CHECK_MS = 1_000;
/** How soon a connection that has become idle is noticed while the server closes. */
const IDLE_CHECK_MS = 20;

/**
 * `port` 0 takes a free one. Throws `port_in_use`, or `configuration_invalid` for an address that
 * this machine cannot bind.
 */
export async function serveHttp(options: {
	readonly app: OpenApiApp;
	readonly host: string;
	readonly port: number;
	readonly log: HttpLog;
}): Promise<HttpServer> {
	const { app, host, port, log } = options;
	const closing = new AbortController();
	const server = createAdaptorServer({
		fetch: (request) => app.fetch(request, { closing: closing.signal }),
		hostname: host,
		// The process's own Request and Response stay what they are.
		overrideGlobalObjects: false,
		createServer,
		serverOptions: {
			headersTimeout: HEADERS_TIMEOUT_MS,
			requestTimeout: REQUEST_TIMEOUT_MS,
			connectionsCheckingInterval: LIMITS_CHECK_MS,
		},
	});
	if (!isHttpServer(server)) throw notHttp();
	server.maxConnections = LIMITS.connections;
	await listen(server, host, port);
	// Accepting fails while the process has no file descriptor left; the next one may succeed.
	server.on("error", (error) => log.error({ err: error }, "a connection was not accepted"));
	let closed: Promise<void> | undefined;
	return {
		url: urlOf(server, host),
		close(deadlineMs) {
			closing.abort();
			closed ??= closeServer(server, deadlineMs);
			return closed;
		},
	};
}

function isHttpServer(server: object): server is Server {
	return "closeIdleConnections" in server;
}

function notHttp(): FatalError {
	return new FatalError("internal", {
		message: "the HTTP adaptor made a server of another protocol",
		hint: "this is a defect of Recant; please report it",
	});
}

function listen(server: Server, host: string, port: number): Promise<void> {
	return new Promise((resolve, reject) => {
		const onError = (cause: NodeJS.ErrnoException) => reject(listenError(cause, host, port));
		server.once("error", onError);
		server.listen(port, host, () => {
			server.off("error", onError);
			resolve();
		});
	});
}

function listenError(cause: NodeJS.ErrnoException, host: string, port: number): FatalError {
	if (cause.code === "EADDRINUSE") {
		return new FatalError("port_in_use", {
			message: `port ${port} on ${host} is in use`,
			hint: "stop what listens there, or set RECANT_PORT to another port",
			fields: { host, port },
			cause,
		});
	}
	return new FatalError("configuration_invalid", {
		message: `cannot listen on ${host}, port ${port}: ${cause.code ?? cause.message}`,
		hint: "set RECANT_HOST to an address of this machine, and RECANT_PORT to a port that you may open",
		fields: { host, port, reason: cause.code ?? cause.message },
		cause,
	});
}

function urlOf(server: Server, host: string): string {
	const address = server.address();
	const port = typeof address === "object" && address !== null ? address.port : 0;
	return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function closeServer(server: Server, deadlineMs: number): Promise<void> {
	return new Promise((resolve) => {
		// A connection that a client keeps alive becomes idle only when its last answer is through.
		const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
		const timer = setTimeout(() => server.closeAllConnections(), deadlineMs);
		server.close(() => {
			clearInterval(idle);
			clearTimeout(timer);
			resolve();
		});
	});
}
