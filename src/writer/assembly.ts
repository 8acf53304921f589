/**
 * Assembles one commit in memory: operations and sealed blocks go in, a `CommitBatch` comes out.
 *
 * Blocks following the chain, agents' groups and rollbacks all use it, so there is one place where an
 * operation becomes a version, a log entry, a leaf and a vector. It decides nothing about time: the
 * caller says in which slot and in which order.
 */
import { changesHash, type LeafChange } from "../commitment/leaf-changes.ts";
import type { BlockHeader } from "../domain/block.ts";
import type { Generation, Height, Hex, LogPosition, VersionId } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { JsonObject, MemoryBody, OperationReason } from "../domain/operation.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { StoredOperation } from "../memory/operation-codec.ts";
import { type Evaluation, evaluate } from "../memory/patch.ts";
import type { ChainState } from "./chain-state.ts";
import type { CommitBatch, LogKind, Sealed, UnrootedBatch } from "./commit-batch.ts";
import { LogDraft, type OriginalPlace } from "./log-draft.ts";
import { StateDraft } from "./state-draft.ts";

export type Outcome =
	| { readonly type: "applied"; readonly versionId: VersionId }
	| { readonly type: "failed"; readonly code: string; readonly message: string };

interface Expired {
	readonly type: "fail";
	readonly code: "expired";
	readonly message: string;
	readonly fields: Readonly<Record<string, string>>;
}

export type Preview = Evaluation | Expired;

export class Assembly {
	readonly generation: Generation;
	readonly state: StateDraft;
	readonly #base: ChainState;
	readonly #log: LogDraft;
	readonly #blocks: BlockHeader[] = [];
	readonly #steps: { readonly changes: readonly LeafChange[]; readonly sealed: Sealed }[] = [];
	readonly #settled: bigint[] = [];
	#head: BlockHeader | undefined;

	constructor(base: ChainState, generation: Generation = base.generation) {
		this.#base = base;
		this.generation = generation;
		this.state = new StateDraft(base, generation);
		this.#log = new LogDraft(base.logPosition, generation);
		this.#head = base.head;
	}

	/**
	 * What the operation would do in that slot, on top of `current`, without doing it. A memory that
	 * would have ended already is refused here; at a replay it only ends what was there.
	 */
	preview(stored: StoredOperation, slot: Height, current: Version | undefined): Preview {
		const evaluation = evaluate(stored.operation, current);
		const expires = evaluation.type === "put" ? evaluation.body.expiresAtBlock : undefined;
		if (expires === undefined || expires > slot) return evaluation;
		return {
			type: "fail",
			code: "expired",
			message: `it expires at ${expires}, which is not above its slot ${slot}`,
			fields: { expiresAtBlock: expires.toString(), slot: slot.toString() },
		};
	}

	/** Applies a new agent's operation, which gets the next position. */
	admit(stored: StoredOperation, slot: Height): Outcome {
		const { ifVersion } = stored.operation;
		const namesVersion = ifVersion !== undefined && ifVersion !== 0n;
		const conditionPosition = namesVersion ? this.#visible(stored, slot)?.position : undefined;
		const outcome = this.#apply(stored, slot, { position: this.#log.position + 1n });
		if (outcome.type === "applied") {
			this.#log.admitted(stored, slot, { versionId: outcome.versionId, conditionPosition });
		}
		return outcome;
	}

	/** Logs an operation that is never applied, with the reason. */
	refuse(stored: StoredOperation, slot: Height, reason: OperationReason): void {
		this.#log.refused(stored, slot, reason);
	}

	/** Applies an operation that was acknowledged before, in the slot that the judge gave it. */
	reapply(
		stored: StoredOperation,
		slot: Height,
		original: OriginalPlace,
		verdict: "replayed" | "reinstated",
	): Outcome {
		const outcome = this.#reapply(stored, slot, original);
		if (outcome.type === "applied") {
			const { versionId } = outcome;
			const to = { verdict, status: "applied", slot, versionId, reason: undefined } as const;
			this.#log.judged(stored, slot, original, to);
		} else {
			const reason = { code: outcome.code, message: outcome.message };
			this.#log.judged(stored, slot, original, { ...WITHDRAWN, status: "recanted", reason });
		}
		return outcome;
	}

	/** Withdraws an operation until its anchor comes back. */
	suspend(
		stored: StoredOperation,
		judgedSlot: Height,
		original: OriginalPlace,
		message: string,
	): void {
		this.#log.judged(stored, judgedSlot, original, {
			...WITHDRAWN,
			verdict: "suspended",
			status: "suspended",
			reason: { code: "anchor_absent", message },
		});
	}

	/** Applies what a handler derived. `logged: false` inside a group that has one entry for all. */
	derive(operation: HandlerOperation, slot: Height, logged: boolean): void {
		const { kind, namespace, id } = operation;
		const body = kind === "put" ? operation.body : undefined;
		const position = this.#log.position + 1n;
		const owner = "handler";
		const write = { slot, namespace, id, owner, position, body, copyOf: undefined } as const;
		const rests = { suspect: false, grounds: slot };
		const versionId = this.state.write({ ...write, ...rests }).toString();
		if (!logged) return;
		this.#log.append("operation", slot, {
			memoryKey: memoryKey(namespace, id),
			body: { owner, versionId, kind, namespace, id, ...(body && bodyForLog(body)) },
		});
	}

	/** Writes of that slot come next; slots must rise. */
	reach(slot: Height): void {
		this.state.expireUpTo(slot - 1n);
	}

	/** Ends a block: expiries, entry, checkpoint. Heights must rise. */
	seal(
		block: BlockHeader,
		options: {
			readonly checkpoint: boolean;
			readonly logged: boolean;
			readonly operations: number;
		},
	): void {
		this.state.expireUpTo(block.number);
		this.#blocks.push(block);
		this.#head = block;
		if (options.logged) {
			const { hash, parentHash } = block;
			const timestamp = block.timestamp.toString();
			const { operations } = options;
			this.note("block", block.number, { hash, parentHash, timestamp, operations });
		}
		if (options.checkpoint) {
			this.#steps.push({ changes: this.state.leaves.take(), sealed: this.#sealedAt(block) });
		}
	}

	/** An entry of the chain's own: a block, a derived group, a rollback. */
	note(kind: LogKind, height: Height, body: JsonObject): void {
		this.#log.append(kind, height, { body });
	}

	/** Says that this inbox entry is done with. */
	settle(entryId: bigint): void {
		this.#settled.push(entryId);
	}

	/** Hash of what the blocks sealed so far change, for a group that has one log entry; see changesHash. */
	changesHash(): Hex {
		return changesHash(this.#steps.flatMap((step) => step.changes));
	}

	/**
	 * The batch, once; vectors are added by the caller, who embeds what `state` requests, and roots by
	 * who holds the state tree.
	 */
	batch(
		vectors: CommitBatch["vectors"],
		finality: { readonly safe: Height | undefined; readonly finalized: Height | undefined },
	): UnrootedBatch {
		return {
			chainId: this.#base.chainId,
			generation: this.generation,
			basePosition: this.#base.logPosition,
			logPosition: this.#log.position,
			versionSeq: this.state.versionId,
			head: this.#head,
			safe: finality.safe,
			finalized: finality.finalized,
			log: this.#log.entries,
			changes: this.state.editor.changes(),
			vectors,
			blocks: this.#blocks,
			steps: [...this.#steps, { changes: this.state.leaves.take(), sealed: undefined }],
			operations: this.#log.operations,
			settledEntries: this.#settled,
		};
	}

	#reapply(stored: StoredOperation, slot: Height, original: OriginalPlace): Outcome {
		const key = memoryKey(stored.operation.namespace, stored.operation.id);
		const latest = this.state.editor.latest(key);
		if (latest !== undefined && latest.position > original.position) {
			// The agent has written this memory again since; the older belief stays overwritten.
			const message = `a later operation (position ${latest.position}) wrote this memory`;
			return { type: "failed", code: "overwritten_later", message };
		}
		return this.#apply(stored, slot, original);
	}

	/** `conditionPosition` undefined: a version is named by its id, as agents do. */
	#apply(
		stored: StoredOperation,
		slot: Height,
		as: { readonly position: LogPosition; readonly conditionPosition?: LogPosition | undefined },
	): Outcome {
		const { namespace, id } = stored.operation;
		const { position, conditionPosition } = as;
		const evaluation = evaluate(stored.operation, this.#visible(stored, slot), (named, present) =>
			conditionPosition === undefined
				? named === present.versionId
				: conditionPosition === present.position,
		);
		if (evaluation.type === "fail") {
			return { type: "failed", code: evaluation.code, message: evaluation.message };
		}
		const put = evaluation.type === "put" ? evaluation : undefined;
		const versionId = this.state.write({
			slot,
			namespace,
			id,
			owner: "agent",
			position,
			body: put?.body,
			copyOf: put?.keepVectorOf,
			suspect: false,
			grounds: undefined,
		});
		return { type: "applied", versionId };
	}

	#visible({ operation }: StoredOperation, slot: Height): Version | undefined {
		return this.state.editor.visible(memoryKey(operation.namespace, operation.id), slot);
	}

	#sealedAt(block: BlockHeader): Sealed {
		return {
			height: block.number,
			blockHash: block.hash,
			logPosition: this.#log.position,
			versionId: this.state.versionId,
			pointers: this.#base.pointers,
		};
	}
}

const WITHDRAWN = { verdict: "recanted", slot: undefined, versionId: undefined } as const;

/** All that a handler can say: the state is made from the log again. */
function bodyForLog(body: MemoryBody): JsonObject {
	return {
		layer: body.layer,
		content: body.content,
		...(body.text === undefined ? {} : { text: body.text }),
		...(body.collection === undefined ? {} : { collection: body.collection }),
		...(body.importance === undefined ? {} : { importance: body.importance }),
		...(body.confidence === undefined ? {} : { confidence: body.confidence }),
		...(body.expiresAtBlock === undefined
			? {}
			: { expiresAtBlock: body.expiresAtBlock.toString() }),
		...(body.expiresAtTime === undefined ? {} : { expiresAtTime: body.expiresAtTime.toString() }),
	};
}
