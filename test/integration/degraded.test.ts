/** Redis, LanceDB or Postgres away: what goes on, what is refused, what is said, and how it catches up. */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { expect, inject, test } from "vitest";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { startKillablePostgres } from "../support/killable-postgres.ts";
import { redisUrl } from "../support/redis.ts";
import {
	type Installation,
	makeInstallation,
	type RunningService,
	startService,
	startTokenNode,
	tokenChain,
	until,
} from "../support/running-service.ts";
import { startSeverableProxy } from "../support/severable-proxy.ts";
import { atTestEnd } from "../support/test-end.ts";

const TIMEOUT_MS = 120_000;
const ALICE = devAccount(1).address;
/** Fewer rows wait for more, or for half a minute. */
const FLUSH_ROWS = 8;
/** Of 384 floats, up to which a collection is searched in memory. */
const WHOLE_ROWS = LIMITS.wholeCollectionBytes / (384 * 4);
/** So many embedded notes fill a tail for certain. */
const FULL = LIMITS.tailRows + 100;

interface World {
	readonly installation: Installation;
	readonly anvil: Awaited<ReturnType<typeof startTokenNode>>["anvil"];
	readonly token: Awaited<ReturnType<typeof startTokenNode>>["token"];
	start(variables?: Readonly<Record<string, string>>): Promise<RunningService>;
}

async function makeWorld(name: string): Promise<World> {
	const installation = await makeInstallation(name);
	const { anvil, token } = await startTokenNode();
	atTestEnd(async () => {
		await anvil.stop();
		await installation.remove();
	});
	return {
		installation,
		anvil,
		token,
		async start(variables = {}) {
			const chains = [tokenChain({ rpcUrl: anvil.rpcUrl, token: token.address })];
			const service = await startService({
				installation,
				chains,
				variables,
				flushRows: FLUSH_ROWS,
			});
			let stopping: Promise<void> | undefined;
			const stop = () => {
				stopping ??= service.stop();
				return stopping;
			};
			atTestEnd(stop);
			return { ...service, stop };
		},
	};
}

function hot(id: string, n = 0): object {
	return { op: "put", id, layer: "short_term", content: { n } };
}

function note(id: string): object {
	return { op: "put", id, layer: "semantic", content: { id }, text: `a note about ${id}` };
}

async function readiness(service: RunningService) {
	const { status, body } = await service.get("/readyz");
	return { status, ready: body.ready, degraded: body.degraded, checks: body.checks };
}

/** Ids and scores, which must not depend on where the vectors are read. */
async function found(service: RunningService, text: string) {
	const { status, body } = await service.search({ text, k: 50 });
	expect(status).toBe(200);
	const results = body.results.map((each: { memory: { id: string }; score: number }) => [
		each.memory.id,
		each.score,
	]);
	return { results, coverage: body.coverage };
}

test(
	"a Redis that is down at the start and later is done without, and used when it is there",
	async () => {
		const world = await makeWorld("without redis");
		const proxy = await startSeverableProxy(redisUrl());
		await proxy.cut();
		const begunMs = performance.now();
		const service = await world.start({ REDIS_URL: proxy.url });
		expect(performance.now() - begunMs).toBeLessThan(10_000);
		await service.reaches(1);
		expect(await readiness(service)).toMatchObject({
			status: 200,
			ready: true,
			degraded: ["queue", "redis"],
			checks: { redis: { ok: false, required: false, detail: expect.stringMatching(/./) } },
		});
		await readsAndWrites(service, "down");
		await rollsBack(world, service);
		await proxy.restore();
		await until("Redis is used", async () => (await readiness(service)).degraded.length === 0);
		await until("copies are answered", () => isAnsweredFromMemory(service, "down"));
		await until("jobs are delivered", () => isOutboxEmpty(world));
		proxy.freeze();
		await readsAndWrites(service, "frozen");
		expect((await readiness(service)).ready).toBe(true);
		await until("it is seen", async () => (await readiness(service)).degraded.includes("redis"));
		await proxy.restore();
		await until("Redis is used", async () => (await readiness(service)).degraded.length === 0);
		await until("copies are answered", () => isAnsweredFromMemory(service, "frozen"));
		await service.stop();
	},
	TIMEOUT_MS,
);

async function readsAndWrites(service: RunningService, id: string): Promise<void> {
	for (let n = 0; n < 20; n += 1) {
		expect((await service.write(hot(id, n))).body).toMatchObject({ committed: true });
		const { status, body } = await service.chain(`/memories/${id}`);
		expect([status, body.memory.content.n]).toEqual([200, n]);
	}
}

async function rollsBack({ anvil, token }: World, service: RunningService): Promise<void> {
	const snapshot = await anvil.snapshot();
	await token.mint({ to: ALICE, value: 7n });
	await anvil.mine(2);
	await service.reaches(await anvil.blockNumber());
	const holder = `/memories/holder:${ALICE.toLowerCase()}?namespace=ledger`;
	expect((await service.chain(holder)).status).toBe(200);
	await anvil.revert(snapshot);
	await anvil.mine(4);
	await until("the branch is followed", async () => (await service.chain(holder)).status === 404);
	expect((await service.chain("")).body.generation).toBe("1");
}

async function isAnsweredFromMemory(service: RunningService, id: string): Promise<boolean> {
	const hits = async () => (await service.get("/v1/status")).body.workingMemory.hits;
	const before = await hits();
	for (let count = 0; count < 3; count += 1) {
		expect((await service.chain(`/memories/${id}`)).body.memory.content.n).toBe(19);
	}
	return (await hits()) > before;
}

async function isOutboxEmpty({ installation }: World): Promise<boolean> {
	const rows = await installation.database.query((sql) => sql`select 1 from recant.outbox`);
	return rows.length === 0;
}

test(
	"without LanceDB searches are answered from Postgres and say so, writes go on until the tail is full",
	async () => {
		const world = await makeWorld("without lancedb");
		const { installation, anvil, token } = world;
		const directory = join(installation.dataDir, "lancedb");
		const service = await world.start();
		await service.reaches(1);
		await writeNotes(service, "early", 50);
		await until("vectors are in LanceDB", async () => (await tail(service)) < FLUSH_ROWS);
		const few = await found(service, "a note about early-7");
		expect(few.coverage).toEqual({ complete: true });
		// While they are few they are in memory, and LanceDB is not missed.
		await rename(directory, `${directory}.away`);
		expect(await found(service, "a note about early-7")).toEqual(few);
		await rename(`${directory}.away`, directory);
		for (let part = 0; part * FULL < 2 * WHOLE_ROWS; part += 1) {
			await writeNotes(service, `part-${part}`, FULL / 2);
			await until("vectors are in LanceDB", async () => (await tail(service)) < FLUSH_ROWS);
		}
		const before = await found(service, "a note about early-7");
		expect(before.coverage).toEqual({ complete: true });

		await rename(directory, `${directory}.away`);
		const away = await found(service, "a note about early-7");
		expect(away.results).toEqual(before.results);
		expect(away.coverage).toEqual({
			complete: true,
			reason: expect.stringContaining("embedded versions were read from Postgres"),
		});
		expect(await readiness(service)).toMatchObject({ status: 200, degraded: ["lancedb"] });
		await fillTail(service);
		const refused = await service.write(note("one-too-many"));
		expect([refused.status, refused.body.code, refused.body.retryable]).toEqual([
			429,
			"tail_full",
			true,
		]);
		expect(refused.headers.get("retry-after")).toBe("1");
		// Without a vector a write needs no room, nor does a block.
		expect((await service.write(hot("small"))).body).toMatchObject({ committed: true });
		await anvil.mine(2);
		await service.reaches(await anvil.blockNumber());
		// A block with vectors waits, and the chain says for what.
		await token.mint({ to: ALICE, value: 9n });
		await anvil.mine();
		await until("the chain waits", async () => {
			const { state, problem } = (await service.chain("")).body;
			return state === "waiting" && problem.code === "tail_full";
		});
		const late = await found(service, "a note about late-77");
		expect(late.results[0][0]).toBe("late-77");

		await rename(`${directory}.away`, directory);
		await service.reaches(await anvil.blockNumber());
		await until("it has caught up", async () => (await tail(service)) < FLUSH_ROWS);
		expect((await readiness(service)).degraded).toEqual([]);
		expect((await service.write(note("one-too-many"))).body).toMatchObject({ committed: true });
		const after = await found(service, "a note about late-77");
		expect(after.coverage).toEqual({ complete: true });
		expect(after.results[0]).toEqual(late.results[0]);
		await service.stop();
	},
	TIMEOUT_MS,
);

test(
	"a stop with LanceDB away and the tail full ends, and the next start catches up",
	async () => {
		const world = await makeWorld("stop without lancedb");
		const { installation, anvil, token } = world;
		const directory = join(installation.dataDir, "lancedb");
		const service = await world.start();
		await service.reaches(1);
		await writeNotes(service, "early", 10);
		await until("vectors are in LanceDB", async () => (await tail(service)) < FLUSH_ROWS);
		await rename(directory, `${directory}.away`);
		await fillTail(service);
		await token.mint({ to: ALICE, value: 9n });
		await anvil.mine();
		await until("the chain waits", async () => (await service.chain("")).body.state === "waiting");
		const begunMs = performance.now();
		await service.stop();
		expect(performance.now() - begunMs).toBeLessThan(10_000);

		await rename(`${directory}.away`, directory);
		const again = await world.start();
		await again.reaches(await anvil.blockNumber());
		await until("it has caught up", async () => (await tail(again)) < FLUSH_ROWS);
		const { results, coverage } = await found(again, "a note about late-77");
		expect([results[0][0], coverage]).toEqual(["late-77", { complete: true }]);
		await again.stop();
	},
	TIMEOUT_MS,
);

async function writeNotes(service: RunningService, name: string, count: number): Promise<void> {
	const operations = Array.from({ length: count }, (_, n) => note(`${name}-${n}`));
	expect((await service.write({ operations })).body).toMatchObject({ committed: true });
}

/** Writes on while LanceDB is away, until that is refused. */
async function fillTail(service: RunningService): Promise<void> {
	await writeNotes(service, "late", FULL / 2);
	await writeNotes(service, "later", FULL / 2);
	await until("the tail is seen to be full", async () => {
		const answer = await service.write(note(`probe-${performance.now()}`));
		return answer.status === 429;
	});
}

async function tail(service: RunningService): Promise<number> {
	return (await service.chain("")).body.collections[0].tail;
}

test(
	"without Postgres reads are refused, also those that memory could answer, and nothing is lost",
	async () => {
		const postgres = await startKillablePostgres();
		const { anvil, token } = await startTokenNode();
		atTestEnd(() => anvil.stop());
		const service = await serviceOn(postgres.url, anvil.rpcUrl, token.address);
		await service.reaches(1);
		await readsAndWrites(service, "down");
		await until("copies are answered", () => isAnsweredFromMemory(service, "down"));
		await postgres.kill();
		await until("it is seen", async () => (await service.chain("/memories/down")).status === 503);
		for (let count = 0; count < 20; count += 1) {
			const read = await service.chain("/memories/down");
			expect([read.status, read.body.code]).toEqual([503, "database_unavailable"]);
		}
		const write = await service.write(hot("refused"));
		expect([write.status, write.body.code]).toEqual([503, "database_unavailable"]);
		expect(await readiness(service)).toMatchObject({
			status: 503,
			ready: false,
			checks: { postgres: { ok: false, required: true } },
		});
		const { stores } = (await service.get("/readyz")).body;
		expect(stores[0]).toMatchObject({ name: "postgres", breaker: expect.stringMatching(/open/) });
		await postgres.start();
		await until("it is ready", async () => (await readiness(service)).ready);
		await until("copies are answered", () => isAnsweredFromMemory(service, "down"));
		await readsAndWrites(service, "up");
		await service.stop();
	},
	TIMEOUT_MS,
);

test(
	"a Postgres that falls silent is given up, whatever was under way, and used again when it answers",
	async () => {
		const proxy = await startSeverableProxy(inject("databaseUrl"));
		const world = await makeWorld("silent postgres");
		const url = new URL(world.installation.database.url);
		url.host = new URL(proxy.url).host;
		const service = await world.start({ DATABASE_URL: url.href });
		await service.reaches(1);
		await readsAndWrites(service, "silent");
		proxy.freeze();
		const waiting = Array.from({ length: 20 }, () => service.chain("/memories?limit=1"));
		const answers = await Promise.all(waiting);
		expect(new Set(answers.map(({ body }) => body.code))).toEqual(
			new Set(["database_unavailable"]),
		);
		const read = await service.chain("/memories/silent");
		expect([read.status, read.body.code]).toEqual([503, "database_unavailable"]);
		await proxy.restore();
		await until("it is ready", async () => (await readiness(service)).ready);
		expect((await service.chain("/memories/silent")).body.memory.content.n).toBe(19);
		await readsAndWrites(service, "again");
		await service.stop();
	},
	TIMEOUT_MS,
);

async function serviceOn(databaseUrl: string, rpcUrl: string, token: `0x${string}`) {
	const installation = await makeInstallation("without postgres");
	const service = await startService({
		installation,
		chains: [tokenChain({ rpcUrl, token })],
		variables: { DATABASE_URL: databaseUrl },
	});
	atTestEnd(async () => {
		await service.stop().catch(() => undefined);
		await installation.remove();
	});
	return service;
}
