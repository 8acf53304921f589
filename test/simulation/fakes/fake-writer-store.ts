import type { BlockHeader } from "../../../src/domain/block.ts";
import { FatalError } from "../../../src/domain/errors.ts";
import {
	type ChainId,
	FOREVER,
	type Height,
	type Hex,
	type LogPosition,
	type MemoryKey,
	type VersionId,
} from "../../../src/domain/ids.ts";
import { LAYERS } from "../../../src/domain/layer.ts";
import type { Version } from "../../../src/domain/memory.ts";
import { fromWire } from "../../../src/memory/operation-codec.ts";
import type { CommitBatch } from "../../../src/writer/commit-batch.ts";
import type {
	InboxEntry,
	LoadedChain,
	OpenOperation,
	PackedLeaves,
	Problem,
	WriterStore,
} from "../../../src/writer/writer-store.ts";
import type { ChainRow, ChainTables, OperationRow } from "./chain-tables.ts";
import { applyBatch, type Expected } from "./commit.ts";
import type { FakeDatabase } from "./fake-database.ts";
import { FakeWriterLookUps } from "./fake-writer-look-ups.ts";
import { greatest, rising } from "./frozen.ts";
import { recordHalt } from "./record-halt.ts";

/** Leaves of one answer: small, so that a state takes several. */
const PAGE_LEAVES = 64;

export class FakeWriterStore extends FakeWriterLookUps implements WriterStore {
	readonly #database: FakeDatabase;
	readonly #isGone: (holder: string) => boolean;

	constructor(database: FakeDatabase, isGone: (holder: string) => boolean) {
		super(database);
		this.#database = database;
		this.#isGone = isGone;
	}

	async acquireLease(chainId: ChainId, holder: string, ttlMs: number) {
		const tables = this.#chain(chainId);
		const { leaseHolder, leaseUntilMs = 0, fence } = tables.row;
		const now = this.#database.now();
		const isOther = leaseHolder !== undefined && leaseHolder !== holder;
		if (isOther && leaseUntilMs > now && !this.#isGone(leaseHolder)) return { heldBy: leaseHolder };
		const lease = { leaseHolder: holder, leaseUntilMs: now + ttlMs, followerStatus: undefined };
		tables.update({ fence: fence + 1n, ...lease });
		return { fence: fence + 1n };
	}

	async renewLease({
		chainId,
		fence,
		ttlMs,
		status,
	}: Parameters<WriterStore["renewLease"]>[0]): Promise<boolean> {
		const leaseUntilMs = this.#database.now() + ttlMs;
		const said = status === undefined ? {} : { followerStatus: status };
		return this.#fenced(chainId, fence, { leaseUntilMs, ...said });
	}

	async releaseLease(chainId: ChainId, fence: bigint): Promise<void> {
		const none = { leaseHolder: undefined, leaseUntilMs: undefined, followerStatus: undefined };
		this.#fenced(chainId, fence, none);
	}

	async loadChain(chainId: ChainId): Promise<LoadedChain> {
		const tables = this.#chain(chainId);
		const { generation, fence, logPosition, versionSeq, roots, startBlock, safe, finalized, halt } =
			tables.row;
		const window = windowOf(tables);
		const head = window.at(-1);
		const { pointers } = tables;
		const { windowBlocks, windowFrom } = tables.row;
		const marks = { startBlock, safe, finalized, pointers, windowBlocks, windowFrom };
		return {
			window,
			halt,
			genesis: tables.row.genesis,
			state: { chainId, generation, fence, logPosition, versionSeq, roots, head, ...marks },
		};
	}

	async *leaves(chainId: ChainId): AsyncGenerator<PackedLeaves> {
		const tables = this.#database.find(chainId);
		if (tables === undefined) return;
		const leaves = [...leavesOf(tables)].sort((a, b) => (a.memoryKey < b.memoryKey ? -1 : 1));
		for (let from = 0; from < leaves.length; from += PAGE_LEAVES) {
			const page = leaves.slice(from, from + PAGE_LEAVES);
			for (const layer of LAYERS) {
				const rows = page.filter((row) => row.layer === layer);
				if (rows.length > 0) yield { layer, bytes: Buffer.concat(rows.map(packed)) };
			}
		}
	}

	async inbox(chainId: ChainId, operationLimit: number): Promise<readonly InboxEntry[]> {
		const rows = this.#database.find(chainId)?.inbox.all() ?? [];
		const first = rows.toSorted((a, b) => rising(a.entryId, b.entryId)).slice(0, operationLimit);
		let soFar = 0;
		return first.flatMap(({ entryId, operationCount, body }) => {
			soFar += operationCount;
			if (soFar > operationLimit) return [];
			return [{ entryId, operations: (JSON.parse(body) as unknown[]).map(fromWire) }];
		});
	}

	async latestVersions(chainId: ChainId, keys: readonly MemoryKey[]) {
		return versionsOf(this.#database.find(chainId), keys, (rows) => rows.slice(-2).toReversed());
	}

	async openOperations(
		chainId: ChainId,
		{ judgedAbove, finality }: { judgedAbove: Height | undefined; finality?: Height | undefined },
	): Promise<readonly OpenOperation[]> {
		const tables = this.#database.find(chainId);
		if (tables === undefined) return [];
		const isAsked = ({ status, suspect, judgedSlot }: OperationRow) =>
			status === "suspended" || suspect || isAbove(judgedSlot, judgedAbove ?? FOREVER);
		return tables.operations
			.all()
			.filter((row) => isOpenAt(row, finality) && isAsked(row))
			.flatMap((row) => openOperation(tables, row) ?? [])
			.sort((a, b) => rising(a.position, b.position));
	}

	async vectors(chainId: ChainId, versionIds: readonly VersionId[]) {
		const wanted = new Set(versionIds);
		const rows = this.#database.find(chainId)?.vectorRows.all() ?? [];
		return new Map(
			rows
				.filter(({ versionId }) => wanted.has(versionId))
				.map(({ versionId, vector }) => [versionId, Float32Array.from(vector)]),
		);
	}

	async commit(batch: CommitBatch, expected: Expected): Promise<void> {
		const tables = this.#database.find(batch.chainId);
		this.#database.transaction(() => applyBatch(tables, batch, expected));
		this.#database.changed(batch.chainId);
	}

	async settleFinal(
		chainId: ChainId,
		fence: bigint,
		finality: { safe: Height; finalized: Height },
	): Promise<void> {
		this.#database.transaction(() => {
			if (!this.#fenced(chainId, fence, finality)) return;
			const { operations } = this.#chain(chainId);
			for (const row of operations.all()) {
				const isOver = !row.final && row.position !== undefined && isFinal(row, finality.finalized);
				if (isOver) operations.put({ ...row, final: true });
			}
		});
	}

	async resizeWindow(chainId: ChainId, fence: bigint, windowBlocks: number): Promise<void> {
		const { row } = this.#database.find(chainId) ?? {};
		if (row === undefined || row.windowBlocks === windowBlocks) return;
		const capped = row.headHeight && row.headHeight - BigInt(row.windowBlocks) + 1n;
		const was = [row.windowFrom, row.finalized ?? 0n, capped ?? 0n];
		const lowest = was.reduce((highest, each) => (each > highest ? each : highest));
		const windowFrom = windowBlocks > row.windowBlocks ? lowest : row.windowFrom;
		this.#fenced(chainId, fence, { windowBlocks, windowFrom });
	}

	async recordGenesis(chainId: ChainId, fence: bigint, hash: Hex): Promise<void> {
		if (this.#database.find(chainId)?.row.genesis !== undefined) return;
		this.#fenced(chainId, fence, { genesis: hash });
	}

	async halt(
		chainId: ChainId,
		fence: bigint,
		problem: Problem | undefined,
	): Promise<LogPosition | undefined> {
		return this.#database.transaction(() => {
			if (!this.#fenced(chainId, fence, {})) return undefined;
			return recordHalt(this.#chain(chainId), problem);
		});
	}

	/** Answers whether the fence is the newest; else nothing is written. */
	#fenced(chainId: ChainId, fence: bigint, changes: Partial<ChainRow>): boolean {
		const tables = this.#database.find(chainId);
		if (tables?.row.fence !== fence) return false;
		tables.update(changes);
		return true;
	}

	#chain(chainId: ChainId): ChainTables {
		const tables = this.#database.find(chainId);
		if (tables !== undefined) return tables;
		throw new FatalError("unknown_chain", {
			message: `chain ${chainId} is not in this database`,
			hint: "it is registered when the service starts with its file",
			fields: { chainId },
		});
	}
}

/** Of each memory what `choose` takes of its present rows, which rise; a key that is named twice, twice. */
export function versionsOf(
	tables: ChainTables | undefined,
	keys: readonly MemoryKey[],
	choose: (rows: readonly Version[]) => readonly Version[],
): Map<MemoryKey, readonly Version[]> {
	const found = new Map<MemoryKey, readonly Version[]>();
	for (const key of keys) {
		const rows = choose(tables?.versions.present(key) ?? []);
		if (rows.length > 0) found.set(key, [...(found.get(key) ?? []), ...rows]);
	}
	return found;
}

/** Headers from the highest down, for as long as they link. */
function windowOf({ blocks, row }: ChainTables): readonly BlockHeader[] {
	const { headHeight, finalized = 0n, windowFrom } = row;
	if (headHeight === undefined) return [];
	const [floor = 0n] = [finalized > windowFrom ? finalized : windowFrom, headHeight].sort(rising);
	const present = blocks
		.all()
		.filter((block) => block.toGen === FOREVER)
		.filter(({ number }) => number <= headHeight && number >= floor)
		.sort((a, b) => rising(b.number, a.number))
		.slice(0, row.windowBlocks + 1);
	const linked: BlockHeader[] = [];
	for (const { number, hash, parentHash, timestamp } of present) {
		const child = linked.at(-1);
		const links = child?.parentHash === hash && child.number === number + 1n;
		if (child !== undefined && !links) break;
		linked.push({ number, hash, parentHash, timestamp });
	}
	return linked.reverse();
}

/** What the pending slot holds, with what is still to end in it. */
function* leavesOf({ row: chain, versions }: ChainTables): Generator<Version> {
	const pending = chain.headHeight === undefined ? chain.startBlock : chain.headHeight + 1n;
	for (const key of versions.keys()) {
		const rows = versions.present(key);
		const isFollowed = rows.some(({ fromBlock }) => fromBlock === pending);
		for (const row of rows) {
			const endsNext = row.toBlock === pending && row.expiresBlock === pending && !isFollowed;
			const isThere = row.fromBlock <= pending && (row.toBlock > pending || endsNext);
			if (row.content !== undefined && isThere) yield row;
		}
	}
}

function packed({ memoryKey, contentHash }: Version): Uint8Array {
	return Buffer.from(`${memoryKey.replaceAll("-", "")}${contentHash.slice(2)}`, "hex");
}

/** As the log has it, with the row's anchors; undefined: its entry was cut. */
function openOperation({ log }: ChainTables, row: OperationRow): OpenOperation | undefined {
	const { position, status, originalSlot, judgedSlot, effectiveSlot, suspect } = row;
	if (position === undefined || originalSlot === undefined || judgedSlot === undefined) return;
	if (status === "queued" || status === "refused") return undefined;
	const entry = log.get(`${position}`);
	if (entry === undefined) return undefined;
	const body = JSON.parse(entry.body) as { readonly conditionPosition?: string };
	const { conditionPosition } = body;
	return {
		stored: { ...fromWire(body), anchors: row.anchors },
		...{ position, originalSlot, status, effectiveSlot, suspect, judgedSlot },
		conditionPosition: conditionPosition === undefined ? undefined : BigInt(conditionPosition),
	};
}

/** Open, or would be if finality went back to that height. */
function isOpenAt(row: OperationRow, finality: Height | undefined): boolean {
	const isBack = finality !== undefined && row.status !== "refused" && !isFinal(row, finality);
	return !row.final || isBack;
}

/** No fork can touch it any more. */
export function isFinal(row: OperationRow, finalized: Height): boolean {
	const { status, suspect, sources, anchorHeight, originalSlot, effectiveSlot, judgedSlot } = row;
	const isDerived = sources.length > 0;
	const rests = isDerived ? greatest(anchorHeight, originalSlot) : (anchorHeight ?? originalSlot);
	switch (status) {
		case "applied":
			return (
				(!suspect || isSunk(rests, finalized)) &&
				isSunk(greatest(effectiveSlot, judgedSlot), finalized)
			);
		case "suspended":
			return isSunk(isDerived ? greatest(rests, judgedSlot) : rests, finalized);
		case "recanted":
			return isSunk(judgedSlot, finalized);
		default:
			return false;
	}
}

function isSunk(height: Height | undefined, finalized: Height): boolean {
	return height !== undefined && height <= finalized;
}

function isAbove(height: Height | undefined, bound: Height): boolean {
	return height !== undefined && height > bound;
}
