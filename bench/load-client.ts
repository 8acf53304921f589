/**
 * Sends requests from a thread of its own, so that making them does not hold the service's up. Takes
 * a `Load` as worker data and posts the latencies, in the order in which they were answered.
 */
import { Agent, request } from "node:http";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { ToolError } from "../scripts/support/tool-error.ts";

export interface LoadRequest {
	readonly method: "GET" | "POST";
	readonly path: string;
	/** JSON. */
	readonly body: string | undefined;
}

export interface Load {
	readonly url: string;
	/** Requests under way at once, each on a connection that is kept. */
	readonly connections: number;
	readonly requests: readonly LoadRequest[];
}

export interface LoadResult {
	readonly latenciesMs: readonly number[];
	readonly tookMs: number;
}

/** Throws `measurement_failed` for any answer that is not a success. */
export function runLoad(load: Load): Promise<LoadResult> {
	return new Promise((resolve, reject) => {
		const worker = new Worker(new URL(import.meta.url), { workerData: load });
		worker.once("message", resolve);
		worker.once("error", reject);
	});
}

async function send(load: Load): Promise<LoadResult> {
	const agent = new Agent({ keepAlive: true, maxSockets: load.connections });
	const latenciesMs: number[] = [];
	const waiting = load.requests.values();
	const start = performance.now();
	const clients = Array.from({ length: load.connections }, async () => {
		for (const each of waiting) latenciesMs.push(await once(agent, load.url, each));
	});
	await Promise.all(clients);
	const tookMs = performance.now() - start;
	agent.destroy();
	return { latenciesMs, tookMs };
}

function once(agent: Agent, url: string, { method, path, body }: LoadRequest): Promise<number> {
	return new Promise((resolve, reject) => {
		const start = performance.now();
		const headers = body === undefined ? {} : { "content-type": "application/json" };
		const sent = request(new URL(path, url), { agent, method, headers }, (answer) => {
			const { statusCode = 0 } = answer;
			answer.on("end", () => resolve(performance.now() - start));
			answer.on("error", reject);
			if (statusCode >= 200 && statusCode < 300) answer.resume();
			else reject(refused(method, path, statusCode));
		});
		sent.on("error", reject);
		sent.end(body);
	});
}

function refused(method: string, path: string, status: number): ToolError {
	return new ToolError("measurement_failed", {
		message: `${method} ${path} was answered with ${status}`,
		hint: "send the same request by hand to see why",
	});
}

if (!isMainThread) parentPort?.postMessage(await send(workerData as Load));
