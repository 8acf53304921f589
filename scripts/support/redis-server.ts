/** A throw-away Redis server for tests and measurements, set as the queue needs it. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { startProcess } from "./child-process.ts";
import { freePort } from "./free-port.ts";
import { makeServerDir } from "./temp-dir.ts";
import { ToolError } from "./tool-error.ts";

export interface RedisServer {
	readonly url: string;
	readonly pid: number;
	/** Ends the server and removes its data. */
	stop(): Promise<void>;
}

/** Where redis-server stands on the PATH; undefined: it is not installed. */
export function findRedisServer(path = process.env["PATH"] ?? ""): string | undefined {
	const folders = path.split(delimiter).filter((folder) => folder !== "");
	return folders.map((folder) => join(folder, "redis-server")).find(isExecutable);
}

/** Throws ToolError `redis_missing`, or `process_failed` with the server's last words. */
export async function startRedis(): Promise<RedisServer> {
	const command = findRedisServer();
	if (command === undefined) throw redisMissing("redis-server is not on the PATH");
	const dir = makeServerDir("redis");
	const port = await freePort();
	try {
		const server = await startProcess({
			name: "redis-server",
			command,
			args: [...redisArguments(port), "--dir", dir.path],
			readyPattern: /Ready to accept connections/,
		});
		const stop = () => server.stop().then(dir.remove);
		return { url: `redis://127.0.0.1:${port}`, pid: server.pid, stop };
	} catch (error) {
		dir.remove();
		throw error;
	}
}

/** A job that was acknowledged must not be evicted or lost: append-only file, no eviction. */
export function redisArguments(port: number): readonly string[] {
	const settings = {
		port: `${port}`,
		bind: "127.0.0.1",
		appendonly: "yes",
		save: "",
		"maxmemory-policy": "noeviction",
	};
	return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

export function redisMissing(why: string): ToolError {
	return new ToolError("redis_missing", {
		message: `the tests need Redis, and ${why}`,
		hint: "set REDIS_URL to a server, or install one: apt-get install redis-server, apk add redis, dnf install redis, brew install redis",
	});
}

function isExecutable(file: string): boolean {
	try {
		accessSync(file, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}
