/**
 * The working memory answers what Postgres has or nothing, whatever becomes of commits, of Redis and of
 * the chain: random interleavings against a model, then the whole service over a Redis that fails.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import type { Anvil } from "../../scripts/support/anvil.ts";
import { HotMemories } from "../../src/cache/hot-memories.ts";
import type { AnsweredAt } from "../../src/domain/coordinate.ts";
import type { MemoryKey } from "../../src/domain/ids.ts";
import type { HotEntry } from "../../src/service/reading/working-memory-reader.ts";
import type { WorkingMemory } from "../../src/writer/working-memory.ts";
import { CommittedModel } from "../support/committed-model.ts";
import { Random } from "../support/random.ts";
import { redisUrl, testPrefix } from "../support/redis.ts";
import {
	makeInstallation,
	type RunningService,
	startService,
	startTokenNode,
	tokenChain,
} from "../support/running-service.ts";
import { announcedSeed } from "../support/seed.ts";
import { type SeverableProxy, startSeverableProxy } from "../support/severable-proxy.ts";
import { atTestEnd } from "../support/test-end.ts";
import { until } from "../support/until.ts";

const FILE = "test/integration/working-memory.test.ts";
const CHAIN = 31_337;
const KEYS = Array.from({ length: 6 }, () => randomUUID() as string as MemoryKey);
const READERS = 8;
const RUN_MS = 8_000;
/** On a busy machine one run may see too little. */
const MOST_RUNS = 5;
const SILENT = { info: () => undefined, warn: () => undefined };

interface Rig {
	readonly memories: HotMemories;
	readonly model: CommittedModel;
	readonly random: Random;
	readonly chain: WorkingMemory;
	/** Whether this process may still hold the lease. */
	lease: boolean;
	stopped: boolean;
	hits: number;
	/** Of the last commit whose outcome its writer knows. */
	known: bigint;
}

function makeRig(redis: { readonly url: string; readonly prefix: string } | undefined): Rig {
	const seed = announcedSeed(FILE);
	const memories = new HotMemories({ redis, isDatabaseUp: () => true, log: SILENT });
	atTestEnd(() => memories.close());
	const rig = {
		memories,
		model: new CommittedModel(seed),
		random: new Random(seed + 1),
		lease: true,
		stopped: false,
		hits: 0,
		known: 0n,
	};
	const chain = memories.open(CHAIN, () => rig.lease);
	chain.resume(rig.model.state);
	return Object.assign(rig, { chain });
}

/** What the writer does: commits, some of unknown outcome, and rollbacks. */
async function keepWriting(rig: Rig): Promise<void> {
	const { chain, model, random } = rig;
	while (!rig.stopped) {
		if (random.chance(0.01)) {
			chain.suspend();
			await sleep(random.between(0, 3));
			model.rollBack(KEYS);
			await sleep(random.between(0, 3));
			rig.known = model.state.logPosition;
			chain.resume(model.state);
		} else {
			await commit(rig);
		}
		await sleep(random.between(0, 4));
	}
}

async function commit(rig: Rig): Promise<void> {
	const { chain, model, random } = rig;
	const change = model.change(KEYS);
	chain.changing(change.keys);
	// The commit takes place somewhere in here, and its answer may be lost.
	await sleep(random.between(0, 2));
	const isRefused = random.chance(0.01);
	if (!isRefused) model.apply(change);
	await sleep(random.between(0, 2));
	if (isRefused || random.chance(0.01)) {
		chain.suspend();
		await sleep(random.between(0, 2));
		chain.resume(model.state);
	} else {
		chain.changed(model.state, change.rows);
	}
	rig.known = model.state.logPosition;
}

/** Reads as the service does, and checks each answer against the model. */
async function keepReading(rig: Rig): Promise<void> {
	const { memories, model, random } = rig;
	while (!rig.stopped) {
		const key = random.oneOf(KEYS);
		const before = rig.known;
		const answer = await memories.read(CHAIN, key);
		if (answer === undefined) learn(rig, key);
		else {
			rig.hits += 1;
			const { at, version } = answer;
			const state = model.stateAt(at.logPosition);
			expect(at.logPosition >= before, "an answer older than its question").toBe(true);
			expect(version).toEqual(model.visible(at.logPosition, key));
			expect([at.generation, at.height - 1n]).toEqual([state?.generation, state?.head?.number]);
		}
		await sleep(random.between(0, 1));
	}
}

/** Postgres' own answer, which may be late: other commits may have come between. */
function learn({ memories, model, random }: Rig, key: MemoryKey): void {
	const { state } = model;
	const version = model.visible(state.logPosition, key);
	if (version === undefined) return;
	const at: AnsweredAt = {
		chainId: CHAIN,
		height: (state.head?.number ?? 0n) + 1n,
		generation: state.generation,
		blockHash: undefined,
		logPosition: state.logPosition,
		pending: true,
	};
	setTimeout(() => memories.learned(at, version), random.between(0, 4));
}

async function keepBreaking(
	proxy: SeverableProxy,
	rig: Readonly<Pick<Rig, "random" | "stopped">>,
): Promise<void> {
	const { random } = rig;
	while (!rig.stopped) {
		await sleep(random.between(50, 600));
		// Frozen first and then cut, what was sent meanwhile is lost without a word.
		if (random.chance(0.7)) proxy.freeze();
		await sleep(random.between(10, 400));
		if (random.chance(0.6)) await proxy.cut();
		await sleep(random.between(10, 100));
		await proxy.restore();
	}
}

async function run(rig: Rig, others: readonly Promise<void>[] = []): Promise<void> {
	const readers = Array.from({ length: READERS }, () => keepReading(rig));
	const all = Promise.all([...readers, keepWriting(rig), ...others]);
	for (let part = 0; part < MOST_RUNS && rig.hits <= 200; part += 1) {
		await Promise.race([sleep(RUN_MS), all]);
	}
	rig.stopped = true;
	await all;
	const figures = rig.memories.figures();
	console.info(JSON.stringify({ ...figures, checked: rig.hits }));
	expect(rig.hits).toBeGreaterThan(200);
}

test("in this process a read answers what Postgres has as far as its writer knows, or nothing", async () => {
	await run(makeRig(undefined));
}, 60_000);

test("so it does in a Redis that is cut and frozen all the time", async () => {
	const proxy = await startSeverableProxy(redisUrl());
	const rig = makeRig({ url: proxy.url, prefix: testPrefix() });
	await run(rig, [keepBreaking(proxy, rig)]);
}, 60_000);

test("nothing is answered without the lease, while Postgres is away, or when the chain is given up", async () => {
	let isUp = true;
	let isHeld = true;
	const memories = new HotMemories({ redis: undefined, isDatabaseUp: () => isUp, log: SILENT });
	const model = new CommittedModel(1);
	const chain = memories.open(CHAIN, () => isHeld);
	chain.resume(model.state);
	const change = model.change(KEYS);
	const [row] = change.rows;
	if (row === undefined) throw new RangeError("this seed writes nothing");
	chain.changing(change.keys);
	expect(await memories.read(CHAIN, row.memoryKey)).toBeUndefined();
	model.apply(change);
	chain.changed(model.state, change.rows);
	expect((await memories.read(CHAIN, row.memoryKey))?.version).toBe(row);
	isUp = false;
	expect(await memories.read(CHAIN, row.memoryKey)).toBeUndefined();
	isUp = true;
	isHeld = false;
	expect(await memories.read(CHAIN, row.memoryKey)).toBeUndefined();
	isHeld = true;
	expect((await memories.read(CHAIN, row.memoryKey))?.version).toBe(row);
	await memories.drop(CHAIN, row.memoryKey);
	expect(await memories.read(CHAIN, row.memoryKey)).toBeUndefined();
	chain.close();
	expect(await memories.read(CHAIN, row.memoryKey)).toBeUndefined();
	await memories.close();
});

test("what is damaged in Redis is shown as such, and never answered", async () => {
	const prefix = testPrefix();
	const memories = new HotMemories({
		redis: { url: redisUrl(), prefix },
		isDatabaseUp: () => true,
		log: SILENT,
	});
	atTestEnd(() => memories.close());
	const redis = new Redis(redisUrl());
	atTestEnd(() => redis.disconnect());
	const model = new CommittedModel(2);
	const chain = memories.open(CHAIN, () => true);
	chain.resume(model.state);
	const written = await until("copies are in Redis", async () => {
		const change = model.change(KEYS);
		chain.changing(change.keys);
		model.apply(change);
		chain.changed(model.state, change.rows);
		await sleep(20);
		const entries = await collect(memories.entries(CHAIN));
		return entries.length >= 2 && entries;
	});
	for (const { memoryKey, version } of written) {
		expect(version).toEqual(model.visible(model.state.logPosition, memoryKey));
	}
	const [hash] = await redis.keys(`${prefix}:*`);
	const [damaged, foreign] = written.map(({ memoryKey }) => memoryKey);
	if (hash === undefined || damaged === undefined || foreign === undefined) throw new RangeError();
	const text = await redis.hget(hash, damaged);
	const other = await redis.hget(hash, foreign);
	await redis.hset(hash, damaged, (text ?? "").replace("agent", "agenT"), foreign, text ?? "");
	const seen = await collect(memories.entries(CHAIN));
	const bad = seen.filter(({ version }) => version === undefined).map(({ memoryKey }) => memoryKey);
	expect(bad.sort()).toEqual([damaged, foreign].sort());
	expect(await memories.read(CHAIN, damaged)).toBeUndefined();
	expect(await memories.read(CHAIN, foreign)).toBeUndefined();
	expect(other).not.toBe(text);
	// A copy that was found to be damaged is gone.
	await until("they are gone", async () => (await redis.hexists(hash, damaged)) === 0);
	expect(await redis.pttl(hash)).toBeGreaterThan(0);
});

/** Writes of one agent: each says a number that rises, and is acknowledged before the next. */
interface Agent {
	readonly id: string;
	acknowledged: number;
	position: bigint;
}

test("through forks and a failing Redis no read of the service is older than what was acknowledged", async () => {
	const random = new Random(announcedSeed(FILE));
	const proxy = await startSeverableProxy(redisUrl());
	const installation = await makeInstallation("working memory");
	const { anvil, token } = await startTokenNode();
	const service = await startService({
		installation,
		chains: [tokenChain({ rpcUrl: anvil.rpcUrl, token: token.address })],
		variables: { REDIS_URL: proxy.url },
	});
	atTestEnd(async () => {
		await service.stop();
		await anvil.stop();
		await installation.remove();
	});
	await service.reaches(1);
	const agents = Array.from({ length: 3 }, (_, n) => newAgent(`hot-${n}`));
	const run = { stopped: false, reads: 0 };
	const breaking = {
		random,
		get stopped() {
			return run.stopped;
		},
	};
	const all = Promise.all([
		...agents.map((agent) => keepCounting(service, agent, run)),
		...agents.flatMap((agent) => [1, 2].map(() => keepAsking(service, agent, run))),
		keepForking(anvil, random, run),
		keepBreaking(proxy, breaking),
	]);
	/** Whether enough was answered from Redis, and enough was taken back, to have said something. */
	const seen = async () => {
		const { workingMemory } = (await service.get("/v1/status")).body;
		const { generation } = (await service.chain("")).body;
		return { generation, ...workingMemory, tells: workingMemory.hits > 50 && generation > 2 };
	};
	let now = await seen();
	for (let part = 0; part < MOST_RUNS && !now.tells; part += 1) {
		await Promise.race([sleep(RUN_MS), all]);
		now = await seen();
	}
	run.stopped = true;
	await all;
	console.info(JSON.stringify({ ...run, ...now }));
	expect(now).toMatchObject({ tells: true });
}, 90_000);

function newAgent(id: string): Agent {
	return { id, acknowledged: 0, position: 0n };
}

interface Run {
	readonly stopped: boolean;
	reads: number;
}

async function keepCounting(service: RunningService, agent: Agent, run: Run): Promise<void> {
	for (let n = 1; !run.stopped; n += 1) {
		const put = { op: "put", id: agent.id, layer: "short_term", content: { n } };
		const { status, body } = await service.write(put);
		expect([status, body.committed]).toEqual([201, true]);
		agent.acknowledged = n;
		agent.position = BigInt(body.at.logPosition);
		await sleep(10);
	}
}

/** Forks never take these back: they rest on no block. */
async function keepAsking(service: RunningService, agent: Agent, run: Run): Promise<void> {
	while (!run.stopped) {
		const { acknowledged, position } = agent;
		const { status, body } = await service.chain(`/memories/${agent.id}`);
		if (acknowledged === 0) continue;
		expect(status).toBe(200);
		expect(body.memory.content.n).toBeGreaterThanOrEqual(acknowledged);
		expect(BigInt(body.at.logPosition) >= position, "an older log position").toBe(true);
		expect(body.at.pending).toBe(true);
		run.reads += 1;
		await sleep(1);
	}
}

async function keepForking(anvil: Anvil, random: Random, run: Run): Promise<void> {
	while (!run.stopped) {
		await anvil.mine(random.between(1, 3));
		await sleep(random.between(50, 300));
		if (random.chance(0.5)) await anvil.reorg(1);
	}
}

async function collect(entries: AsyncIterable<HotEntry>): Promise<readonly HotEntry[]> {
	const all: HotEntry[] = [];
	for await (const entry of entries) all.push(entry);
	return all;
}
