/**
 * A client of the event stream that does nothing but hold its place, on a connection of its own.
 *
 * Not `fetch`: it cancels a response whose body nobody reads when that is collected as garbage, so
 * places would come free at moments of their own.
 */
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { createConnection } from "node:net";

/** Several times what the slowest answer takes on a busy machine. */
const ANSWER_MS = 30_000;

export interface EventClient {
	/** Of the answer: 200 where the client has a place. */
	readonly status: number | undefined;
	/** Cuts the connection. May be called again. */
	leave(): void;
}

/** Resolves with the head of the answer; rejects where none comes within 30 seconds. */
export async function openEventClient(serviceUrl: string): Promise<EventClient> {
	const asking = request(new URL("/v1/events", serviceUrl), { agent: false });
	asking.setTimeout(ANSWER_MS, () => {
		asking.destroy(new Error(`an event client got no answer within ${ANSWER_MS} ms`));
	});
	const answered: Promise<IncomingMessage[]> = once(asking, "response");
	asking.end();
	const [response] = await answered;
	asking.setTimeout(0);
	// A service that stops may reset the connection: the client has lost its place, and that is all.
	asking.on("error", () => undefined);
	response?.resume();
	return { status: response?.statusCode, leave: () => void asking.destroy() };
}

/** Asks for the events, and cuts the connection when the request is on its way. */
export async function askForEventsAndLeave(serviceUrl: string): Promise<void> {
	const { hostname, port, host } = new URL(serviceUrl);
	const socket = createConnection({ host: hostname, port: Number(port) });
	await once(socket, "connect");
	const closed = once(socket, "close");
	socket.write(`GET /v1/events HTTP/1.1\r\nHost: ${host}\r\n\r\n`, () => socket.destroy());
	await closed;
}
