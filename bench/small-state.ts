/**
 * Validation, check and recovery of a state of 1,000 memories, beside what a published TypeScript
 * system claims for one: 50 ms, 100 ms and 500 ms. Those are claims: nothing of that system is run here.
 */
import { join } from "node:path";
import { ToolError } from "../scripts/support/tool-error.ts";
import { verifyProof } from "../src/commitment/verify-proof.ts";
import { LIMITS } from "../src/domain/limits.ts";
import { Database } from "../src/store/database.ts";
import { startEmbeddedPostgres } from "../src/store/embedded/postgres.ts";
import { type BenchService, CHAIN, factId, startBenchService } from "./bench-service.ts";
import { requireClean, runCheck } from "./checked-state.ts";
import { figure, type Row } from "./figures.ts";
import { polled } from "./polled.ts";
import type { Section } from "./section.ts";

const MEMORIES = 1_000;
const EMBEDDED = 100;
const POLL_INTERVAL_MS = 20;
/** Blocks that a recovery takes back, with the writes in them. */
const DEPTH = 3n;
const CHANGES = 100;
const CLAIMS_MS = { validation: 50, check: 100, recovery: 500 } as const;

interface Work {
	readonly claim: keyof typeof CLAIMS_MS;
	readonly what: string;
	/** Milliseconds. */
	readonly run: () => Promise<number>;
}

export const smallStateSection: Section = {
	name: "small-state",
	title: `a state of ${MEMORIES} memories`,
	run: async ({ quick, say }) => {
		const repetitions = quick ? 2 : 15;
		const service = await startBenchService({
			pollIntervalMs: POLL_INTERVAL_MS,
			consistency: { basicEveryMs: 0, readBudgetRowsPerSecond: LIMITS.readRowsPerSecond },
		});
		// The service's own server: the second start adopts it.
		const { url, socketPath } = await startEmbeddedPostgres({
			dataDir: join(service.dataDir, "postgres"),
		});
		const database = await Database.open(url, socketPath);
		try {
			say(`writing ${MEMORIES} memories`);
			await service.fill(MEMORIES, { embedded: EMBEDDED, blocks: "empty" });
			await snapshotTaken(service);
			const rows: Row[] = [];
			// Recoveries leave a history behind, which is not of the state that is checked.
			for (const works of [checksOf(service), recoveriesOf(service, database)]) {
				rows.push(...(await byTurns(works, repetitions, say)));
			}
			requireClean(await runCheck(service, { level: "full" }));
			return {
				settings: { memories: MEMORIES, "with vectors": EMBEDDED, repetitions },
				tables: [{ title: "Beside what is claimed elsewhere", rows, notes: NOTES }],
			};
		} finally {
			await database.close();
			await service.stop();
		}
	},
};

const NOTES = [
	"Each from the request over HTTP to the answer that it has ended, queue and durable records included.",
	"Claimed are figures that a published TypeScript system states for 1,000 records, taken as they stand:",
	"it was not run here. After all rounds a full check finds nothing.",
];

async function byTurns(
	works: readonly Work[],
	repetitions: number,
	say: (what: string) => void,
): Promise<readonly Row[]> {
	const samples = works.map((): number[] => []);
	for (let round = 0; round <= repetitions; round += 1) {
		say(`${works[0]?.claim}, round ${round}`);
		for (const [index, work] of works.entries()) {
			const tookMs = await work.run();
			// The first warms up.
			if (round > 0) samples[index]?.push(tookMs);
		}
	}
	return works.map((work, index) => rowOf(work, samples[index] ?? []));
}

function checksOf(service: BenchService): readonly Work[] {
	return [
		{
			claim: "validation",
			what: "basic check: watermarks, counts, pointers",
			run: () => checked(service, "basic"),
		},
		{
			claim: "validation",
			what: "one memory: proof asked for and verified",
			run: () => proved(service),
		},
		{
			claim: "check",
			what: "full check: each row, hash, vector and root",
			run: () => checked(service, "full"),
		},
		{
			claim: "check",
			what: "comprehensive check",
			run: () => checked(service, "comprehensive"),
		},
	];
}

function recoveriesOf(service: BenchService, database: Database): readonly Work[] {
	return [
		{
			claim: "recovery",
			what: `rollback of ${DEPTH} blocks by rewind`,
			run: () => rolledBack(service, "rewind"),
		},
		{
			claim: "recovery",
			what: `rollback of ${DEPTH} blocks, the whole state by snapshot`,
			run: () => rolledBack(service, "snapshot"),
		},
		{
			claim: "recovery",
			what: "repair of a damaged row, its finding known",
			run: () => repaired(service, database),
		},
	];
}

async function checked(service: BenchService, level: string): Promise<number> {
	const start = performance.now();
	const run = await runCheck(service, { level });
	const tookMs = performance.now() - start;
	requireClean(run);
	return tookMs;
}

let asked = 0;

async function proved({ client }: BenchService): Promise<number> {
	asked += 1;
	const id = factId((asked * 379) % MEMORIES);
	const start = performance.now();
	const { proof } = await client.proof(CHAIN, id, { namespace: "default" });
	const { valid } = verifyProof(proof);
	const tookMs = performance.now() - start;
	if (!valid) throw failed(`the proof of ${id} does not verify`);
	return tookMs;
}

async function snapshotTaken({ client }: BenchService): Promise<void> {
	const { id } = await client.createSnapshot(CHAIN, { kind: "full" });
	const { state } = await polled(
		() => client.snapshot(CHAIN, id),
		({ progress }) => progress === undefined,
	);
	if (state !== "verified") throw failed(`the snapshot is ${state}`);
}

/** Writes and blocks first, which are then taken back; the node's blocks are followed again after it. */
async function rolledBack(service: BenchService, strategy: "rewind" | "snapshot"): Promise<number> {
	const { client, node } = service;
	asked += 1;
	await client.write(
		CHAIN,
		Array.from({ length: CHANGES }, (_, nth) => ({
			op: "patch" as const,
			id: factId((asked * 379 + nth) % MEMORIES),
			content: { seen: `${asked}` },
		})),
	);
	await node.mineEmpty(Number(DEPTH));
	await service.caughtUp();
	const { head } = await client.chain(CHAIN);
	const toBlock = BigInt(head?.height ?? "0") - DEPTH;
	const start = performance.now();
	const { id } = await client.startRollback(CHAIN, toBlock, strategy);
	const ended = await polled(
		() => client.rollback(CHAIN, id),
		({ state }) => state === "committed" || state === "failed" || state === "superseded",
	);
	const tookMs = performance.now() - start;
	if (ended.state !== "committed" || ended.strategy !== strategy) {
		throw failed(
			`the rollback ended ${ended.state}, by ${ended.strategy}: ${ended.error?.message}`,
		);
	}
	await service.caughtUp();
	return tookMs;
}

/** The damage is found by a check, which is not timed. */
async function repaired(service: BenchService, database: Database): Promise<number> {
	asked += 1;
	const id = factId((asked * 757) % MEMORIES);
	await database.run(
		(sql) => sql`update versions set content = '{"topic":"damaged"}'
			where namespace = 'default' and id = ${id} and to_gen = 9223372036854775807`,
	);
	const run = await runCheck(service, { level: "full" });
	if (run.score === 1) throw failed(`a full check does not find the damage of ${id}`);
	const start = performance.now();
	const { state, error } = await service.client.repair(CHAIN, { runId: run.id });
	const tookMs = performance.now() - start;
	if (state !== "done") throw failed(`the repair is ${state}: ${error?.message}`);
	requireClean(await runCheck(service, { level: "full" }));
	return tookMs;
}

function rowOf({ claim, what }: Work, samples: readonly number[]): Row {
	const time = figure("ms", samples);
	return {
		"claimed elsewhere": `${claim}, ${CLAIMS_MS[claim]} ms`,
		"here, and more": what,
		time,
		"claimed / here": CLAIMS_MS[claim] / time.median,
	};
}

function failed(message: string): ToolError {
	return new ToolError("measurement_failed", {
		message,
		hint: "this is a defect; run the same by hand and look at the service's log",
	});
}
