/** The log side of one commit: entries with dense, rising positions, and where operations stand. */
import type {
	Generation,
	Height,
	LogPosition,
	MemoryKey,
	OperationId,
	VersionId,
} from "../domain/ids.ts";
import type { JsonObject, OperationReason } from "../domain/operation.ts";
import { canonicalJson } from "../memory/canonical.ts";
import type { Lost } from "../memory/ground.ts";
import { memoryKey } from "../memory/memory-key.ts";
import { type StoredOperation, toWire } from "../memory/operation-codec.ts";
import type { LogEntry, LogKind, OperationUpdate } from "./commit-batch.ts";

/** Where an operation stood when it was first admitted. */
export interface OriginalPlace {
	/** Position that the operation first got. */
	readonly position: LogPosition;
	readonly originalSlot: Height;
	/**
	 * Position of the operation that wrote the version which `ifVersion` names: that stays when forks
	 * give the version new ids. Undefined where no version is named.
	 */
	readonly conditionPosition: LogPosition | undefined;
}

/** cleared: suspect no more. */
export interface Verdict {
	readonly verdict: "replayed" | "reinstated" | "cleared" | "suspended" | "recanted";
	readonly status: OperationUpdate["status"];
	/** Slot in which it takes effect, or in which it is cleared; undefined: in none. */
	readonly slot: Height | undefined;
	/** Slot from which it takes effect where that is another; of what is cleared, the one that it had. */
	readonly effectiveSlot?: Height | undefined;
	readonly versionId: VersionId | undefined;
	readonly reason: OperationUpdate["reason"];
	/** Of the version that it makes. */
	readonly rests: Rests;
	/** What it rests on itself is gone, or suspect; what it patches may be suspect all the same. */
	readonly isMarked: boolean;
	/** True: its time had come before its slot, so it only ended what was there. */
	readonly isEnded?: boolean | undefined;
	/** What it rests on and is not there. */
	readonly lost: readonly Lost[];
}

/** What a version rests on. */
export interface Rests {
	/** Highest block; undefined: none. */
	readonly grounds: Height | undefined;
	readonly suspect: boolean;
}

export const RESTS_ON_NOTHING: Rests = { grounds: undefined, suspect: false };

interface EntryBody {
	readonly operationId?: OperationId;
	readonly memoryKey?: MemoryKey;
	readonly body: JsonObject;
}

export class LogDraft {
	readonly entries: LogEntry[] = [];
	readonly #operations = new Map<OperationId, OperationUpdate>();
	readonly #generation: Generation;
	#position: LogPosition;

	constructor(position: LogPosition, generation: Generation) {
		this.#position = position;
		this.#generation = generation;
	}

	/** Where operations stand; each once. */
	get operations(): readonly OperationUpdate[] {
		return [...this.#operations.values()];
	}

	/** Last position that was given out. */
	get position(): LogPosition {
		return this.#position;
	}

	append(kind: LogKind, height: Height, entry: EntryBody): LogPosition {
		this.#position += 1n;
		this.entries.push({
			position: this.#position,
			generation: this.#generation,
			height,
			kind,
			operationId: entry.operationId,
			memoryKey: entry.memoryKey,
			body: canonicalJson(entry.body),
		});
		return this.#position;
	}

	/** Positions up to that one are given out, to entries that are there already. */
	skipTo(position: LogPosition): void {
		if (position > this.#position) this.#position = position;
	}

	/** Answers the position that the operation got. */
	admitted(
		stored: StoredOperation,
		slot: Height,
		as: Pick<OriginalPlace, "conditionPosition"> &
			Pick<Verdict, "isMarked" | "rests"> & {
				/** Undefined: it makes no version itself. */
				readonly versionId: VersionId | undefined;
			},
	): LogPosition {
		const { versionId, conditionPosition, rests, isMarked } = as;
		const position = this.append("operation", slot, {
			...named(stored),
			body: {
				owner: "agent",
				...(versionId === undefined ? {} : { versionId: versionId.toString() }),
				...(conditionPosition === undefined
					? {}
					: { conditionPosition: conditionPosition.toString() }),
				...restsForLog(rests),
				...toWire(stored),
			},
		});
		this.#operations.set(stored.operationId, {
			operationId: stored.operationId,
			status: "applied",
			reason: undefined,
			position,
			originalSlot: slot,
			effectiveSlot: slot,
			judgedSlot: slot,
			versionId,
			suspect: isMarked,
			anchors: stored.anchors,
		});
		return position;
	}

	refused(stored: StoredOperation, slot: Height, reason: OperationReason): void {
		const position = this.append("refused", slot, {
			...named(stored),
			body: { ...reasonForLog(reason), ...toWire(stored) },
		});
		this.#operations.set(stored.operationId, {
			operationId: stored.operationId,
			status: "refused",
			reason,
			position,
			originalSlot: slot,
			effectiveSlot: undefined,
			judgedSlot: slot,
			versionId: undefined,
			suspect: false,
			anchors: stored.anchors,
		});
	}

	judged(stored: StoredOperation, judgedSlot: Height, original: OriginalPlace, to: Verdict): void {
		const { namespace, id } = stored.operation;
		this.append("verdict", judgedSlot, {
			...named(stored),
			body: {
				verdict: to.verdict,
				namespace,
				id,
				originalSlot: original.originalSlot.toString(),
				...(to.slot === undefined ? {} : { slot: to.slot.toString() }),
				...(to.reason === undefined ? {} : { reason: reasonForLog(to.reason) }),
				...restsForLog(to.rests),
				...(to.isEnded === true ? { ended: true } : {}),
				...(to.lost.length === 0 ? {} : { lost: to.lost.map((each) => ({ ...each })) }),
			},
		});
		this.stands(stored, judgedSlot, original, to);
	}

	/** Where an operation stands that nothing is said about in the log. */
	stands(
		stored: StoredOperation,
		judgedSlot: Height,
		original: OriginalPlace,
		to: Pick<Verdict, "effectiveSlot" | "isMarked" | "reason" | "slot" | "status" | "versionId">,
	): void {
		this.#operations.set(stored.operationId, {
			operationId: stored.operationId,
			status: to.status,
			reason: to.reason,
			position: original.position,
			originalSlot: original.originalSlot,
			effectiveSlot: to.effectiveSlot ?? to.slot,
			judgedSlot,
			versionId: to.versionId,
			suspect: to.isMarked,
			anchors: stored.anchors,
		});
	}
}

function restsForLog({ grounds, suspect }: Rests): JsonObject {
	return {
		...(grounds === undefined ? {} : { grounds: grounds.toString() }),
		...(suspect ? { suspect } : {}),
	};
}

function named(stored: StoredOperation): { operationId: OperationId; memoryKey: MemoryKey } {
	return {
		operationId: stored.operationId,
		memoryKey: memoryKey(stored.operation.namespace, stored.operation.id),
	};
}

/** The message says what the fields say. */
function reasonForLog({ code, message }: OperationReason): JsonObject {
	return { code, message };
}
