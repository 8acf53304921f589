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

export interface Verdict {
	readonly verdict: "replayed" | "reinstated" | "suspended" | "recanted";
	readonly status: OperationUpdate["status"];
	/** Slot in which it takes effect; undefined: in none. */
	readonly slot: Height | undefined;
	readonly versionId: VersionId | undefined;
	readonly reason: OperationUpdate["reason"];
}

interface EntryBody {
	readonly operationId?: OperationId;
	readonly memoryKey?: MemoryKey;
	readonly body: JsonObject;
}

export class LogDraft {
	readonly entries: LogEntry[] = [];
	readonly operations: OperationUpdate[] = [];
	readonly #generation: Generation;
	#position: LogPosition;

	constructor(position: LogPosition, generation: Generation) {
		this.#position = position;
		this.#generation = generation;
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

	admitted(
		stored: StoredOperation,
		slot: Height,
		as: Pick<OriginalPlace, "conditionPosition"> & { readonly versionId: VersionId },
	): void {
		const { versionId, conditionPosition } = as;
		const position = this.append("operation", slot, {
			...named(stored),
			body: {
				owner: "agent",
				versionId: versionId.toString(),
				...(conditionPosition === undefined
					? {}
					: { conditionPosition: conditionPosition.toString() }),
				...toWire(stored),
			},
		});
		this.operations.push({
			operationId: stored.operationId,
			status: "applied",
			reason: undefined,
			position,
			originalSlot: slot,
			effectiveSlot: slot,
			judgedSlot: slot,
			versionId,
			anchor: undefined,
		});
	}

	refused(stored: StoredOperation, slot: Height, reason: OperationReason): void {
		const position = this.append("refused", slot, {
			...named(stored),
			body: { ...reasonForLog(reason), ...toWire(stored) },
		});
		this.operations.push({
			operationId: stored.operationId,
			status: "refused",
			reason,
			position,
			originalSlot: slot,
			effectiveSlot: undefined,
			judgedSlot: slot,
			versionId: undefined,
			anchor: undefined,
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
			},
		});
		const anchored = stored.anchor.kind === "none" ? undefined : stored.anchor;
		this.operations.push({
			operationId: stored.operationId,
			status: to.status,
			reason: to.reason,
			position: original.position,
			originalSlot: original.originalSlot,
			effectiveSlot: to.slot,
			judgedSlot,
			versionId: to.versionId,
			anchor: anchored && { blockHash: anchored.blockHash, height: anchored.height },
		});
	}
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
