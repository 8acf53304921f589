/**
 * Derives blocks of the window, one by one: logs by block hash, so that a block and its logs always
 * belong together; handlers in order; agents' anchors by the blocks' transactions. Used for blocks
 * that extend the chain and for the new branch of a rollback alike.
 */
import type { BlockHeader, ChainLog } from "../domain/block.ts";
import type { Height, Hex, MemoryKey } from "../domain/ids.ts";
import type { BranchDeriver } from "../rollback/branch-deriver.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import type { OpenOperation } from "../writer/writer-store.ts";
import { deriveRange } from "./backfill.ts";
import type { BlockCache } from "./block-cache.ts";
import { mapBounded } from "./bounded.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { deriveBlock, headerOnly } from "./derive.ts";
import { findAnchors } from "./find-anchors.ts";
import { committed, type HandlerVersion } from "./handler-cache.ts";
import { HandlerState } from "./handler-state.ts";

/** Requests for logs under way at once: enough to hide a round trip, few enough for public nodes. */
const LOG_REQUESTS = 16;

export class WindowDeriver implements BranchDeriver {
	readonly #spec: ChainSpec;
	readonly #source: ChainSource;
	readonly #blocks: BlockCache;

	constructor(spec: ChainSpec, source: ChainSource, blocks: BlockCache) {
		this.#spec = spec;
		this.#source = source;
		this.#blocks = blocks;
	}

	async derive(
		headers: readonly BlockHeader[],
		watched: readonly OpenOperation[],
		read: (key: MemoryKey) => Promise<HandlerVersion | undefined>,
		onBlock: (done: number) => void = () => undefined,
	): Promise<readonly DerivedBlock[]> {
		const [logs, anchors] = await Promise.all([
			mapBounded(headers, LOG_REQUESTS, (header) => this.#logs(header)),
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
				operations: await deriveBlock(this.#spec, block, state),
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
			{ spec: this.#spec, source: this.#source, suspended: [], read },
		);
	}

	async #logs(header: BlockHeader): Promise<readonly ChainLog[]> {
		const { filter, startBlock } = this.#spec;
		if (filter.addresses.length === 0 || header.number < startBlock) return [];
		return this.#source.logsOfBlock(header.hash, filter);
	}

	async #anchors(headers: readonly BlockHeader[], watched: readonly OpenOperation[]) {
		if (watched.length === 0) return new Map();
		const blocks = await mapBounded(headers, LOG_REQUESTS, (header) => this.#blocks.whole(header));
		return findAnchors(this.#source, blocks, watched);
	}
}
