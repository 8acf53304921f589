/** Tasks of a preparation on real Postgres: whose they are, until when, and what a dead taker leaves. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startProcess } from "../../scripts/support/child-process.ts";
import { RetryableError } from "../../src/domain/errors.ts";
import type { RollbackId } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { FanOut } from "../../src/rollback/fan-out.ts";
import type { RollbackJob } from "../../src/rollback/rollback-queue.ts";
import type { AttemptOf } from "../../src/rollback/task-store.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresEmbeddingStore } from "../../src/store/records/postgres-embedding-store.ts";
import { PostgresTaskStore } from "../../src/store/writing/postgres-task-store.ts";
import type { Embedder } from "../../src/vectors/embedder.ts";
import { embedText } from "../../src/vectors/hashing-embedder.ts";
import { RecordedEmbedder } from "../../src/vectors/recorded-embedder.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { SILENT } from "../support/silent-log.ts";
import { atTestEnd } from "../support/test-end.ts";

const CHAIN = 31_337;
const SIZES = { leastTexts: 8, texts: 4, characters: 10_000 };
const BY = { holder: "one", ttlMs: 60_000, mostTakes: LIMITS.rollbackTaskTakes };
/** Until which the task of a process that was killed must be another's. */
const NOTICED_MS = 5_000;
const TAKER = fileURLToPath(new URL("../support/task-taker.ts", import.meta.url));
async function open() {
	const { url } = await createTestDatabase("tasks");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	return { url, database, store: new PostgresTaskStore(database) };
}

/** A rollback that is being prepared. */
async function attempt(database: Database, number = 1): Promise<AttemptOf> {
	const rollbackId = randomUUID() as string as RollbackId;
	await database.run(
		(sql) => sql`insert into rollbacks (rollback_id, chain_id, cause, state, from_generation,
			ancestor_height, ancestor_hash, from_height, from_hash, to_height, to_hash, branch, counts,
			stage_ms, attempt)
			values (${rollbackId}, ${CHAIN}, 'reorg', 'running', 0, 1, '0x', 2, '0x', 2, '0x', '[]', '{}',
				'{}', ${number})`,
	);
	return { rollbackId, attempt: number };
}

function texts(count: number): readonly string[] {
	return Array.from({ length: count }, (_, index) => `text ${index}`);
}

interface Helper {
	readonly fanOut: FanOut;
	/** Texts that it had embedded. */
	readonly embedded: string[];
	readonly reminders: RollbackJob[];
	fail: Error | undefined;
}

function helper(database: Database, holder: string, model = "test"): Helper {
	const embedded: string[] = [];
	const reminders: RollbackJob[] = [];
	const inner: Embedder = {
		model,
		dimensions: 384,
		embed: async (asked) => {
			if (made.fail !== undefined) throw made.fail;
			embedded.push(...asked);
			return asked.map(embedText);
		},
	};
	const made: Helper = {
		fanOut: new FanOut({
			store: new PostgresTaskStore(database),
			embedder: new RecordedEmbedder(inner, new PostgresEmbeddingStore(database)),
			queue: { enqueue: async (job) => void reminders.push(job) },
			holder,
			log: SILENT,
			sizes: SIZES,
		}),
		embedded,
		reminders,
		fail: undefined,
	};
	return made;
}

test("a task is one holder's until it is given back, and then the next one's", async () => {
	const { database, store } = await open();
	const of = await attempt(database);
	await store.add(of, ["a", "b"]);
	const first = await store.take(of, BY);
	const second = await store.take(of, { ...BY, holder: "two" });
	expect([first?.body, second?.body]).toEqual(["a", "b"]);
	expect(await store.take(of, BY)).toBeUndefined();
	expect(await store.waiting(10)).toEqual([]);
	if (first === undefined || second === undefined) throw new RangeError("nothing was taken");
	await store.giveBack(first);
	expect(await store.waiting(10)).toEqual([of]);
	expect(await store.take(of, BY)).toMatchObject({ body: "a", take: 2 });
	await store.done(second);
	expect(await store.open(of, BY.mostTakes)).toEqual({ open: 1, spent: 0 });
});

test("a claim that lapsed counts for nothing once the task is another's", async () => {
	const { database, store } = await open();
	const of = await attempt(database);
	await store.add(of, ["a"]);
	const lapsed = await store.take(of, { ...BY, ttlMs: 0 });
	const taken = await store.take(of, { ...BY, holder: "two" });
	expect(taken).toMatchObject({ body: "a", take: 2 });
	if (lapsed === undefined || taken === undefined) throw new RangeError("nothing was taken");
	await store.done(lapsed);
	await store.giveBack(lapsed);
	await store.renew(lapsed, 0);
	expect(await store.open(of, BY.mostTakes)).toEqual({ open: 1, spent: 0 });
	expect(await store.take(of, { ...BY, holder: "three" })).toBeUndefined();
	await store.done(taken);
	expect(await store.open(of, BY.mostTakes)).toEqual({ open: 0, spent: 0 });
});

test("tasks of an attempt that was overtaken are nobody's", async () => {
	const { database, store } = await open();
	const of = await attempt(database);
	await store.add(of, ["a"]);
	await database.run(
		(sql) => sql`update rollbacks set attempt = 2 where rollback_id = ${of.rollbackId}`,
	);
	expect(await store.take(of, BY)).toBeUndefined();
	expect(await store.waiting(10)).toEqual([]);
	expect(await store.open(of, BY.mostTakes)).toEqual({ open: 0, spent: 0 });
	await expect(store.add(of, ["b"])).rejects.toMatchObject({ code: "rollback_fenced" });
});

test("several processes share the texts, and the one that needs them finds all", async () => {
	const { database } = await open();
	const of = await attempt(database);
	const [one, two] = [helper(database, "one"), helper(database, "two")];
	const asked = texts(400);
	const needing = one.fanOut.embed(of, asked);
	while ((await new PostgresTaskStore(database).waiting(1)).length === 0) await sleep(1);
	await two.fanOut.helpAll();
	await needing;
	expect([...one.embedded, ...two.embedded].toSorted()).toEqual(asked.toSorted());
	expect(two.embedded.length).toBeGreaterThan(0);
	expect(one.reminders.map((job) => job.help?.attempt)).toEqual([1, 1, 1]);
});

test("nothing is fanned out of few texts, or of those that were embedded before", async () => {
	const { database, store } = await open();
	const of = await attempt(database);
	const one = helper(database, "one");
	await one.fanOut.embed(of, texts(SIZES.leastTexts - 1));
	expect(one.embedded).toEqual([]);
	await one.fanOut.embed(of, texts(20));
	expect(one.embedded).toHaveLength(20);
	await helper(database, "two").fanOut.embed(of, texts(20));
	expect(one.embedded).toHaveLength(20);
	expect(await store.open(of, BY.mostTakes)).toEqual({ open: 0, spent: 0 });
});

test("a helper that fails leaves the attempt to others, and does not fail it", async () => {
	const { database, store } = await open();
	const of = await attempt(database);
	const [one, two] = [helper(database, "one"), helper(database, "two")];
	// Whatever it is: a model's own library throws what it likes.
	two.fail = new TypeError("no such tensor");
	await store.add(of, ['{"model":"test@384","texts":["a"]}']);
	await two.fanOut.helpAll();
	for (let again = 0; again < 5; again += 1) expect(await two.fanOut.help(of)).toBe("left");
	await two.fanOut.helpAll();
	expect(await store.open(of, BY.mostTakes)).toEqual({ open: 1, spent: 0 });
	expect(await store.take(of, BY)).toMatchObject({ body: expect.stringContaining("test@384") });
	expect(one.embedded).toEqual([]);
});

test("a helper with another model takes nothing up", async () => {
	const { database, store } = await open();
	const of = await attempt(database);
	await store.add(of, ['{"model":"test@384","texts":["a"]}']);
	const other = helper(database, "other", "another");
	expect(await other.fanOut.help(of)).toBe("left");
	expect(other.embedded).toEqual([]);
});

test("what the embedder says to the process that needs the texts is what the attempt fails with", async () => {
	const { database } = await open();
	const of = await attempt(database);
	const one = helper(database, "one");
	one.fail = new RetryableError("embedder_unavailable", { message: "away", hint: "wait" });
	await expect(one.fanOut.embed(of, texts(20))).rejects.toBe(one.fail);
});

test("a task that nobody who takes it survives fails the attempt", async () => {
	const { database, store } = await open();
	const of = await attempt(database);
	const one = helper(database, "one");
	await database.run(
		(
			sql,
		) => sql`insert into rollback_tasks (rollback_id, attempt, task, body, state, takes, claim_until)
			values (${of.rollbackId}, 1, 1000, '', 'running', ${LIMITS.rollbackTaskTakes}, now())`,
	);
	await expect(one.fanOut.embed(of, texts(20))).rejects.toMatchObject({
		code: "rollback_interrupted",
	});
	expect((await store.open(of, BY.mostTakes)).spent).toBe(1);
});

test("a rollback that ends meanwhile ends the wait for its tasks", async () => {
	const { database, store } = await open();
	const of = await attempt(database);
	const one = helper(database, "one");
	const taken = Promise.withResolvers<void>();
	// Somebody holds a task and never ends it.
	const needing = one.fanOut.embed(of, texts(4_000));
	const holding = (async () => {
		while ((await store.take(of, BY)) === undefined) await sleep(1);
		taken.resolve();
	})();
	await taken.promise;
	await holding;
	await database.run(
		(sql) => sql`update rollbacks set state = 'cancelled' where rollback_id = ${of.rollbackId}`,
	);
	await needing;
});

test("the task of a process that was killed is another's within five seconds", async () => {
	const { url, database, store } = await open();
	const of = await attempt(database);
	const one = helper(database, "one");
	await store.add(of, ['{"model":"test@384","texts":["a"]}']);
	const taker = await startProcess({
		name: "a taker",
		command: process.execPath,
		args: [TAKER, JSON.stringify({ url, of })],
		readyPattern: /embedding/,
	});
	atTestEnd(() => taker.stop());
	// It renews its claim: as long as it lives the task is its own.
	await sleep(4_000);
	expect(await store.waiting(1)).toEqual([]);
	process.kill(taker.pid, "SIGKILL");
	const killedAt = performance.now();
	await taker.exited;
	while (one.embedded.length === 0) {
		expect(performance.now() - killedAt).toBeLessThan(NOTICED_MS);
		await one.fanOut.helpAll();
		await sleep(50);
	}
	expect(await store.open(of, BY.mostTakes)).toEqual({ open: 0, spent: 0 });
}, 30_000);
