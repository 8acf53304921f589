/**
 * A JSON-RPC node over real HTTP whose answers are written by the test: what no real node can be
 * brought to answer on purpose.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { atTestEnd } from "./test-end.ts";

export interface ScriptedCall {
	readonly id: number;
	readonly method: string;
	readonly params: readonly unknown[];
}

/** hang: no answer at all. hang_in_body: a head and half a body. reset: the connection is cut. */
export type ScriptedAnswer =
	| { readonly status?: number; readonly headers?: Record<string, string>; readonly body: unknown }
	| "hang"
	| "hang_in_body"
	| "reset";

export interface ScriptedNode {
	readonly url: string;
	readonly port: number;
	/** The calls of each HTTP request so far; a request that is no batch has one. */
	readonly requests: (readonly ScriptedCall[])[];
	/** Replaces the script from now on. */
	answerWith(script: Script): void;
	stop(): Promise<void>;
}

/** `isBatch` tells a batch of one from a single call. */
export type Script = (calls: readonly ScriptedCall[], isBatch: boolean) => ScriptedAnswer;

/** A result, or an error when it was made with `rpcError`. */
export function answering(answer: (call: ScriptedCall) => unknown): Script {
	return (calls, isBatch) => {
		const answers = calls.map((call) => toAnswer(call.id, answer(call)));
		return { body: isBatch ? answers : answers[0] };
	};
}

const RPC_ERROR = Symbol("JSON-RPC error");

export function rpcError(code: number, message: string) {
	return { [RPC_ERROR]: { code, message } };
}

export function rpcErrorWith(code: number, message: string, data: unknown) {
	return { [RPC_ERROR]: { code, message, data } };
}

function toAnswer(id: number, answer: unknown) {
	const isError = typeof answer === "object" && answer !== null && RPC_ERROR in answer;
	const part = isError ? { error: answer[RPC_ERROR] } : { result: answer };
	return { jsonrpc: "2.0", id, ...part };
}

/** Stopped when the running test is over. `port` 0 or left out: a free one. */
export async function startScriptedNode(script: Script, port = 0): Promise<ScriptedNode> {
	const requests: (readonly ScriptedCall[])[] = [];
	let present = script;
	const server = createServer((request, response) => {
		void respond(request, response);
	});
	const respond = async (request: IncomingMessage, response: ServerResponse) => {
		const body: unknown = JSON.parse(await text(request));
		const calls = (Array.isArray(body) ? body : [body]) as ScriptedCall[];
		requests.push(calls);
		send(response, present(calls, Array.isArray(body)));
	};
	await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
	const stop = async () => {
		const closed = new Promise((resolve) => server.close(resolve));
		server.closeAllConnections();
		await closed;
	};
	atTestEnd(stop);
	const address = server.address() as AddressInfo;
	return {
		url: `http://127.0.0.1:${address.port}`,
		port: address.port,
		requests,
		answerWith: (next) => {
			present = next;
		},
		stop,
	};
}

function send(response: ServerResponse, answer: ScriptedAnswer): void {
	if (answer === "hang") return;
	if (answer === "reset") {
		response.destroy();
		return;
	}
	if (answer === "hang_in_body") {
		response.writeHead(200, { "content-type": "application/json" }).write('{"jsonrpc":');
		return;
	}
	const body = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body);
	response
		.writeHead(answer.status ?? 200, { "content-type": "application/json", ...answer.headers })
		.end(body);
}
