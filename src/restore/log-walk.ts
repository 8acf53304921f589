/**
 * Walks the log forward and gives the writes that the state at (present generation, height) is made of,
 * each in the slot where it took effect.
 *
 * 1. A write counts when no later rollback went back below its slot: `slot ≤ ancestor` of every rollback
 *    that comes after its entry. What a rollback took back and carried on has a verdict of its own, with a
 *    slot of its own; what the writer did by itself is logged anew.
 * 2. Slots never fall in log order among those that count, since a rollback's replay begins above its
 *    ancestor. So steps may be applied as they come, and nothing has to be kept.
 * 3. Version ids are dense in log order: an entry that writes takes one, a group as many as it derived and
 *    as its other entries took. An entry that says otherwise is damaged.
 * 4. A group that a rollback below finality cut, or that reaches above a height where the chain may have
 *    forked since, is derived only as far as it stands: the node has other blocks above, or will have.
 * 5. Verdicts, and what the writer does by itself, stand before the entry of the group that they belong to.
 *    So they are kept back until it is known whether one follows.
 *
 * Pure; entries come in order, in pieces of any size.
 */
import { FatalError } from "../domain/errors.ts";
import type { Height, LogPosition, VersionId } from "../domain/ids.ts";
import type { JsonObject } from "../domain/operation.ts";
import { baseOf, heightIn, numberIn } from "./log-body.ts";
import type { LoggedEntry, RollbackMark } from "./log-reader.ts";
import { isKeptBack, type LoggedWrite, slotOf, writes, writtenBy } from "./log-writes.ts";

/** Where a walk begins: behind a sealed block, whose state is there already. */
export interface WalkStart {
	/** Highest height whose state is there; −1: none is. */
	readonly height: Height;
	/** Entries above it are walked. */
	readonly position: LogPosition;
	/** Last version id given out up to that position. */
	readonly versionSeq: VersionId;
}

export const FROM_NOTHING: WalkStart = { height: -1n, position: 0n, versionSeq: 0n };

export type WriteStep = LoggedWrite & { readonly versionId: VersionId };

/** An entry of a group, beside what its handlers derived. */
export interface RecordedEntry {
	readonly position: LogPosition;
	readonly slot: Height;
	/** Undefined: it writes nothing. */
	readonly write: LoggedWrite | undefined;
}

/** Blocks whose handlers' operations the log does not hold: they are derived again. */
export interface GroupStep {
	readonly type: "group";
	/** Both inclusive. */
	readonly from: Height;
	readonly to: Height;
	/** Before the group. */
	readonly base: { readonly position: LogPosition; readonly versionId: VersionId };
	/** By rising position. */
	readonly recorded: readonly RecordedEntry[];
	/** The group's entry. */
	readonly entry: JsonObject;
	/** Whether the blocks are all of the group's, so that they must give the entry again. */
	readonly whole: boolean;
}

export type Step = WriteStep | GroupStep;

export class LogWalk {
	readonly #from: Height;
	readonly #start: LogPosition;
	readonly #limits: readonly { readonly position: LogPosition; readonly height: Height }[];
	readonly #target: Height;
	/** Highest height that the node can be trusted to have as it was derived; undefined: all. */
	readonly #shared: Height | undefined;
	/** First limit whose rollback comes after the entry at hand. */
	#limit = 0;
	#versionId: VersionId;
	/** Entries that may belong to a group that comes next. */
	#keptBack: LoggedEntry[] = [];

	/**
	 * `rollbacks`: those that lead to the generation, by rising position. `isForked`: the chain may be another
	 * one above the height.
	 */
	constructor(
		start: WalkStart,
		to: {
			readonly height: Height;
			readonly rollbacks: readonly RollbackMark[];
			readonly isForked?: boolean | undefined;
		},
	) {
		this.#from = start.height;
		this.#start = start.position;
		this.#versionId = start.versionSeq;
		this.#target = to.height;
		this.#shared = to.isForked === true ? to.height : undefined;
		this.#limits = lowestAfter(to.rollbacks);
	}

	/** What the entries give; some at their end may be kept back. */
	take(entries: readonly LoggedEntry[]): readonly Step[] {
		return entries.flatMap((entry) => this.#take(entry));
	}

	/** What was kept back. */
	end(): readonly Step[] {
		return this.#settle();
	}

	#take(entry: LoggedEntry): readonly Step[] {
		if (isKeptBack(entry)) {
			this.#keptBack.push(entry);
			return [];
		}
		if (entry.kind === "derived") return this.#group(entry);
		const before = this.#settle();
		if (entry.kind === "rollback") return before;
		return [...before, ...this.#write(entry)];
	}

	#settle(upTo?: LogPosition): readonly Step[] {
		const settled = this.#keptBack.filter(({ position }) => upTo === undefined || position <= upTo);
		this.#keptBack = this.#keptBack.slice(settled.length);
		return settled.flatMap((entry) => this.#write(entry));
	}

	#write(entry: LoggedEntry): readonly Step[] {
		if (!writes(entry)) return [];
		this.#versionId += 1n;
		const { position, kind, body } = entry;
		if (kind === "operation" && numberIn(body, "versionId", position) !== this.#versionId) {
			throw damaged(position, `its version id is not ${this.#versionId}`);
		}
		if (!this.#counts(position, slotOf(entry))) return [];
		return [{ ...writtenBy(entry), versionId: this.#versionId }];
	}

	#group(entry: LoggedEntry): readonly Step[] {
		const { position, body } = entry;
		const from = heightIn(body, "from", position);
		const to = heightIn(body, "to", position);
		// Snapshots of once say of a group's last block the position before the group's own entry.
		if (to <= this.#from) return this.#settle();
		const stated = baseOf(body, position);
		const before = this.#settle(stated.position);
		// A checkpoint can stand inside a group; then the rest of it goes on from there.
		const whole = from > this.#from;
		const base = whole ? stated : { position: this.#start, versionId: this.#versionId };
		if (base.versionId !== this.#versionId) {
			throw damaged(position, `it begins at version ${base.versionId}, not ${this.#versionId}`);
		}
		const kept = this.#keptBack;
		this.#keptBack = [];
		this.#versionId = numberIn(body, "versionId", position);
		const begin = whole ? from : this.#from + 1n;
		if (!this.#counts(position, begin)) return before;
		// What is final is taken back by recoveries alone, so mostly the first block speaks for all.
		const last = this.#lastOf(to);
		const recorded = kept.map(recordedEntry).filter(({ slot }) => slot <= last);
		const step = { from: begin, to: last, base, recorded, entry: body };
		return [...before, { type: "group", ...step, whole: whole && last === to }];
	}

	/** Last block of a group that stands; once `#counts` was asked for the group. */
	#lastOf(to: Height): Height {
		const limits = [this.#limits[this.#limit]?.height, this.#shared];
		return limits.reduce<Height>(
			(last, limit) => (limit !== undefined && limit < last ? limit : last),
			to,
		);
	}

	/** Entries come by rising position. */
	#counts(position: LogPosition, slot: Height): boolean {
		for (;;) {
			const limit = this.#limits[this.#limit];
			if (limit === undefined) return slot > this.#from && slot <= this.#target;
			if (limit.position > position) {
				return slot > this.#from && slot <= this.#target && slot <= limit.height;
			}
			this.#limit += 1;
		}
	}
}

/** For each rollback the lowest ancestor of it and of those after it. */
function lowestAfter(rollbacks: readonly RollbackMark[]) {
	let height: Height | undefined;
	return rollbacks
		.toReversed()
		.map(({ position, ancestor }) => {
			height = height === undefined || ancestor < height ? ancestor : height;
			return { position, height };
		})
		.reverse();
}

function recordedEntry(entry: LoggedEntry): RecordedEntry {
	const { position } = entry;
	return { position, slot: slotOf(entry), write: writes(entry) ? writtenBy(entry) : undefined };
}

function damaged(position: LogPosition, what: string): FatalError {
	return new FatalError("verification_failed", {
		message: `the log entry at position ${position} contradicts those before it: ${what}`,
		hint: "the log was changed outside of Recant; restore the database from a backup",
		fields: { position: position.toString() },
	});
}
