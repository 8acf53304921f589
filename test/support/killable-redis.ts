/** A Redis server of one test's own, to be killed and to come back on the same port and data. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type StartedProcess, startProcess } from "../../scripts/support/child-process.ts";
import { freePort } from "../../scripts/support/free-port.ts";
import {
	findRedisServer,
	redisArguments,
	redisMissing,
} from "../../scripts/support/redis-server.ts";
import { makeServerDir } from "../../scripts/support/temp-dir.ts";
import { atTestEnd } from "./test-end.ts";

export interface KillableRedis {
	/** The same after every start. */
	readonly url: string;
	kill(): Promise<void>;
	/** Starts it again, with what it had made durable. */
	start(): Promise<void>;
	/** Takes away what it had made durable; while it does not run. */
	wipe(): void;
}

/** Starts a server, which ends with the running test. */
export async function startKillableRedis(): Promise<KillableRedis> {
	const command = findRedisServer();
	if (command === undefined) throw redisMissing("redis-server is not on the PATH");
	const dir = makeServerDir("redis");
	const port = await freePort();
	let server = await launch(command, dir.path, port);
	atTestEnd(async () => {
		await server.stop();
		dir.remove();
	});
	return {
		url: `redis://127.0.0.1:${port}`,
		async kill() {
			process.kill(server.pid, "SIGKILL");
			await server.exited;
		},
		async start() {
			server = await launch(command, dir.path, port);
		},
		wipe() {
			for (const name of readdirSync(dir.path)) rmSync(join(dir.path, name), { recursive: true });
		},
	};
}

function launch(command: string, dir: string, port: number): Promise<StartedProcess> {
	return startProcess({
		name: "redis-server",
		command,
		args: [...redisArguments(port), "--dir", dir],
		readyPattern: /Ready to accept connections/,
	});
}
