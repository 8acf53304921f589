/** State at a sealed height for snapshots; see store/restoring/postgres-snapshot-reader.ts. */
import type { BlockHeader } from "../../../src/domain/block.ts";
import {
	type ChainId,
	FOREVER,
	type Height,
	type Hex,
	type MemoryKey,
} from "../../../src/domain/ids.ts";
import type { Version } from "../../../src/domain/memory.ts";
import type { JsonObject } from "../../../src/domain/operation.ts";
import { anchorsToText } from "../../../src/memory/operation-codec.ts";
import type { MemoryRecord, OperationRecord } from "../../../src/snapshots/snapshot-record.ts";
import type { SnapshotCut } from "../../../src/snapshots/snapshot-row.ts";
import type {
	ChangedMemory,
	CutPlace,
	SnapshotReader,
} from "../../../src/snapshots/snapshot-store.ts";
import type { LogEntry } from "../../../src/writer/commit-batch.ts";
import { type ChainTables, type OperationRow, vectorKey } from "./chain-tables.ts";
import type { FakeDatabase } from "./fake-database.ts";
import { broken, byText, rising } from "./frozen.ts";

type Block = Pick<SnapshotCut, "blockHash" | "chainId" | "height">;

export class FakeSnapshotReader implements SnapshotReader {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async memoryCount(chainId: ChainId): Promise<number> {
		return this.#database.find(chainId)?.memories.size ?? 0;
	}

	async memories(cut: CutPlace, { after, limit }: Parameters<SnapshotReader["memories"]>[1]) {
		const tables = this.#tables(cut.chainId);
		const keys = tables.versions
			.keys()
			.filter((key) => tables.versions.of(key).length > 0 && (after === undefined || key > after))
			.toSorted(byText)
			.slice(0, limit);
		const records = keys.flatMap((key) => visibleRecord(tables, key, cut.height));
		return { records, looked: keys.length, last: keys.at(-1) };
	}

	async memoriesOf({ chainId, height }: CutPlace, keys: readonly MemoryKey[]) {
		const tables = this.#tables(chainId);
		return keys.flatMap((key) => visibleRecord(tables, key, height));
	}

	async changes(
		{ chainId, height }: CutPlace,
		{ parent, limit }: { readonly parent: Height; readonly limit: number },
	): Promise<readonly ChangedMemory[] | undefined> {
		const { versions } = this.#tables(chainId);
		const isBetween = (at: Height | undefined) => at !== undefined && at > parent && at <= height;
		const changed = versions
			.allPresent()
			.filter((row) => isBetween(row.fromBlock) || isBetween(row.expiresBlock));
		const keys = new Set(changed.map((row) => row.memoryKey));
		if (keys.size > limit) return undefined;
		return [...keys].flatMap((memoryKey) => {
			const rows = versions.present(memoryKey);
			const [before, after] = [shownAt(rows, parent), shownAt(rows, height)];
			if (before?.versionId === after?.versionId) return [];
			return [{ memoryKey, before: before?.layer, after: after?.layer }];
		});
	}

	async collections(chainId: ChainId) {
		return this.#tables(chainId)
			.collections.all()
			.map(({ name, model, dimensions }) => ({ name, model, dimensions }))
			.sort((a, b) => byText(a.name, b.name));
	}

	async headers(
		{ chainId, height }: CutPlace,
		{ above, limit }: { readonly above: Height | undefined; readonly limit: number },
	): Promise<readonly BlockHeader[]> {
		const linked: BlockHeader[] = [];
		const blocks = canonicalBlocks(this.#tables(chainId))
			.filter(({ number }) => number <= height && number > (above ?? -1n))
			.sort((a, b) => rising(b.number, a.number))
			.slice(0, limit);
		for (const { number, hash, parentHash, timestamp } of blocks) {
			const child = linked.at(-1);
			if (child !== undefined && child.parentHash !== hash) break;
			linked.push({ number, hash, parentHash, timestamp });
		}
		return linked.reverse();
	}

	async operations(cut: CutPlace, { after, limit }: Parameters<SnapshotReader["operations"]>[1]) {
		const tables = this.#tables(cut.chainId);
		const open = tables.operations.all().flatMap((row) => {
			const { position, final } = row;
			const isOpen = position !== undefined && !final && position > after;
			return isOpen && position <= cut.logPosition ? [{ ...row, position }] : [];
		});
		return open
			.sort((a, b) => rising(a.position, b.position))
			.slice(0, limit)
			.map((row) => operationRecord(tables, row, cut));
	}

	async chain(chainId: ChainId) {
		const { startBlock, handlersHash, windowBlocks } = this.#tables(chainId).row;
		return { startBlock, handlersHash, windowBlocks };
	}

	async isCanonical({ chainId, height, blockHash }: Block, since = FOREVER): Promise<boolean> {
		return canonicalBlocks(this.#tables(chainId)).some(
			(row) => row.number === height && row.hash === blockHash && row.fromGen <= since,
		);
	}

	async isOrphaned({ chainId, blockHash }: Block): Promise<boolean> {
		const { blocks } = this.#tables(chainId);
		return blocks.all().some((row) => row.hash === blockHash && row.toGen < FOREVER);
	}

	async hashAt(chainId: ChainId, height: Height): Promise<Hex | undefined> {
		const block = canonicalBlocks(this.#tables(chainId)).find(({ number }) => number === height);
		return block?.hash;
	}

	async cutAtOrBelow(chainId: ChainId, height: Height): Promise<SnapshotCut | undefined> {
		const { checkpoints, log, row } = this.#tables(chainId);
		const { generation } = row;
		for (const found of checkpoints
			.all()
			.filter((each) => each.height <= height && each.toGen === FOREVER)
			.sort((a, b) => rising(b.height, a.height))) {
			const { height: at, blockHash, versionId, roots } = found;
			const group = groupAbove(log.all(), found);
			if (group !== undefined && group.to > at && versionId > group.base) continue;
			const logPosition = group?.to === at ? group.position : found.logPosition;
			return { chainId, height: at, generation, blockHash, logPosition, versionId, roots };
		}
		return undefined;
	}

	#tables(chainId: ChainId): ChainTables {
		const tables = this.#database.find(chainId);
		if (tables === undefined) throw broken(`chain ${chainId} is not registered`);
		return tables;
	}
}

/** The group that the block is in, where its entry stands above the position. */
function groupAbove(
	log: readonly LogEntry[],
	{ height, logPosition }: { readonly height: Height; readonly logPosition: bigint },
) {
	const [next] = log
		.filter(({ kind }) => kind === "block" || kind === "derived" || kind === "rollback")
		.filter(({ position }) => position > logPosition)
		.sort((a, b) => rising(a.position, b.position));
	if (next?.kind !== "derived") return undefined;
	const { position, body } = next;
	const { from, to, base } = JSON.parse(body) as Partial<Group>;
	if (from === undefined || to === undefined || base === undefined) return undefined;
	if (BigInt(from) > height) return undefined;
	return { position, to: BigInt(to), base: BigInt(base.versionId) };
}

interface Group {
	readonly from: string;
	readonly to: string;
	readonly base: { readonly versionId: string };
}

function canonicalBlocks({ blocks }: ChainTables) {
	return blocks.all().filter(({ toGen }) => toGen === FOREVER);
}

function shownAt(rows: readonly Version[], height: Height): Version | undefined {
	return rows.findLast(
		(row) => row.fromBlock <= height && row.toBlock > height && row.content !== undefined,
	);
}

function visibleRecord(
	{ versions, vectorRows, row }: ChainTables,
	key: MemoryKey,
	height: Height,
): readonly MemoryRecord[] {
	const version = versions.read(key, { height, generation: row.generation });
	if (version?.content === undefined) return [];
	const { toBlock: _toBlock, fromGen: _fromGen, toGen: _toGen, content, ...said } = version;
	const { collection, versionId } = version;
	const held =
		collection === undefined ? undefined : vectorRows.get(vectorKey({ collection, versionId }));
	const vector = held && Float32Array.from(held.vector);
	return [{ kind: "memory", ...said, content, vector }];
}

interface Verdict {
	readonly verdict: "cleared" | "recanted" | "reinstated" | "replayed" | "suspended";
	readonly slot?: string;
	readonly suspect?: true;
	readonly reason?: JsonObject;
}

/** What the log said of an operation up to a position. */
interface Said {
	readonly position: bigint;
	readonly height: Height;
	readonly verdict: Verdict;
}

function operationRecord(
	{ log }: ChainTables,
	row: OperationRow & { readonly position: bigint },
	{ logPosition, versionId: newest }: CutPlace,
): OperationRecord {
	const entries = log.all().filter(({ position }) => position <= logPosition);
	const first = log.get(`${row.position}`);
	const { originalSlot, judgedSlot, versionId = newest + 1n } = row;
	if (first === undefined || originalSlot === undefined || judgedSlot === undefined) {
		throw broken(`operation ${row.operationId} has no entry of its own`);
	}
	const body = JSON.parse(first.body) as JsonObject;
	const standing = standingOf({ ...row, originalSlot, judgedSlot }, body, entries);
	const isUnchanged =
		row.status === standing.status &&
		row.suspect === standing.suspect &&
		row.effectiveSlot === standing.effectiveSlot &&
		judgedSlot === standing.judgedSlot;
	return {
		kind: "operation",
		operationId: row.operationId,
		position: row.position,
		generation: first.generation,
		originalSlot,
		...standing,
		versionId: isUnchanged && versionId <= newest ? versionId : undefined,
		anchors: anchorsToText(row.anchors) ?? undefined,
		anchorBlock: undefined,
		anchorHeight: row.anchorHeight,
		body,
	};
}

function standingOf(
	row: OperationRow & { readonly originalSlot: Height; readonly judgedSlot: Height },
	body: JsonObject,
	entries: readonly LogEntry[],
): Pick<OperationRecord, "effectiveSlot" | "judgedSlot" | "reason" | "status" | "suspect"> {
	const said = entries
		.filter(({ kind, operationId }) => kind === "verdict" && operationId === row.operationId)
		.map(({ position, height, body: text }): Said => {
			return { position, height, verdict: JSON.parse(text) as Verdict };
		})
		.sort((a, b) => rising(a.position, b.position));
	const placed = said.findLast(({ verdict }) => verdict.verdict !== "cleared");
	const cleared = said.findLast(
		({ verdict, position, height }) =>
			verdict.verdict === "cleared" &&
			position > (placed?.position ?? 0n) &&
			!entries.some(
				(each) => each.kind === "rollback" && each.position > position && each.height < height,
			),
	);
	const isSuspect = (placed === undefined ? body["suspect"] : placed.verdict.suspect) === true;
	const suspect = isSuspect && cleared === undefined;
	if (placed === undefined) {
		const { originalSlot: effectiveSlot } = row;
		const judgedSlot = cleared?.height ?? effectiveSlot;
		return { status: "applied", reason: undefined, effectiveSlot, judgedSlot, suspect };
	}
	const { verdict, slot, reason } = placed.verdict;
	return {
		status: verdict === "suspended" || verdict === "recanted" ? verdict : "applied",
		reason,
		effectiveSlot: slot === undefined ? undefined : BigInt(slot),
		judgedSlot: cleared?.height ?? placed.height,
		suspect,
	};
}
