/**
 * A chain in memory that is written by the writer's and the rollback's own code: agents' groups, blocks
 * of the window, backfilled groups and forks, over rows, a log and operations that are plain lists.
 *
 * Blocks are made by a seed. What handlers derive depends on what they remember, so that a state which
 * is a little off goes on being wrong.
 */

import { HeaderWindow } from "../../src/chain/header-window.ts";
import { LEAST_WINDOW } from "../../src/chain/window-size.ts";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import type { BlockHeader } from "../../src/domain/block.ts";
import {
	FOREVER,
	type Height,
	type Hex,
	type LogPosition,
	type MemoryKey,
	type OperationId,
	type RollbackId,
} from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import type { NamespaceSettings } from "../../src/domain/namespace-settings.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import type { FoundAnchor } from "../../src/memory/anchors.ts";
import { type Held, type HeldKey, heldKey, sourceKey } from "../../src/memory/ground.ts";
import type { HandlerOperation } from "../../src/memory/handler-operation.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { fromWire, type StoredOperation } from "../../src/memory/operation-codec.ts";
import type { GroupDeriver } from "../../src/restore/group-deriver.ts";
import type { LoggedEntry, LogReader, RollbackMark } from "../../src/restore/log-reader.ts";
import { STATE_KINDS } from "../../src/restore/log-reader.ts";
import { openAgain, replay } from "../../src/rollback/replay.ts";
import { ReportBuilder } from "../../src/rollback/report.ts";
import { rewindTo } from "../../src/rollback/rewind.ts";
import type { RollbackRecord } from "../../src/rollback/rollback-record.ts";
import { assembleBlocks, assembleInbox } from "../../src/writer/assemble.ts";
import { Assembly } from "../../src/writer/assembly.ts";
import type { ChainState } from "../../src/writer/chain-state.ts";
import type {
	LogEntry,
	OperationUpdate,
	Sealed,
	UnrootedBatch,
} from "../../src/writer/commit-batch.ts";
import type { DerivedBlock } from "../../src/writer/derived-blocks.ts";
import type { Consolidator } from "../../src/writer/system-work.ts";
import type { OpenOperation, WriterStore } from "../../src/writer/writer-store.ts";
import { VersionRows } from "../simulation/fakes/version-rows.ts";
import { Random } from "./random.ts";

export const HANDLERS: Hex = `0x${"42".repeat(32)}`;
const COUNTERS = ["x", "y"];
/** Seconds since the epoch that no header reaches. */
const FAR_TIME = 2n ** 40n;
const NO_FINALITY = { safe: undefined, finalized: undefined };

/** What stands in a block. */
interface BlockContent {
	readonly header: BlockHeader;
	readonly seed: number;
	/** Names of transactions; an agent's anchor names one. */
	readonly transactions: readonly Hex[];
}

export class MemoryChain {
	readonly rows = new VersionRows();
	readonly log: LogEntry[] = [];
	readonly sealed = new Map<string, Sealed>();
	readonly keys = new Set<MemoryKey>();
	/** By height, of the present branch. */
	readonly branch: BlockContent[] = [];
	/** Not below it: what was backfilled is final. */
	finalized = -1n;
	state: ChainState = {
		chainId: 1,
		generation: 0n,
		fence: 1n,
		logPosition: 0n,
		versionSeq: 0n,
		roots: EMPTY_ROOTS,
		head: undefined,
		startBlock: 0n,
		safe: undefined,
		finalized: undefined,
		...LEAST_WINDOW,
		pointers: {},
	};
	/** Of the agents' namespace. */
	readonly settings: NamespaceSettings;
	readonly #operations = new Map<string, OperationUpdate>();
	/** How deep what an operation wrote is derived. */
	readonly #depths = new Map<LogPosition, number>();
	readonly #blocks = new Map<string, BlockContent>();
	readonly #random: Random;
	readonly #orphaned = new Set<Hex>();
	#made = 0;

	constructor(random: Random) {
		this.#random = random;
		this.settings = {
			shortTermCapacity: random.chance(0.5) ? 2 : undefined,
			policy: undefined,
			schemas: undefined,
			consolidation: [SUMS, ...(random.chance(0.5) ? [{ ...SUMS, everyBlocks: 3 }] : [])],
		};
	}

	get head(): Height {
		return this.state.head?.number ?? -1n;
	}

	/** Agents' operations in the pending slot; each is a request of its own. */
	async write(operations: readonly StoredOperation[]): Promise<void> {
		const entries = operations.map((stored, index) => ({
			entryId: BigInt(index),
			operations: [stored],
		}));
		const headers = this.branch.map(({ header }) => header);
		const window = headers.length === 0 ? undefined : HeaderWindow.of(headers);
		const context = { ...this.#context, window };
		this.#commit(await assembleInbox(this.state, entries, context));
	}

	/** A block on top, followed. */
	async extend(): Promise<void> {
		const block = this.#make(this.branch.at(-1)?.header);
		const derived = await this.#derive([block], this.#waiting(), (key) => this.#newest(key));
		await this.#commitGroup("window", derived, block.header.number);
		this.branch.push(block);
	}

	/** Finalized blocks on top, as one group, without those that derive nothing. */
	async backfill(count: number): Promise<void> {
		const from = this.head + 1n;
		for (let index = 0; index < count; index += 1) {
			this.branch.push(this.#make(this.branch.at(-1)?.header));
		}
		const range = { from, to: from + BigInt(count) - 1n };
		const derived = await this.#derive(this.#contents(range), this.#waiting(), (key) =>
			this.#newest(key),
		);
		await this.#commitGroup("backfill", worthwhile(derived), from);
		this.finalized = range.to;
	}

	/** Goes back to `ancestor` and on to `length` other blocks; none: as by hand. */
	async fork(ancestor: Height, length: number): Promise<void> {
		const base = this.branch[Number(ancestor)];
		if (base === undefined || ancestor < this.finalized)
			throw new RangeError(`no fork at ${ancestor}`);
		const gone = this.branch.splice(Number(ancestor) + 1);
		for (const { transactions } of gone) {
			for (const hash of transactions) this.#orphaned.add(hash);
		}
		for (let index = 0; index < length; index += 1) {
			this.branch.push(this.#make(this.branch.at(-1)?.header));
		}
		await this.#rollBack(base.header);
	}

	/** A transaction of the branch, and where it is. */
	transaction(): { readonly hash: Hex; readonly block: BlockHeader } | undefined {
		const blocks = this.branch.slice(-2).filter((block) => block.transactions.length > 0);
		if (blocks.length === 0) return undefined;
		const block = this.#random.oneOf(blocks);
		return { hash: this.#random.oneOf(block.transactions), block: block.header };
	}

	/** What is visible at a height in the present generation. */
	visible(height: Height): readonly Version[] {
		return [...this.keys].flatMap((key) => {
			const version = this.rows.read(key, { height, generation: this.state.generation });
			return version === undefined ? [] : [version];
		});
	}

	/** Checkpoint of the present branch. */
	checkpoint(height: Height): Sealed | undefined {
		return this.sealed.get(this.branch[Number(height)]?.header.hash ?? "");
	}

	/** Changes what an entry of the log says, or drops it. */
	tamper(random: Random): boolean {
		const candidates = this.log.filter(({ kind }) => kind === "operation" || kind === "verdict");
		if (candidates.length === 0) return false;
		const victim = random.oneOf(candidates);
		const index = this.log.indexOf(victim);
		if (random.chance(0.3)) this.log.splice(index, 1);
		else this.log.splice(index, 1, { ...victim, body: forged(victim, random) });
		return true;
	}

	get reader(): LogReader {
		const { log } = this;
		return {
			cutTo: async () => 0n,
			rollbacks: async () =>
				log
					.filter(({ kind }) => kind === "rollback")
					.map(
						({ position, generation, height }): RollbackMark => ({
							position,
							generation,
							ancestor: height,
						}),
					),
			hasGroups: async (_chain, { above, to }) =>
				log.some(({ kind, position }) => kind === "derived" && position > above && position <= to),
			entries: async (_chain, { above, to, limit }) =>
				log
					.filter(({ position }) => position > above && position <= to)
					.flatMap((entry) => this.#logged(entry))
					.slice(0, limit),
		};
	}

	get deriver(): GroupDeriver {
		return {
			handlersHash: HANDLERS,
			deriveGroup: async ({ from, to }, read) =>
				worthwhile(await this.#derive(this.#contents({ from, to }), [], read)),
		};
	}

	get #context() {
		return {
			store: this.#store,
			waiting: this.#waiting(),
			settings: new Map([["agent", this.settings]]),
			consolidator: CONSOLIDATOR,
			shortTerm: new Map(),
			contentProblem: () => undefined,
		};
	}

	#logged(entry: LogEntry): readonly LoggedEntry[] {
		const kind = STATE_KINDS.find((each) => each === entry.kind);
		if (kind === undefined) return [];
		const { position, height, operationId } = entry;
		const first = this.log.find(
			(each) => each.kind === "operation" && each.operationId === operationId,
		);
		const admitted =
			kind === "verdict" && first !== undefined
				? {
						position: first.position,
						height: first.height,
						body: JSON.parse(first.body) as JsonObject,
					}
				: undefined;
		return [{ position, height, kind, operationId, body: JSON.parse(entry.body), admitted }];
	}

	get #store(): WriterStore {
		const store: Pick<
			WriterStore,
			| "expiring"
			| "heldSources"
			| "latestVersions"
			| "linksFrom"
			| "nextPuts"
			| "population"
			| "writingOrder"
		> = {
			latestVersions: async (_chain, keys) =>
				new Map(keys.map((key) => [key, this.rows.present(key).slice(-2)])),
			expiring: async (_chain, range) =>
				[...this.keys].filter((key) => this.rows.present(key).some((row) => endsIn(row, range))),
			heldSources: async (_chain, sources, upTo) => {
				const found = sources.flatMap((source) => {
					const held = this.#held(sourceKey(source), source.contentHash, upTo);
					const key = heldKey(sourceKey(source), source.contentHash);
					return held === undefined ? [] : [[key, held] as const];
				});
				return new Map<HeldKey, Held>(found);
			},
			population: async (_chain, { namespace, layers, height, limit }) =>
				this.visible(height)
					.filter((row) => row.namespace === namespace && layers.includes(row.layer))
					.sort((a, b) => Number(b.position - a.position))
					.slice(0, limit)
					.map(({ memoryKey: key }) => key),
			writingOrder: async (_chain, { namespace, height, limit }) =>
				this.visible(height)
					.filter((row) => row.namespace === namespace && row.layer === "short_term")
					.sort((a, b) => Number(a.position - b.position))
					.slice(0, limit),
			linksFrom: async () => [],
			nextPuts: async () => [],
		};
		return store as WriterStore;
	}

	#held(key: MemoryKey, contentHash: Hex, upTo: Height): Held | undefined {
		const rows = this.rows
			.present(key)
			.filter((row) => row.content !== undefined && row.fromBlock <= upTo)
			.filter((row) => row.contentHash === contentHash);
		const row = rows.find(({ suspect }) => !suspect) ?? rows[0];
		if (row === undefined) return undefined;
		const { fromBlock: slot, grounds, suspect, position } = row;
		return { slot, grounds, suspect, depth: this.#depths.get(position) ?? 0 };
	}

	async #newest(key: MemoryKey): Promise<Version | undefined> {
		return this.rows.present(key).at(-1);
	}

	#contents({ from, to }: { readonly from: Height; readonly to: Height }): readonly BlockContent[] {
		return this.branch.filter(({ header }) => header.number >= from && header.number <= to);
	}

	/** Some of the transactions that forks took back are mined again. */
	#make(parent: BlockHeader | undefined): BlockContent {
		this.#made += 1;
		const number = (parent?.number ?? -1n) + 1n;
		const hash: Hex = `0x${this.#made.toString(16).padStart(64, "0")}`;
		const timestamp = (parent?.timestamp ?? 0n) + BigInt(this.#random.between(1, 4));
		const fresh: Hex = `0x${(2 ** 40 + this.#made).toString(16).padStart(64, "0")}`;
		const transactions = [
			...[...this.#orphaned].filter(() => this.#random.chance(0.4)),
			...(this.#random.chance(0.7) ? [fresh] : []),
		];
		const block = {
			header: { number, hash, parentHash: parent?.hash ?? hash, timestamp },
			seed: this.#random.between(0, 2 ** 30),
			// One that was mined on this branch already cannot be mined again.
			transactions: transactions.filter(
				(each) => !this.branch.some((block) => block.transactions.includes(each)),
			),
		};
		this.#blocks.set(hash, block);
		return block;
	}

	/** Handlers: counters that go up by what they remember, notes that end, and deletions. */
	async #derive(
		blocks: readonly BlockContent[],
		watched: readonly OpenOperation[],
		read: (key: MemoryKey) => Promise<Pick<Version, "content" | "expiresBlock"> | undefined>,
	): Promise<readonly DerivedBlock[]> {
		const written = new Map<
			string,
			{ content: JsonObject; until: Height | undefined } | undefined
		>();
		const derived: DerivedBlock[] = [];
		for (const { header, seed, transactions } of blocks) {
			const random = new Random(seed);
			const operations: HandlerOperation[] = [];
			const count = random.between(0, 2);
			for (let index = 0; index < count; index += 1) {
				const id = random.oneOf(COUNTERS);
				if (!written.has(id)) {
					const found = await read(memoryKey("ledger", id));
					written.set(id, found?.content && { content: found.content, until: found.expiresBlock });
				}
				const before = written.get(id);
				const there =
					before !== undefined && (before.until === undefined || before.until > header.number);
				if (there && random.chance(0.15)) {
					written.set(id, undefined);
					operations.push({ kind: "delete", namespace: "ledger", id });
					continue;
				}
				const n = Number((there ? before.content["n"] : undefined) ?? 0);
				const content = { n: n + random.between(1, 9) };
				const until = random.chance(0.3) ? header.number + BigInt(random.between(1, 4)) : undefined;
				written.set(id, { content, until });
				operations.push({
					kind: "put",
					namespace: "ledger",
					id,
					body: {
						layer: "semantic",
						content,
						text: random.chance(0.5) ? `counts ${n}` : undefined,
						vector: undefined,
						collection: "default",
						importance: random.chance(0.5) ? 0.25 : undefined,
						confidence: undefined,
						expiresAtBlock: until,
						expiresAtTime:
							until === undefined && n % 3 === 0
								? n % 2 === 0
									? FAR_TIME
									: header.timestamp + 2n
								: undefined,
					},
				});
				const last = operations.at(-1);
				if (last?.kind === "put" && last.body.text === undefined) {
					operations.splice(-1, 1, { ...last, body: { ...last.body, collection: undefined } });
				}
			}
			derived.push({ header, operations, anchors: anchorsIn(header, transactions, watched) });
		}
		return derived;
	}

	async #commitGroup(
		mode: "window" | "backfill",
		blocks: readonly DerivedBlock[],
		from: Height,
	): Promise<void> {
		const group = { mode, blocks, from, finality: NO_FINALITY, handlersHash: HANDLERS };
		this.#commit(await assembleBlocks(this.state, group, this.#context));
	}

	async #rollBack(ancestor: BlockHeader): Promise<void> {
		const branch = this.branch.slice(Number(ancestor.number) + 1).map(({ header }) => header);
		const { head, generation } = this.state;
		if (head === undefined) throw new RangeError("nothing to roll back");
		const place = { height: ancestor.number, hash: ancestor.hash };
		const rollback = {
			rollbackId: "rollback" as RollbackId,
			chainId: 1,
			cause: branch.length === 0 ? "manual" : "reorg",
			fromGeneration: generation,
			ancestor: place,
			from: { height: head.number, hash: head.hash },
			branch,
			supersessions: 0,
		} as unknown as RollbackRecord;
		const open = this.#open(ancestor.number).filter((each) => openAgain(each, ancestor.number));
		const assembly = new Assembly({ ...this.state, head: ancestor }, generation + 1n);
		const to = [head.number, branch.at(-1)?.number ?? 0n].reduce((a, b) => (a > b ? a : b));
		const touched = [...this.keys].filter((key) =>
			this.rows
				.present(key)
				.some(
					({ fromBlock, expiresBlock }) =>
						fromBlock > ancestor.number ||
						(expiresBlock !== undefined && expiresBlock > ancestor.number && expiresBlock <= to),
				),
		);
		const rows = new Map(touched.map((key) => [key, this.rows.present(key)]));
		rewindTo(assembly, rows, { ancestor: ancestor.number, head: head.number });
		await replay(assembly, rollback, {
			state: this.state,
			open,
			writerStore: this.#store,
			settings: this.#context.settings,
			consolidator: CONSOLIDATOR,
			clock: { advance: () => undefined } as never,
			report: new ReportBuilder(),
			deriver: {
				derive: (headers, watched, read) =>
					this.#derive(
						headers.flatMap(({ hash }) => this.#blocks.get(hash) ?? []),
						watched,
						read,
					),
			},
		});
		const batch = assembly.batch([], NO_FINALITY);
		this.#apply({ ...batch, head: branch.at(-1) ?? ancestor });
	}

	#commit(assembly: Assembly): void {
		this.#apply(assembly.batch([], NO_FINALITY));
	}

	#apply(batch: UnrootedBatch): void {
		this.rows.apply(batch.changes, batch.generation);
		this.log.push(...batch.log);
		for (const { memoryKey: key } of batch.changes.insert) this.keys.add(key);
		for (const { sealed } of batch.steps) {
			if (sealed !== undefined) this.sealed.set(sealed.blockHash, sealed);
		}
		for (const update of batch.operations) this.#operations.set(update.operationId, update);
		for (const { position, depth } of batch.derivations) this.#depths.set(position, depth);
		const { logPosition, versionSeq, generation, head } = batch;
		this.state = { ...this.state, logPosition, versionSeq, generation, head };
	}

	#waiting(): readonly OpenOperation[] {
		return this.#open(undefined);
	}

	/** As the store answers it. */
	#open(judgedAbove: Height | undefined): readonly OpenOperation[] {
		return [...this.#operations.values()]
			.filter(
				({ status, suspect, judgedSlot }) =>
					status !== "refused" &&
					(status === "suspended" ||
						suspect ||
						(judgedAbove !== undefined && judgedSlot > judgedAbove)),
			)
			.sort((a, b) => Number(a.position - b.position))
			.map((update) => this.#asOpen(update));
	}

	#asOpen({ position, status, anchors, ...update }: OperationUpdate): OpenOperation {
		const body = JSON.parse(this.log[Number(position) - 1]?.body ?? "{}");
		return {
			stored: { ...fromWire(body), anchors },
			position,
			originalSlot: update.originalSlot,
			status: status as "applied",
			effectiveSlot: update.effectiveSlot,
			suspect: update.suspect,
			judgedSlot: update.judgedSlot,
			conditionPosition:
				body.conditionPosition === undefined ? undefined : BigInt(body.conditionPosition),
		};
	}
}

/** Short-term memories become one long-term one. */
const SUMS: NamespaceSettings["consolidation"][number] = {
	name: "sums",
	layers: ["short_term"],
	groupBy: undefined,
	take: { kind: "frequency", atLeast: 1 },
	everyBlocks: undefined,
	halfLifeBlocks: undefined,
};

const CONSOLIDATOR: Consolidator = {
	consolidate: async ({ namespace, members, existing }) => {
		const content = { of: members.map(({ id, contentHash }) => `${id} ${contentHash}`) };
		const known = existing.find(({ id }) => id === "sum")?.content;
		if (members.length === 0 || JSON.stringify(known) === JSON.stringify(content)) return [];
		const sources = members.map(({ id, contentHash }) => ({ namespace, id, contentHash }));
		return [{ namespace, id: "sum", sources: [sources], body: { ...NO_BODY, content } }];
	},
};

const NO_BODY = {
	layer: "long_term",
	text: "a sum",
	collection: "sums",
	vector: undefined,
	importance: undefined,
	confidence: 0.5,
	expiresAtBlock: undefined,
	expiresAtTime: undefined,
} as const;

/** It ends by itself, by height or by time. */
function endsIn(
	{ content, expiresBlock, expiresTime, toBlock }: Version,
	{ above, to, time }: { readonly above: Height; readonly to: Height; readonly time: bigint },
): boolean {
	if (content === undefined) return false;
	if (expiresTime !== undefined && expiresTime <= time && toBlock === FOREVER) return true;
	if (expiresBlock === undefined || expiresBlock !== toBlock) return false;
	return expiresBlock > above && expiresBlock <= to;
}

/** Blocks that a backfill keeps: the first and the last, and those that gave something. */
function worthwhile(blocks: readonly DerivedBlock[]): readonly DerivedBlock[] {
	return blocks.filter(
		({ operations, anchors }, index) =>
			index === 0 || index === blocks.length - 1 || operations.length > 0 || anchors.size > 0,
	);
}

function anchorsIn(
	header: BlockHeader,
	transactions: readonly Hex[],
	watched: readonly OpenOperation[],
): ReadonlyMap<OperationId, readonly FoundAnchor[]> {
	const place = { blockHash: header.hash, height: header.number };
	return new Map(
		watched.flatMap(({ stored }) => {
			const found = stored.anchors.anchors.flatMap((each, anchor) => {
				const here =
					each.kind === "block"
						? each.blockHash === header.hash
						: transactions.includes(each.transactionHash);
				return here ? [{ anchor, ...place }] : [];
			});
			return found.length === 0 ? [] : [[stored.operationId, found] as const];
		}),
	);
}

/** Another content, slot or verdict. */
function forged({ kind, body }: LogEntry, random: Random): string {
	const said = JSON.parse(body);
	if (kind === "verdict")
		return JSON.stringify({ ...said, verdict: random.oneOf(["recanted", "replayed"]) });
	if (said.content !== undefined) return JSON.stringify({ ...said, content: { forged: true } });
	if (said.body !== undefined) {
		return JSON.stringify({ ...said, body: { ...said.body, content: { forged: true } } });
	}
	return JSON.stringify({ ...said, versionId: `${BigInt(said.versionId ?? 0) + 1n}` });
}
