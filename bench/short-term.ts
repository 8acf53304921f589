/** Reads of short-term memories through the whole service, while others are written. */
import { ensureRedis } from "../scripts/support/install-redis.ts";
import { startRedis } from "../scripts/support/redis-server.ts";
import type { AtRequest } from "../src/domain/coordinate.ts";
import { ANCHORED_TO_NOTHING } from "../src/service/writing/anchor-lookup.ts";
import type { OperationRequest } from "../src/service/writing/operation-request.ts";
import { type BenchService, CHAIN, startBenchService } from "./bench-service.ts";
import { percentile, type Row } from "./figures.ts";
import type { Section, SectionContext } from "./section.ts";

const MEMORIES = 1_000;
const NAMESPACE = "scratch";
const POLL_INTERVAL_MS = 50;
/** Between two reads: an agent's pace, and room for whoever writes. */
const PACE_MS = 1;
const BLOCK_EVERY_MS = 1_000;
const WARM_UP = 200;
const DEADLINE_MS = 5_000;

type Backend = "process" | "redis";

/** Puts of one memory each; undefined: no writes at all, and no blocks either. */
const WRITES = [undefined, { everyMs: 100 }, { everyMs: 20 }] as const;
type Writes = (typeof WRITES)[number];

export const shortTermSection: Section = {
	name: "short-term",
	title: "reads of short-term memories, with writes beside",
	run: async (context) => {
		const reads = context.quick ? 500 : 10_000;
		const rows: Row[] = [];
		rows.push(...(await rowsOf({ backend: "process", redisUrl: undefined, reads }, context)));
		ensureRedis();
		const redis = await startRedis();
		try {
			rows.push(...(await rowsOf({ backend: "redis", redisUrl: redis.url, reads }, context)));
		} finally {
			await redis.stop();
		}
		return {
			settings: { memories: MEMORIES, reads, "a block every ms": BLOCK_EVERY_MS },
			tables: [{ title: "Read of one short-term memory at pending", rows, notes: NOTES }],
		};
	},
};

const NOTES = [
	"service: in the process, without HTTP. Each from its call to its answer, one a millisecond, of any of the",
	"memories that are written too. hits: answered from the working memory; the others by Postgres: a commit",
	"is under way, or has just taken the copy away.",
];

interface Setup {
	readonly backend: Backend;
	readonly redisUrl: string | undefined;
	readonly reads: number;
}

async function rowsOf({ backend, redisUrl, reads }: Setup, { say }: SectionContext) {
	const pollIntervalMs = POLL_INTERVAL_MS;
	const service = await startBenchService(
		redisUrl === undefined ? { pollIntervalMs } : { pollIntervalMs, redisUrl },
	);
	const rows: Row[] = [];
	try {
		const ids = Array.from({ length: MEMORIES }, (_, index) => `now:${index}`);
		await put(service, ids);
		for (const writes of WRITES) {
			const by: readonly [string, (id: string) => Promise<unknown>][] = [
				[
					"service",
					(id) => service.service.memory(CHAIN, { namespace: NAMESPACE, id, at: PENDING }),
				],
				["HTTP", (id) => service.client.memory(CHAIN, id, { namespace: NAMESPACE })],
			];
			for (const [through, read] of by) {
				say(`${backend}, ${through}, ${nameOf(writes)}`);
				const measured = await beside(service, writes, ids, () =>
					timed(service, { read, reads, ids }),
				);
				rows.push({ backend, through, beside: nameOf(writes), ...measured });
			}
		}
	} finally {
		await service.stop();
	}
	return rows;
}

const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };

function nameOf(writes: Writes): string {
	return writes === undefined ? "nothing" : `${1_000 / writes.everyMs} puts/s and a block`;
}

/** Runs `measure` while memories are put one by one and blocks come. */
async function beside(
	service: BenchService,
	writes: Writes,
	ids: readonly string[],
	measure: () => Promise<Row>,
): Promise<Row> {
	if (writes === undefined) return measure();
	const ending = new AbortController();
	let nth = 0;
	const going = [
		every(writes.everyMs, ending.signal, () => {
			nth += 379;
			return put(service, ids.slice(nth % MEMORIES, (nth % MEMORIES) + 1));
		}),
		every(BLOCK_EVERY_MS, ending.signal, () => service.node.mine(1)),
	];
	try {
		return await measure();
	} finally {
		ending.abort();
		await Promise.all(going);
	}
}

async function every(ms: number, until: AbortSignal, work: () => Promise<unknown>): Promise<void> {
	while (!until.aborted) {
		const start = performance.now();
		await work();
		await pause(ms - (performance.now() - start));
	}
}

async function timed(
	service: BenchService,
	{
		read,
		reads,
		ids,
	}: {
		readonly read: (id: string) => Promise<unknown>;
		readonly reads: number;
		readonly ids: readonly string[];
	},
): Promise<Row> {
	for (const id of ids) await read(id);
	const samples: number[] = [];
	let before = await hits(service);
	for (let count = -WARM_UP; count < reads; count += 1) {
		if (count === 0) before = await hits(service);
		const id = ids[Math.abs(count * 7) % ids.length] ?? "";
		const start = performance.now();
		await read(id);
		if (count >= 0) samples.push(performance.now() - start);
		await pause(PACE_MS);
	}
	const after = await hits(service);
	const sorted = samples.toSorted((a, b) => a - b);
	return {
		"p50 (ms)": percentile(sorted, 0.5),
		"p99 (ms)": percentile(sorted, 0.99),
		"p99.9 (ms)": percentile(sorted, 0.999),
		"hits (%)": ((after - before) * 100) / reads,
	};
}

async function hits({ service }: BenchService): Promise<number> {
	const { workingMemory } = await service.status();
	return workingMemory.hits;
}

let written = 0;

async function put({ service }: BenchService, ids: readonly string[]): Promise<void> {
	const operations = ids.map((id): OperationRequest => {
		written += 1;
		return {
			...{ kind: "put", namespace: NAMESPACE, id, layer: "short_term", causedBy: [] },
			content: { step: written, text: "what an agent is working on just now" },
			...{ anchors: ANCHORED_TO_NOTHING, derivedFrom: [], onLoss: undefined },
			...{ text: undefined, vector: undefined, collection: undefined, ifVersion: undefined },
			...{ importance: undefined, confidence: undefined },
			...{ expiresAtBlock: undefined, expiresAtTime: undefined },
		};
	});
	const idempotencyKey = undefined;
	await service.write(CHAIN, { operations, idempotencyKey, deadlineMs: DEADLINE_MS });
}

async function pause(ms: number): Promise<void> {
	if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}
