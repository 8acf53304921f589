/**
 * Derives blocks of the window, one by one: logs by block hash, so that a block and its logs always
 * belong together; handlers in order; agents' anchors by the blocks' transactions. Used for blocks
 * that extend the chain and for the new branch of a rollback alike.
 */
import type { BlockHeader, ChainLog } from "../domain/block.ts";
import type { Height, Hex, MemoryKey } from "../domain/ids.ts";
import type { BranchDeriver, HandlerVersion } from "../rollback/branch-deriver.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import type { OpenOperation } from "../writer/writer-store.ts";
import { childrenKnownTo, deriveRange } from "./backfill.ts";
import type { BlockCache } from "./block-cache.ts";
import { BlockCalls } from "./block-calls.ts";
import { mapBounded } from "./bounded.ts";
import type { ChainSource, LogFilter } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { deriveBlock, headerOnly } from "./derive.ts";
import { fetchBlockLogs } from "./fetch-logs.ts";
import { findAnchors } from "./find-anchors.ts";
import { committed } from "./handler-cache.ts";
import { HandlerState } from "./handler-state.ts";

/** Blocks looked up at once for anchors. */
const BLOCK_REQUESTS = 16;

export class WindowDeriver implements BranchDeriver {
	readonly #spec: ChainSpec;
	readonly #source: ChainSource;
	readonly #blocks: BlockCache;
	/** What contracts answered; one for window and backfill, so that replays ask nothing twice. */
	readonly calls: BlockCalls;

	constructor(spec: ChainSpec, source: ChainSource, blocks: BlockCache) {
		this.#spec = spec;
		this.#source = source;
		this.#blocks = blocks;
		this.calls = new BlockCalls(source);
	}

	async derive(
		headers: readonly BlockHeader[],
		watched: readonly OpenOperation[],
		read: (key: MemoryKey) => Promise<HandlerVersion | undefined>,
		onBlock: (done: number) => void = () => undefined,
	): Promise<readonly DerivedBlock[]> {
		const [logs, anchors] = await Promise.all([
			fetchBlockLogs(
				headers,
				{ contracts: this.#spec.contracts, children: childrenKnownTo(read) },
				(each, filter) => this.#logs(each, filter),
			),
			this.#anchors(headers, watched),
		]);
		const state = new HandlerState(this.#spec.namespaces, async (key) =>
			committed(await read(key)),
		);
		const derived: DerivedBlock[] = [];
		for (const [index, header] of headers.entries()) {
			const block = { header, logs: logs[index] ?? [] };
			derived.push({
				header: headerOnly(header),
				operations: await deriveBlock(this.#spec, block, { state, calls: this.calls }),
				anchors: anchors.get(header.number) ?? new Map(),
			});
			onBlock(index + 1);
		}
		return derived;
	}

	get handlersHash(): Hex {
		return this.#spec.handlersHash;
	}

	/** What a backfill gave, once more: see GroupDeriver. Anchors are not looked up: the log has them. */
	async deriveGroup(
		range: { readonly from: Height; readonly to: Height },
		read: (key: MemoryKey) => Promise<HandlerVersion | undefined>,
	): Promise<readonly DerivedBlock[]> {
		return deriveRange(
			{ from: range.from, to: range.to, parentHash: undefined },
			{ spec: this.#spec, source: this.#source, calls: this.calls, suspended: [], read },
		);
	}

	async #logs(
		headers: readonly BlockHeader[],
		filter: LogFilter,
	): Promise<readonly (readonly ChainLog[])[]> {
		const [first, ...others] = headers.map((header) => this.#blocks.known(header) ?? header);
		if (first === undefined) return [];
		if (others.length === 0) return [await this.#source.logsOfBlock(first, filter)];
		return this.#source.logsOfBlocks([first, ...others], filter);
	}

	async #anchors(headers: readonly BlockHeader[], watched: readonly OpenOperation[]) {
		if (watched.length === 0) return new Map();
		const blocks = await mapBounded(headers, BLOCK_REQUESTS, (header) =>
			this.#blocks.whole(header),
		);
		return findAnchors(this.#source, blocks, watched);
	}
}
