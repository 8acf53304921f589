/**
 * What a consistency check says: which record disagrees with which source of truth, since when, and
 * what mends it. A finding is about one record, or about one number where no record can be named.
 */
import type { ChainId, Height, MemoryKey, VersionId } from "../domain/ids.ts";

/** In rising order of cost; each includes those before it. */
export const LEVELS = ["basic", "full", "comprehensive", "paranoid"] as const;
export type Level = (typeof LEVELS)[number];

/** info: worth knowing. warning: answers are right, something is untidy. error: an answer may be wrong. critical: the truth itself is damaged. */
export const SEVERITIES = ["info", "warning", "error", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Findings by severity. */
export type SeverityCounts = Readonly<Record<Severity, number>>;
export const NO_FINDINGS: SeverityCounts = { info: 0, warning: 0, error: 0, critical: 0 };

/** Classes by which repair works; every finding has one. */
export const FINDING_CLASSES = [
	"vector_missing",
	"vector_extra",
	"vector_stale",
	"vector_duplicated",
	"vector_corrupt",
	"vector_source_corrupt",
	"working_memory_stale",
	"pointer_broken",
	"version_corrupt",
	"version_missing",
	"version_extra",
	"span_wrong",
	"name_missing",
	"name_extra",
	"link_orphaned",
	"derivation_wrong",
	"source_lost",
	"log_corrupt",
	"header_corrupt",
	"checkpoint_corrupt",
	"watermark_wrong",
	"root_differs",
	"count_differs",
	"installation_differs",
	"index_unhealthy",
	"size_exceeded",
	"node_differs",
] as const;
export type FindingClass = (typeof FINDING_CLASSES)[number];

export type StoreName = "postgres" | "lancedb" | "working_memory" | "node";

/** Where it is. What does not apply is undefined. */
export interface Subject {
	readonly store: StoreName;
	/** Table or collection in that store. */
	readonly table: string;
	readonly memoryKey: MemoryKey | undefined;
	readonly namespace: string | undefined;
	readonly id: string | undefined;
	readonly versionId: VersionId | undefined;
	/** Row of `versions`, `blocks` or `checkpoints`: its first height and generation. */
	readonly fromBlock: Height | undefined;
	readonly fromGen: bigint | undefined;
	/** Log position, for the log. */
	readonly position: bigint | undefined;
	readonly collection: string | undefined;
}

export interface Finding {
	readonly chainId: ChainId;
	/** Name of the rule that found it. */
	readonly rule: string;
	readonly class: FindingClass;
	readonly severity: Severity;
	readonly subject: Subject;
	/** What is wrong, with the values. */
	readonly message: string;
	/** Height since which answers may have been wrong; undefined: not known, or no height is concerned. */
	readonly since: Height | undefined;
	/** repair: `recant repair` mends it. person: it cannot be made again; `commands` says what to look at. */
	readonly remedy: {
		readonly by: "repair" | "person";
		readonly commands: readonly string[];
	};
}
