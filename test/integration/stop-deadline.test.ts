/** A stop that something holds up: it ends within its deadline all the same, and says how. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { startAnvil } from "../support/anvil.ts";
import { startEmbeddingEndpoint } from "../support/embedding-endpoint.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { type Ended, type StartedCommand, startCommand } from "../support/recant-command.ts";
import { until } from "../support/running-service.ts";
import { startSeverableProxy } from "../support/severable-proxy.ts";
import { testDir } from "../support/temp-dir.ts";

/** See cli/start.ts; a supervisor waits 30 s before it kills. */
const DEADLINE_MS = 20_000;
/** For a machine that does much else. */
const SLACK_MS = 5_000;
const TIMEOUT_MS = 120_000;
const CHAIN = "31337";
const NOTE = { op: "put", layer: "semantic", id: "a", content: {}, text: "it hangs" } as const;

async function started(variables: Readonly<Record<string, string>>) {
	const anvil = await startAnvil();
	const command = startCommand(["start"], {
		RECANT_DATA_DIR: join(testDir("stop-deadline"), "data"),
		RECANT_PORT: "0",
		RECANT_RPC_URL: anvil.rpcUrl,
		RECANT_LOG_LEVEL: "warn",
		...variables,
	});
	const [, url = ""] = await command.says(/answers at (\S+)/);
	const client = new RecantClient({ url });
	await until("the chain is followed", async () => {
		return (await client.chain(CHAIN)).head !== undefined;
	});
	return { command, client };
}

/** Of glibc's allocator; NaN where the process was not told. */
function arenasOf(pid: number): number {
	const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
	return Number(environment.find((each) => each.startsWith("MALLOC_ARENA_MAX="))?.split("=")[1]);
}

function commandLineOf(pid: number): readonly string[] {
	return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
}

async function stopped(command: StartedCommand): Promise<Ended & { readonly tookMs: number }> {
	const startMs = performance.now();
	command.kill("SIGTERM");
	const ended = await command.ended;
	return { ...ended, tookMs: performance.now() - startMs };
}

test(
	"an embedder that does not answer is waited for as long as its request may take",
	async () => {
		const endpoint = await startEmbeddingEndpoint();
		const database = await createTestDatabase("stop embedder");
		const { command, client } = await started({
			...endpoint.variables,
			DATABASE_URL: database.url,
		});
		let asked = false;
		endpoint.fail = () => {
			asked = true;
			return { afterMs: TIMEOUT_MS };
		};
		// It is not answered before the service ends.
		void client.write(CHAIN, NOTE).catch(() => undefined);
		await until("the embedder is asked", () => asked);
		const { code, signal, stderr, tookMs } = await stopped(command);
		// A request of it has a limit of its own, which is shorter.
		expect({ code, signal }).toEqual({ code: 0, signal: null });
		expect(stderr).not.toMatch(/^error: /m);
		expect(tookMs).toBeLessThan(DEADLINE_MS);
	},
	TIMEOUT_MS,
);

test(
	"a Postgres that stands still is given up, and what was not ended is said",
	async () => {
		const database = await createTestDatabase("stop postgres");
		const proxy = await startSeverableProxy(database.url);
		const { command } = await started({ DATABASE_URL: proxy.url });
		// As the service that goes on by itself in place of the command that was started.
		if (process.platform === "linux") {
			expect(arenasOf(command.pid)).toBeGreaterThanOrEqual(2);
			expect(commandLineOf(command.pid)).toContain("--max-semi-space-size=8");
		}
		proxy.freeze();
		const { code, signal, stderr, tookMs } = await stopped(command);
		expect(signal).toBeNull();
		expect(stderr).toMatch(/^SIGTERM: stopping/m);
		expect(tookMs).toBeLessThan(DEADLINE_MS + SLACK_MS);
		// It depends on what was under way as Postgres froze: most of it gives its connection up in time.
		if (code === 0) expect(stderr).not.toMatch(/^error: /m);
		else {
			expect(code).toBe(1);
			expect(stderr).toMatch(/^error: the service did not stop within 20000 ms\nhint: .+$/m);
			expect(tookMs).toBeGreaterThanOrEqual(DEADLINE_MS - 100);
		}
	},
	TIMEOUT_MS,
);
