/**
 * Walks the log forward and gives the operations that the state at (present generation, height) is
 * made of, each in the slot where it took effect.
 *
 * 1. An operation counts when no later rollback went back below its slot: `slot ≤ ancestor` of every
 *    rollback that comes after its entry. What a rollback took back and carried on has a verdict of its
 *    own, with a slot of its own.
 * 2. Slots never fall in log order among those that count, since a rollback's replay begins above its
 *    ancestor. So steps may be applied as they come, and nothing has to be kept.
 * 3. Version ids are dense in log order: an operation and a verdict that applies take one each, a group
 *    as many as it derived and reinstated. An entry that says otherwise is damaged.
 *
 * Pure; entries come in order, in pieces of any size.
 */
import { FatalError } from "../domain/errors.ts";
import type { Height, LogPosition, VersionId } from "../domain/ids.ts";
import type { JsonObject, Operation } from "../domain/operation.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import type { OpenOperation } from "../writer/writer-store.ts";
import {
	agentOperation,
	baseOf,
	handlerOperation,
	heightIn,
	numberIn,
	openAt,
} from "./log-body.ts";
import type { Admitted, LoggedEntry, RollbackMark } from "./log-reader.ts";

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

interface Placed {
	/** Height at which it takes effect. */
	readonly slot: Height;
	/** Order in which it was written, see domain/memory.ts. */
	readonly position: LogPosition;
	readonly versionId: VersionId;
}

export interface AgentStep extends Placed {
	readonly type: "agent";
	readonly operation: Operation;
	/** See OriginalPlace in writer/log-draft.ts. */
	readonly conditionPosition: LogPosition | undefined;
}

export interface HandlerStep extends Placed {
	readonly type: "handler";
	readonly operation: HandlerOperation;
}

/** Blocks whose operations the log does not hold: they are derived again. */
export interface GroupStep {
	readonly type: "group";
	/** Both inclusive. */
	readonly from: Height;
	readonly to: Height;
	/** Before the group. */
	readonly base: { readonly position: LogPosition; readonly versionId: VersionId };
	/** Suspended operations that the group judged again. */
	readonly judged: readonly OpenOperation[];
	/** The group's entry. */
	readonly recorded: JsonObject;
	/** Whether the blocks are all of the group's, so that they must give the entry again. */
	readonly whole: boolean;
}

export type Step = AgentStep | HandlerStep | GroupStep;

export class LogWalk {
	readonly #from: Height;
	readonly #start: LogPosition;
	readonly #limits: readonly { readonly position: LogPosition; readonly height: Height }[];
	readonly #target: Height;
	/** First limit whose rollback comes after the entry at hand. */
	#limit = 0;
	#versionId: VersionId;
	/** Verdicts that may belong to a group that comes next. */
	#verdicts: LoggedEntry[] = [];

	/** `rollbacks`: those that lead to the generation, by rising position. */
	constructor(
		start: WalkStart,
		to: { readonly height: Height; readonly rollbacks: readonly RollbackMark[] },
	) {
		this.#from = start.height;
		this.#start = start.position;
		this.#versionId = start.versionSeq;
		this.#target = to.height;
		this.#limits = lowestAfter(to.rollbacks);
	}

	/** What the entries give; verdicts at their end are kept back. */
	take(entries: readonly LoggedEntry[]): readonly Step[] {
		return entries.flatMap((entry) => this.#take(entry));
	}

	/** What was kept back. */
	end(): readonly Step[] {
		return this.#settleVerdicts();
	}

	#take(entry: LoggedEntry): readonly Step[] {
		if (entry.kind === "verdict") {
			this.#verdicts.push(entry);
			return [];
		}
		if (entry.kind === "derived") return this.#group(entry);
		const before = this.#settleVerdicts();
		if (entry.kind === "rollback") return before;
		return [...before, ...this.#operation(entry)];
	}

	#operation(entry: LoggedEntry): readonly Step[] {
		const { position, height: slot, body } = entry;
		this.#versionId += 1n;
		if (numberIn(body, "versionId", position) !== this.#versionId) {
			throw damaged(position, `its version id is not ${this.#versionId}`);
		}
		if (!this.#counts(position, slot)) return [];
		const placed = { slot, position, versionId: this.#versionId };
		if (body["owner"] === "handler") {
			return [{ type: "handler", ...placed, operation: handlerOperation(entry) }];
		}
		return [{ type: "agent", ...placed, ...agentOperation(body) }];
	}

	#settleVerdicts(upTo?: LogPosition): readonly Step[] {
		const settled = this.#verdicts.filter(({ position }) => upTo === undefined || position <= upTo);
		this.#verdicts = this.#verdicts.slice(settled.length);
		return settled.flatMap((entry) => this.#verdict(entry));
	}

	#verdict(entry: LoggedEntry): readonly Step[] {
		if (!applies(entry)) return [];
		this.#versionId += 1n;
		const slot = heightIn(entry.body, "slot", entry.position);
		if (!this.#counts(entry.position, slot)) return [];
		const { position, body } = admittedBy(entry);
		const placed = { slot, position, versionId: this.#versionId };
		return [{ type: "agent", ...placed, ...agentOperation(body) }];
	}

	#group(entry: LoggedEntry): readonly Step[] {
		const { position, body } = entry;
		const from = heightIn(body, "from", position);
		const to = heightIn(body, "to", position);
		// A checkpoint at the group's last block stands before the group's own entry.
		if (to <= this.#from) return this.#settleVerdicts();
		const recorded = baseOf(body, position);
		const before = this.#settleVerdicts(recorded.position);
		// A checkpoint can stand inside a group; then the rest of it goes on from there.
		const whole = from > this.#from;
		const base = whole ? recorded : { position: this.#start, versionId: this.#versionId };
		if (base.versionId !== this.#versionId) {
			throw damaged(position, `it begins at version ${base.versionId}, not ${this.#versionId}`);
		}
		const judged = this.#verdicts;
		this.#verdicts = [];
		this.#versionId = numberIn(body, "versionId", position);
		// What is final is taken back by nobody, so the first block speaks for all.
		const begin = whole ? from : this.#from + 1n;
		if (!this.#counts(position, begin)) return before;
		const open = judged.map((verdict) => openAt(verdict, admittedBy(verdict)));
		const step = { from: begin, to, base, judged: open, recorded: body, whole };
		return [...before, { type: "group", ...step }];
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

function applies({ body }: LoggedEntry): boolean {
	return body["verdict"] === "replayed" || body["verdict"] === "reinstated";
}

function admittedBy({ position, operationId, admitted }: LoggedEntry): Admitted {
	if (admitted !== undefined) return admitted;
	throw new FatalError("history_pruned", {
		message: `the entry of operation ${operationId}, which the verdict at log position ${position} is about, was cut`,
		hint: "restore from a newer snapshot",
		fields: { position: position.toString() },
	});
}

function damaged(position: LogPosition, what: string): FatalError {
	return new FatalError("verification_failed", {
		message: `the log entry at position ${position} contradicts those before it: ${what}`,
		hint: "the log was changed outside of Recant; restore the database from a backup",
		fields: { position: position.toString() },
	});
}
