/**
 * What Postgres would hold, for tests of copies of it: short-term memories in a pending slot, changed by
 * commits whose outcome their writer may not learn, by blocks that end memories, and by rollbacks.
 */
import type { BlockHeader } from "../../src/domain/block.ts";
import { FOREVER, type Hex, type MemoryKey } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import type { CommittedState } from "../../src/writer/working-memory.ts";
import { Random } from "./random.ts";

const HASH: Hex = `0x${"11".repeat(32)}`;
const UNSETTLED = { safe: 0n, finalized: 0n };

/** One commit, made up by the writer and not applied yet. */
export interface Change {
	readonly keys: readonly MemoryKey[];
	readonly rows: readonly Version[];
	readonly after: CommittedState;
}

export class CommittedModel {
	readonly #random: Random;
	/** Rows by memory, as of every log position. */
	readonly #history: { readonly state: CommittedState; readonly rows: Map<MemoryKey, Version> }[];
	#versionId = 0n;

	constructor(seed: number) {
		this.#random = new Random(seed);
		const state = { ...UNSETTLED, generation: 0n, head: headerAt(10n), logPosition: 0n };
		this.#history = [{ state, rows: new Map() }];
	}

	get state(): CommittedState {
		return this.#last.state;
	}

	/** What is read at `pending` of that log position. */
	visible(logPosition: bigint, key: MemoryKey): Version | undefined {
		const found = this.#history.find((each) => each.state.logPosition === logPosition);
		if (found === undefined) throw new RangeError(`no log position ${logPosition}`);
		return atPending(found.rows.get(key), found.state);
	}

	stateAt(logPosition: bigint): CommittedState | undefined {
		return this.#history.find((each) => each.state.logPosition === logPosition)?.state;
	}

	/** Writes and deletes of some memories, and now and then a block. */
	change(keys: readonly MemoryKey[]): Change {
		const { state } = this.#last;
		const height = (state.head?.number ?? 0n) + 1n;
		const chosen = keys.filter(() => this.#random.chance(0.3));
		const isBlock = this.#random.chance(0.3);
		const rows = chosen
			.filter(() => this.#random.chance(0.8))
			.map((key) => this.#row(key, height, state.generation));
		const head = isBlock ? headerAt(height) : state.head;
		return { keys: chosen, rows, after: { ...state, head, logPosition: state.logPosition + 1n } };
	}

	apply({ keys, rows, after }: Change): void {
		const next = new Map(this.#last.rows);
		for (const key of keys) next.delete(key);
		for (const row of rows) next.set(row.memoryKey, row);
		this.#history.push({ state: after, rows: next });
	}

	/** Another generation, in which some memories are what they were before, or gone. */
	rollBack(keys: readonly MemoryKey[]): void {
		const { state } = this.#last;
		const change = this.change(keys);
		this.apply({
			...change,
			after: {
				...UNSETTLED,
				generation: state.generation + 1n,
				head: headerAt((state.head?.number ?? 1n) - 1n),
				logPosition: state.logPosition + 1n,
			},
		});
	}

	get #last() {
		const last = this.#history.at(-1);
		if (last === undefined) throw new RangeError("no history");
		return last;
	}

	#row(memoryKey: MemoryKey, fromBlock: bigint, fromGen: bigint): Version {
		this.#versionId += 1n;
		const expiresBlock = this.#random.chance(0.2) ? fromBlock + 2n : undefined;
		return {
			...{ memoryKey, fromBlock, fromGen, expiresBlock, expiresTime: undefined },
			versionId: this.#versionId,
			toBlock: expiresBlock ?? FOREVER,
			toGen: FOREVER,
			namespace: "test",
			id: memoryKey,
			layer: "short_term",
			owner: "agent",
			content: { version: this.#versionId.toString(), nested: ["ä", null, 1.5] },
			text: this.#random.chance(0.5) ? `text ${this.#versionId}` : undefined,
			collection: undefined,
			importance: 0.5,
			confidence: undefined,
			vectorHash: undefined,
			contentHash: HASH,
			position: this.#versionId,
			suspect: this.#random.chance(0.1),
			grounds: this.#random.chance(0.5) ? fromBlock : undefined,
		};
	}
}

function atPending(row: Version | undefined, { head }: CommittedState): Version | undefined {
	const height = (head?.number ?? 0n) + 1n;
	return row !== undefined && row.fromBlock <= height && height < row.toBlock ? row : undefined;
}

function headerAt(number: bigint): BlockHeader {
	return { number, hash: HASH, parentHash: HASH, timestamp: number };
}
