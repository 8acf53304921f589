/**
 * A gate before the node. Anvil makes a new branch block by block and answers meanwhile, so a look at
 * the wrong moment would see a fork of depth 6 as several smaller ones. While the gate is closed,
 * requests wait.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setImmediate } from "node:timers/promises";

export interface NodeGate {
	/** Where the node answers through the gate. */
	readonly url: string;
	/** Lets nothing through while `work` runs: first what is on its way is answered. */
	whileClosed(work: () => Promise<void>): Promise<void>;
	stop(): Promise<void>;
}

export async function startNodeGate(nodeUrl: string): Promise<NodeGate> {
	const passing = new Set<Promise<void>>();
	let open = Promise.resolve();
	const server = createServer((request, response) => {
		void open.then(() => {
			const passed = forward(nodeUrl, request, response).finally(() => passing.delete(passed));
			passing.add(passed);
		});
	});
	server.listen({ host: "127.0.0.1", port: 0 });
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return {
		url: `http://127.0.0.1:${port}`,
		whileClosed: async (work) => {
			const closed = Promise.withResolvers<void>();
			open = closed.promise;
			try {
				// What was let through a moment ago is on its way after this.
				await setImmediate();
				await Promise.all(passing);
				await work();
			} finally {
				closed.resolve();
			}
		},
		stop: async () => {
			server.closeAllConnections();
			server.close();
			await once(server, "close");
		},
	};
}

async function forward(
	nodeUrl: string,
	request: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	try {
		const body = await text(request);
		const headers = { "content-type": "application/json" };
		const answer = await fetch(nodeUrl, { method: "POST", headers, body });
		const answered = await answer.text();
		response.writeHead(answer.status, headers).end(answered);
	} catch {
		// To whoever asks it is a node that does not answer, which they must bear with.
		response.destroy();
	}
}
