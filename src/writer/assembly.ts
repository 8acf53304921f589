/**
 * Assembles one commit in memory: operations and sealed blocks go in, a `CommitBatch` comes out.
 *
 * Blocks following the chain, agents' groups and rollbacks all use it, so there is one place where an
 * operation becomes a version, a log entry, a digest and a vector. It decides nothing about time:
 * the caller says in which slot and in which order.
 *
 * Invariants
 * 1. Positions and version ids are dense and rise in the order of the calls.
 * 2. The digest is that of the last slot given, with the expiries of sealed heights taken out.
 * 3. Rows of a memory must be loaded into `editor` before the memory is written.
 */
import { DigestAccumulator } from "../commitment/state-digest.ts";
import type { BlockHeader } from "../domain/block.ts";
import type {
	Generation,
	Height,
	LogPosition,
	MemoryKey,
	OperationId,
	VersionId,
} from "../domain/ids.ts";
import type { Owner } from "../domain/layer.ts";
import type { Version } from "../domain/memory.ts";
import type { JsonObject, MemoryBody } from "../domain/operation.ts";
import { canonicalJson, contentHash } from "../memory/canonical.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import { type StoredOperation, toWire } from "../memory/operation-codec.ts";
import { type Evaluation, evaluate } from "../memory/patch.ts";
import { StateEditor } from "../memory/state-editor.ts";
import type { ChainState } from "./chain-state.ts";
import type {
	Checkpoint,
	CommitBatch,
	LogEntry,
	LogKind,
	OperationUpdate,
} from "./commit-batch.ts";

/** A version that needs a vector, and where the vector comes from. */
export interface VectorRequest {
	readonly version: Pick<
		Version,
		"versionId" | "memoryKey" | "namespace" | "layer" | "collection"
	> & { readonly collection: string; readonly fromBlock: Height };
	readonly source:
		| { readonly type: "text"; readonly text: string }
		| { readonly type: "given"; readonly vector: readonly number[] }
		| { readonly type: "copy"; readonly versionId: VersionId };
}

export type Outcome =
	| { readonly type: "applied"; readonly versionId: VersionId }
	| { readonly type: "failed"; readonly code: string; readonly message: string };

export type Preview = Evaluation | Late;

export interface ReplayOf {
	/** Position that the operation first got. */
	readonly position: LogPosition;
	readonly originalSlot: Height;
	/** Version id that it first got: what conditions of later operations name. */
	readonly originalVersionId: VersionId | undefined;
}

interface Write {
	readonly slot: Height;
	readonly namespace: string;
	readonly id: string;
	readonly owner: Owner;
	readonly position: LogPosition;
	readonly body: MemoryBody | undefined;
	readonly copyOf: VersionId | undefined;
}

export class Assembly {
	readonly editor: StateEditor;
	readonly generation: Generation;
	readonly vectorRequests: VectorRequest[] = [];
	readonly #state: ChainState;
	readonly #digest: DigestAccumulator;
	readonly #log: LogEntry[] = [];
	readonly #operations: OperationUpdate[] = [];
	readonly #blocks: BlockHeader[] = [];
	readonly #checkpoints: Checkpoint[] = [];
	readonly #settled: bigint[] = [];
	/** Version id that the operation at that position first got; `ifVersion` means that one. */
	readonly #originals = new Map<LogPosition, VersionId>();
	/** Memories that may end by themselves at a height. */
	readonly #expiries = new Map<Height, Set<MemoryKey>>();
	#position: LogPosition;
	#versionId: VersionId;
	#head: BlockHeader | undefined;

	constructor(state: ChainState, generation: Generation = state.generation) {
		this.#state = state;
		this.generation = generation;
		this.editor = new StateEditor(generation);
		this.#digest = new DigestAccumulator(state.digest);
		this.#position = state.logPosition;
		this.#versionId = state.versionSeq;
		this.#head = state.head;
	}

	/** Running digest; the rollback checks it against the ancestor's checkpoint. */
	get digest(): DigestAccumulator {
		return this.#digest;
	}

	/** Position of the entry that comes next. */
	get nextPosition(): LogPosition {
		return this.#position + 1n;
	}

	/** Loads a version that ends by itself at its `expiresBlock`, for the height's seal. */
	expectExpiry(version: Version): void {
		if (version.expiresBlock === undefined) return;
		const keys = this.#expiries.get(version.expiresBlock) ?? new Set();
		keys.add(version.memoryKey);
		this.#expiries.set(version.expiresBlock, keys);
	}

	/** Says which version id the operation at that position first got. */
	remember(original: ReplayOf): void {
		if (original.originalVersionId === undefined) return;
		this.#originals.set(original.position, original.originalVersionId);
	}

	/** What the operation would do in that slot, without doing it. */
	preview(stored: StoredOperation, slot: Height, current: Version | undefined): Preview {
		return inTime(evaluate(stored.operation, current), slot);
	}

	/** Applies a new agent's operation, which gets the next position. */
	admit(stored: StoredOperation, slot: Height): Outcome {
		const position = this.nextPosition;
		const outcome = this.#apply(stored, slot, position);
		if (outcome.type === "failed") return outcome;
		this.#append("operation", slot, {
			...this.#named(stored),
			body: { owner: "agent", versionId: outcome.versionId.toString(), ...toWire(stored) },
		});
		this.#operations.push({
			operationId: stored.operationId,
			status: "applied",
			reason: undefined,
			position,
			originalSlot: slot,
			effectiveSlot: slot,
			judgedSlot: slot,
			versionId: outcome.versionId,
			anchor: undefined,
		});
		return outcome;
	}

	/** Logs an operation that is never applied, with the reason. */
	refuse(stored: StoredOperation, slot: Height, reason: { code: string; message: string }): void {
		const position = this.#append("refused", slot, {
			...this.#named(stored),
			body: { ...reason, ...toWire(stored) },
		});
		this.#operations.push({
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

	/** Applies an operation that was acknowledged before, in the slot that the judge gave it. */
	reapply(
		stored: StoredOperation,
		slot: Height,
		original: ReplayOf,
		verdict: "replayed" | "reinstated",
	): Outcome {
		const outcome = this.#reapply(stored, slot, original);
		const applied = outcome.type === "applied";
		this.#verdict(stored, slot, original, {
			verdict: applied ? verdict : "recanted",
			status: applied ? "applied" : "recanted",
			slot: applied ? slot : undefined,
			versionId: applied ? outcome.versionId : undefined,
			reason: applied ? undefined : { code: outcome.code, message: outcome.message },
		});
		return outcome;
	}

	/** Withdraws an operation until its anchor comes back. */
	suspend(stored: StoredOperation, judgedSlot: Height, original: ReplayOf, reason: string): void {
		this.#verdict(stored, judgedSlot, original, {
			verdict: "suspended",
			status: "suspended",
			slot: undefined,
			versionId: undefined,
			reason: { code: "anchor_absent", message: reason },
		});
	}

	/** Applies what a handler derived. `logged: false` inside a group that has one entry for all. */
	derive(operation: HandlerOperation, slot: Height, logged: boolean): void {
		const position = this.nextPosition;
		const versionId = this.#write({
			slot,
			namespace: operation.namespace,
			id: operation.id,
			owner: "handler",
			position,
			body: operation.kind === "put" ? operation.body : undefined,
			copyOf: undefined,
		});
		if (!logged) return;
		this.#append("operation", slot, {
			memoryKey: memoryKey(operation.namespace, operation.id),
			body: {
				owner: "handler",
				versionId: versionId.toString(),
				kind: operation.kind,
				namespace: operation.namespace,
				id: operation.id,
				...(operation.kind === "put" ? bodyForLog(operation.body) : {}),
			},
		});
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
		this.#expire(block.number);
		this.#blocks.push(block);
		this.#head = block;
		if (options.logged) {
			this.#append("block", block.number, {
				body: {
					hash: block.hash,
					parentHash: block.parentHash,
					timestamp: block.timestamp.toString(),
					operations: options.operations,
				},
			});
		}
		if (options.checkpoint) this.#checkpoint(block);
	}

	/** An entry of the chain's own: a derived group, a rollback, finality. */
	note(kind: LogKind, height: Height, body: JsonObject): void {
		this.#append(kind, height, { body });
	}

	/** Says that this inbox entry is done with. */
	settle(entryId: bigint): void {
		this.#settled.push(entryId);
	}

	get isEmpty(): boolean {
		return this.#position === this.#state.logPosition && this.#settled.length === 0;
	}

	/** The batch; vectors are added by the caller, who embeds `vectorRequests`. */
	batch(
		vectors: CommitBatch["vectors"],
		finality: { readonly safe: Height | undefined; readonly finalized: Height | undefined },
	): CommitBatch {
		return {
			chainId: this.#state.chainId,
			generation: this.generation,
			basePosition: this.#state.logPosition,
			logPosition: this.#position,
			versionSeq: this.#versionId,
			digest: this.#digest.toDigest(),
			head: this.#head,
			safe: finality.safe,
			finalized: finality.finalized,
			log: this.#log,
			changes: this.editor.changes(),
			vectors,
			blocks: this.#blocks,
			checkpoints: this.#checkpoints,
			operations: this.#operations,
			settledEntries: this.#settled,
		};
	}

	#reapply(stored: StoredOperation, slot: Height, original: ReplayOf): Outcome {
		const key = memoryKey(stored.operation.namespace, stored.operation.id);
		const latest = this.editor.latest(key);
		if (latest !== undefined && latest.position > original.position) {
			// The agent has written this memory again since; the older belief stays overwritten.
			return {
				type: "failed",
				code: "overwritten_later",
				message: `a later operation (position ${latest.position}) wrote this memory`,
			};
		}
		return this.#apply(stored, slot, original.position);
	}

	#apply(stored: StoredOperation, slot: Height, position: LogPosition): Outcome {
		const { operation } = stored;
		const current = this.editor.visible(memoryKey(operation.namespace, operation.id), slot);
		const evaluation = evaluate(
			operation,
			current,
			(expected, present) =>
				expected === present ||
				(current !== undefined && expected === this.#originals.get(current.position)),
		);
		if (evaluation.type === "fail") {
			return { type: "failed", code: evaluation.code, message: evaluation.message };
		}
		const versionId = this.#write({
			slot,
			namespace: operation.namespace,
			id: operation.id,
			owner: "agent",
			position,
			body: evaluation.type === "put" ? evaluation.body : undefined,
			copyOf: evaluation.type === "put" ? evaluation.keepVectorOf : undefined,
		});
		return { type: "applied", versionId };
	}

	#write(write: Write): VersionId {
		this.#versionId += 1n;
		const key = memoryKey(write.namespace, write.id);
		const before = this.editor.visible(key, write.slot);
		const previous = before ?? this.editor.latest(key);
		const body = {
			namespace: write.namespace,
			id: write.id,
			layer: write.body?.layer ?? previous?.layer ?? "semantic",
			owner: write.owner,
			content: write.body?.content,
			text: write.body?.text,
			collection: write.body?.collection,
			importance: write.body?.importance,
			confidence: write.body?.confidence,
			expiresBlock: write.body?.expiresAtBlock,
		};
		if (before !== undefined) this.#digest.remove(before);
		this.editor.put(
			{
				...body,
				memoryKey: key,
				versionId: this.#versionId,
				contentHash: contentHash(body),
				position: write.position,
			},
			write.slot,
		);
		const after = this.editor.visible(key, write.slot);
		if (after !== undefined) {
			this.#digest.add(after);
			this.expectExpiry(after);
			this.#requestVector(after, write);
		}
		return this.#versionId;
	}

	#requestVector(version: Version, write: Write): void {
		const { collection } = version;
		if (collection === undefined || write.body === undefined) return;
		const target = { ...version, collection };
		if (write.copyOf !== undefined) {
			this.vectorRequests.push({
				version: target,
				source: { type: "copy", versionId: write.copyOf },
			});
		} else if (write.body.vector !== undefined) {
			this.vectorRequests.push({
				version: target,
				source: { type: "given", vector: write.body.vector },
			});
		} else if (write.body.text !== undefined) {
			this.vectorRequests.push({
				version: target,
				source: { type: "text", text: write.body.text },
			});
		}
	}

	#expire(height: Height): void {
		for (const key of this.#expiries.get(height) ?? []) {
			const version = this.editor.visible(key, height - 1n);
			if (version?.toBlock === height && version.expiresBlock === height) {
				this.#digest.remove(version);
			}
		}
		this.#expiries.delete(height);
	}

	#checkpoint(block: BlockHeader): void {
		this.#checkpoints.push({
			height: block.number,
			blockHash: block.hash,
			logPosition: this.#position,
			versionId: this.#versionId,
			digest: this.#digest.toDigest(),
			pointers: this.#state.pointers,
		});
	}

	#verdict(
		stored: StoredOperation,
		judgedSlot: Height,
		original: ReplayOf,
		to: {
			readonly verdict: string;
			readonly status: OperationUpdate["status"];
			readonly slot: Height | undefined;
			readonly versionId: VersionId | undefined;
			readonly reason: OperationUpdate["reason"];
		},
	): void {
		this.#append("verdict", judgedSlot, {
			...this.#named(stored),
			body: {
				verdict: to.verdict,
				namespace: stored.operation.namespace,
				id: stored.operation.id,
				originalSlot: original.originalSlot.toString(),
				...(to.slot === undefined ? {} : { slot: to.slot.toString() }),
				...(to.reason === undefined ? {} : { reason: to.reason }),
			},
		});
		const anchored = stored.anchor.kind === "none" ? undefined : stored.anchor;
		this.#operations.push({
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

	#named(stored: StoredOperation): { operationId: OperationId; memoryKey: MemoryKey } {
		return {
			operationId: stored.operationId,
			memoryKey: memoryKey(stored.operation.namespace, stored.operation.id),
		};
	}

	#append(
		kind: LogKind,
		height: Height,
		entry: { operationId?: OperationId; memoryKey?: MemoryKey; body: JsonObject },
	): LogPosition {
		this.#position += 1n;
		this.#log.push({
			position: this.#position,
			generation: this.generation,
			height,
			kind,
			operationId: entry.operationId,
			memoryKey: entry.memoryKey,
			body: canonicalJson(entry.body),
		});
		return this.#position;
	}
}

interface Late {
	readonly type: "fail";
	readonly code: "expired";
	readonly message: string;
	readonly hint: string;
	readonly fields: Readonly<Record<string, string | number>>;
}

/** A memory that would already have ended in its slot is refused; at a replay it only ends what was there. */
function inTime(evaluation: Evaluation, slot: Height): Evaluation | Late {
	if (evaluation.type !== "put") return evaluation;
	const expires = evaluation.body.expiresAtBlock;
	if (expires === undefined || expires > slot) return evaluation;
	return {
		type: "fail",
		code: "expired",
		message: `it expires at ${expires}, which is not above its slot ${slot}`,
		hint: "choose a later height",
		fields: { expiresAtBlock: expires.toString(), slot: slot.toString() },
	};
}

function bodyForLog(body: MemoryBody): JsonObject {
	return {
		layer: body.layer,
		content: body.content,
		...(body.text === undefined ? {} : { text: body.text }),
		...(body.expiresAtBlock === undefined
			? {}
			: { expiresAtBlock: body.expiresAtBlock.toString() }),
	};
}
