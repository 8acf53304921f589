/** Memories with vectors and texts as they are searched: made up, the same in every run. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { MemoryKey } from "../src/domain/ids.ts";
import { FOREVER } from "../src/domain/ids.ts";
import type { VectorRow } from "../src/domain/vector.ts";
import type { Database } from "../src/store/database.ts";
import { registerChain } from "../src/store/registry.ts";
import { createHashingEmbedder } from "../src/vectors/hashing-embedder.ts";

export const CHAIN = 31_337;
export const COLLECTION = "default";
export const TABLE = "bench_default";
export const DIMENSIONS = 384;
export const HEAD = 10_000n;

const BATCH = 4_096;
/** Subjects that the vectors lie around; texts draw from a vocabulary whose words are rare and common. */
const SUBJECTS = 300;
const VOCABULARY = 20_000;
const WORDS = 20;
const ignore = () => undefined;
const SILENT = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => SILENT };

export class SearchedRows {
	readonly size: number;
	readonly tail: number;
	readonly #subjects: readonly Float32Array[];

	constructor(size: number, tail: number) {
		this.size = size;
		this.tail = tail;
		const draw = drawing(1);
		this.#subjects = Array.from({ length: SUBJECTS }, () =>
			Float32Array.from({ length: DIMENSIONS }, () => normal(draw)),
		);
	}

	/** Rows [from, to), a write's worth at a time. Version ids begin with 1. */
	*batches(from: number, to: number): Generator<readonly VectorRow[]> {
		for (let start = from; start < to; start += BATCH) {
			const count = Math.min(BATCH, to - start);
			yield Array.from({ length: count }, (_, index) => this.row(start + index));
		}
	}

	row(n: number): VectorRow {
		return {
			versionId: BigInt(n + 1),
			memoryKey: keyOf(n),
			namespace: "default",
			layer: "semantic",
			fromBlock: this.heightOf(n),
			text: this.text(n),
			vector: this.#around(n, n),
		};
	}

	heightOf(n: number): bigint {
		return 1n + (BigInt(n) * (HEAD - 1n)) / BigInt(this.size + this.tail);
	}

	text(n: number): string {
		const draw = drawing(n + 7);
		return Array.from({ length: WORDS }, () => `w${Math.floor(VOCABULARY * draw() ** 3)}`).join(
			" ",
		);
	}

	/** A question like row n, and unlike any. */
	near(n: number): Float32Array {
		return this.#around(n, n + 1_000_000_007);
	}

	phrase(n: number): string {
		return this.text(n % this.size)
			.split(" ")
			.slice(0, 4)
			.join(" ");
	}

	#around(n: number, seed: number): Float32Array {
		const draw = drawing(seed + 3);
		const subject = this.#subjects[(n * 7_919) % SUBJECTS] ?? new Float32Array(DIMENSIONS);
		const vector = subject.map((value) => value + normal(draw));
		const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
		return vector.map((value) => value / length);
	}
}

export async function fillDatabase(database: Database, rows: SearchedRows): Promise<void> {
	const spec = { id: CHAIN, name: "bench", startBlock: 0n, handlersHash: "0x00" } as const;
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	const { model } = createHashingEmbedder();
	const all = rows.size + rows.tail;
	await database.run(async (sql) => {
		await sql`insert into blocks (chain_id, height, from_gen, to_gen, hash, parent_hash, timestamp,
			checksum) select ${CHAIN}, h, 0, ${FOREVER}, 'h' || h, 'h' || h - 1, h, '\\x00'
			from generate_series(0, ${HEAD}::bigint) h`;
		await sql`update chains set head_height = ${HEAD}, log_position = 1, version_seq = ${all}
			where chain_id = ${CHAIN}`;
		await sql`insert into collections (chain_id, name, model, dimensions, table_name, table_version,
			pointer_version_id) values (${CHAIN}, ${COLLECTION}, ${model}, ${DIMENSIONS}, ${TABLE}, 0, 0)`;
	});
	await copy(database, versionsCopy, versionLines(rows, all));
	await copy(database, vectorsCopy, vectorLines(rows));
	await database.run((sql) => sql`analyze versions`);
	await database.run((sql) => sql`analyze vector_rows`);
}

/** Moves the collection's pointer: `upTo` rows are in the table at that version. */
export async function pointAt(
	database: Database,
	{ version, upTo }: { readonly version: bigint; readonly upTo: number },
): Promise<void> {
	await database.run(
		(sql) => sql`update collections set table_version = ${version}, pointer_version_id = ${upTo}
			where chain_id = ${CHAIN}`,
	);
}

const versionsCopy = `copy versions (chain_id, memory_key, from_block, from_gen, to_block, to_gen,
	version_id, position, layer, owner, namespace, id, content, text, collection, content_hash,
	checksum) from stdin`;
const vectorsCopy = `copy vector_rows (chain_id, collection, version_id, memory_key, namespace, layer,
	from_block, vector, checksum) from stdin`;

function* versionLines(rows: SearchedRows, all: number): Generator<string> {
	for (let n = 0; n < all; n += 1) {
		const text = rows.text(n);
		const ids = `${CHAIN}\t${keyOf(n)}\t${rows.heightOf(n)}\t0\t${FOREVER}\t${FOREVER}\t${n + 1}\t${n + 1}`;
		const content = `{"n":${n},"subject":${n % 300}}`;
		yield `${ids}\t3\t1\tdefault\tm${n}\t${content}\t${text}\t${COLLECTION}\t\\\\x00\t\\\\x00\n`;
	}
}

/** The tail alone: what is in the table is read there. */
function* vectorLines(rows: SearchedRows): Generator<string> {
	for (let n = rows.size; n < rows.size + rows.tail; n += 1) {
		const { vector, memoryKey, fromBlock } = rows.row(n);
		const hex = Buffer.from(vector.buffer).toString("hex");
		yield `${CHAIN}\t${COLLECTION}\t${n + 1}\t${memoryKey}\tdefault\t3\t${fromBlock}\t\\\\x${hex}\t\\\\x00\n`;
	}
}

async function copy(database: Database, statement: string, lines: Iterable<string>): Promise<void> {
	await database.transaction(async (tx) => {
		const writable = await tx.unsafe(statement).writable();
		await pipeline(Readable.from(lines), writable);
	});
}

function keyOf(n: number): MemoryKey {
	return `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}` as MemoryKey;
}

/** Mulberry32 (Tommy Ettinger, public domain): numbers in [0, 1). */
function drawing(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = Math.imul(state ^ (state >>> 15), state | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

function normal(draw: () => number): number {
	return Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
}
