/**
 * A JSON-RPC proxy before a real node, between it and a service under test.
 *
 * - `limit` hides every block above a height, with its logs and receipts: the node seems to have
 *   stopped there. Its finalized and safe tags are those that Anvil would have at that head.
 * - `hold` lets nothing through while the chain is worked on, so that what takes several requests (a
 *   rollback, then other blocks) is one step for the service.
 * - `switchTo` puts another node behind it.
 */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { atTestEnd } from "./test-end.ts";

/** Anvil's own distances of the two tags below its head. */
const FINALIZED_DEPTH = 64n;
const SAFE_DEPTH = 32n;

export interface HeadGate {
	readonly url: string;
	/** Highest block that is shown; undefined: all. */
	limit(height: bigint | undefined): void;
	/** Requests wait until `work` has ended. */
	hold<Result>(work: () => Promise<Result>): Promise<Result>;
	switchTo(rpcUrl: string): void;
}

interface Call {
	readonly id: number;
	readonly method: string;
	readonly params: readonly unknown[];
}

interface Answer {
	readonly id: number;
	readonly result?: unknown;
	readonly error?: unknown;
}

/** Stands before the node until the test ends. */
export async function startHeadGate(rpcUrl: string): Promise<HeadGate> {
	let upstream = rpcUrl;
	let limit: bigint | undefined;
	let open: Promise<unknown> = Promise.resolve();
	/** What has passed the gate and is not answered by the node yet. */
	const passed = new Set<Promise<string>>();
	const server = createServer((request, response) => {
		answer(request).then(
			(body) => {
				response.writeHead(200, { "content-type": "application/json" }).end(body);
			},
			// The service sees a node that broke the connection.
			() => void response.destroy(),
		);
	});
	async function answer(request: IncomingMessage): Promise<string> {
		const body = await text(request);
		await open;
		const answered = forward(upstream, body, limit);
		passed.add(answered);
		return answered.finally(() => passed.delete(answered));
	}
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	atTestEnd(() => {
		server.closeAllConnections();
		server.close();
	});
	return {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		limit: (height) => {
			limit = height;
		},
		async hold(work) {
			const before = open;
			const { promise, resolve } = Promise.withResolvers<void>();
			open = promise;
			try {
				await before;
				// Those that waited for `before` stood in line ahead of this, and have passed as well.
				await Promise.allSettled(passed);
				return await work();
			} finally {
				resolve();
			}
		},
		switchTo: (url) => {
			upstream = url;
		},
	};
}

async function text(request: IncomingMessage): Promise<string> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of request) chunks.push(chunk as Uint8Array);
	return Buffer.concat(chunks).toString();
}

async function forward(rpcUrl: string, body: string, limit: bigint | undefined): Promise<string> {
	if (limit === undefined) return post(rpcUrl, body);
	const parsed = JSON.parse(body) as Call | readonly Call[];
	const calls = isBatch(parsed) ? parsed : [parsed];
	const asked = calls.map((call) => lowered(call, limit));
	const answers = JSON.parse(await post(rpcUrl, JSON.stringify(asked))) as readonly Answer[];
	const byId = new Map(answers.map((each) => [each.id, each]));
	const shown = calls.map((call) => hidden(call, byId.get(call.id), limit));
	return JSON.stringify(isBatch(parsed) ? shown : shown[0]);
}

function isBatch(parsed: Call | readonly Call[]): parsed is readonly Call[] {
	return Array.isArray(parsed);
}

async function post(rpcUrl: string, body: string): Promise<string> {
	const headers = { "content-type": "application/json" };
	return (await fetch(rpcUrl, { method: "POST", headers, body })).text();
}

/** The call as a node of that height would understand it. */
function lowered(call: Call, limit: bigint): Call {
	const [first, ...rest] = call.params;
	if (call.method === "eth_getBlockByNumber") {
		return { ...call, params: [tagged(first, limit), ...rest] };
	}
	if (call.method !== "eth_getLogs" || typeof first !== "object" || first === null) return call;
	if (!("toBlock" in first)) return call;
	return { ...call, params: [{ ...first, toBlock: lowest(tagged(first.toBlock, limit), limit) }] };
}

function tagged(block: unknown, limit: bigint): unknown {
	switch (block) {
		case "latest":
		case "pending":
			return quantity(limit);
		case "safe":
			return quantity(limit - SAFE_DEPTH);
		case "finalized":
			return quantity(limit - FINALIZED_DEPTH);
		default:
			return block;
	}
}

function lowest(height: unknown, limit: bigint): unknown {
	return typeof height === "string" && BigInt(height) > limit ? quantity(limit) : height;
}

function hidden(call: Call, answer: Answer | undefined, limit: bigint): unknown {
	const { result } = answer ?? {};
	if (call.method === "eth_blockNumber") {
		return { ...answer, result: lowest(result, limit) };
	}
	if (Array.isArray(result)) {
		return { ...answer, result: result.filter((item) => !isAbove(item, limit)) };
	}
	return isAbove(result, limit) ? { ...answer, result: null } : answer;
}

/** A block, a receipt, a transaction or a log above the limit. */
function isAbove(value: unknown, limit: bigint): boolean {
	if (typeof value !== "object" || value === null) return false;
	const height =
		"blockNumber" in value ? value.blockNumber : "number" in value ? value.number : undefined;
	return typeof height === "string" && BigInt(height) > limit;
}

function quantity(height: bigint): string {
	return `0x${(height < 0n ? 0n : height).toString(16)}`;
}
