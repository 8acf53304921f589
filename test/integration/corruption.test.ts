/**
 * Single records are damaged in batches over all three stores: the full level finds every one, a dry run
 * changes nothing, and the repair gives back what was there to the byte, with the recorded roots.
 *
 * RECANT_CORRUPTION_BATCHES says how many batches of 100; `npm run corruptions` runs the hundred.
 */
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { expect, test } from "vitest";
import type { FindingAnswer, RepairAnswer } from "../../src/client/answers.ts";
import { Corruptor, type Damage } from "../support/corruption.ts";
import { DamagedWorld } from "../support/damaged-world.ts";
import { Random } from "../support/random.ts";
import { CHAIN } from "../support/recant.ts";
import { CHAIN_ID } from "../support/running-service.ts";
import { announcedSeed } from "../support/seed.ts";
import { type StoredTruth, type StoredVectorRow, storedTruth } from "../support/stored-truth.ts";
import { tableDump } from "../support/table-dump.ts";
import { until } from "../support/until.ts";

const FILE = "test/integration/corruption.test.ts";
const BATCHES = Number(process.env["RECANT_CORRUPTION_BATCHES"] ?? "4");
const BATCH = 100;
const BATCH_MS = 60_000;
/** Flushes begin right after a start, retention five seconds after it; later it finds no more to do. */
const SETTLE_MS = 7_000;
/** Differing rows that a failure shows. */
const SHOWN = 3;

test(`every one of ${BATCHES * BATCH} damaged records is found and made again`, {
	timeout: 240_000 + BATCHES * BATCH_MS,
}, async () => {
	const random = new Random(announcedSeed(FILE));
	const world = await DamagedWorld.create(random, { memories: 320, forks: 4 });
	await settled(world);
	await expectClean(world);
	const tally = new Map<string, number>();
	const times: number[] = [];
	for (let batch = 0; batch < BATCHES; batch += 1) {
		const began = performance.now();
		for (const { kind } of await damageAndRepair(world, random, batch % 2 === 0)) {
			tally.set(kind, (tally.get(kind) ?? 0) + 1);
		}
		times.push(performance.now() - began);
	}
	const total = [...tally.values()].reduce((sum, count) => sum + count, 0);
	console.info(shown(tally, times));
	expect(total).toBeGreaterThanOrEqual(BATCHES * BATCH);
	await world.goOn();
	await expectClean(world);
});

test("a damaged log is found, left alone and handed to a person", {
	timeout: 240_000,
}, async () => {
	const random = new Random(announcedSeed(FILE));
	const world = await DamagedWorld.create(random, { memories: 40, forks: 1 });
	await settled(world);
	const corruptor = new Corruptor(world, random);
	const damages = await corruptor.log(12);
	await corruptor.close();
	const before = await tableDump(world.databaseUrl, CHAIN_ID);
	const findings = await check(world);
	expect(damages.filter((each) => !findings.some(each.isFoundBy))).toEqual([]);
	const repair = await world.client.repair(CHAIN);
	expect(repair.error).toBeUndefined();
	const ofLog = repair.outcomes.filter(({ subject }) => subject.table === "log");
	expect(ofLog.every(({ status, commands }) => status === "person" && commands.length > 0)).toBe(
		true,
	);
	expect((await tableDump(world.databaseUrl, CHAIN_ID))["log"]).toEqual(before["log"]);
});

test("what the log cannot say comes from a verified snapshot, where hashes prove it", {
	timeout: 240_000,
}, async () => {
	const random = new Random(announcedSeed(FILE));
	const world = await DamagedWorld.create(random, { memories: 60, forks: 1 });
	// Some seeds change every memory, and leave none with a single row.
	for (const n of [1, 2, 3]) {
		await world.client.write(CHAIN, {
			op: "put",
			id: `untouched-${n}`,
			layer: "semantic",
			content: { n },
		});
	}
	await world.goOn();
	await settled(world);
	const { id } = await world.client.createSnapshot(CHAIN);
	await until("the snapshot is verified", async () => {
		return (await world.client.snapshot(CHAIN, id)).state === "verified";
	});
	const truth = await storedTruth(world.databaseUrl, world.vectorsDir);
	const corruptor = new Corruptor(world, random);
	const damages = await corruptor.unlogged(12);
	expect(damages.length).toBeGreaterThan(0);
	await corruptor.close();
	const findings = await check(world);
	expect(damages.filter((each) => !findings.some(each.isFoundBy))).toEqual([]);
	const before = await tableDump(world.databaseUrl, CHAIN_ID);
	const { outcomes, error } = await world.client.repair(CHAIN);
	expect(error).toBeUndefined();
	// Whoever keeps rows in memory reads them anew.
	const after = await tableDump(world.databaseUrl, CHAIN_ID);
	expect(after["collections"]).not.toEqual(before["collections"]);
	const ofVersions = outcomes.filter(({ class: kind }) => kind.startsWith("version_"));
	expect(ofVersions.map(({ status, source }) => ({ status, source }))).toEqual(
		ofVersions.map(() => ({ status: "repaired", source: "snapshot" })),
	);
	const found = await storedTruth(world.databaseUrl, world.vectorsDir);
	expectSame(found.rows["versions"] ?? [], truth.rows["versions"] ?? [], "versions");
	const left = await check(world);
	expect(left.every(({ class: kind }) => kind === "log_corrupt")).toBe(true);
});

test("a repair goes by class, may be broken off, and does nothing a second time", {
	timeout: 240_000,
}, async () => {
	const random = new Random(announcedSeed(FILE));
	const world = await DamagedWorld.create(random, { memories: 60, forks: 1 });
	await settled(world);
	const truth = await storedTruth(world.databaseUrl, world.vectorsDir);
	const corruptor = new Corruptor(world, random);
	await corruptor.live(60);
	await corruptor.close();
	await check(world);
	const { runId } = await world.client.planRepair(CHAIN);
	const first = await world.client.repair(CHAIN, { runId, classes: ["version_corrupt"] });
	expect(first.outcomes.every((each) => each.class === "version_corrupt")).toBe(true);
	expect(first.counts.repaired).toBeGreaterThan(0);
	await brokenOff(world, runId);
	// From the same run: its findings say where to look, the rows what is left to do.
	const rest = await world.client.repair(CHAIN, { runId });
	expect(rest.counts.person + rest.counts.planned).toBe(0);
	expectEqualTruth(await storedTruth(world.databaseUrl, world.vectorsDir), truth);
	await expectClean(world);
	const before = await tableDump(world.databaseUrl, CHAIN_ID);
	const again = await world.client.repair(CHAIN, { runId });
	expect(
		again.outcomes.filter(({ status, action }) => status === "repaired" && action !== "drop"),
	).toEqual([]);
	const after = await tableDump(world.databaseUrl, CHAIN_ID);
	expect(after["log"]).toEqual(before["log"]);
	const { items } = await world.client.repairs(CHAIN);
	expect(items.map(({ id }) => id)).toEqual([
		again.id,
		rest.id,
		...items.slice(2).map(({ id }) => id),
	]);
	expect((await world.client.oneRepair(CHAIN, rest.id)).outcomes).toEqual(rest.outcomes);
});

/** Ends every session of the service's while a repair is under way, some milliseconds apart. */
async function brokenOff({ client, databaseUrl }: DamagedWorld, runId: string): Promise<void> {
	const sql = postgres(databaseUrl, { max: 1 });
	try {
		for (const waitMs of [5, 15, 40, 80]) {
			const repaired = client.repair(CHAIN, { runId }).catch(() => undefined);
			await sleep(waitMs);
			await sql`select pg_terminate_backend(pid) from pg_stat_activity
				where application_name = 'recant' and datname = current_database()`;
			await repaired;
		}
	} finally {
		await sql.end();
	}
	await until("the chain is written again", async () => {
		const plan = await client.planRepair(CHAIN, { runId }).catch(() => undefined);
		return plan !== undefined;
	});
}

async function damageAndRepair(
	world: DamagedWorld,
	random: Random,
	isLive: boolean,
): Promise<readonly Damage[]> {
	const truth = await storedTruth(world.databaseUrl, world.vectorsDir);
	if (isLive) await warm(world);
	else await world.stop();
	const corruptor = new Corruptor(world, random);
	const damages = isLive ? await corruptor.live(BATCH) : await corruptor.stopped(BATCH);
	await corruptor.close();
	if (!isLive) await world.start();
	const findings = await check(world);
	expectFound(damages, findings);
	await expectDryRun(world);
	const repair = await world.client.repair(CHAIN);
	expect(repair.error).toBeUndefined();
	expectMended(repair);
	await expectClean(world);
	expectEqualTruth(await storedTruth(world.databaseUrl, world.vectorsDir), truth);
	await world.followed();
	return damages;
}

function expectFound(damages: readonly Damage[], findings: readonly FindingAnswer[]): void {
	const unexplained = findings.filter((finding) => !damages.some((each) => each.explains(finding)));
	const messages = unexplained.map(({ rule, message }) => `${rule}: ${message}`);
	expect(messages, "findings without a damage").toEqual([]);
	const missed = damages
		.filter((each) => !findings.some(each.isFoundBy))
		.map(({ kind, where }) => `${kind} at ${where}`);
	expect(missed, "damages that the check did not find").toEqual([]);
}

async function expectDryRun(world: DamagedWorld): Promise<void> {
	const before = await tableDump(world.databaseUrl, CHAIN_ID);
	const plan = await world.client.planRepair(CHAIN);
	expect(plan.counts.planned).toBeGreaterThan(0);
	const after = await tableDump(world.databaseUrl, CHAIN_ID);
	// Checks by the clock go on.
	expect({ ...after, consistency_runs: [] }).toEqual({ ...before, consistency_runs: [] });
}

function expectMended({ outcomes }: RepairAnswer): void {
	const left = outcomes.filter(({ status }) => status === "person" || status === "planned");
	expect(left.map(({ class: kind, detail, subject }) => ({ kind, detail, subject }))).toEqual([]);
}

/**
 * Pointers of a checkpoint that was gone may be older: that only makes a tail longer. What was in the tail
 * may have been flushed meanwhile.
 */
function expectEqualTruth(found: StoredTruth, truth: StoredTruth): void {
	expect(found.roots).toEqual(truth.roots);
	for (const [collection, rows] of Object.entries(truth.vectors)) {
		const last = rows.at(-1)?.versionId ?? 0n;
		const same = (found.vectors[collection] ?? []).filter(({ versionId }) => versionId <= last);
		expectSame(same.map(shownRow), rows.map(shownRow), `vectors of ${collection}`);
	}
	for (const [table, rows] of Object.entries(truth.rows)) {
		if (table === "checkpoints")
			expectSame(withoutPointers(found, table), withoutPointers(truth, table), table);
		else expectSame(found.rows[table] ?? [], rows, table);
	}
}

function shownRow({ versionId, row }: StoredVectorRow): string {
	return `${versionId} ${row}`;
}

/** Both sorted. Shows what differs, and no more. */
function expectSame(found: readonly string[], truth: readonly string[], what: string): void {
	const [has, had] = [new Set(found), new Set(truth)];
	const cut = (rows: readonly string[]) => rows.slice(0, SHOWN).map((row) => row.slice(0, 600));
	expect(cut(found.filter((row) => !had.has(row))), `${what}: rows that were not there`).toEqual(
		[],
	);
	expect(cut(truth.filter((row) => !has.has(row))), `${what}: rows that are gone`).toEqual([]);
	expect(found.length, `${what}: rows`).toBe(truth.length);
}

function withoutPointers({ rows }: StoredTruth, table: string): readonly string[] {
	return (rows[table] ?? []).map((row) => {
		const {
			pointers: _pointers,
			checksum: _checksum,
			...rest
		} = JSON.parse(row) as Record<string, unknown>;
		return JSON.stringify(rest);
	});
}

async function expectClean(world: DamagedWorld): Promise<void> {
	const findings = await check(world);
	expect(findings.map(({ rule, message }) => `${rule}: ${message}`)).toEqual([]);
}

async function check({ client }: DamagedWorld): Promise<readonly FindingAnswer[]> {
	const started = await client.startCheck(CHAIN, { level: "full" });
	const findings: FindingAnswer[] = [];
	for (let cursor: string | undefined, run = started; ; ) {
		const page = await client.check(CHAIN, started.id, { limit: 200, cursor });
		run = page.run;
		if (run.finishedAt === undefined) {
			await sleep(20);
			continue;
		}
		expect(run.error).toBeUndefined();
		findings.push(...page.findings);
		cursor = page.cursor;
		if (cursor === undefined) return findings;
	}
}

/** Reads short-term memories, so that working memory holds them. */
async function warm({ client }: DamagedWorld): Promise<void> {
	const { items } = await client.memories(CHAIN, { layer: "short_term", limit: 40 });
	for (const { id, namespace } of items) await client.memory(CHAIN, id, { namespace });
}

/** Started once more, so that retention has taken away what is due, and waited for until nothing moves. */
async function settled(world: DamagedWorld): Promise<void> {
	await world.stop();
	await world.start();
	await world.followed();
	for (let before = ""; ; await sleep(SETTLE_MS)) {
		const now = JSON.stringify(
			await storedTruth(world.databaseUrl, world.vectorsDir),
			(_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value),
		);
		if (now === before) return;
		before = now;
	}
}

function shown(tally: ReadonlyMap<string, number>, times: readonly number[]): string {
	const lines = [...tally].sort().map(([kind, count]) => `${count}\t${kind}`);
	const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
	const longest = Math.max(...times);
	return `${lines.join("\n")}\na batch took ${Math.round(mean)} ms, at most ${Math.round(longest)} ms`;
}
