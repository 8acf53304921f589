/** What the table of derivations has to say of an operation: it follows from the operation's log entry. Pure. */
import { RecantError } from "../domain/errors.ts";
import type { LogPosition } from "../domain/ids.ts";
import { NO_ANCHORS } from "../domain/operation.ts";
import type { SourceRef, Sources } from "../domain/provenance.ts";
import { parseContent } from "../memory/canonical.ts";
import { groundOf, heldKey, sourceKey } from "../memory/ground.ts";
import { memoryKey } from "../memory/memory-key.ts";
import { fromWire } from "../memory/operation-codec.ts";
import type { StoredLogEntry } from "./stored-log-entry.ts";
import type { DerivationPlace, HeldVersion, StoredDerivation } from "./stored-provenance.ts";

/** All but how deep it is derived, which the entry does not say. */
export type WantedDerivation = Omit<StoredDerivation, "depth">;

/** What an entry says of an operation's sources. */
export interface LoggedSources {
	readonly sources: Sources;
	/** Whether the writer derived it itself. */
	readonly isSystems: boolean;
	readonly rows: readonly WantedDerivation[];
}

/** Undefined: the entry is damaged, and says nothing. */
export function loggedSources(entry: StoredLogEntry): LoggedSources | undefined {
	if (!entry.intact) return undefined;
	if (entry.kind !== "operation") return NOTHING;
	const body = readable(entry.body);
	if (body?.["derivedFrom"] === undefined) return body && NOTHING;
	const { operation, sources } = fromWire(body);
	const derived = memoryKey(operation.namespace, operation.id);
	const rows = sources.flatMap((set, setNo) =>
		set.map((source, sourceNo) => ({
			position: entry.position,
			setNo,
			sourceNo,
			memoryKey: derived,
			sourceKey: sourceKey(source),
			source,
		})),
	);
	return { sources, isSystems: body["owner"] === "system", rows };
}

const NOTHING: LoggedSources = { sources: [], isSystems: false, rows: [] };

export function isSameDerivation(a: WantedDerivation, b: WantedDerivation): boolean {
	return (
		comparePlaces(a, b) === 0 &&
		a.memoryKey === b.memoryKey &&
		a.sourceKey === b.sourceKey &&
		isSameSource(a.source, b.source)
	);
}

/** As `sort` asks for it. */
export function comparePlaces(a: DerivationPlace, b: DerivationPlace): number {
	if (a.position !== b.position) return a.position < b.position ? -1 : 1;
	return a.setNo - b.setNo || a.sourceNo - b.sourceNo;
}

/**
 * How deep an operation was derived, by the versions that its sources name; undefined: not all of a set are there
 * any more. `depths`: of operations whose rows are made again as well.
 */
export function depthAgain(
	{ sources, isSystems }: LoggedSources,
	held: ReadonlyMap<string, HeldVersion>,
	depths: ReadonlyMap<LogPosition, number>,
): number | undefined {
	// The writer does not look into what it consolidates.
	if (isSystems) return 1;
	const ground = groundOf({ anchors: NO_ANCHORS, sources }, (source) => {
		const version = held.get(heldKey(sourceKey(source), source.contentHash));
		return version && { ...version, depth: depths.get(version.position) ?? version.depth };
	});
	return ground.type === "holds" ? ground.depth : undefined;
}

function isSameSource(a: SourceRef, b: SourceRef): boolean {
	return a.namespace === b.namespace && a.id === b.id && a.contentHash === b.contentHash;
}

function readable(text: string) {
	try {
		return parseContent(text);
	} catch (error) {
		if (error instanceof RecantError) return undefined;
		throw error;
	}
}
