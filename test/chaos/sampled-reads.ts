/**
 * Readers during the load. Each read is of one coordinate, which it names, and of everything that is
 * visible there; the root of what was read must be the one that the checkpoint of that coordinate has.
 * A page of one generation beside a page of another, or half of a commit, has no checkpoint's root.
 *
 * Beside that, the present generation never shrinks: not from one answer to the next, whoever answers.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { MemoryAnswer } from "../../src/client/answers.ts";
import { RecantApiError } from "../../src/client/api-error.ts";
import type { RecantClient } from "../../src/client/client.ts";
import type { StateRoots } from "../../src/commitment/state-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import type { Random } from "../support/random.ts";
import { CHAIN } from "../support/recant.ts";
import { withSql } from "../support/with-sql.ts";
import type { ChaosWorld } from "./chaos-world.ts";

const READERS = 2;
const PAUSE_MS = { min: 30, max: 200 };
/** Small, so that a read takes several requests, between which anything may happen. */
const PAGE = 40;
/** Coordinates that are read again; older ones are left alone. */
const REMEMBERED = 200;
/** Past this many a broken service needs no further examples. */
const EXAMPLES = 20;

interface Sample {
	readonly height: string;
	readonly generation: string;
	readonly blockHash: string | undefined;
	readonly roots: StateRoots;
}

export class SampledReads {
	readonly #chaos: ChaosWorld;
	readonly #random: Random;
	readonly #remembered: Sample[] = [];
	#unverified: Sample[] = [];
	#running = false;
	#loops: Promise<void> = Promise.resolve();
	#newest = 0n;
	samples = 0;
	readonly violations: string[] = [];
	/** Codes of answers that were no answers. */
	readonly codes = new Map<string, number>();

	constructor(chaos: ChaosWorld, random: Random) {
		this.#chaos = chaos;
		this.#random = random;
	}

	start(): void {
		this.#running = true;
		this.#loops = Promise.all(Array.from({ length: READERS }, () => this.#run())).then(
			() => undefined,
		);
		// Whoever awaits `stop` hears of it; until then it must not end the process.
		this.#loops.catch(() => undefined);
	}

	async stop(): Promise<void> {
		this.#running = false;
		await this.#loops;
	}

	/** Holds what was read against the checkpoints; Postgres must answer. */
	async verify(): Promise<void> {
		const samples = this.#unverified;
		this.#unverified = [];
		await withSql(this.#chaos.databaseUrl, async (sql) => {
			const [chain] = await sql<{ finalized: string | null }[]>`
				select finalized_height::text as finalized from chains`;
			const finalized = BigInt(chain?.finalized ?? -1);
			for (const sample of samples) {
				const { height, generation, blockHash, roots } = sample;
				const [row] = await sql<{ roots: string; block_hash: string }[]>`
					select roots, block_hash from checkpoints where height = ${height}
						and from_gen <= ${generation} and to_gen > ${generation}`;
				const where = `height ${height} of generation ${generation}`;
				if (row === undefined) {
					// Below finality they are not kept for ever.
					if (BigInt(height) < finalized) continue;
					this.#violated(`${where} was read, and has no checkpoint`);
					continue;
				}
				const sealed = JSON.parse(row.roots) as StateRoots;
				if (!isSame(sealed, roots))
					this.#violated(`${where} read as ${JSON.stringify(roots)}, sealed as ${row.roots}`);
				if (blockHash !== row.block_hash)
					this.#violated(`${where} read as block ${blockHash}, sealed as ${row.block_hash}`);
			}
		});
	}

	async #run(): Promise<void> {
		while (this.#running && this.violations.length < EXAMPLES) {
			const { clients } = this.#chaos;
			if (clients.length > 0) await this.#read(this.#random.oneOf(clients));
			await sleep(this.#random.between(PAUSE_MS.min, PAUSE_MS.max));
		}
	}

	async #read(client: RecantClient): Promise<void> {
		const isAgain = this.#remembered.length > 0 && this.#random.chance(0.3);
		const before = isAgain ? this.#random.oneOf(this.#remembered) : undefined;
		const newestAsked = this.#newest;
		try {
			const sample = await readAll(
				client,
				before === undefined
					? { at: "latest" }
					: { at: before.height, generation: before.generation },
			);
			if (sample === undefined) return;
			this.samples += 1;
			if (before !== undefined && !isSame(before.roots, sample.roots))
				this.#violated(`height ${before.height} of ${before.generation} changed afterwards`);
			const generation = BigInt(sample.generation);
			if (before === undefined && generation < newestAsked)
				this.#violated(`generation ${generation} was answered after ${newestAsked}`);
			if (generation > this.#newest) this.#newest = generation;
			this.#unverified.push(sample);
			if (this.#remembered.length >= REMEMBERED) this.#remembered.shift();
			this.#remembered.push(sample);
		} catch (error) {
			if (!(error instanceof RecantApiError)) throw error;
			this.codes.set(error.code, (this.codes.get(error.code) ?? 0) + 1);
		}
	}

	#violated(what: string): void {
		if (this.violations.length < EXAMPLES) this.violations.push(what);
	}
}

/** Undefined: nothing is committed yet. */
async function readAll(
	client: RecantClient,
	query: { readonly at: string; readonly generation?: string },
): Promise<Sample | undefined> {
	const first = await client.memories(CHAIN, { ...query, limit: PAGE });
	const { height, generation, blockHash } = first.at;
	const tree = new StateTree();
	add(tree, first.items);
	for (let { cursor } = first; cursor !== undefined; ) {
		const page = await client.memories(CHAIN, { cursor, limit: PAGE });
		add(tree, page.items);
		({ cursor } = page);
	}
	return { height, generation, blockHash, roots: tree.roots() };
}

function add(tree: StateTree, memories: readonly MemoryAnswer[]): void {
	for (const { expiresAtBlock, expiresAtTime, ...memory } of memories) {
		const expiresBlock = expiresAtBlock === undefined ? undefined : BigInt(expiresAtBlock);
		const expiresTime = expiresAtTime === undefined ? undefined : BigInt(expiresAtTime);
		tree.set({
			memoryKey: memoryKey(memory.namespace, memory.id),
			layer: memory.layer,
			contentHash: contentHash({
				...memory,
				text: memory.text,
				collection: memory.collection,
				importance: memory.importance,
				confidence: memory.confidence,
				vectorHash: memory.vectorHash,
				expiresBlock,
				expiresTime,
			}),
		});
	}
}

function isSame(one: StateRoots, other: StateRoots): boolean {
	return (
		JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort())
	);
}
