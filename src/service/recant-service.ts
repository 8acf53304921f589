/**
 * What the HTTP routes ask of Recant. main.ts builds it; http/ only parses, calls and renders.
 *
 * `chain` is an id in decimal or a name; an unknown one throws `FatalError("unknown_chain")`. Every
 * method throws RecantErrors only. BigInts become decimal strings in JSON.
 */
import type { Level } from "../consistency/finding.ts";
import type { Caller } from "../domain/caller.ts";
import type { AnsweredAt, AtRequest, HistoryRange } from "../domain/coordinate.ts";
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	LogPosition,
	OperationId,
	RollbackId,
	VersionId,
} from "../domain/ids.ts";
import type { Layer, Owner } from "../domain/layer.ts";
import type { JsonObject, OperationKind, OperationStatus } from "../domain/operation.ts";
import type { Finality, LossPolicy, Sources } from "../domain/provenance.ts";
import type { Role } from "../domain/role.ts";
import type { StoreHealth } from "../domain/store-health.ts";
import type { ProviderHealth } from "../follower/chain-source.ts";
import type { CollectionIndex } from "../writer/collection-index.ts";
import type { Readiness } from "./readiness.ts";
import type { WorkingMemoryFigures } from "./reading/working-memory-reader.ts";
import type {
	RollbackOrder,
	RollbackPlanView,
	RollbackReport,
	RollbackStrategy,
	RollbackView,
} from "./rollback-view.ts";
import type { Where } from "./searching/search-filter.ts";
import type { OperationRequest } from "./writing/operation-request.ts";

/** A consistency check that was done. */
export interface CheckSummary {
	readonly runId: string;
	readonly level: Level;
	/** In [0, 1]; 1: nothing above info was found. */
	readonly score: number;
	readonly findings: number;
	readonly finishedAt: Date;
}

export interface ChainView {
	readonly chainId: ChainId;
	readonly name: string;
	/** starting: not yet checked against the node. waiting: the node does not answer. */
	readonly state: "starting" | "following" | "backfilling" | "rolling_back" | "waiting" | "halted";
	/** Name of the process that holds the chain's lease; undefined: none does. */
	readonly followedBy: string | undefined;
	/** Why it is waiting or halted. */
	readonly problem:
		| { readonly code: string; readonly message: string; readonly hint: string }
		| undefined;
	readonly generation: Generation;
	readonly head:
		| { readonly height: Height; readonly hash: Hex; readonly timestamp: bigint }
		| undefined;
	/** What the node last said its head is. */
	readonly nodeHead: Height | undefined;
	readonly safe: Height | undefined;
	readonly finalized: Height | undefined;
	readonly startBlock: Height;
	/** Lowest height that can be read. */
	readonly retainedFrom: Height;
	readonly logPosition: LogPosition;
	readonly inbox: number;
	readonly rollback: RollbackView | undefined;
	readonly handlersHash: Hex;
	/** The last consistency check that was done; undefined: none was. */
	readonly consistency: CheckSummary | undefined;
	readonly collections: readonly {
		readonly name: string;
		readonly model: string;
		readonly dimensions: number;
		/** Rows above the pointer. */
		readonly tail: number;
		readonly pointer: { readonly tableVersion: bigint; readonly versionId: VersionId };
		/** How it is searched; undefined: it was not looked at, or another process holds the chain. */
		readonly index?: CollectionIndex | undefined;
	}[];
	readonly providers: readonly ProviderHealth[];
}

export interface StatusView {
	readonly version: string;
	/** What this process does. */
	readonly roles: readonly Role[];
	readonly installationId: string;
	readonly queueBackend: "postgres" | "redis";
	readonly database: "embedded" | "external";
	readonly embedder: { readonly model: string; readonly dimensions: number };
	readonly stores: readonly StoreHealth[];
	readonly workingMemory: WorkingMemoryFigures;
	readonly chains: readonly ChainView[];
}

export interface BlockView {
	readonly height: Height;
	readonly hash: Hex;
	readonly parentHash: Hex;
	readonly timestamp: bigint;
	readonly canonical: boolean;
	/** Generations [from, to) in which it was canonical; `to` undefined: it still is. */
	readonly generations: { readonly from: Generation; readonly to: Generation | undefined };
	readonly finality: "finalized" | "safe" | "latest" | "orphaned";
}

export interface MemoryView {
	readonly id: string;
	readonly namespace: string;
	readonly layer: Layer;
	readonly owner: Owner;
	readonly content: JsonObject;
	readonly text: string | undefined;
	readonly collection: string | undefined;
	readonly importance: number | undefined;
	/** As it was written. */
	readonly confidence: number | undefined;
	/** As it has faded at the coordinate; undefined where there is none, and in histories. */
	readonly confidenceNow?: number | undefined;
	readonly versionId: VersionId;
	/** SHA-256 of the vector that the caller gave; undefined: it is embedded from the text, or there is none. */
	readonly vectorHash: Hex | undefined;
	readonly contentHash: Hex;
	/** Height from which this version holds. */
	readonly since: Height;
	readonly expiresAtBlock: Height | undefined;
	/** Seconds since the epoch. */
	readonly expiresAtTime: bigint | undefined;
	/** True: kept although what it rests on is gone. */
	readonly suspect: boolean;
	/**
	 * How far what it rests on is out of a fork's reach; undefined where it is not looked at from one
	 * coordinate.
	 */
	readonly finality: Finality | undefined;
}

export interface HistoryEntryView {
	/** Undefined: deleted from here on. */
	readonly memory: MemoryView | undefined;
	readonly versionId: VersionId;
	readonly heights: { readonly from: Height; readonly to: Height | undefined };
	readonly generations: { readonly from: Generation; readonly to: Generation | undefined };
	/** True: part of what is believed in the present generation. */
	readonly present: boolean;
}

export interface Page<Item> {
	readonly items: readonly Item[];
	/** Undefined: there is no next page. */
	readonly cursor: string | undefined;
}

/** `block` and `height` undefined: it is not on the chain now. */
export interface AnchorView {
	/** Undefined: a block is what it is anchored to. */
	readonly transaction: Hex | undefined;
	readonly effectsHash: Hex | undefined;
	readonly block: Hex | undefined;
	readonly height: Height | undefined;
}

export interface OperationView {
	readonly operationId: OperationId;
	readonly kind: OperationKind;
	readonly namespace: string;
	readonly id: string;
	readonly status: OperationStatus;
	/** Why it is refused, suspended or recanted. */
	readonly reason: { readonly code: string; readonly message: string } | undefined;
	/** First position in the log; undefined while it is queued. */
	readonly position: LogPosition | undefined;
	readonly originalSlot: Height | undefined;
	readonly effectiveSlot: Height | undefined;
	readonly versionId: VersionId | undefined;
	/** The only anchor; undefined: it has none, or several. */
	readonly anchor: AnchorView | undefined;
	/** Undefined: it has none. */
	readonly anchors:
		| { readonly mode: "all" | "any"; readonly anchors: readonly AnchorView[] }
		| undefined;
	/** Alternatives of sets; undefined: it is derived from nothing. */
	readonly derivedFrom: Sources | undefined;
	/** What becomes of it when what it rests on is gone. */
	readonly onLoss: LossPolicy;
	/** True: it takes effect although what it rests on is gone. */
	readonly suspect: boolean;
	/** True: no fork can change its status any more. */
	readonly final: boolean;
}

export interface WriteAnswer {
	/** False: durable, but not yet committed when the deadline passed; it may still be refused. */
	readonly committed: boolean;
	/** True: this Idempotency-Key was seen before; nothing was applied by this call. */
	readonly repeated: boolean;
	readonly operations: readonly OperationView[];
	/** Undefined while not committed. */
	readonly at: AnsweredAt | undefined;
	/** Why it is not committed, where that is known, and what helps. */
	readonly hint?: string | undefined;
}

export const SEARCH_MODES = ["vector", "text", "hybrid"] as const;
export type SearchMode = (typeof SEARCH_MODES)[number];

export interface SearchRequest {
	readonly text: string | undefined;
	readonly vector: readonly number[] | undefined;
	/**
	 * vector: by the vector, that of the text, or both. text: by the text's words. hybrid: by both. Undefined:
	 * `vector` with a vector; else `hybrid`, or `text` where the collection takes no texts.
	 */
	readonly mode?: SearchMode | undefined;
	readonly collection: string | undefined;
	readonly namespace: string | undefined;
	/** Without `namespace`: only of these; undefined: of all. */
	readonly namespaces?: readonly string[] | undefined;
	/** Only of these; each must be one of `namespaces`. Not beside `namespace`. */
	readonly namespaceIn?: readonly string[] | undefined;
	readonly layers: readonly Layer[] | undefined;
	/** Of top-level content fields, see service/searching/search-filter.ts. */
	readonly where: Where | undefined;
	readonly minImportance: number | undefined;
	/** Of the confidence as it has faded at the coordinate. */
	readonly minConfidence: number | undefined;
	readonly minFinality?: Finality | undefined;
	/** Heights at which what is found begins to hold, both inclusive. */
	readonly since?: Height | undefined;
	readonly until?: Height | undefined;
	/** The same by the time of those blocks, in seconds since the epoch; exact where headers are kept. */
	readonly sinceTime?: bigint | undefined;
	readonly untilTime?: bigint | undefined;
	readonly at: AtRequest;
	readonly k: number;
}

/** What a search looked at. */
export interface SearchCoverage {
	/** False: memories that match may be missing. */
	readonly complete: boolean;
	/** Why it was not answered as usual. */
	readonly reason: string | undefined;
}

export interface SearchResult {
	readonly memory: MemoryView;
	/** Cosine similarity, score of the words, or where ranks were joined the reciprocal-rank score. */
	readonly score: number;
	/** Cosine similarity in [-1, 1]; undefined: not found by vector. */
	readonly similarity?: number | undefined;
	/** In (0, 1); undefined: not found by words. */
	readonly wordScore?: number | undefined;
	/** How far what it rests on is out of a fork's reach. */
	readonly finality: Finality;
	/** True: kept although what it rests on is gone. */
	readonly suspect: boolean;
}

export interface DiffEntry {
	readonly namespace: string;
	readonly id: string;
	readonly change: "added" | "removed" | "changed";
	readonly before: MemoryView | undefined;
	readonly after: MemoryView | undefined;
	/** The rollback that took back what the older generation said last; undefined: none did. */
	readonly cause?: RollbackId | undefined;
}

export interface CheckpointView {
	readonly height: Height;
	readonly blockHash: Hex;
	readonly generations: { readonly from: Generation; readonly to: Generation | undefined };
	readonly logPosition: LogPosition;
	readonly versionId: VersionId;
	/** Root of each layer's state tree, and the state root, which binds them to the block. */
	readonly roots: Readonly<Record<Layer, Hex>> & { readonly state: Hex };
	readonly pointers: Readonly<
		Record<string, { readonly tableVersion: bigint; readonly versionId: VersionId }>
	>;
}

/** One entry of the log, or a rollback's progress, as the event stream sends it. */
export interface EventView {
	readonly chainId: ChainId;
	/** Undefined for progress, which is not kept and has no id. */
	readonly position: LogPosition | undefined;
	readonly type: string;
	readonly data: JsonObject;
}

export interface RecantService {
	status(): Promise<StatusView>;
	readiness(): Promise<Readiness>;
	chain(chain: string): Promise<ChainView>;
	blocks(
		chain: string,
		query: {
			readonly from: Height | undefined;
			readonly to: Height | undefined;
			readonly fork: "canonical" | "orphaned" | "all";
			readonly limit: number;
			/** From the page before; pins its generation, so that a rollback between pages mixes nothing. */
			readonly cursor: string | undefined;
		},
	): Promise<Page<BlockView>>;
	write(
		chain: string,
		request: {
			readonly operations: readonly OperationRequest[];
			readonly idempotencyKey: string | undefined;
			/** How long to wait for the commit; at most LIMITS.writeDeadlineMs. */
			readonly deadlineMs: number;
			/** Who writes; undefined: whoever starts the service. */
			readonly caller?: Caller | undefined;
		},
	): Promise<WriteAnswer>;
	operation(chain: string, operationId: string): Promise<OperationView>;
	memories(
		chain: string,
		query: {
			readonly at: AtRequest;
			readonly layer: Layer | undefined;
			readonly namespace: string | undefined;
			/** Without `namespace`: only of these; undefined: of all. */
			readonly namespaces?: readonly string[] | undefined;
			/** Id of who reads; a cursor is theirs alone. */
			readonly reader?: string | undefined;
			readonly limit: number;
			/** From the page before; pins its coordinate, so `at` must then be left out. */
			readonly cursor: string | undefined;
		},
	): Promise<{ readonly at: AnsweredAt } & Page<MemoryView>>;
	memory(
		chain: string,
		query: { readonly id: string; readonly namespace: string; readonly at: AtRequest },
	): Promise<{ readonly at: AnsweredAt; readonly memory: MemoryView }>;
	history(
		chain: string,
		query: {
			readonly id: string;
			readonly namespace: string;
			/** Left out: all versions, of every generation. */
			readonly range?: HistoryRange | undefined;
			/** Id of who reads; a cursor is theirs alone. */
			readonly reader?: string | undefined;
			readonly limit: number;
			readonly cursor: string | undefined;
		},
	): Promise<Page<HistoryEntryView>>;
	search(
		chain: string,
		request: SearchRequest,
	): Promise<{
		readonly at: AnsweredAt;
		readonly results: readonly SearchResult[];
		readonly coverage: SearchCoverage;
	}>;
	diff(
		chain: string,
		query: {
			readonly from: AtRequest;
			readonly to: AtRequest;
			readonly namespace: string | undefined;
			/** Without `namespace`: only of these; undefined: of all. */
			readonly namespaces?: readonly string[] | undefined;
			/** Id of who reads; a cursor is theirs alone. */
			readonly reader?: string | undefined;
			readonly limit: number;
			readonly cursor: string | undefined;
		},
	): Promise<{ readonly from: AnsweredAt; readonly to: AnsweredAt } & Page<DiffEntry>>;
	checkpoints(
		chain: string,
		query: { readonly limit: number; readonly before: Height | undefined },
	): Promise<Page<CheckpointView>>;
	checkpoint(chain: string, height: Height): Promise<CheckpointView>;
	rollbacks(
		chain: string,
		query: { readonly limit: number; readonly cursor: string | undefined },
	): Promise<Page<RollbackView>>;
	rollback(chain: string, rollbackId: string): Promise<RollbackView>;
	report(chain: string, rollbackId: string): Promise<RollbackReport>;
	planRollback(chain: string, toBlock: Height): Promise<RollbackPlanView>;
	/**
	 * Records it and answers at once; follow it with `rollback` or the events. `strategy` undefined: the
	 * planner chooses.
	 */
	startRollback(
		chain: string,
		toBlock: Height,
		strategy?: RollbackStrategy | undefined,
	): Promise<RollbackView>;
	/**
	 * Pauses, resumes, cancels, retries or abandons it, and answers it as it is then; see rollback/orders.ts.
	 * Throws `rollback_not_found`, `rollback_over`, `rollback_not_failed`, `rollback_not_cancellable`,
	 * `rollback_outdated`, `chain_busy` and, for a retry, `chain_halted`.
	 */
	orderRollback(chain: string, rollbackId: string, order: RollbackOrder): Promise<RollbackView>;
	/**
	 * Entries after the given positions of each chain (all chains from their present end when
	 * undefined), then whatever comes, until the signal aborts.
	 */
	events(
		query: {
			readonly after: ReadonlyMap<ChainId, LogPosition> | undefined;
			readonly chains: readonly string[] | undefined;
			readonly types: readonly string[] | undefined;
		},
		signal: AbortSignal,
	): AsyncIterable<EventView>;
}
