/** A fork taken back under few memories and under many: its time, and the pages that it touches. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Sql } from "postgres";
import { type BenchService, startBenchService } from "./bench-service.ts";
import { figure, median, type Row, type Unit } from "./figures.ts";
import { lookInto, POLL_INTERVAL_MS } from "./peers-side.ts";
import { type Part, SampleList } from "./peers-table.ts";
import { behindGate } from "./rollback.ts";
import type { SectionContext } from "./section.ts";

const DEPTHS = [5, 20] as const;
/** Backends hand their counts over when they have been idle for up to a second; twice that. */
const COUNTED_MS = 2_100;
const MOST_TABLES = 5;

/** Of one table, its TOAST table and their indices. */
interface TablePages {
	readonly table: string;
	readonly hit: number;
	readonly read: number;
}

interface Sample {
	readonly tookMs: number;
	/** 8 KiB pages of tables and indices that were looked at, in memory or not. */
	readonly pages: number;
	/** Of those, what was not in shared_buffers. */
	readonly readPages: number;
	/** The same count in as long a time without a fork. */
	readonly idlePages: number;
	readonly byTable: ReadonlyMap<string, number>;
}

interface Sized {
	readonly memories: number;
	readonly service: BenchService;
	/** Into its own Postgres, past the service. */
	readonly sql: Sql;
	readonly samples: Map<number, Sample[]>;
}

export async function measureRecovery({ quick, say }: SectionContext): Promise<Part> {
	const sizes = quick ? [1_000, 10_000] : [10_000, 1_000_000];
	const repetitions = quick ? 2 : 7;
	const services: Sized[] = [];
	try {
		for (const memories of sizes) {
			const service = await startBenchService({ pollIntervalMs: POLL_INTERVAL_MS });
			const sql = lookInto(serverUrlOf(service));
			services.push({ memories, service, sql, samples: new Map() });
			say(`writing ${memories} memories`);
			await service.fill(memories, { embedded: 1 });
			await service.gate.shut();
		}
		for (const depth of DEPTHS) {
			for (let round = 0; round <= repetitions; round += 1) {
				say(`recovery of depth ${depth}, ${round} of ${repetitions}`);
				for (const sized of round % 2 === 0 ? services : services.toReversed()) {
					const sample = await once(sized, depth);
					if (round === 0) continue;
					sized.samples.set(depth, [...(sized.samples.get(depth) ?? []), sample]);
				}
			}
		}
		return await partOf(services);
	} finally {
		for (const { service, sql } of services) {
			await sql.end();
			await service.stop();
		}
	}
}

async function once({ service, sql }: Sized, depth: number): Promise<Sample> {
	await service.gate.shut();
	const atRest = await pagesOf(sql);
	const before = await pagesOf(sql);
	const { wholeMs } = await behindGate(service, depth);
	const after = await pagesOf(sql);
	const both = ({ hit, read }: TablePages) => hit + read;
	return {
		tookMs: wholeMs,
		pages: sum(after, both) - sum(before, both),
		readPages: sum(after, ({ read }) => read) - sum(before, ({ read }) => read),
		idlePages: sum(before, both) - sum(atRest, both),
		byTable: new Map(
			after.map((each) => {
				const earlier = before.find(({ table }) => table === each.table);
				return [each.table, both(each) - (earlier === undefined ? 0 : both(earlier))];
			}),
		),
	};
}

function sum(tables: readonly TablePages[], of: (pages: TablePages) => number): number {
	return tables.reduce((total, each) => total + of(each), 0);
}

/** Of Recant's own tables alone; asked when all counts are handed over. */
async function pagesOf(sql: Sql): Promise<readonly TablePages[]> {
	await new Promise((resolve) => setTimeout(resolve, COUNTED_MS));
	return sql<TablePages[]>`
		select relname as table,
			(heap_blks_hit + coalesce(idx_blks_hit, 0) + coalesce(toast_blks_hit, 0) + coalesce(tidx_blks_hit, 0))::float8 as hit,
			(heap_blks_read + coalesce(idx_blks_read, 0) + coalesce(toast_blks_read, 0) + coalesce(tidx_blks_read, 0))::float8 as read
		from pg_statio_user_tables where schemaname = 'recant'`;
}

function serverUrlOf({ dataDir }: BenchService): string {
	const read = (...names: readonly string[]) =>
		readFileSync(join(dataDir, "postgres", ...names), "utf8").split("\n");
	const port = read("cluster", "postmaster.pid")[3] ?? "";
	return `postgres://recant:${read("password")[0]}@127.0.0.1:${port}/recant`;
}

async function partOf(services: readonly Sized[]): Promise<Part> {
	const [small, large] = services;
	if (small === undefined || large === undefined) return { comparisons: [], tables: [] };
	const of = ({ samples }: Sized, depth: number, value: (sample: Sample) => number) => {
		const list = new SampleList();
		list.values.push(...(samples.get(depth) ?? []).map(value));
		return list;
	};
	const compare = (what: string, unit: Unit, depth: number, value: (sample: Sample) => number) => ({
		what: `${what}, depth ${depth}, at ${shown(large.memories)} memories`,
		unit,
		recant: of(large, depth, value),
		peer: { name: `itself at ${shown(small.memories)}`, samples: of(small, depth, value) },
		target: { atMost: 1.5 },
	});
	return {
		comparisons: DEPTHS.flatMap((depth) => [
			compare("recovery", "ms", depth, ({ tookMs }) => tookMs),
			// A hundred times the rows make a B-tree of two or three levels one level higher.
			compare("pages that a recovery touches", "count", depth, ({ pages }) => pages),
		]),
		tables: [
			{
				title: "Recovery",
				rows: DEPTHS.flatMap((depth) => services.map((sized) => rowOf(sized, depth))),
				notes: [
					`shared_buffers ${await sharedBuffers(small.sql)}. Pages: 8 KiB pages of Recant's tables and indices that were looked at;`,
					"idle: in the four seconds before without a fork.",
				],
			},
		],
	};
}

function shown(memories: number): string {
	return memories.toLocaleString("en-US");
}

async function sharedBuffers(sql: Sql): Promise<string> {
	const [row] = await sql<{ size: string }[]>`select current_setting('shared_buffers') as size`;
	return row?.size ?? "unknown";
}

function rowOf({ memories, samples }: Sized, depth: number): Row {
	const own = samples.get(depth) ?? [];
	const of = (value: (sample: Sample) => number) => own.map(value);
	return {
		depth,
		memories,
		whole: figure(
			"ms",
			of(({ tookMs }) => tookMs),
		),
		pages: figure(
			"count",
			of(({ pages }) => pages),
		),
		"of those read from outside shared_buffers": figure(
			"count",
			of(({ readPages }) => readPages),
		),
		"pages, idle": median(of(({ idlePages }) => idlePages)),
		"most in": shownTables(own),
	};
}

function shownTables(samples: readonly Sample[]): string {
	const tables = [...new Set(samples.flatMap(({ byTable }) => [...byTable.keys()]))];
	return tables
		.map((table) => [table, median(samples.map(({ byTable }) => byTable.get(table) ?? 0))] as const)
		.toSorted(([, one], [, other]) => other - one)
		.slice(0, MOST_TABLES)
		.map(([table, pages]) => `${table} ${Math.round(pages)}`)
		.join(", ");
}
