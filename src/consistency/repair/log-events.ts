/**
 * The log as a repair reads it: what each entry wrote, with the version ids that it gave out, and where the
 * log itself is damaged. A damaged entry is named and passed over; nothing is guessed from it.
 *
 * Version ids are dense in log order: an entry that writes takes one, a group as many as it derived and as
 * its other entries took. Verdicts, and what the writer does by itself, are kept back until it is known
 * whether the entry of their group follows.
 */

import { RecantError } from "../../domain/errors.ts";
import type { Height, LogPosition, MemoryKey, OperationId, VersionId } from "../../domain/ids.ts";
import type { JsonObject } from "../../domain/operation.ts";
import { parseContent } from "../../memory/canonical.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import { baseOf, heightIn, numberIn } from "../../restore/log-body.ts";
import { type LoggedEntry, STATE_KINDS, type StateKind } from "../../restore/log-reader.ts";
import { isConsolidation, isKeptBack, writes } from "../../restore/log-writes.ts";
import type { StoredLogEntry } from "../stored-log-entry.ts";
import type { StoredState } from "../stored-state.ts";

/** An entry that is whole. */
export interface ReadEntry extends LoggedEntry {
	readonly generation: bigint;
	readonly memoryKey: MemoryKey | undefined;
}

export interface GroupEvent {
	readonly type: "group";
	readonly entry: ReadEntry;
	readonly from: Height;
	readonly to: Height;
	readonly base: { readonly position: LogPosition; readonly versionId: VersionId };
	/** The group's other entries. */
	readonly recorded: readonly RecordedEvent[];
	/** Last version id that the group gave out. */
	readonly versionId: VersionId;
}

/** An entry of a group, beside what its handlers derived. */
export interface RecordedEvent {
	readonly entry: ReadEntry;
	/** Whether it made a version. */
	readonly writes: boolean;
}

export type LogEvent =
	/** An entry that made a version. */
	| { readonly type: "write"; readonly entry: ReadEntry; readonly versionId: VersionId }
	| GroupEvent
	| {
			readonly type: "block";
			readonly position: LogPosition;
			readonly generation: bigint;
			readonly height: Height;
			readonly body: JsonObject;
			/** Last version id given out up to it. */
			readonly versionId: VersionId;
	  }
	| {
			readonly type: "flaw";
			readonly position: LogPosition;
			/** Memories that the entry may be about; undefined: any. */
			readonly memories: ReadonlySet<MemoryKey> | undefined;
			readonly what: string;
	  };

/** Every entry that is left, from the first on. */
export async function* logEvents(state: StoredState): AsyncGenerator<LogEvent, void> {
	const walk = new EventWalk();
	const { logCutTo, logPosition } = state.chain;
	if (logCutTo > 0n) yield flaw(logCutTo, undefined, `it was cut up to position ${logCutTo}`);
	let next = logCutTo + 1n;
	for await (const page of state.log()) {
		for (const entry of page) {
			if (entry.position !== next) yield flaw(next, undefined, `entry ${next} is missing`);
			next = entry.position + 1n;
			yield* walk.take(entry);
		}
	}
	yield* walk.end();
	if (next <= logPosition) yield flaw(next, undefined, `entry ${next} is missing`);
}

class EventWalk {
	#versionId: VersionId = 0n;
	/** Entries that may belong to a group that comes next. */
	#keptBack: ReadEntry[] = [];
	/** Operations that ask for a consolidation, which itself writes nothing. */
	readonly #consolidations = new Set<OperationId>();

	*take(stored: StoredLogEntry): Generator<LogEvent, void> {
		const body = stored.intact ? readBody(stored.body) : undefined;
		if (body === undefined) {
			yield* this.#settle();
			yield flaw(stored.position, aboutOf(stored), `entry ${stored.position} is damaged`);
			return;
		}
		if (stored.kind === "block") {
			yield* this.#settle();
			const { position, generation, height } = stored;
			yield { type: "block", position, generation, height, body, versionId: this.#versionId };
			return;
		}
		if (isStateKind(stored.kind)) yield* this.#state(readEntry(stored, stored.kind, body));
		else yield* this.#settle();
	}

	*end(): Generator<LogEvent, void> {
		yield* this.#settle();
	}

	*#state(entry: ReadEntry): Generator<LogEvent, void> {
		if (isKeptBack(entry)) {
			this.#keptBack.push(entry);
			return;
		}
		if (entry.kind === "derived") {
			yield* this.#group(entry);
			return;
		}
		yield* this.#settle();
		yield* this.#write(entry);
	}

	*#write(entry: ReadEntry): Generator<LogEvent, void> {
		const { kind, body, position, operationId } = entry;
		if (operationId !== undefined && isConsolidation(body)) this.#consolidations.add(operationId);
		if (!this.#writes(entry)) return;
		this.#versionId =
			kind === "operation" ? numberIn(body, "versionId", position) : this.#versionId + 1n;
		yield { type: "write", entry, versionId: this.#versionId };
	}

	*#group(entry: ReadEntry): Generator<LogEvent, void> {
		const { body, position } = entry;
		const base = baseOf(body, position);
		yield* this.#settle(base.position);
		const recorded = this.#keptBack.map((kept) => ({ entry: kept, writes: this.#writes(kept) }));
		this.#keptBack = [];
		this.#versionId =
			base.versionId +
			numberIn(body, "operations", position) +
			BigInt(recorded.filter((each) => each.writes).length);
		const from = heightIn(body, "from", position);
		const to = heightIn(body, "to", position);
		yield { type: "group", entry, from, to, base, recorded, versionId: this.#versionId };
	}

	*#settle(upTo?: LogPosition): Generator<LogEvent, void> {
		const settled = this.#keptBack.filter(({ position }) => upTo === undefined || position <= upTo);
		this.#keptBack = this.#keptBack.slice(settled.length);
		for (const entry of settled) yield* this.#write(entry);
	}

	#writes(entry: ReadEntry): boolean {
		const { operationId } = entry;
		return writes(entry, operationId !== undefined && this.#consolidations.has(operationId));
	}
}

function readEntry(stored: StoredLogEntry, kind: StateKind, body: JsonObject): ReadEntry {
	const { position, height, generation, memoryKey: key } = stored;
	const operationId = stored.operationId as OperationId | undefined;
	return {
		position,
		height,
		generation,
		kind,
		operationId,
		memoryKey: key,
		body,
		admitted: undefined,
	};
}

function isStateKind(kind: string): kind is StateKind {
	return (STATE_KINDS as readonly string[]).includes(kind);
}

function readBody(text: string): JsonObject | undefined {
	try {
		return parseContent(text);
	} catch (error) {
		if (error instanceof RecantError) return undefined;
		throw error;
	}
}

/** One column is damaged: either the key or the body still says whose entry it is. */
function aboutOf(stored: StoredLogEntry): ReadonlySet<MemoryKey> | undefined {
	if (stored.kind !== "operation" && stored.kind !== "verdict") return undefined;
	const { namespace, id } = readBody(stored.body) ?? {};
	if (typeof namespace !== "string" || typeof id !== "string") return undefined;
	if (!namespace.isWellFormed() || !id.isWellFormed()) return undefined;
	const named = memoryKey(namespace, id);
	return new Set(stored.memoryKey === undefined ? [named] : [named, stored.memoryKey]);
}

function flaw(
	position: LogPosition,
	memories: ReadonlySet<MemoryKey> | undefined,
	what: string,
): LogEvent {
	return { type: "flaw", position, memories, what };
}
