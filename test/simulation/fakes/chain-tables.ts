/** The tables of one chain, as store/schema/ has them. */

import { LEAST_WINDOW } from "../../../src/chain/window-size.ts";
import { EMPTY_ROOTS, type StateRoots } from "../../../src/commitment/state-root.ts";
import type { BlockHeader } from "../../../src/domain/block.ts";
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	LogPosition,
	MemoryKey,
	OperationId,
	RollbackId,
	VersionId,
} from "../../../src/domain/ids.ts";
import type { Layer } from "../../../src/domain/layer.ts";
import type {
	AnchorSet,
	OperationKind,
	OperationReason,
	OperationStatus,
} from "../../../src/domain/operation.ts";
import type { LossPolicy, Sources } from "../../../src/domain/provenance.ts";
import type { ThinnedRange } from "../../../src/domain/thinned-range.ts";
import type { NewMemory } from "../../../src/memory/state-editor.ts";
import type {
	Checkpoint,
	Derivation,
	EmbeddedVersion,
	LogEntry,
	VectorPointer,
	VectorPointers,
} from "../../../src/writer/commit-batch.ts";
import type { Problem } from "../../../src/writer/writer-store.ts";
import { type Journal, Rows } from "./rows.ts";
import { VersionRows } from "./version-rows.ts";

export interface ChainRow {
	readonly id: ChainId;
	readonly name: string;
	readonly startBlock: Height;
	readonly generation: Generation;
	readonly headHeight: Height | undefined;
	readonly safe: Height | undefined;
	readonly finalized: Height | undefined;
	readonly logPosition: LogPosition;
	readonly versionSeq: VersionId;
	readonly roots: StateRoots;
	readonly retainedFrom: Height;
	readonly logCutTo: LogPosition;
	/** Of the handlers that an imported state is of; undefined: those that are here. */
	readonly derivedHash?: Hex | undefined;
	readonly handlersHash: Hex;
	readonly genesis: Hex | undefined;
	readonly windowBlocks: number;
	readonly windowFrom: Height;
	readonly halt: Problem | undefined;
	readonly fence: bigint;
	readonly leaseHolder: string | undefined;
	readonly leaseUntilMs: number | undefined;
	/** JSON of what the holder said last of how it follows the chain. */
	readonly followerStatus: string | undefined;
}

interface Generations {
	readonly fromGen: Generation;
	readonly toGen: Generation;
}

export type BlockRow = BlockHeader & Generations;
export type CheckpointRow = Checkpoint & Generations;

export interface GenerationRow {
	readonly generation: Generation;
	readonly ancestorHeight: Height | undefined;
	readonly rollbackId: RollbackId | undefined;
	readonly lastHeight: Height | undefined;
	readonly lastVersionId: VersionId | undefined;
	readonly pointers: VectorPointers | undefined;
}

export interface OperationRow {
	readonly operationId: OperationId;
	readonly kind: OperationKind;
	readonly namespace: string;
	readonly id: string;
	readonly status: OperationStatus;
	readonly reason: OperationReason | undefined;
	readonly position: LogPosition | undefined;
	readonly originalSlot: Height | undefined;
	readonly effectiveSlot: Height | undefined;
	readonly judgedSlot: Height | undefined;
	readonly versionId: VersionId | undefined;
	readonly anchors: AnchorSet;
	/** Highest block that an anchor was ever in. */
	readonly anchorHeight: Height | undefined;
	readonly sources: Sources;
	readonly policy: LossPolicy;
	readonly suspect: boolean;
	readonly final: boolean;
}

export interface InboxRow {
	readonly entryId: bigint;
	readonly operationCount: number;
	readonly caller: string;
	/** JSON. */
	readonly body: string;
}

export interface IdempotencyRow {
	readonly caller: string;
	readonly key: string;
	/** Hexadecimal. */
	readonly bodyHash: string;
	readonly operationIds: readonly OperationId[];
	readonly createdMs: number;
}

export interface LinkNameRow {
	readonly linkKey: MemoryKey;
	readonly namespace: string;
	readonly type: string;
	readonly fromKey: MemoryKey;
	readonly toKey: MemoryKey;
}

export interface CollectionRow {
	readonly name: string;
	readonly model: string;
	readonly dimensions: number;
	readonly table: string;
	readonly pointer: VectorPointer;
}

export class ChainTables {
	readonly versions: VersionRows;
	/** Names, by layer. */
	readonly memories: Rows<NewMemory>;
	readonly links: Rows<LinkNameRow>;
	readonly log: Rows<LogEntry>;
	readonly operations: Rows<OperationRow>;
	readonly derivations: Rows<Derivation>;
	readonly inbox: Rows<InboxRow>;
	readonly idempotencyKeys: Rows<IdempotencyRow>;
	readonly blocks: Rows<BlockRow>;
	readonly checkpoints: Rows<CheckpointRow>;
	readonly thinnedRanges: Rows<ThinnedRange>;
	readonly generations: Rows<GenerationRow>;
	readonly collections: Rows<CollectionRow>;
	readonly vectorRows: Rows<EmbeddedVersion>;
	readonly #chains: Rows<ChainRow>;

	constructor(journal: Journal, chain: NewChain) {
		this.versions = new VersionRows(journal);
		this.memories = new Rows<NewMemory>(journal, "memories", nameKey);
		this.links = new Rows(journal, "links", ({ linkKey }) => linkKey);
		this.log = new Rows(journal, "log", ({ position }) => `${position}`);
		this.operations = new Rows(journal, "operations", ({ operationId }) => operationId);
		this.derivations = new Rows(journal, "derivations", derivationKey);
		this.inbox = new Rows(journal, "inbox", ({ entryId }) => `${entryId}`);
		this.idempotencyKeys = new Rows<IdempotencyRow>(journal, "idempotency_keys", requestKey);
		this.blocks = new Rows(journal, "blocks", (row) => placeKey(row.number, row.fromGen));
		this.checkpoints = new Rows(journal, "checkpoints", (row) => placeKey(row.height, row.fromGen));
		this.thinnedRanges = new Rows(journal, "thinned_ranges", ({ from }) => `${from}`);
		this.generations = new Rows(journal, "generations", ({ generation }) => `${generation}`);
		this.collections = new Rows(journal, "collections", ({ name }) => name);
		this.vectorRows = new Rows<EmbeddedVersion>(journal, "vector_rows", vectorKey);
		this.#chains = new Rows(journal, "chains", ({ id }) => `${id}`);
		this.#chains.put({ ...NEW_CHAIN, ...chain });
		this.generations.put({ ...NEW_GENERATION, generation: 0n });
	}

	get row(): ChainRow {
		const [row] = this.#chains.all();
		if (row === undefined) throw new RangeError("the chain has no row");
		return row;
	}

	update(changes: Partial<Omit<ChainRow, "id">>): void {
		this.#chains.put({ ...this.row, ...changes });
	}

	/** By collection. */
	get pointers(): VectorPointers {
		return Object.fromEntries(this.collections.all().map(({ name, pointer }) => [name, pointer]));
	}
}

/** What a chain's registration says of it. */
export type NewChain = Pick<
	ChainRow,
	"handlersHash" | "id" | "name" | "startBlock" | "windowBlocks"
>;

const NEW_CHAIN: Omit<ChainRow, keyof NewChain> = {
	generation: 0n,
	headHeight: undefined,
	safe: undefined,
	finalized: undefined,
	logPosition: 0n,
	versionSeq: 0n,
	roots: EMPTY_ROOTS,
	retainedFrom: 0n,
	logCutTo: 0n,
	genesis: undefined,
	windowFrom: LEAST_WINDOW.windowFrom,
	halt: undefined,
	fence: 0n,
	leaseHolder: undefined,
	leaseUntilMs: undefined,
	followerStatus: undefined,
};

export const NEW_GENERATION: Omit<GenerationRow, "generation"> = {
	ancestorHeight: undefined,
	rollbackId: undefined,
	lastHeight: undefined,
	lastVersionId: undefined,
	pointers: undefined,
};

function nameKey({
	namespace,
	layer,
	id,
}: {
	readonly namespace: string;
	readonly layer: Layer;
	readonly id: string;
}): string {
	return JSON.stringify([namespace, layer, id]);
}

export function vectorKey({
	collection,
	versionId,
}: {
	readonly collection: string;
	readonly versionId: VersionId;
}): string {
	return `${collection}/${versionId}`;
}

export function requestKey({ caller, key }: Pick<IdempotencyRow, "caller" | "key">): string {
	return JSON.stringify([caller, key]);
}

function derivationKey({ position, setNo, sourceNo }: Derivation): string {
	return `${position}/${setNo}/${sourceNo}`;
}

function placeKey(height: Height, fromGen: Generation): string {
	return `${height}/${fromGen}`;
}
