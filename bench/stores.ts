/** One short-term memory read from Postgres, Redis and this process; a search without LanceDB. */
import { ensureRedis } from "../scripts/support/install-redis.ts";
import { startRedis } from "../scripts/support/redis-server.ts";
import { makeTempDir } from "../scripts/support/temp-dir.ts";
import { HotMemories } from "../src/cache/hot-memories.ts";
import type { MemoryKey } from "../src/domain/ids.ts";
import type { StateView } from "../src/service/reading/state-store.ts";
import { scanDatabase } from "../src/service/searching/database-scan.ts";
import type { Database } from "../src/store/database.ts";
import { PostgresStateStore } from "../src/store/reading/postgres-state-store.ts";
import { registerChain } from "../src/store/registry.ts";
import { PostgresWriterStore } from "../src/store/writing/postgres-writer-store.ts";
import { startEmbeddedDatabase } from "./embedded-database.ts";
import { figure, percentile, type Row } from "./figures.ts";
import type { Section, SectionContext } from "./section.ts";

const CHAIN = 31_337;
const MEMORIES = 1_000;
const DIMENSIONS = 384;
const PENDING = { at: { kind: "tag", tag: "pending" }, generation: undefined } as const;
const SILENT = { info: () => undefined, warn: () => undefined };
const LOG = { ...SILENT, debug: () => undefined, error: () => undefined, child: () => LOG };

export const storesSection: Section = {
	name: "stores",
	title: "Working memory, and searches without LanceDB",
	run: async (context) => {
		const dir = makeTempDir("bench-stores");
		const { database, stop } = await startEmbeddedDatabase(dir.path);
		try {
			await fill(database);
			const scans = context.quick ? [1_000, 10_000] : [1_000, 10_000, 43_690];
			return {
				settings: { memories: MEMORIES, dimensions: DIMENSIONS },
				tables: [
					{
						title: "Read of one short-term memory at pending",
						rows: await reads(database, context),
						notes: ["one read after the other; Postgres through its Unix socket, Redis over TCP"],
					},
					{
						title: "Exact scan of embedded versions in Postgres",
						rows: await scanRows(database, scans, context),
						notes: [`vectors of ${DIMENSIONS} floats; without the look-up of what is visible`],
					},
				],
			};
		} finally {
			await stop();
			dir.remove();
		}
	},
};

async function reads(database: Database, { quick, say }: SectionContext): Promise<Row[]> {
	const repetitions = quick ? 1_000 : 10_000;
	ensureRedis();
	const redis = await startRedis();
	const state = new PostgresStateStore(database);
	const keys = await memoryKeys(database);
	const rows: Row[] = [];
	try {
		say("Postgres");
		const fromPostgres = (key: MemoryKey) =>
			state.read(CHAIN, PENDING, async (view) => view.memory(key));
		rows.push(await timed("Postgres", keys, repetitions, fromPostgres));
		for (const backend of ["redis", "process"] as const) {
			say(backend);
			const memories = await warm(database, backend === "redis" ? redis.url : undefined, keys);
			rows.push(await timed(backend, keys, repetitions, (key) => memories.read(CHAIN, key)));
			const { hits } = memories.figures();
			if (hits < repetitions) throw new RangeError(`${backend} answered ${hits} of ${repetitions}`);
			await memories.close();
		}
	} finally {
		await redis.stop();
	}
	return rows;
}

/** Copies of all memories, as reading them one by one leaves them. */
async function warm(
	database: Database,
	url: string | undefined,
	keys: readonly MemoryKey[],
): Promise<HotMemories> {
	const redis = url === undefined ? undefined : { url, prefix: "bench" };
	const memories = new HotMemories({ redis, isDatabaseUp: () => true, log: SILENT });
	const chain = memories.open(CHAIN, () => true);
	const { state } = await new PostgresWriterStore(database, () => false).loadChain(CHAIN);
	chain.resume(state);
	while (memories.health().some((each) => each.state !== "up")) await pause();
	await pause();
	await new PostgresStateStore(database).read(CHAIN, PENDING, async (view) => {
		for (const key of keys) {
			const version = await view.memory(key);
			if (version !== undefined) memories.learned(view.at, version);
		}
	});
	await pause();
	return memories;
}

function pause(): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, 200));
}

async function timed(
	from: string,
	keys: readonly MemoryKey[],
	repetitions: number,
	read: (key: MemoryKey) => Promise<unknown>,
): Promise<Row> {
	const samples: number[] = [];
	for (let count = -200; count < repetitions; count += 1) {
		const key = keys[Math.abs(count * 7) % keys.length];
		if (key === undefined) throw new RangeError("no memories");
		const start = performance.now();
		await read(key);
		if (count >= 0) samples.push(performance.now() - start);
	}
	const sorted = samples.toSorted((a, b) => a - b);
	const micros = (share: number) => Math.round(percentile(sorted, share) * 1_000);
	return { from, "p50 (µs)": micros(0.5), "p99 (µs)": micros(0.99), reads: repetitions };
}

async function scanRows(
	database: Database,
	sizes: readonly number[],
	{ quick, say }: SectionContext,
): Promise<Row[]> {
	const rows: Row[] = [];
	const state = new PostgresStateStore(database);
	const vector = Float32Array.from({ length: DIMENSIONS }, (_, n) => Math.sin(n));
	for (const size of sizes) {
		say(`scan of ${size} rows`);
		await fillVectors(database, size);
		const samples: number[] = [];
		for (let count = 0; count < (quick ? 3 : 7); count += 1) {
			const start = performance.now();
			await state.read(CHAIN, PENDING, (view) => scanned(view, size, vector));
			if (count > 0) samples.push(performance.now() - start);
		}
		rows.push({ rows: size, time: figure("ms", samples) });
	}
	return rows;
}

async function scanned(view: StateView, size: number, vector: Float32Array): Promise<void> {
	const pointer = { tableVersion: 1n, versionId: 0n, at: 0 };
	const collection = {
		...{ model: "bench", dimensions: DIMENSIONS, table: "bench", epoch: "bench", pointer },
		lastVersionId: BigInt(size),
	};
	const filter = { maxFromBlock: view.at.height, namespaces: undefined, layers: undefined };
	const { rows, isWhole } = await scanDatabase(view, "bench", collection, { vector, filter });
	if (rows !== size || !isWhole) throw new RangeError(`${rows} of ${size} rows were read`);
}

async function memoryKeys(database: Database): Promise<readonly MemoryKey[]> {
	const rows = await database.run(
		(sql) => sql<{ memory_key: MemoryKey }[]>`
			select memory_key from versions where chain_id = ${CHAIN}`,
	);
	return rows.map((row) => row.memory_key);
}

async function fill(database: Database): Promise<void> {
	const spec = { id: CHAIN, name: "bench", startBlock: 0n, handlersHash: "0x00" } as const;
	await registerChain(database, spec, { isGone: () => false, log: LOG });
	await database.run(
		(
			sql,
		) => sql`insert into blocks (chain_id, height, from_gen, to_gen, hash, parent_hash, timestamp,
			checksum) values (${CHAIN}, 10, 0, 9223372036854775807, '\\x11', '\\x10', 0, '\\x00')`,
	);
	await database.run(
		(sql) => sql`update chains set head_height = 10, log_position = 1 where chain_id = ${CHAIN}`,
	);
	await database.run(
		(sql) => sql`insert into versions (chain_id, memory_key, from_block, from_gen, to_block, to_gen,
			version_id, position, layer, owner, namespace, id, content, content_hash, checksum)
			select ${CHAIN}, md5(n::text)::uuid, 1, 0, 9223372036854775807, 9223372036854775807, n, n, 0, 1,
				'default', n::text, '{"n":1,"text":"what an agent is working on just now"}', '\\x00', '\\x00'
			from generate_series(1, ${MEMORIES}::int) n`,
	);
	await database.run((sql) => sql`analyze versions`);
}

async function fillVectors(database: Database, upTo: number): Promise<void> {
	const vector = Buffer.from(
		Float32Array.from({ length: DIMENSIONS }, (_, n) => Math.cos(n)).buffer,
	);
	await database.run(
		(
			sql,
		) => sql`insert into vector_rows (chain_id, collection, version_id, memory_key, namespace, layer,
			from_block, vector, checksum)
			select ${CHAIN}, 'bench', n, md5(n::text)::uuid, 'default', 3, 1, ${vector}, '\\x00'
			from generate_series(1, ${upTo}::int) n on conflict do nothing`,
	);
	await database.run((sql) => sql`analyze vector_rows`);
}
