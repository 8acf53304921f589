/** JSON-RPC over HTTP for the scripts: plain, so that every method of a test node is at hand. */
import { ToolError } from "./tool-error.ts";

/** Mining thousands of blocks in one request takes seconds; nothing here takes a minute. */
const REQUEST_TIMEOUT_MS = 60_000;

export interface RpcClient {
	/** Throws ToolError `node_failed` with the method and the node's own message. */
	request<Result = unknown>(method: string, params: readonly unknown[]): Promise<Result>;
}

interface RpcAnswer<Result> {
	readonly result: Result;
	readonly error?: { readonly code: number; readonly message: string };
}

export function createRpcClient(url: string): RpcClient {
	return {
		async request<Result>(method: string, params: readonly unknown[]): Promise<Result> {
			const answer = await post<Result>(url, { jsonrpc: "2.0", id: 1, method, params });
			if (answer.error === undefined) return answer.result;
			throw failed(method, `${answer.error.message} (${answer.error.code})`);
		},
	};
}

async function post<Result>(
	url: string,
	body: { readonly jsonrpc: "2.0"; readonly id: number; readonly method: string } & {
		readonly params: readonly unknown[];
	},
): Promise<RpcAnswer<Result>> {
	try {
		const response = await fetch(url, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify(body),
			signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
		});
		return (await response.json()) as RpcAnswer<Result>;
	} catch (cause) {
		throw failed(body.method, `${url} does not answer`, cause);
	}
}

function failed(method: string, what: string, cause?: unknown): ToolError {
	return new ToolError("node_failed", {
		message: `${method}: ${what}`,
		hint: "see whether the node still runs and knows the method",
		cause,
	});
}
