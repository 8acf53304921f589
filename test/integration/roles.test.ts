/**
 * One installation run by several processes, a role each: two followers, a worker and two APIs on one Postgres,
 * one LanceDB directory, and a queue on Redis or on that Postgres.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import type { EventAnswer } from "../../src/client/answers.ts";
import type { RecantClient } from "../../src/client/client.ts";
import { type ForkedLedger, startForkedLedger } from "../support/forked-ledger.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { runCommand } from "../support/recant-command.ts";
import { redisUrl } from "../support/redis.ts";
import { until } from "../support/running-service.ts";
import { type ServiceProcess, startService } from "../support/service-process.ts";
import { testDir } from "../support/temp-dir.ts";

/** Five processes of the service start in each of two tests. */
vi.setConfig({ testTimeout: 180_000 });

const CHAIN = "anvil";
/** Vectors are flushed all the time. */
const FLUSH_ROWS = 8;
const WRITERS = 4;
/** Writes that must be taken in at once, well before the follower would look at the inbox by itself. */
const PROMPT_WRITES = 5;
const PROMPT_MS = 2_000;
/** After which a write looks for its outcome that it did not hear of. */
const OUTCOME_LOOK_MS = 250;
/** So that a rollback lasts for long enough to be seen by another process: a few looks at its row. */
const STAGE_DELAY_MS = 400;

interface Place {
	readonly ledger: ForkedLedger;
	readonly environment: Readonly<Record<string, string>>;
}

/** A node with a history, and empty stores that several processes share. */
async function makePlace(name: string, more: Record<string, string> = {}): Promise<Place> {
	const ledger = await startForkedLedger();
	await ledger.grow(3);
	const dir = testDir(name);
	const { url } = await createTestDatabase(name);
	const environment = {
		RECANT_RPC_URL: ledger.anvil.rpcUrl,
		RECANT_TOKEN: ledger.token.address,
		RECANT_POLL_INTERVAL_MS: "50",
		RECANT_DATA_DIR: join(dir, "data"),
		DATABASE_URL: url,
		LANCEDB_URI: join(dir, "lancedb"),
		...more,
	};
	return { ledger, environment };
}

const CHAIN_FILE = readFileSync(new URL("../../chains/anvil.ts", import.meta.url), "utf8");

function startAs({ environment }: Place, role: string): Promise<ServiceProcess> {
	return startService({
		environment: { ...environment, RECANT_ROLE: role },
		// As the command loads it, which one of the tests starts beside.
		handlersCode: CHAIN_FILE,
		flushRows: FLUSH_ROWS,
		stageDelayMs: STAGE_DELAY_MS,
	});
}

/** Writes until told to stop; what was acknowledged, and all that was tried. */
class Writer {
	readonly acknowledged: string[] = [];
	readonly tried: string[] = [];
	readonly #client: RecantClient;
	readonly #name: string;
	#stopped = false;
	readonly #work: Promise<void>;

	constructor(client: RecantClient, name: string) {
		this.#client = client;
		this.#name = name;
		this.#work = this.#run();
	}

	async stop(): Promise<void> {
		this.#stopped = true;
		await this.#work;
	}

	async #run(): Promise<void> {
		for (let count = 0; !this.#stopped; count += 1) {
			const key = `${this.#name}-${count}`;
			this.tried.push(key);
			const { committed } = await write(this.#client, key);
			if (committed) this.acknowledged.push(key);
			await sleep(5);
		}
	}
}

function write(client: RecantClient, key: string, waitMs?: number) {
	const operation = {
		op: "put",
		id: `note:${key}`,
		layer: "long_term",
		content: { key },
		text: `note ${key}`,
	} as const;
	return client.write(CHAIN, operation, { idempotencyKey: key, waitMs });
}

/** Collects events until told to stop, which throws what ended them before. */
function collectEvents(client: RecantClient): {
	readonly events: EventAnswer[];
	stop(): Promise<void>;
} {
	const events: EventAnswer[] = [];
	const ending = new AbortController();
	const read = async () => {
		for await (const { event } of client.events({}, ending.signal)) events.push(event);
	};
	const ended = read().then(
		() => undefined,
		(error: unknown) => (ending.signal.aborted ? undefined : error),
	);
	return {
		events,
		async stop() {
			ending.abort();
			const failure = await ended;
			if (failure !== undefined) throw failure;
		},
	};
}

describe.each([
	{ queue: "Redis", variables: () => ({ REDIS_URL: redisUrl() }) },
	{ queue: "Postgres", variables: () => ({}) },
])("two followers, a worker and two APIs, with the queue on $queue", ({ variables }) => {
	it("write, fork, search and lose the lease holder, and nothing is lost", async () => {
		const place = await makePlace("roles", variables());
		const { ledger } = place;
		const [first, second, worker, left, right] = await Promise.all(
			["follower", "follower", "worker", "api", "api"].map((role) => startAs(place, role)),
		);
		if (!first || !second || !worker || !left || !right) throw new Error("not all have started");
		const apis = [left.client, right.client];
		for (const api of apis) await untilFollowed(api, CHAIN, ledger.anvil.rpcUrl);
		const heard = collectEvents(right.client);
		await until("the events to be heard", async () => {
			await write(left.client, `heard-${heard.events.length}-${performance.now()}`);
			return heard.events.length > 0;
		});
		const writers = Array.from(
			{ length: WRITERS },
			(_, index) => new Writer(apis[index % 2] as RecantClient, `writer-${index}`),
		);
		const { lost } = await ledger.growForkable();
		await untilFollowed(left.client, CHAIN, ledger.anvil.rpcUrl);
		await left.client.write(CHAIN, {
			op: "put",
			id: "on lost",
			layer: "long_term",
			content: {},
			anchor: { transaction: lost },
		});
		await ledger.forkAway();
		await until("the rollback, as the other API tells it", async () => {
			const { items } = await right.client.rollbacks(CHAIN);
			return items[0]?.state === "committed";
		});
		await expect(right.client.memory(CHAIN, "on lost")).rejects.toMatchObject({
			code: "memory_not_found",
		});

		const { followedBy } = await left.client.chain(CHAIN);
		const holder = [first, second].find(({ pid }) => followedBy?.includes(`:${pid}:`));
		const standby = holder === first ? second : first;
		const before = writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
		expect(before).toBeGreaterThan(0);
		await holder?.kill();
		await ledger.grow(1);
		for (const api of apis) await untilFollowed(api, CHAIN, ledger.anvil.rpcUrl);
		expect((await right.client.chain(CHAIN)).followedBy).toContain(`:${standby.pid}:`);
		await until("writes through the process that took over", () =>
			writers.every(({ acknowledged }, index) => acknowledged.length > before / WRITERS + index),
		);
		await Promise.all(writers.map((writer) => writer.stop()));

		const keys = writers.flatMap(({ tried }) => tried);
		for (const [index, key] of keys.entries()) {
			// Under the same key it is the same write, through whichever process.
			const again = await write(apis[index % 2] as RecantClient, key);
			expect(again).toMatchObject({ committed: true, repeated: true });
		}
		const [some = ""] = keys.slice(-1);
		for (const api of apis) {
			const { results } = await api.search(CHAIN, { text: `note ${some}`, k: 1 });
			expect(results.map(({ memory }) => memory.id)).toEqual([`note:${some}`]);
		}
		await heard.stop();
		const types = new Set(heard.events.map(({ type }) => type));
		expect([...types]).toEqual(expect.arrayContaining(["rollback", "rollback_progress"]));

		const [ready, status] = await Promise.all([readyz(left), left.client.status()]);
		expect(ready).toMatchObject({
			roles: ["api"],
			ready: true,
			checks: { [`chain:${CHAIN}`]: { ok: true, detail: expect.stringContaining("followed by") } },
		});
		expect(status.roles).toEqual(["api"]);
		const rest = [standby, worker, left, right];
		await Promise.all(rest.map((service) => service.stop()));
		for (const service of rest) expect(service.output()).not.toMatch(/"level":[56]0/);
	});
});

describe("a process with a part of the roles", () => {
	it("answers its health alone when it has no API, and says so", async () => {
		const place = await makePlace("probe");
		const follower = await startAs(place, "follower");
		await until("the follower to be ready", async () => (await readyz(follower))["ready"] === true);
		const answer = await fetch(`${follower.url}/v1/status`);
		expect(answer.status).toBe(404);
		expect(await answer.json()).toMatchObject({
			code: "not_found",
			detail: expect.stringContaining("the role follower"),
			hint: expect.stringContaining("--role api"),
		});
		expect((await fetch(`${follower.url}/healthz`)).status).toBe(200);

		const api = await startAs(place, "api");
		await untilFollowed(api.client, CHAIN, place.ledger.anvil.rpcUrl);
		const tookMs: number[] = [];
		for (let count = 0; count < PROMPT_WRITES; count += 1) {
			const begun = performance.now();
			const { committed } = await write(api.client, `prompt-${count}`, PROMPT_MS);
			tookMs.push(performance.now() - begun);
			expect(committed).toBe(true);
		}
		// By looking alone, most of them would have taken longer than this.
		const [, , median] = tookMs.sort((a, b) => a - b);
		expect(median).toBeLessThan(OUTCOME_LOOK_MS);
		await operateThrough(api.client);
		const taken = await runCommand(["start", "--role", "follower"], {
			...place.environment,
			RECANT_PORT: new URL(api.url).port,
		});
		expect(taken).toMatchObject({ code: 1, stderr: expect.stringContaining("port_in_use") });
		await follower.stop();
		// Nobody follows: it says so, reads go on, and a write is durable and says what it waits for.
		expect(await api.client.chain(CHAIN)).toMatchObject({
			state: "waiting",
			problem: { code: "not_followed", hint: expect.stringContaining("--role follower") },
		});
		expect(await readyz(api)).toMatchObject({ ready: true, degraded: [`chain:${CHAIN}`] });
		const put = { op: "put", id: "kept", layer: "long_term", content: { n: 1 } } as const;
		const asked = { idempotencyKey: "kept", waitMs: 300 };
		const answered = await api.client.write(CHAIN, put, asked);
		expect(answered).toMatchObject({
			committed: false,
			hint: expect.stringContaining("no process follows"),
		});
		const next = await startAs(place, "follower,worker");
		const { operationId = "" } = answered.operations[0] ?? {};
		await until("the write to be taken in", async () => {
			const { status } = await api.client.operation(CHAIN, operationId);
			return status === "applied";
		});
		await Promise.all([next.stop(), api.stop()]);
	});

	it("names everything that it would share and that is not set", async () => {
		const ended = await runCommand(["start", "--role", "worker", "--role", "api"], {
			RECANT_DATA_DIR: testDir("unshared"),
			RECANT_PORT: "0",
		});
		expect(ended.code).toBe(1);
		expect(ended.stderr).toContain("configuration_invalid");
		expect(ended.stderr).toContain("DATABASE_URL is unset, and a process of role worker,api");
		expect(ended.stderr).toContain("LANCEDB_URI is unset");
		expect(ended.stderr).toMatch(/hint: set DATABASE_URL to .+; set LANCEDB_URI to .+\n$/);
	});
});

/** What an operator asks of an API, and the process that follows the chain does; no worker is there. */
async function operateThrough(client: RecantClient): Promise<void> {
	const { id: runId } = await client.startCheck(CHAIN, { level: "full" });
	await until("the check to be run where the chain is written", async () => {
		const { run } = await client.check(CHAIN, runId);
		return run.state === "done" && run.score === 1;
	});
	const { id: snapshotId } = await client.createSnapshot(CHAIN);
	await until("the snapshot to be made", async () => {
		const { state } = await client.snapshot(CHAIN, snapshotId);
		return state === "verified";
	});
	await expect(client.repair(CHAIN, { runId })).rejects.toMatchObject({
		code: "lease_lost",
		hint: expect.stringContaining("followedBy"),
	});
	const { head, generation } = await client.chain(CHAIN);
	const { id } = await client.startRollback(CHAIN, `${BigInt(head?.height ?? 0) - 1n}`);
	await until("the rollback to be committed", async () => {
		const { state } = await client.rollback(CHAIN, id);
		return state === "committed";
	});
	expect(BigInt((await client.chain(CHAIN)).generation)).toBeGreaterThan(BigInt(generation));
}

async function readyz({ url }: ServiceProcess): Promise<{ readonly [field: string]: unknown }> {
	const answer = await fetch(`${url}/readyz`);
	return (await answer.json()) as { readonly [field: string]: unknown };
}
