/** What a search asks of a memory beside the words and vectors: all of it is decided on the visible version. */
import { FatalError } from "../../domain/errors.ts";
import type { Height } from "../../domain/ids.ts";
import { isLinkId } from "../../domain/link.ts";
import type { Version } from "../../domain/memory.ts";
import type { JsonValue } from "../../domain/operation.ts";
import type { Finality } from "../../domain/provenance.ts";
import { confidenceNow } from "../../memory/confidence-decay.ts";
import { type FinalityMarks, finalityOf, isAtLeast } from "../../memory/grounds.ts";

export type WhereScalar = string | number | boolean | null;

/**
 * Of one top-level field of the content: equal to a value, or one of several, or within bounds. Numbers are
 * compared with numbers and texts with texts, by UTF-16 unit; whatever is of another kind does not match.
 */
export type WhereTest =
	| WhereScalar
	| {
			readonly in?: readonly WhereScalar[] | undefined;
			readonly gt?: string | number | undefined;
			readonly gte?: string | number | undefined;
			readonly lt?: string | number | undefined;
			readonly lte?: string | number | undefined;
	  };

export type Where = Readonly<Record<string, WhereTest>>;

export interface SearchFilter {
	/** All of them must hold. */
	readonly where: Where | undefined;
	readonly minImportance: number | undefined;
	/** Of the confidence as it has faded at the coordinate. */
	readonly minConfidence: number | undefined;
	readonly minFinality?: Finality | undefined;
	/** Heights at which the version begins, both inclusive. */
	readonly since?: Height | undefined;
	readonly until?: Height | undefined;
}

/** Links are no memories that somebody looks for: they show in the graph. */
export function passes(
	version: Version,
	filter: SearchFilter,
	{ height, marks }: { readonly height: Height; readonly marks: FinalityMarks },
): boolean {
	const { where, minImportance, minConfidence, minFinality, since, until } = filter;
	if (isLinkId(version.id)) return false;
	if (since !== undefined && version.fromBlock < since) return false;
	if (until !== undefined && version.fromBlock > until) return false;
	if (minImportance !== undefined && (version.importance ?? 0) < minImportance) return false;
	if (minConfidence !== undefined && (confidenceNow(version, height) ?? 0) < minConfidence)
		return false;
	if (minFinality !== undefined && !isAtLeast(finalityOf(version, marks), minFinality))
		return false;
	return Object.entries(where ?? {}).every(([field, test]) =>
		matches(fieldOf(version, field), test),
	);
}

/** True: most visible versions may fail it, and only Postgres can say. */
export function isSelective({ where, minImportance, minConfidence, minFinality }: SearchFilter) {
	return [where, minImportance, minConfidence, minFinality].some((each) => each !== undefined);
}

/** Own fields alone: no content has a `constructor` that it did not say. */
function fieldOf({ content }: Version, field: string): JsonValue | undefined {
	return content !== undefined && Object.hasOwn(content, field) ? content[field] : undefined;
}

function matches(value: JsonValue | undefined, test: WhereTest): boolean {
	if (value === undefined) return false;
	if (test === null || typeof test !== "object") return value === test;
	const { in: among, gt, gte, lt, lte } = test;
	if (among !== undefined && !among.some((each) => each === value)) return false;
	return (
		holds(value, gt, (order) => order > 0) &&
		holds(value, gte, (order) => order >= 0) &&
		holds(value, lt, (order) => order < 0) &&
		holds(value, lte, (order) => order <= 0)
	);
}

function holds(
	value: JsonValue,
	bound: string | number | undefined,
	accepts: (order: number) => boolean,
): boolean {
	if (bound === undefined) return true;
	if (typeof value === "number" && typeof bound === "number") return accepts(value - bound);
	if (typeof value !== "string" || typeof bound !== "string") return false;
	return accepts(value < bound ? -1 : value > bound ? 1 : 0);
}

/** Namespaces that are searched; undefined: all. Throws `forbidden_namespace`. */
export function searchedNamespaces({
	namespace,
	namespaceIn,
	namespaces,
}: {
	readonly namespace: string | undefined;
	readonly namespaceIn?: readonly string[] | undefined;
	readonly namespaces?: readonly string[] | undefined;
}): readonly string[] | undefined {
	if (namespace !== undefined) return [namespace];
	if (namespaceIn === undefined) return namespaces;
	const hidden = namespaceIn.find((each) => namespaces !== undefined && !namespaces.includes(each));
	if (hidden === undefined) return namespaceIn;
	throw new FatalError("forbidden_namespace", {
		message: `the API key does not open namespace "${hidden}"`,
		hint: "name only namespaces that the key was made for",
		fields: { namespace: hidden },
	});
}
