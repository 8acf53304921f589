/** What explaining a memory asks of Postgres. The adapter is store/reading/postgres-explain-store.ts. */
import type { AtRequest } from "../../domain/coordinate.ts";
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	LogPosition,
	MemoryKey,
	OperationId,
	RollbackId,
} from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import type { OperationStatus } from "../../domain/operation.ts";
import type { OperationRecord } from "../../writer/inbox-store.ts";
import type { StateView, StoredBlock } from "../reading/state-store.ts";

/** A memory that said something. */
export interface SaidRef {
	readonly key: MemoryKey;
	readonly contentHash: Hex;
}

/** What was concluded by one operation. */
export interface DerivedRef {
	readonly key: MemoryKey;
	readonly position: LogPosition;
}

/** One source of one alternative of a derivation. */
export interface DerivationRow extends DerivedRef {
	readonly setNo: number;
	readonly source: SaidRef & { readonly namespace: string; readonly id: string };
}

/** A source as it was found; `holds`: the coordinate's history has it at or below the coordinate. */
export interface FoundSource extends SaidRef {
	/** Where it holds, the version that said so first; else the newest that ever did. */
	readonly version: Version;
	readonly holds: boolean;
}

/** What rests on a source. */
export interface DependentRow extends DerivedRef {
	readonly source: SaidRef;
	/** What it says in the coordinate's history; undefined: nothing. */
	readonly version: Version | undefined;
	/** The operation, while a fork can still change its status; undefined: it is final, or a system's. */
	readonly operation:
		| {
				readonly operationId: OperationId;
				readonly namespace: string;
				readonly id: string;
				readonly status: OperationStatus;
		  }
		| undefined;
}

/** One judgement of an operation. */
export interface StoredVerdict {
	readonly operationId: OperationId;
	readonly position: LogPosition;
	readonly generation: Generation;
	/** Slot at which it was judged. */
	readonly height: Height;
	readonly recordedAt: Date;
	/** JSON, see writer/log-draft.ts. */
	readonly body: string;
}

/** How a generation began. */
export interface StoredGeneration {
	readonly generation: Generation;
	readonly rollbackId: RollbackId;
	readonly ancestor: Height;
	/** Committed head of the generation before it, as it stood at its end. */
	readonly endedAt: Height;
	/** Undefined: its record is not kept any more. */
	readonly rollback:
		| {
				readonly cause: "reorg" | "manual" | "handlers";
				/** Head of the new branch. */
				readonly toHeight: Height;
				readonly finishedAt: Date | undefined;
		  }
		| undefined;
}

/** One memory's story as of one coordinate, in one snapshot of the database. */
export interface ExplainView extends Pick<StateView, "at" | "marks" | "memories"> {
	/** Versions in every generation, newest first. */
	history(key: MemoryKey, limit: number): Promise<readonly Version[]>;
	/** Newest first; those that are not in the log yet before all. */
	operations(
		name: { readonly namespace: string; readonly id: string },
		limit: number,
	): Promise<readonly OperationRecord[]>;
	/** Newest first. */
	verdicts(ids: readonly OperationId[], limit: number): Promise<readonly StoredVerdict[]>;
	/** By what was concluded, set and source. */
	derivations(of: readonly DerivedRef[], limit: number): Promise<readonly DerivationRow[]>;
	/** Each once; what was never said is left out. */
	sources(refs: readonly SaidRef[]): Promise<readonly FoundSource[]>;
	/** In the order of `sources`, then of writing. */
	dependents(
		sources: readonly SaidRef[],
		query: { readonly namespaces: readonly string[] | undefined; readonly limit: number },
	): Promise<readonly DependentRow[]>;
	/** Headers that are kept at these heights and of these hashes, orphaned ones too, by rising height. */
	blocks(of: {
		readonly heights: readonly Height[];
		readonly hashes: readonly Hex[];
	}): Promise<readonly StoredBlock[]>;
	/** Newest first; those of which nothing is kept are left out. */
	generations(numbers: readonly Generation[], limit: number): Promise<readonly StoredGeneration[]>;
}

export interface ExplainStore {
	/** Throws the typed errors of coordinates that cannot be read. `work` may be run anew. */
	read<Result>(
		chainId: ChainId,
		request: AtRequest,
		work: (view: ExplainView) => Promise<Result>,
	): Promise<Result>;
}
