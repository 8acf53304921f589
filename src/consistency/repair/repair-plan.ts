/**
 * What a repair would do: for each finding an outcome, and the changes of rows and tables by which the
 * outcomes come about. A plan changes nothing; who carries it out is repairer.ts.
 */
import type { StateRoots } from "../../commitment/state-root.ts";
import type { BlockHeader } from "../../domain/block.ts";
import type { ChainId, Generation, Height, Hex, MemoryKey, VersionId } from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import type { Version } from "../../domain/memory.ts";
import type { VectorRow } from "../../domain/vector.ts";
import type { RowKey } from "../../memory/state-editor.ts";
import type { EmbeddedVersion, VectorPointer } from "../../writer/commit-batch.ts";
import type { FindingClass, Subject } from "../finding.ts";
import type { LinkNameRow } from "../link-names.ts";
import type { DerivationPlace, StoredDerivation } from "../stored-provenance.ts";

/** Where what is put in comes from. */
export const REPAIR_SOURCES = [
	"log",
	"chain",
	"snapshot",
	"versions",
	"vector_rows",
	"lancedb",
	"text",
	"checkpoints",
	"state_tree",
	"none",
] as const;
export type RepairSource = (typeof REPAIR_SOURCES)[number];

/**
 * put: a row is written as it was. remove: it was never to be there. settle: tables or a pointer are set.
 * drop: a copy is forgotten.
 */
export const REPAIR_ACTIONS = ["put", "remove", "settle", "drop", "none"] as const;
export type RepairAction = (typeof REPAIR_ACTIONS)[number];

/**
 * planned: it would be done. repaired: it was. sound: there is nothing to do, the record is as it should be.
 * person: it cannot be made again here; `commands` says what to do.
 */
export const REPAIR_STATUSES = ["planned", "repaired", "sound", "person"] as const;
export type RepairStatus = (typeof REPAIR_STATUSES)[number];

/** A checkpoint with everything that its row holds; `pointers` as it is stored, JSON. */
export interface CheckpointRow {
	readonly height: Height;
	readonly fromGen: Generation;
	readonly toGen: Generation;
	readonly blockHash: Hex;
	readonly logPosition: bigint;
	readonly versionId: VersionId;
	readonly roots: StateRoots;
	readonly pointers: string;
}

export interface HeaderRow extends BlockHeader {
	readonly fromGen: Generation;
	readonly toGen: Generation;
}

export interface NameRow {
	readonly namespace: string;
	readonly id: string;
	/** Undefined: a number that is none of a layer's. */
	readonly layer: Layer | undefined;
	readonly memoryKey: MemoryKey;
}

interface Place {
	readonly height: Height;
	readonly fromGen: Generation;
}

/** One row that is written whole or taken out. Both may be repeated: the result is the same. */
export type RowChange =
	| { readonly table: "versions"; readonly put: Version }
	| { readonly table: "versions"; readonly remove: RowKey }
	| { readonly table: "vector_rows"; readonly put: EmbeddedVersion }
	| {
			readonly table: "vector_rows";
			readonly remove: Pick<EmbeddedVersion, "collection" | "versionId">;
	  }
	| { readonly table: "memories"; readonly put: NameRow }
	| { readonly table: "memories"; readonly remove: Omit<NameRow, "memoryKey"> }
	| { readonly table: "links"; readonly put: LinkNameRow }
	| { readonly table: "links"; readonly remove: Pick<LinkNameRow, "linkKey"> }
	| { readonly table: "derivations"; readonly put: StoredDerivation }
	| { readonly table: "derivations"; readonly remove: DerivationPlace }
	| { readonly table: "blocks"; readonly put: HeaderRow }
	| { readonly table: "blocks"; readonly remove: Place }
	| { readonly table: "checkpoints"; readonly put: CheckpointRow }
	| { readonly table: "checkpoints"; readonly remove: Place }
	| { readonly table: "chains"; readonly put: { readonly roots: StateRoots } };

/** A change of a row with its reason. */
export interface RowRepair {
	readonly change: RowChange;
	readonly class: FindingClass;
	readonly source: RepairSource;
}

/** What becomes of one collection's table and pointer. */
export interface TableRepair {
	readonly collection: string;
	readonly table: string;
	readonly dimensions: number;
	readonly class: FindingClass;
	/** As it stands in the row. */
	readonly pointer: VectorPointer;
	/** Table version to build on, and how far it reaches; undefined: the table is made anew. */
	readonly base: VectorPointer | undefined;
	/** Every row with one of these ids goes. */
	readonly remove: readonly VersionId[];
	readonly add: readonly VectorRow[];
}

export interface RepairOutcome {
	/** Of the run's findings. */
	readonly seq: number;
	readonly class: FindingClass;
	readonly subject: Subject;
	readonly action: RepairAction;
	readonly source: RepairSource;
	readonly status: RepairStatus;
	/** What is done, or why it is not. */
	readonly detail: string;
	readonly commands: readonly string[];
}

export interface RepairPlan {
	readonly chainId: ChainId;
	readonly runId: string;
	readonly outcomes: readonly RepairOutcome[];
	readonly rows: readonly RowRepair[];
	readonly tables: readonly TableRepair[];
	/** Memories whose working copies are dropped. */
	readonly drops: readonly MemoryKey[];
}

/** A finding's answer before it is put together with the finding. */
export interface Verdict {
	readonly action: RepairAction;
	readonly source: RepairSource;
	readonly status: Exclude<RepairStatus, "repaired">;
	readonly detail: string;
	readonly commands: readonly string[];
}

export function planned(action: RepairAction, source: RepairSource, detail: string): Verdict {
	return { action, source, status: "planned", detail, commands: [] };
}

export function sound(detail: string): Verdict {
	return { action: "none", source: "none", status: "sound", detail, commands: [] };
}

export function forPerson(detail: string, ...commands: readonly string[]): Verdict {
	return { action: "none", source: "none", status: "person", detail, commands };
}
