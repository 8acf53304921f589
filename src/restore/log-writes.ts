/** What single entries of the log write: agents' and handlers' operations, verdicts, the writer's own. */
import { FatalError } from "../domain/errors.ts";
import type { Height, LogPosition } from "../domain/ids.ts";
import type { MemoryBody, Operation } from "../domain/operation.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import type { Rests } from "../writer/log-draft.ts";
import {
	agentOperation,
	conditionIn,
	handlerOperation,
	heightIn,
	namedIn,
	putBody,
	restsIn,
} from "./log-body.ts";
import type { Admitted, LoggedEntry } from "./log-reader.ts";

interface Placed {
	/** Height at which it takes effect. */
	readonly slot: Height;
	/** Order in which it was written, see domain/memory.ts. */
	readonly position: LogPosition;
	readonly namespace: string;
	readonly id: string;
}

export interface AgentWrite extends Placed {
	readonly type: "agent";
	readonly operation: Operation;
	/** See OriginalPlace in writer/log-draft.ts. */
	readonly conditionPosition: LogPosition | undefined;
	readonly rests: Rests;
	/** See Verdict in writer/log-draft.ts. */
	readonly isEnded: boolean;
}

export interface HandlerWrite extends Placed {
	readonly type: "handler";
	readonly operation: HandlerOperation;
}

/** What the operation of that position said is said once more, resting on something else. */
export interface ClearedWrite extends Placed {
	readonly type: "cleared";
	readonly rests: Rests;
}

/** What a rule of consolidation made. */
export interface ConsolidatedWrite extends Placed {
	readonly type: "consolidated";
	readonly body: MemoryBody;
	readonly rests: Rests;
}

/** The end of a memory that nobody asked for; `position` is not its own: see Assembly.end. */
export interface EndedWrite extends Placed {
	readonly type: "ended";
}

export type LoggedWrite = AgentWrite | HandlerWrite | ClearedWrite | ConsolidatedWrite | EndedWrite;

/** Whether the entry may belong to a group whose own entry follows. */
export function isKeptBack({ kind, body }: LoggedEntry): boolean {
	return kind === "verdict" || (kind === "operation" && body["owner"] === "system");
}

/** Whether the entry makes a version. `consolidates`: whether a verdict's operation is a consolidation. */
export function writes(
	entry: Pick<LoggedEntry, "admitted" | "body" | "kind">,
	consolidates = isConsolidation(entry.admitted?.body),
): boolean {
	const { kind, body } = entry;
	if (kind === "operation") return !isConsolidation(body);
	if (kind !== "verdict") return false;
	const { verdict } = body;
	return verdict === "cleared" || (isApplied(verdict) && !consolidates);
}

/** What is consolidated is written by entries of its own. */
export function isConsolidation(body: LoggedEntry["body"] | undefined): boolean {
	return body?.["owner"] === "agent" && body["kind"] === "consolidate";
}

/** Slot of what the entry writes, or of what it says. */
export function slotOf(entry: LoggedEntry): Height {
	const { kind, body, position } = entry;
	if (kind !== "verdict" || body["slot"] === undefined) return entry.height;
	return heightIn(body, "slot", position);
}

/** Of an entry that writes. Throws `FatalError("verification_failed" | "history_pruned")`. */
export function writtenBy(entry: LoggedEntry): LoggedWrite {
	const slot = slotOf(entry);
	const { kind, position, body } = entry;
	if (kind === "verdict") return judgedWrite(entry, slot);
	const placed = { slot, position, ...namedIn(body, position) };
	switch (body["owner"]) {
		case "handler":
			return { type: "handler", ...placed, operation: handlerOperation(entry) };
		case "system":
			return body["kind"] === "expire"
				? { type: "ended", ...placed }
				: {
						type: "consolidated",
						...placed,
						body: putBody(body, position),
						rests: restsIn(body, position),
					};
		default: {
			const operation = agentOperation(body);
			const rests = restsIn(body, position);
			return {
				type: "agent",
				...placed,
				operation,
				conditionPosition: conditionIn(body, position),
				rests,
				isEnded: false,
			};
		}
	}
}

function judgedWrite(entry: LoggedEntry, slot: Height): LoggedWrite {
	const { position, body } = admittedBy(entry);
	const rests = restsIn(entry.body, entry.position);
	const placed = { slot, position, ...namedIn(body, position) };
	if (entry.body["verdict"] === "cleared") return { type: "cleared", ...placed, rests };
	const operation = agentOperation(body);
	const conditionPosition = conditionIn(body, position);
	const isEnded = entry.body["ended"] === true;
	return { type: "agent", ...placed, operation, conditionPosition, rests, isEnded };
}

function isApplied(verdict: unknown): boolean {
	return verdict === "replayed" || verdict === "reinstated";
}

function admittedBy({ position, operationId, admitted }: LoggedEntry): Admitted {
	if (admitted !== undefined) return admitted;
	throw new FatalError("history_pruned", {
		message: `the entry of operation ${operationId}, which the verdict at log position ${position} is about, was cut`,
		hint: "restore from a newer snapshot",
		fields: { position: position.toString() },
	});
}
