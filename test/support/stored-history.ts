/**
 * A chain's history as rows of Postgres, written by hand: memories, links, derivations, blocks and forks,
 * without node and writer. Beside the rows it keeps, for each height of each generation, a plain copy of
 * all that is believed there, which knows nothing of spans.
 */
import { createHash } from "node:crypto";
import type { Sql } from "postgres";
import { FOREVER, type Hex, type MemoryKey } from "../../src/domain/ids.ts";
import { LAYERS, type Layer, type Owner } from "../../src/domain/layer.ts";
import { linkContent, linkId } from "../../src/domain/link.ts";
import type { LinkName } from "../../src/domain/link-name.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";

export const HISTORY_CHAIN = 1;
const BLOCK_SECONDS = 12n;
const FIRST_TIMESTAMP = 1_700_000_000n;
/** When every rollback was committed, and when later blocks were. */
const ROLLBACK_TIME = new Date("2026-01-01T00:00:00Z");
const BLOCK_TIME = new Date("2026-01-01T00:00:12Z");

export interface Said {
	readonly namespace: string;
	readonly id: string;
	readonly layer: Layer;
	readonly owner: Owner;
	/** Undefined: deleted. */
	readonly content: JsonObject | undefined;
}

export interface Written extends Said {
	readonly key: MemoryKey;
	readonly contentHash: Hex;
	readonly position: bigint;
	readonly versionId: bigint;
	readonly fromBlock: bigint;
	readonly suspect: boolean;
	readonly grounds: bigint | undefined;
}

interface Row extends Written {
	readonly fromGen: bigint;
	toBlock: bigint;
	toGen: bigint;
}

interface Header {
	readonly height: bigint;
	readonly fromGen: bigint;
	toGen: bigint;
	readonly hash: Hex;
	readonly parentHash: Hex;
	readonly timestamp: bigint;
	/** False: it is not kept in Postgres. */
	readonly kept: boolean;
}

export interface SourceOf {
	readonly namespace: string;
	readonly id: string;
	readonly contentHash: Hex;
}

type State = ReadonlyMap<MemoryKey, Written>;

export class StoredHistory {
	readonly #rows: Row[] = [];
	readonly #links = new Map<MemoryKey, LinkName>();
	readonly #headers: Header[] = [];
	readonly #derivations: object[] = [];
	readonly #operations: object[] = [];
	readonly #log: object[] = [];
	readonly #generations: {
		ancestor: bigint | null;
		last: bigint | null;
		rollbackId: string | null;
	}[] = [{ ancestor: null, last: null, rollbackId: null }];
	readonly #states = new Map<string, State>();
	#current = new Map<MemoryKey, Written>();
	#head = -1n;
	#generation = 0n;
	#position = 0n;
	#versionId = 0n;

	get head(): bigint {
		return this.#head;
	}

	get generation(): bigint {
		return this.#generation;
	}

	/** The committed head of a generation, as it stood at its end. */
	lastOf(generation: bigint): bigint {
		return this.#generations[Number(generation)]?.last ?? this.#head;
	}

	rollbackOf(generation: bigint): string | undefined {
		return this.#generations[Number(generation)]?.rollbackId ?? undefined;
	}

	ancestorOf(generation: bigint): bigint | undefined {
		return this.#generations[Number(generation)]?.ancestor ?? undefined;
	}

	/** Height at which a memory of `ours` last began to say what it says there, or nothing. */
	lastSaidAt(
		id: string,
		{ height, generation }: { readonly height: bigint; readonly generation: bigint },
	): bigint | undefined {
		const rows = this.#rows.filter(
			(row) =>
				row.namespace === "ours" &&
				row.id === id &&
				row.fromBlock <= height &&
				row.fromGen <= generation &&
				generation < row.toGen,
		);
		return rows
			.map(({ fromBlock }) => fromBlock)
			.sort(compare)
			.at(-1);
	}

	/** All that is believed there; heights up to the pending slot. */
	stateAt(generation: bigint, height: bigint): State {
		if (generation === this.#generation && height === this.#head + 1n) return this.#current;
		const state = this.#states.get(`${generation}/${height}`);
		if (state === undefined) throw new RangeError(`no state at ${height} in ${generation}`);
		return state;
	}

	header(height: bigint, generation = this.#generation): Header {
		const found = this.#headers.find(
			(each) => each.height === height && each.fromGen <= generation && generation < each.toGen,
		);
		if (found === undefined) throw new RangeError(`no block ${height} in ${generation}`);
		return found;
	}

	/** Of the rows with content that fit: the one that ended last, and of those the one that began highest. */
	newestRow(fits: (row: Written) => boolean): Written | undefined {
		return this.#rows
			.filter((row) => row.content !== undefined && fits(row))
			.sort((a, b) => compare(b.toGen, a.toGen) || compare(b.fromBlock, a.fromBlock))[0];
	}

	/** Writes in the pending slot. */
	write(said: Said, more: Partial<Pick<Written, "suspect" | "grounds">> = {}): Written {
		const { namespace, id, layer, owner, content } = said;
		this.#position += 1n;
		this.#versionId += 1n;
		const slot = this.#head + 1n;
		const none = { text: undefined, collection: undefined, importance: undefined };
		const body = { ...none, confidence: undefined, vectorHash: undefined, expiresTime: undefined };
		const row: Row = {
			...{ namespace, id, layer, owner, content },
			key: memoryKey(namespace, id),
			contentHash: contentHash({ ...body, ...said, expiresBlock: undefined }),
			position: this.#position,
			versionId: this.#versionId,
			suspect: more.suspect ?? false,
			grounds: more.grounds,
			fromBlock: slot,
			toBlock: FOREVER,
			fromGen: this.#generation,
			toGen: FOREVER,
		};
		this.#end(row.key, slot);
		this.#rows.push(row);
		if (content === undefined) this.#current.delete(row.key);
		else this.#current.set(row.key, row);
		return row;
	}

	link(name: LinkName, weight = 1): Written {
		const said = { namespace: name.from.namespace, id: linkId(name), layer: "semantic" } as const;
		const written = this.write({
			...said,
			owner: "agent",
			content: linkContent(name, weight, undefined),
		});
		this.#links.set(written.key, name);
		return written;
	}

	unlink(name: LinkName): void {
		const said = { namespace: name.from.namespace, id: linkId(name), layer: "semantic" } as const;
		this.write({ ...said, owner: "agent", content: undefined });
	}

	/** What a version was concluded from. */
	derive(of: Written, sets: readonly (readonly SourceOf[])[], depth = 1): void {
		for (const [setNo, set] of sets.entries()) {
			for (const [sourceNo, source] of set.entries()) {
				this.#derivations.push({
					chain_id: HISTORY_CHAIN,
					position: of.position.toString(),
					set_no: setNo,
					source_no: sourceNo,
					memory_key: of.key,
					source_key: memoryKey(source.namespace, source.id),
					source_namespace: source.namespace,
					source_id: source.id,
					source_hash: Buffer.from(source.contentHash.slice(2), "hex"),
					depth,
				});
			}
		}
	}

	/** An agent's operation that wrote this, or that a fork withdrew; answers its id. */
	operate(written: Written, status: "applied" | "suspended" | "recanted" = "applied"): string {
		const operationId = operationIdOf(written);
		const slot = status === "applied" ? written.fromBlock.toString() : null;
		this.#operations.push({
			chain_id: HISTORY_CHAIN,
			operation_id: operationId,
			kind: "put",
			namespace: written.namespace,
			id: written.id,
			status,
			reason:
				status === "applied" ? null : JSON.stringify({ code: "anchor_absent", message: "gone" }),
			position: written.position.toString(),
			original_slot: written.fromBlock.toString(),
			effective_slot: slot,
			judged_slot: written.fromBlock.toString(),
			version_id: status === "applied" ? written.versionId.toString() : null,
		});
		return operationId;
	}

	/** Says the same again in the present generation, as what a rollback carries on; `later`: a block after it. */
	carry(written: Written, later = false): void {
		const before = this.#rows.length;
		this.write(written);
		const row = this.#rows[before];
		if (row !== undefined) this.#rows[before] = { ...row, position: written.position };
		this.verdict(written, later ? "reinstated" : "replayed", this.#head + 1n, later);
	}

	/**
	 * In the present generation, by its rollback; `later`: by a block that came after it. `slot` undefined: it
	 * takes effect nowhere.
	 */
	verdict(written: Written, verdict: string, slot: bigint | undefined, later = false): void {
		this.#position += 1n;
		this.#log.push({
			chain_id: HISTORY_CHAIN,
			position: this.#position.toString(),
			generation: this.#generation.toString(),
			height: (this.#head + 1n).toString(),
			kind: "verdict",
			operation_id: operationIdOf(written),
			memory_key: written.key,
			body: JSON.stringify({
				verdict,
				...(slot === undefined ? {} : { slot: slot.toString() }),
				...(slot === undefined ? { reason: { code: "anchor_absent", message: "gone" } } : {}),
			}),
			checksum: Buffer.alloc(8),
			recorded_at: later ? BLOCK_TIME : ROLLBACK_TIME,
		});
	}

	/** Ends the pending slot by a block. `kept` false: its header stays at the node. */
	seal({ kept = true, seconds = BLOCK_SECONDS } = {}): Header {
		this.#head += 1n;
		this.#states.set(`${this.#generation}/${this.#head}`, new Map(this.#current));
		const parent = this.#head === 0n ? undefined : this.header(this.#head - 1n);
		const header: Header = {
			height: this.#head,
			fromGen: this.#generation,
			toGen: FOREVER,
			hash: hashOf(`${this.#generation}/${this.#head}`),
			parentHash: parent?.hash ?? hashOf("nothing"),
			timestamp: parent === undefined ? FIRST_TIMESTAMP : parent.timestamp + seconds,
			kept,
		};
		this.#headers.push(header);
		return header;
	}

	/** Back to `ancestor` in a new generation. */
	rollBack(ancestor: bigint): void {
		const before = this.#generation;
		this.#states.set(`${before}/${this.#head + 1n}`, new Map(this.#current));
		const ended = this.#generations[Number(before)];
		if (ended !== undefined) ended.last = this.#head;
		const next = before + 1n;
		for (const row of this.#rows.filter(({ toGen }) => toGen === FOREVER)) {
			if (row.fromBlock > ancestor) row.toGen = next;
			else if (row.toBlock > ancestor && row.toBlock !== FOREVER) {
				row.toGen = next;
				this.#rows.push({ ...row, fromGen: next, toGen: FOREVER, toBlock: FOREVER });
			}
		}
		for (const header of this.#headers) {
			if (header.height > ancestor && header.toGen === FOREVER) header.toGen = next;
		}
		for (let height = 0n; height <= ancestor; height += 1n) {
			this.#states.set(`${next}/${height}`, this.stateAt(before, height));
		}
		this.#current = new Map(this.stateAt(before, ancestor));
		this.#head = ancestor;
		this.#generation = next;
		const rollbackId = `00000000-0000-4000-8000-${next.toString().padStart(12, "0")}`;
		this.#generations.push({ ancestor, last: null, rollbackId });
	}

	/** Writes everything into an empty database. */
	async store(sql: Sql): Promise<void> {
		await sql`insert into chains ${sql({
			chain_id: HISTORY_CHAIN,
			name: "history",
			start_block: 0,
			generation: this.#generation.toString(),
			head_height: this.#head.toString(),
			log_position: this.#position.toString(),
			version_seq: this.#versionId.toString(),
			roots: "{}",
			retained_from: 0,
			handlers_hash: "0x00",
		})}`;
		await insert(sql, "versions", this.#rows.map(versionRow));
		await insert(sql, "links", [...this.#links].map(linkRow));
		await insert(sql, "blocks", this.#headers.filter(({ kept }) => kept).map(blockRow));
		await insert(sql, "derivations", this.#derivations);
		await insert(sql, "operations", this.#operations);
		await insert(sql, "log", this.#log);
		await insert(
			sql,
			"generations",
			this.#generations.map(({ ancestor, last, rollbackId }, generation) => ({
				chain_id: HISTORY_CHAIN,
				generation,
				ancestor_height: ancestor?.toString() ?? null,
				last_height: last?.toString() ?? null,
				rollback_id: rollbackId,
			})),
		);
		await insert(sql, "rollbacks", this.#rollbacks());
	}

	#rollbacks(): object[] {
		return this.#generations.flatMap(({ ancestor, rollbackId }, index) => {
			const before = this.#generations[index - 1];
			if (ancestor === null || rollbackId === null || before === undefined) return [];
			const generation = BigInt(index - 1);
			const from = before.last ?? 0n;
			return [
				{
					rollback_id: rollbackId,
					chain_id: HISTORY_CHAIN,
					cause: "reorg",
					state: "committed",
					from_generation: generation.toString(),
					ancestor_height: ancestor.toString(),
					ancestor_hash: this.header(ancestor, generation).hash,
					from_height: from.toString(),
					from_hash: this.header(from, generation).hash,
					to_height: ancestor.toString(),
					to_hash: this.header(ancestor, generation).hash,
					branch: "[]",
					counts: jsonText({}),
					stage_ms: jsonText({}),
					finished_at: ROLLBACK_TIME,
				},
			];
		});
	}

	/** Ends what the memory says at present, by the rule of spans. */
	#end(key: MemoryKey, slot: bigint): void {
		const open = this.#rows.findIndex(
			(row) => row.key === key && row.toBlock === FOREVER && row.toGen === FOREVER,
		);
		const row = this.#rows[open];
		if (row === undefined) return;
		if (row.fromGen !== this.#generation) {
			row.toGen = this.#generation;
			if (row.fromBlock < slot) {
				this.#rows.push({ ...row, fromGen: this.#generation, toGen: FOREVER, toBlock: slot });
			}
		} else if (row.fromBlock < slot) row.toBlock = slot;
		else this.#rows.splice(open, 1);
	}
}

function compare(a: bigint, b: bigint): number {
	if (a === b) return 0;
	return a < b ? -1 : 1;
}

/** What a jsonb column takes. */
function jsonText(value: object): string {
	return JSON.stringify(value);
}

/** A page of rows at a time: Postgres takes 65,534 parameters. */
const INSERT_ROWS = 1_000;

async function insert(sql: Sql, table: string, rows: readonly object[]): Promise<void> {
	for (let from = 0; from < rows.length; from += INSERT_ROWS) {
		await sql`insert into ${sql(table)} ${sql(rows.slice(from, from + INSERT_ROWS) as never)}`;
	}
}

function versionRow(row: Row): object {
	return {
		chain_id: HISTORY_CHAIN,
		memory_key: row.key,
		from_block: row.fromBlock.toString(),
		from_gen: row.fromGen.toString(),
		to_block: row.toBlock.toString(),
		to_gen: row.toGen.toString(),
		suspect: row.suspect,
		grounds_block: row.grounds?.toString() ?? null,
		version_id: row.versionId.toString(),
		position: row.position.toString(),
		layer: LAYERS.indexOf(row.layer),
		owner: row.owner === "handler" ? 0 : 1,
		namespace: row.namespace,
		id: row.id,
		content: row.content === undefined ? null : JSON.stringify(row.content),
		content_hash: Buffer.from(row.contentHash.slice(2), "hex"),
		checksum: Buffer.alloc(8),
	};
}

function linkRow([key, { from, type, to }]: readonly [MemoryKey, LinkName]): object {
	return {
		chain_id: HISTORY_CHAIN,
		link_key: key,
		namespace: from.namespace,
		type,
		from_key: memoryKey(from.namespace, from.id),
		to_key: memoryKey(to.namespace, to.id),
	};
}

function blockRow(header: Header): object {
	return {
		chain_id: HISTORY_CHAIN,
		height: header.height.toString(),
		from_gen: header.fromGen.toString(),
		to_gen: header.toGen.toString(),
		hash: header.hash,
		parent_hash: header.parentHash,
		timestamp: header.timestamp.toString(),
		checksum: Buffer.alloc(8),
	};
}

function operationIdOf({ position }: Written): string {
	return `00000000-0000-4000-8001-${position.toString().padStart(12, "0")}`;
}

function hashOf(text: string): Hex {
	return `0x${createHash("sha256").update(text).digest("hex")}`;
}
