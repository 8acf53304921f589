/** The oracle sees what it is there to see: each of its checks fails on a run whose stores were changed. */
import { beforeAll, expect, test } from "vitest";
import type { Version } from "../../src/domain/memory.ts";
import { openFakeStores } from "./fake-stores.ts";
import type { HeldRun, RunReads } from "./run-reads.ts";
import { scheduleOf } from "./schedule.ts";
import { type RunResult, simulate } from "./simulation.ts";
import type { Stores } from "./stores.ts";

/** Of runs with forks enough: whatever a schedule is, there are some. */
const seeds: number[] = [];
const RUNS = 1;
const MOST_SEEDS = 60;
const ROLLBACKS = 8;

type Change = (held: HeldRun) => HeldRun;

/** What the judges read is changed; what the processes have is not. */
interface Tampering {
	readonly held?: Change;
	/** Of the straight run. */
	readonly fresh?: Change;
	readonly log?: RunReads["log"] extends (...args: never[]) => Promise<infer Log>
		? (log: Log) => Log
		: never;
}

function tampered(stores: Stores, { held, fresh, log }: Tampering): Stores {
	return {
		...stores,
		reads: changed(stores.reads, held, log),
		openFresh: async () => {
			const opened = await stores.openFresh();
			return { ...opened, reads: changed(opened.reads, fresh, undefined) };
		},
	};
}

function changed(reads: RunReads, held: Change | undefined, log: Tampering["log"]): RunReads {
	return {
		...reads,
		held: async () => (held === undefined ? reads.held() : held(await reads.held())),
		log: async (after) => (log === undefined ? reads.log(after) : log(await reads.log(after))),
	};
}

async function judged(tampering: Tampering): Promise<readonly RunResult[]> {
	const results: RunResult[] = [];
	for (const seed of seeds) {
		results.push(
			await simulate({
				schedule: scheduleOf(seed),
				without: new Set(),
				openStores: async (parts) => tampered(await openFakeStores(parts), tampering),
			}),
		);
	}
	return results;
}

/** Of rows that are believed now, the one in the middle. */
function oneVersion(held: HeldRun, of: (version: Version) => boolean, change: Partial<Version>) {
	const { generation } = held;
	const candidates = held.versions.filter(
		(each) => each.toGen > generation && each.content !== undefined && of(each),
	);
	const victim = candidates[Math.floor(candidates.length / 2)];
	const versions = held.versions.map((each) => (each === victim ? { ...each, ...change } : each));
	return { ...held, versions };
}

const FOREVER = 9_223_372_036_854_775_807n;
const NOBODYS_HASH = `0x${"77".repeat(32)}` as const;
const isOpen = ({ toBlock }: Version) => toBlock === FOREVER;

beforeAll(async () => {
	for (let seed = 1; seeds.length < RUNS && seed <= MOST_SEEDS; seed += 1) {
		const { failure, figures } = await simulate({
			schedule: scheduleOf(seed),
			without: new Set(),
			openStores: openFakeStores,
		});
		expect(failure, `seed ${seed}`).toBeUndefined();
		if ((figures["rollbacks"] ?? 0) >= ROLLBACKS) seeds.push(seed);
	}
	expect(seeds).toHaveLength(RUNS);
});

const cases: readonly (readonly [string, RegExp, Tampering])[] = [
	[
		"a memory that says something else",
		/OracleFailure: model/,
		{ held: (held) => oneVersion(held, isOpen, { contentHash: NOBODYS_HASH }) },
	],
	[
		"a memory that is gone",
		/OracleFailure: model/,
		{
			held: (held) => {
				const { generation } = held;
				const victim = held.versions.findLast(
					(each) => isOpen(each) && each.toGen > generation && each.content !== undefined,
				);
				return { ...held, versions: held.versions.filter((each) => each !== victim) };
			},
		},
	],
	[
		"a memory that begins a block late",
		/OracleFailure: (?:model|roots)/,
		{
			held: (held) => {
				const victim = held.versions.find((each) => isOpen(each) && each.toGen > held.generation);
				const fromBlock = (victim?.fromBlock ?? 0n) + 1n;
				return oneVersion(held, (each) => each === victim, { fromBlock });
			},
		},
	],
	[
		"a memory that is marked",
		/OracleFailure: model/,
		{ held: (held) => oneVersion(held, isOpen, { suspect: true }) },
	],
	[
		"an orphaned version that holds in the generation after",
		/OracleFailure: (?:model|roots|content)/,
		{
			held: (held) => {
				const victim = held.versions.findLast(
					(each) => each.toGen <= held.generation && each.content !== undefined,
				);
				const versions = held.versions.map((each) =>
					each === victim ? { ...each, toGen: FOREVER } : each,
				);
				return { ...held, versions };
			},
		},
	],
	[
		"a checkpoint with another root",
		/OracleFailure: roots/,
		{
			held: (held) => ({
				...held,
				checkpoints: held.checkpoints.map((each, index) =>
					index === held.checkpoints.length - 1
						? { ...each, roots: { ...each.roots, semantic: NOBODYS_HASH } }
						: each,
				),
			}),
		},
	],
	[
		"an operation with another fate",
		/OracleFailure: model: fate/,
		{
			held: (held) => ({
				...held,
				operations: held.operations.map((each) =>
					each.status === "applied" ? { ...each, status: "recanted" as const } : each,
				),
			}),
		},
	],
	[
		"an acknowledged operation that is lost",
		/OracleFailure: writes/,
		{ held: (held) => ({ ...held, operations: held.operations.slice(1) }) },
	],
	[
		"an operation that is there twice",
		/OracleFailure: writes/,
		{ held: (held) => ({ ...held, operations: [...held.operations, ...held.operations] }) },
	],
	[
		"an operation that is in no log",
		/comes \d+$|OracleFailure: writes/m,
		{ log: (log) => log.filter(({ kind }, index) => kind !== "operation" || index % 7 !== 0) },
	],
	[
		"a vector that is lost",
		/OracleFailure: vectors: .* is in no table/,
		{ held: (held) => ({ ...held, tail: [], tables: [] }) },
	],
	[
		"a vector that is in the table and in the tail",
		/OracleFailure: vectors: .* in the table and in the tail/,
		{ held: (held) => ({ ...held, tail: [...held.tail, ...held.tables, ...held.tail] }) },
	],
	[
		"a vector of another text",
		/OracleFailure: vectors: .* another vector/,
		{
			held: (held) => {
				const turned = held.tables.map((each) => ({ ...each, vector: each.vector.toReversed() }));
				const tail = held.tail.map((each) => ({ ...each, vector: each.vector.toReversed() }));
				return { ...held, tables: turned, tail };
			},
		},
	],
	[
		"a report that leaves out what was recanted",
		/OracleFailure: model: .*(?:replayed|recanted)|reports/,
		{ held: (held) => ({ ...held, reports: held.reports.map(() => "{}") }) },
	],
	[
		"a rollback without a report",
		/OracleFailure: model: .* reports/,
		{ held: (held) => ({ ...held, reports: held.reports.slice(1) }) },
	],
	[
		"a straight run that has something else",
		/OracleFailure: content: lives/,
		{ fresh: (held) => oneVersion(held, () => true, { contentHash: NOBODYS_HASH }) },
	],
	[
		"a straight run with other roots",
		/OracleFailure: content: roots/,
		{
			fresh: (held) => ({
				...held,
				checkpoints: held.checkpoints.map((each) => ({
					...each,
					roots: { ...each.roots, episodic: NOBODYS_HASH },
				})),
			}),
		},
	],
];

for (const [what, failure, tampering] of cases) {
	test(`the oracle sees ${what}`, async () => {
		const failures = (await judged(tampering)).map((result) => result.failure ?? "none");
		expect(
			failures.some((each) => failure.test(each)),
			failures.join("\n"),
		).toBe(true);
	});
}
