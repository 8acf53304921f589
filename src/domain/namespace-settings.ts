/** What a namespace of agents is told to do. Left out: nothing of the kind. */
import type { Layer } from "./layer.ts";
import type { JsonObject } from "./operation.ts";
import type { LossPolicy } from "./provenance.ts";

/**
 * How short-term memories and episodes become long-term ones. Memories are put into groups by a field of
 * their content; each group that the rule takes becomes one long-term memory, derived from its members.
 */
export interface ConsolidationRule {
	/** Part of the id of what it makes. */
	readonly name: string;
	/** Layers that are looked at: short_term, episodic. */
	readonly layers: readonly Layer[];
	/** Top-level field of the content by which memories are put together; undefined: all are one group. */
	readonly groupBy: string | undefined;
	readonly take: /** Groups of at least so many members. */
		| { readonly kind: "frequency"; readonly atLeast: number }
		/** Members whose importance is at least so high, each group of at least one of them. */
		| { readonly kind: "importance"; readonly atLeast: number }
		/** One of the chain file's `consolidations`, by name. */
		| { readonly kind: "function"; readonly name: string };
	/** Heights that are multiples of it; undefined: on demand only. */
	readonly everyBlocks: number | undefined;
	/** Blocks in which the confidence of what it makes halves, unless it is found again; undefined: it stays. */
	readonly halfLifeBlocks: number | undefined;
}

export interface NamespaceSettings {
	/** Short-term memories that are kept; the oldest written goes first. */
	readonly shortTermCapacity: number | undefined;
	/** For operations that name none; default recant. */
	readonly policy: LossPolicy | undefined;
	/** JSON Schema (2020-12) that the content of puts and patched memories must meet, by layer. */
	readonly schemas: Readonly<Partial<Record<Layer, JsonObject>>> | undefined;
	readonly consolidation: readonly ConsolidationRule[];
}

export const NO_SETTINGS: NamespaceSettings = {
	shortTermCapacity: undefined,
	policy: undefined,
	schemas: undefined,
	consolidation: [],
};
