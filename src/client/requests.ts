/** What a caller asks of the service. Numbers beyond 2^53 are bigints or decimal strings. */
import type { Layer } from "../domain/layer.ts";
import type { JsonObject, JsonValue } from "../domain/operation.ts";
import type { LossPolicy } from "../domain/provenance.ts";
import type { SettingsForm } from "../memory/settings-form.ts";
import type { RecoveryKind } from "../recovery/recovery.ts";
import type { Where } from "../service/searching/search-filter.ts";

/** A height, generation or version id. */
export type WholeNumber = number | bigint | string;

export interface AtQuery {
	/** A height, a block hash, `pending` (if left out), `latest`, `safe` or `finalized`. */
	readonly at?: WholeNumber | undefined;
	readonly generation?: WholeNumber | undefined;
}

export type AnchorInput = { readonly block: string } | { readonly transaction: string };

/** A memory, and what it said: `contentHash` as reads give it. */
export interface SourceInput {
	/** Left out: that of the operation. */
	readonly namespace?: string | undefined;
	readonly id: string;
	readonly contentHash: string;
}

/** A memory's id, or with its namespace where that is one of the chain's own. */
export type LinkEndInput = string | { readonly namespace?: string; readonly id: string };

interface Target {
	readonly namespace?: string | undefined;
	/** What the operation depends on; left out: nothing. */
	readonly anchor?: AnchorInput | undefined;
	/** Several anchors instead of one: all of them must hold, or any one. */
	readonly anchors?:
		| { readonly all: readonly AnchorInput[] }
		| { readonly any: readonly AnchorInput[] }
		| undefined;
	/** What it was concluded from: alternatives of sets; a flat list is one set. */
	readonly derivedFrom?: readonly SourceInput[] | readonly (readonly SourceInput[])[] | undefined;
	/** What becomes of it when what it rests on is gone; left out: as the namespace has it. */
	readonly onLoss?: LossPolicy | undefined;
	/** Version id that the memory must have; 0: it must not exist. */
	readonly ifVersion?: WholeNumber | undefined;
}

interface Weights {
	readonly text?: string | undefined;
	/** In [0, 1]. */
	readonly importance?: number | undefined;
	/** In [0, 1]. */
	readonly confidence?: number | undefined;
}

export interface PutInput extends Target, Weights {
	readonly op: "put";
	/** Left out: the service makes one. */
	readonly id?: string | undefined;
	readonly layer: Layer;
	readonly content: JsonObject;
	readonly vector?: readonly number[] | undefined;
	readonly collection?: string | undefined;
	/** First height at which the memory is gone. */
	readonly expiresAtBlock?: WholeNumber | undefined;
	/** Seconds since the epoch: gone from the first block that is not older. Not beside `expiresAtBlock`. */
	readonly expiresAtTime?: WholeNumber | undefined;
	/** Of an episode: those that caused it. */
	readonly causedBy?: readonly LinkEndInput[] | undefined;
}

export interface PatchInput extends Target, Weights {
	readonly op: "patch";
	readonly id: string;
	/** Merged one level deep; a null removes a field. */
	readonly content: JsonObject;
}

export interface DeleteInput extends Target {
	readonly op: "delete";
	readonly id: string;
}

/** What the agent did: an episode that no fork takes back. */
export interface ActionInput extends Omit<PutInput, "layer" | "onLoss" | "op"> {
	readonly op: "action";
}

export interface LinkInput extends Target {
	readonly op: "link";
	readonly from: string;
	readonly type: string;
	readonly to: LinkEndInput;
	/** Above 0; left out: 1. */
	readonly weight?: number | undefined;
	readonly properties?: JsonObject | undefined;
}

export interface UnlinkInput extends Target {
	readonly op: "unlink";
	readonly from: string;
	readonly type: string;
	readonly to: LinkEndInput;
}

export interface ConsolidateInput {
	readonly op: "consolidate";
	readonly namespace?: string | undefined;
	/** Left out: all rules of the namespace. */
	readonly rule?: string | undefined;
}

export type OperationInput =
	| PutInput
	| PatchInput
	| DeleteInput
	| ActionInput
	| LinkInput
	| UnlinkInput
	| ConsolidateInput;

export interface WriteOptions {
	readonly idempotencyKey?: string | undefined;
	/** Milliseconds to wait for the commit, at most 5,000; left out: so many, or half of a short `timeoutMs`. */
	readonly waitMs?: number | undefined;
}

export interface PageQuery {
	readonly limit?: number | undefined;
	/** Of the page before. */
	readonly cursor?: string | undefined;
}

export interface ChecksQuery extends PageQuery {
	/** Left out: of every level. */
	readonly level?: string | undefined;
}

export interface MemoriesQuery extends AtQuery, PageQuery {
	readonly layer?: string | undefined;
	readonly namespace?: string | undefined;
}

export interface MemoryQuery extends AtQuery {
	readonly namespace?: string | undefined;
}

/** What held at a height of the range, in the generation if one is named. */
export interface HistoryQuery extends PageQuery {
	readonly namespace?: string | undefined;
	/** Heights, both inclusive. */
	readonly from?: WholeNumber | undefined;
	readonly to?: WholeNumber | undefined;
	readonly generation?: WholeNumber | undefined;
}

export interface LinksQuery extends MemoryQuery, PageQuery {
	/** `both` if left out. */
	readonly direction?: "out" | "in" | "both" | undefined;
	/** Left out: all. */
	readonly types?: readonly string[] | undefined;
	readonly minWeight?: number | undefined;
}

export interface WalkQuery extends MemoryQuery {
	/** Of ancestors and descendants; isA and partOf if left out. */
	readonly types?: readonly string[] | undefined;
	readonly minWeight?: number | undefined;
	/** Links that are followed one after another. */
	readonly depth?: number | undefined;
	/** Memories. */
	readonly limit?: number | undefined;
}

export interface EpisodesQuery extends AtQuery, PageQuery {
	readonly namespace?: string | undefined;
	/** Heights, both inclusive. */
	readonly from?: WholeNumber | undefined;
	readonly to?: WholeNumber | undefined;
	/** Timestamps of blocks in seconds, both inclusive. */
	readonly fromTime?: WholeNumber | undefined;
	readonly toTime?: WholeNumber | undefined;
	/** `asc` if left out. */
	readonly order?: "asc" | "desc" | undefined;
}

export interface ExplainQuery extends MemoryQuery {
	/** Derivations that are followed, up and down. */
	readonly depth?: number | undefined;
}

export interface TreeQuery extends AtQuery {
	readonly layer: string;
	/** Digits 0 to 3 of memory keys, from the root on; the empty path is the root. */
	readonly paths: readonly string[];
}

export interface TreeMemoriesQuery extends AtQuery {
	readonly keys: readonly string[];
}

export interface BlocksQuery extends PageQuery {
	/** Inclusive. */
	readonly from?: WholeNumber | undefined;
	/** Inclusive. */
	readonly to?: WholeNumber | undefined;
	readonly fork?: string | undefined;
}

export interface SearchInput extends AtQuery {
	readonly text?: string | undefined;
	readonly vector?: readonly number[] | undefined;
	/** Left out: `vector` with a vector; else `hybrid`, or `text` in a collection that takes no texts. */
	readonly mode?: "vector" | "text" | "hybrid" | undefined;
	readonly collection?: string | undefined;
	/** One, or several. */
	readonly namespace?: string | readonly string[] | undefined;
	readonly layers?: readonly string[] | undefined;
	/** Of top-level content fields: a value, or `{in, gt, gte, lt, lte}`. */
	readonly where?: Where | undefined;
	readonly minImportance?: number | undefined;
	readonly minConfidence?: number | undefined;
	readonly minFinality?: "pending" | "latest" | "safe" | "finalized" | undefined;
	/** Heights at which a result begins to hold, both inclusive; and the same by time in seconds. */
	readonly since?: WholeNumber | undefined;
	readonly until?: WholeNumber | undefined;
	readonly sinceTime?: WholeNumber | undefined;
	readonly untilTime?: WholeNumber | undefined;
	readonly k?: number | undefined;
}

export interface DiffQuery extends PageQuery {
	readonly from: WholeNumber;
	readonly fromGeneration?: WholeNumber | undefined;
	readonly to?: WholeNumber | undefined;
	readonly toGeneration?: WholeNumber | undefined;
	readonly namespace?: string | undefined;
}

export interface SnapshotInput extends AtQuery {
	/** Left out: an increment where there is something to continue. */
	readonly kind?: "full" | "incremental" | undefined;
}

export interface SnapshotImportInput {
	/** JSON of a manifest, as it was given out. */
	readonly manifest: unknown;
	/** store: nothing more. verify (if left out): read it back. apply: and make it the chain's state. */
	readonly goal?: "store" | "verify" | "apply" | undefined;
	/** With `apply`: replace state that is there. */
	readonly replace?: boolean | undefined;
	/** With `apply`: only tell what would change. */
	readonly dryRun?: boolean | undefined;
}

export interface CheckInput {
	/** basic, full, comprehensive or paranoid; basic if left out. */
	readonly level?: string | undefined;
	/** Reads a sample of the memories instead of everything. */
	readonly sample?:
		| {
				readonly seed: string;
				/** In (0, 1): probability of a finding when the tolerated share or more is damaged. */
				readonly confidence: number;
				/** In (0, 1). */
				readonly tolerance: number;
		  }
		| undefined;
}

interface SelectionInput {
	readonly namespaces?: readonly string[] | undefined;
	readonly layers?: readonly string[] | undefined;
}

/** At least one of namespaces, layers and collections. */
export interface RestoreInput extends SelectionInput {
	readonly to: WholeNumber;
	readonly generation?: WholeNumber | undefined;
	readonly collections?: readonly string[] | undefined;
}

export type MergeChoice = "ours" | "theirs" | "latest";

export type MergeRuleInput =
	| { readonly kind: "latest" }
	| { readonly kind: "source"; readonly side: "ours" | "theirs" }
	| {
			readonly kind: "field";
			readonly fields: Readonly<Record<string, MergeChoice>>;
			/** `ours` if left out. */
			readonly otherwise?: MergeChoice | undefined;
	  }
	| { readonly kind: "function"; readonly name: string };

export interface MergeInput extends SelectionInput {
	/** `pending` if left out. */
	readonly ours?: WholeNumber | undefined;
	readonly oursGeneration?: WholeNumber | undefined;
	readonly theirs: WholeNumber;
	readonly theirsGeneration?: WholeNumber | undefined;
	readonly rule: MergeRuleInput;
}

/** A dry run, or to apply it; a repeated key answers what has become of the same operations. */
export type ApplyOptions =
	| { readonly dryRun: true }
	| { readonly dryRun?: false | undefined; readonly idempotencyKey?: string | undefined };

export interface NamespacesQuery extends PageQuery {
	/** Count the visible memories of each layer. */
	readonly counts?: boolean | undefined;
}

/** What is left out is not set; `schemas`: JSON Schema (2020-12) by layer. */
export type SettingsInput = SettingsForm;

export interface OptimiseInput {
	/** `default` if left out. */
	readonly namespace?: string | undefined;
	/** May be left out with `refresh`. */
	readonly drop?: {
		readonly expired?: boolean | undefined;
		/** In (0, 1]. */
		readonly belowConfidence?: number | undefined;
		readonly unreachable?: boolean | undefined;
	};
	/** Flush, compact and index the chain's collections afterwards. */
	readonly refresh?: boolean | undefined;
}

export interface ConsolidationInput {
	/** `default` if left out. */
	readonly namespace?: string | undefined;
	/** Left out: every rule of the namespace. */
	readonly rule?: string | undefined;
}

export interface RepairInput {
	/** Consistency run; left out: the newest that found something. */
	readonly runId?: string | undefined;
	/** Classes of findings; left out: all. */
	readonly classes?: readonly string[] | undefined;
}

export interface RecoveryInput {
	readonly kind: RecoveryKind;
	/** One provider's word is enough, where the chain's file names no other. */
	readonly singleProvider?: boolean | undefined;
	/** Of an import: left out, the newest. */
	readonly snapshotId?: string | undefined;
}

export interface RecoveriesQuery extends PageQuery {
	/** As of the request that begins one. */
	readonly singleProvider?: boolean | undefined;
}

export interface KeyInput {
	readonly name: string;
	/** read, write, operate; at least one. */
	readonly scopes: readonly string[];
	/** Left out: all. */
	readonly namespaces?: readonly string[] | undefined;
	/** Left out: the service's own rate. */
	readonly requestsPerMinute?: number | undefined;
	/** ISO 8601; left out: no end. */
	readonly expiresAt?: string | undefined;
}

export interface EventsQuery {
	/** Go on after this id, as an event carried it; left out: from the present end. */
	readonly after?: string | undefined;
	/** Ids or names of chains; left out: all. */
	readonly chains?: readonly string[] | undefined;
	readonly types?: readonly string[] | undefined;
}

interface ResultTarget {
	readonly namespace?: string | undefined;
	/** Name and revision of a model, or of a prompt with its model. */
	readonly model: string;
	/** What was asked: any JSON; this or `inputHash`. */
	readonly input?: JsonValue | undefined;
	/** SHA-256 of the input as canonical JSON. */
	readonly inputHash?: string | undefined;
}

export type ResultQuery = ResultTarget;

export interface ResultInput extends ResultTarget {
	/** What was answered: any JSON. */
	readonly output: JsonValue;
	/** Take the place of another output. */
	readonly replace?: boolean | undefined;
}
