/**
 * A collection with a history of writes, deletions, blocks and forks, in real tables: rows by the span rules,
 * flushes by the real flusher. Beside it WholeStates says what is visible, and nothing here asks the rows.
 */
import type { Generation, Height, Hex, MemoryKey } from "../../src/domain/ids.ts";
import type { Layer } from "../../src/domain/layer.ts";
import type { Logger } from "../../src/domain/logger.ts";
import type { Version } from "../../src/domain/memory.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import { type NewVersion, StateEditor } from "../../src/memory/state-editor.ts";
import { hexBytes, layerNumber, ownerNumber, vectorBytes } from "../../src/store/codec.ts";
import type { Database } from "../../src/store/database.ts";
import { registerChain } from "../../src/store/registry.ts";
import { PostgresFlushStore } from "../../src/store/writing/postgres-flush-store.ts";
import { PostgresWriterStore } from "../../src/store/writing/postgres-writer-store.ts";
import type { LanceStore } from "../../src/vectors/lance-tables.ts";
import type { VectorPointer } from "../../src/writer/commit-batch.ts";
import { VectorFlusher } from "../../src/writer/vector-flusher.ts";
import { VersionRows } from "../simulation/fakes/version-rows.ts";
import { keyOf, newVersion, TOMBSTONE } from "./versions.ts";
import { WholeStates } from "./whole-states.ts";

export const CHAIN = 31_337;
export const COLLECTION = "default";
const MODEL = "recant-hash-v1";
const FAR = 400;
const NO_POINTER: VectorPointer = { tableVersion: 0n, versionId: 0n, at: 0 };
const QUIET: Logger = {
	debug: () => undefined,
	info: () => undefined,
	warn: () => undefined,
	error: () => undefined,
	child: () => QUIET,
};

/** What a version says, as a search sees it. */
export interface Said {
	readonly id: string;
	readonly versionId: bigint;
	readonly slot: number;
	readonly namespace: string;
	readonly layer: Layer;
	readonly content: JsonObject;
	readonly text: string | undefined;
	/** Undefined: it is in no collection. */
	readonly vector: Float32Array | undefined;
	readonly importance: number | undefined;
	readonly confidence: number | undefined;
	readonly suspect: boolean;
	readonly grounds: Height | undefined;
}

interface Ended {
	readonly lastHeight: number;
	readonly lastVersionId: bigint;
	readonly pointer: VectorPointer;
}

export class SearchedHistory {
	readonly model = new WholeStates(FAR);
	readonly #rows = new VersionRows();
	readonly #said = new Map<bigint, Said>();
	readonly #keys = new Map<string, MemoryKey>();
	readonly #database: Database;
	readonly #tables: LanceStore;
	readonly #ended: Ended[] = [];
	readonly #ancestors: number[] = [];
	/** Pointers that the collection has had. */
	readonly #pointers: VectorPointer[] = [NO_POINTER];
	#pointer = NO_POINTER;
	#editor = new StateEditor(0n);
	#versions = 0n;
	head = 0;
	safe = 0;
	finalized = 0;

	private constructor(database: Database, tables: LanceStore) {
		this.#database = database;
		this.#tables = tables;
	}

	static async open(
		database: Database,
		tables: LanceStore,
		{ table, dimensions }: { readonly table: string; readonly dimensions: number },
	): Promise<SearchedHistory> {
		const spec = { id: CHAIN, name: "test", startBlock: 0n, handlersHash: "0x00" as Hex };
		await registerChain(database, spec, { isGone: () => false, log: QUIET });
		await database.run(async (sql) => {
			await sql`delete from collections`;
			await sql`insert into collections (chain_id, name, model, dimensions, table_name, table_version,
				pointer_version_id) values (${CHAIN}, ${COLLECTION}, ${MODEL}, ${dimensions}, ${table}, 0, 0)`;
		});
		await new PostgresWriterStore(database, () => true).acquireLease(CHAIN, "test", 600_000);
		return new SearchedHistory(database, tables);
	}

	get generation(): number {
		return this.#ended.length;
	}

	/** Last height of a generation. */
	lastHeight(generation: number): number {
		return this.#ended[generation]?.lastHeight ?? this.head;
	}

	/** Height that a generation shares with the present one. */
	sharedHeight(generation: number): number {
		return Math.min(Number.MAX_SAFE_INTEGER, ...this.#ancestors.slice(generation));
	}

	/** What is visible there, by the whole states. */
	visible(at: { readonly height: number; readonly generation: number }): readonly Said[] {
		return [...this.#keys.keys()].flatMap((id) => {
			const versionId = this.model.read(id, at);
			const said = versionId === undefined ? undefined : this.#said.get(versionId);
			return said === undefined ? [] : [said];
		});
	}

	put(said: Omit<Said, "versionId" | "slot">): bigint {
		const { id, vector, ...body } = said;
		const slot = this.head + 1;
		const collection = vector === undefined ? undefined : COLLECTION;
		const versionId = this.#write(id, { ...body, collection });
		this.#said.set(versionId, { ...said, versionId, slot });
		this.model.put(id, slot, { version: versionId, expiresBlock: undefined });
		return versionId;
	}

	delete(id: string): void {
		const slot = this.head + 1;
		const seen = this.model.read(id, { height: slot, generation: this.generation });
		const said = seen === undefined ? undefined : this.#said.get(seen);
		if (said === undefined) return;
		const { namespace, layer } = said;
		this.#write(id, { ...TOMBSTONE, namespace, layer });
		this.model.delete(id, slot);
	}

	seal(blocks = 1): void {
		this.head += blocks;
	}

	/** `goesBack`: the pointer is one that the collection had before, as after a rollback. */
	fork(depth: number, goesBack: boolean): void {
		const ancestor = Math.max(0, this.head - depth);
		this.#commit();
		this.#ended.push({
			lastHeight: this.head,
			lastVersionId: this.#versions,
			pointer: this.#pointer,
		});
		this.#ancestors.push(ancestor);
		this.head = ancestor;
		if (goesBack) this.#pointer = this.#pointers[this.#pointers.length >> 1] ?? NO_POINTER;
		this.model.rewind(ancestor);
		const editor = new StateEditor(BigInt(this.generation));
		for (const key of this.#rows.touchedAbove(BigInt(ancestor))) {
			editor.load(key, this.#rows.present(key));
		}
		editor.rewind(BigInt(ancestor));
		this.#editor = editor;
		this.#commit();
	}

	/** Brings the database to where the history is; `flushes`: LanceDB too. */
	async sync({ flushes, upkeep }: { readonly flushes: boolean; readonly upkeep?: boolean }) {
		this.#commit();
		await this.#database.transaction(async (tx) => {
			for (const table of ["versions", "vector_rows", "blocks", "generations"])
				await tx`delete from ${tx(table)} where chain_id = ${CHAIN}`;
			for (const key of this.#keys.values()) {
				for (const row of this.#rows.of(key)) await insertVersion(tx, row);
			}
			for (const said of this.#said.values()) await insertVector(tx, said);
			await this.#insertChain(tx);
		});
		if (flushes) await this.#flush(upkeep === true);
	}

	async #flush(upkeep: boolean): Promise<void> {
		const store = new PostgresFlushStore(this.#database);
		const { state } = await new PostgresWriterStore(this.#database, () => true).loadChain(CHAIN);
		const flusher = new VectorFlusher({
			chainId: CHAIN,
			tables: this.#tables,
			store,
			state: () => state,
			onPointer: () => undefined,
			log: QUIET,
			flushRows: 1,
		});
		if (upkeep) await flusher.upkeep();
		else flusher.flush();
		await flusher.idle();
		await flusher.stop();
		const [target] = await store.targets(CHAIN);
		if (target === undefined || target.tail > 0) throw new Error("the flush did not reach the end");
		this.#pointer = target.pointer;
		this.#pointers.push(target.pointer);
	}

	#write(id: string, parts: Partial<NewVersion>): bigint {
		const key = keyOf(id);
		this.#keys.set(id, key);
		if (!this.#editor.isLoaded(key)) this.#editor.load(key, this.#rows.present(key).slice(-1));
		this.#versions += 1n;
		this.#editor.put(newVersion(id, this.#versions, parts), BigInt(this.head + 1));
		return this.#versions;
	}

	#commit(): void {
		const generation: Generation = BigInt(this.generation);
		this.#rows.apply(this.#editor.changes(), generation);
		this.#editor = new StateEditor(generation);
	}

	async #insertChain(tx: Tx): Promise<void> {
		await tx`update chains set generation = ${this.generation}, head_height = ${this.head},
			version_seq = ${this.#versions}, log_position = 1, safe_height = ${this.safe},
			finalized_height = ${this.finalized} where chain_id = ${CHAIN}`;
		await tx`update collections set table_version = ${this.#pointer.tableVersion},
			pointer_version_id = ${this.#pointer.versionId},
			pointer_at = to_timestamp(${this.#pointer.at} / 1000.0) where chain_id = ${CHAIN}`;
		for (const [generation, { lastHeight, lastVersionId, pointer }] of this.#ended.entries()) {
			const pointers = JSON.stringify({
				[COLLECTION]: {
					tableVersion: pointer.tableVersion.toString(),
					versionId: pointer.versionId.toString(),
					at: pointer.at,
				},
			});
			await tx`insert into generations (chain_id, generation, ancestor_height, last_height,
				last_version_id, pointers) values (${CHAIN}, ${generation},
				${this.#ancestors[generation - 1] ?? null}, ${lastHeight}, ${lastVersionId}, ${pointers})`;
		}
		await tx`insert into generations (chain_id, generation, ancestor_height)
			values (${CHAIN}, ${this.generation}, ${this.#ancestors.at(-1) ?? null})`;
		await this.#insertBlocks(tx);
	}

	/** Block h of generation g was mined at 1,000 + 10 h, and has a hash of both. */
	async #insertBlocks(tx: Tx): Promise<void> {
		for (let generation = 0; generation <= this.generation; generation += 1) {
			const from = generation === 0 ? 0 : (this.#ancestors[generation - 1] ?? 0) + 1;
			for (let height = from; height <= this.lastHeight(generation); height += 1) {
				const lost = this.#ancestors.findIndex((at, n) => n >= generation && at < height);
				const to = lost === -1 ? FOREVER_TEXT : lost + 1;
				await tx`insert into blocks (chain_id, height, from_gen, to_gen, hash, parent_hash,
					timestamp, checksum) values (${CHAIN}, ${height}, ${generation}, ${to},
					${hashOf(generation, height)}, '0x', ${timeOf(height)}, '\\x00')`;
			}
		}
	}
}

type Tx = Parameters<Parameters<Database["transaction"]>[0]>[0];

const FOREVER_TEXT = "9223372036854775807";

export function timeOf(height: number): number {
	return 1_000 + 10 * height;
}

export function hashOf(generation: number, height: number): Hex {
	return `0x${generation.toString(16).padStart(32, "0")}${height.toString(16).padStart(32, "0")}`;
}

async function insertVersion(tx: Tx, row: Version): Promise<void> {
	await tx`insert into versions (chain_id, memory_key, from_block, from_gen, to_block, to_gen,
		suspect, grounds_block, version_id, position, layer, owner, namespace, id, content, text,
		collection, importance, confidence, content_hash, checksum) values (${CHAIN}, ${row.memoryKey},
		${row.fromBlock}, ${row.fromGen}, ${row.toBlock}, ${row.toGen}, ${row.suspect},
		${row.grounds ?? null}, ${row.versionId}, ${row.position}, ${layerNumber(row.layer)},
		${ownerNumber(row.owner)}, ${row.namespace}, ${row.id},
		${row.content === undefined ? null : JSON.stringify(row.content)}, ${row.text ?? null},
		${row.collection ?? null}, ${row.importance ?? null}, ${row.confidence ?? null},
		${hexBytes(row.contentHash)}, '\\x00')`;
}

async function insertVector(tx: Tx, said: Said): Promise<void> {
	if (said.vector === undefined) return;
	await tx`insert into vector_rows (chain_id, collection, version_id, memory_key, namespace, layer,
		from_block, vector, checksum) values (${CHAIN}, ${COLLECTION}, ${said.versionId},
		${keyOf(said.id)}, ${said.namespace}, ${layerNumber(said.layer)}, ${said.slot},
		${vectorBytes(said.vector)}, '\\x00')`;
}
