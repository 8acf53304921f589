/** A WebSocket server whose frames are written by the test, over real TCP. */
import { createHash } from "node:crypto";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { atTestEnd } from "./test-end.ts";

/** What RFC 6455 appends to the client's key before hashing it. */
const PROTOCOL_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export interface RawSocketServer {
	readonly url: string;
	/** Every TCP connection so far. */
	readonly connections: readonly Socket[];
	/** How many of them are open. */
	openConnections(): number;
}

/** `talk` is called with each connection and the text of its HTTP request; it may accept it. */
export async function startRawSocketServer(
	talk: (socket: Socket, request: string) => void,
): Promise<RawSocketServer> {
	const connections: Socket[] = [];
	const server = createServer((socket) => {
		connections.push(socket);
		// A client that cuts the connection is what these tests are about.
		socket.on("error", () => socket.destroy());
		socket.once("data", (request) => talk(socket, request.toString()));
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	atTestEnd(() => {
		for (const socket of connections) socket.destroy();
		server.close();
	});
	const { port } = server.address() as AddressInfo;
	return {
		url: `ws://127.0.0.1:${port}`,
		connections,
		openConnections: () => connections.filter((socket) => !socket.destroyed).length,
	};
}

/** Accepts the upgrade; from then on nothing is said but what `sendText` says. */
export function acceptUpgrade(socket: Socket, request: string): void {
	const key = /sec-websocket-key: (\S+)/i.exec(request)?.[1] ?? "";
	const accept = createHash("sha1").update(`${key}${PROTOCOL_GUID}`).digest("base64");
	const head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
	socket.write([...head, `Sec-WebSocket-Accept: ${accept}`, "", ""].join("\r\n"));
}

/** One text frame; up to 125 bytes. */
export function sendText(socket: Socket, text: string): void {
	socket.write(Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]));
}
