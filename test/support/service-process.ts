/** The service in a process of its own, which a test ends by its pid. */

import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startProcess } from "../../scripts/support/child-process.ts";
import { RecantClient } from "../../src/client/client.ts";
import type { Stage } from "../../src/rollback/rollback-record.ts";
import { HANDLERS_CODE } from "./handlers-code.ts";
import type { ChildEvent, ChildSettings } from "./service-child.ts";
import { atTestEnd } from "./test-end.ts";

const CHILD = fileURLToPath(new URL("service-child.ts", import.meta.url));
/** Embedded Postgres, LanceDB and a migration, on a machine that is busy with other tests. */
const READY_MS = 60_000;
const EVENT_MS = 60_000;
/** Until the service itself gives up; killed before, it leaves its Postgres behind. */
const STOP_MS = 20_000;
const LOOK_MS = 5;

export interface ServiceOptions {
	/** See src/config/environment.ts. RECANT_PORT is 0 and RECANT_LOG_LEVEL `warn` unless given. */
	readonly environment: Readonly<Record<string, string>>;
	readonly hangBefore?: Stage;
	/** See ChildSettings; default 0. */
	readonly hangAfterRollbacks?: number;
	readonly hangAfterCommit?: boolean;
	readonly inlineRollbacks?: boolean;
	readonly flushRows?: number;
	readonly rollbackChanges?: number;
	readonly handlersCode?: string;
	/** Before each stage of a rollback it waits up to so long, at random. */
	readonly stageDelayMs?: number;
	/** Modules that the process loads before its own. */
	readonly preloads?: readonly string[];
}

export interface ServiceProcess {
	readonly pid: number;
	readonly url: string;
	readonly client: RecantClient;
	/** Resolves at the first event that fits, also one that was before. Throws when the process ends first. */
	said(fits: (event: ChildEvent) => boolean): Promise<ChildEvent>;
	/** Everything that was written, on stdout and stderr. */
	output(): string;
	/** True as long as the process has not ended, whyever. */
	isRunning(): boolean;
	/** SIGSTOP: it stands still until `wake`. */
	freeze(): void;
	wake(): void;
	/** SIGKILL; resolves when the process is gone. */
	kill(): Promise<void>;
	/** SIGTERM, which the service obeys by ending what is under way. */
	stop(): Promise<void>;
}

/** Starts the service; it is ended when the running test is over. */
export async function startService(options: ServiceOptions): Promise<ServiceProcess> {
	const settings: ChildSettings = {
		environment: { RECANT_PORT: "0", RECANT_LOG_LEVEL: "warn", ...options.environment },
		hangBefore: options.hangBefore,
		hangAfterRollbacks: options.hangAfterRollbacks ?? 0,
		hangAfterCommit: options.hangAfterCommit ?? false,
		inlineRollbacks: options.inlineRollbacks ?? true,
		flushRows: options.flushRows,
		rollbackChanges: options.rollbackChanges,
		handlersCode: options.handlersCode ?? HANDLERS_CODE,
		stageDelayMs: options.stageDelayMs,
	};
	const preloads = (options.preloads ?? []).flatMap((module) => ["--import", module]);
	const started = await startProcess({
		name: "recant",
		command: process.execPath,
		args: [...preloads, CHILD, JSON.stringify(settings)],
		readyPattern: /\{"event":"ready","url":"([^"]+)"\}/,
		readyTimeoutMs: READY_MS,
		stopTimeoutMs: STOP_MS,
	});
	atTestEnd(() => started.stop());
	const { pid, output, stop } = started;
	const url = started.ready[1] ?? "";
	let running = true;
	const exited = started.exited.then(() => {
		running = false;
	});
	const events = () => eventsIn(output());
	return {
		pid,
		url,
		client: new RecantClient({ url }),
		output,
		isRunning: () => running,
		async said(fits) {
			const deadline = performance.now() + EVENT_MS;
			for (;;) {
				const found = events().find(fits);
				if (found !== undefined) return found;
				if (!running || performance.now() > deadline) {
					throw new Error(`the service ${running ? "did not say so" : "ended"}: ${output()}`);
				}
				await sleep(LOOK_MS);
			}
		},
		freeze: () => void process.kill(pid, "SIGSTOP"),
		wake: () => void process.kill(pid, "SIGCONT"),
		async kill() {
			// Gone already, its pid may be another's.
			if (running) process.kill(pid, "SIGKILL");
			await exited;
		},
		stop,
	};
}

function eventsIn(output: string): readonly ChildEvent[] {
	return output
		.split("\n")
		.slice(0, -1)
		.filter((line) => line.startsWith('{"event":'))
		.map((line) => JSON.parse(line) as ChildEvent);
}
