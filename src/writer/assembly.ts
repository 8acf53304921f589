/**
 * Assembles one commit in memory: operations and sealed blocks go in, a `CommitBatch` comes out.
 *
 * Blocks following the chain, agents' groups and rollbacks all use it, so there is one place where an
 * operation becomes a version, a log entry, a leaf and a vector. It decides nothing about time: the
 * caller says in which slot and in which order.
 */
import { changesHash, type LeafChange } from "../commitment/leaf-changes.ts";
import type { BlockHeader } from "../domain/block.ts";
import { FatalError } from "../domain/errors.ts";
import {
	type ChainId,
	FOREVER,
	type Generation,
	type Height,
	type Hex,
	type LogPosition,
	type MemoryKey,
	type VersionId,
} from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { JsonObject, MemoryBody, OperationReason } from "../domain/operation.ts";
import type { SourceRef, Sources } from "../domain/provenance.ts";
import { bodyHash } from "../memory/compensation.ts";
import { isConsolidatedId } from "../memory/consolidate.ts";
import {
	type Ground,
	groundOf,
	type Held,
	highest,
	type Lost,
	sourceKey,
} from "../memory/ground.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { StoredOperation } from "../memory/operation-codec.ts";
import { type Evaluation, evaluate } from "../memory/patch.ts";
import type { ChainState } from "./chain-state.ts";
import type { CommitBatch, Derivation, LogKind, Sealed, UnrootedBatch } from "./commit-batch.ts";
import { restsOfConsolidated } from "./consolidated-rests.ts";
import { HeldSources } from "./held-sources.ts";
import { LinkGraph, type LinkProblem } from "./link-graph.ts";
import { LogDraft, type OriginalPlace, RESTS_ON_NOTHING, type Rests } from "./log-draft.ts";
import { Puts } from "./marks.ts";
import { StateDraft, type StateWrite } from "./state-draft.ts";
import type { OpenOperation } from "./writer-store.ts";

export type Outcome =
	| {
			readonly type: "applied";
			/** Undefined: it makes no version itself. */
			readonly versionId: VersionId | undefined;
	  }
	| { readonly type: "failed"; readonly code: string; readonly message: string };

export type Admission =
	| {
			readonly type: "applied";
			/** As it waits, where it is suspect from the first. */
			readonly marked: OpenOperation | undefined;
	  }
	| Extract<Outcome, { readonly type: "failed" }>;

interface Expired {
	readonly type: "fail";
	readonly code: "expired";
	readonly message: string;
	readonly fields: Readonly<Record<string, string>>;
}

export type Preview = Evaluation | Expired | LinkProblem;

/** What a rule of consolidation makes: a memory, and what it was made from. */
export interface ConsolidatedPut {
	readonly namespace: string;
	readonly id: string;
	readonly body: MemoryBody;
	readonly sources: Sources;
}

/** Why a memory ends without anybody asking for it. */
export type EndReason = "time" | "capacity";

/** A write that was logged before, and is made once more as the log has it. */
export interface RecordedWrite {
	/** Position of the entry that it comes from. */
	readonly entry: LogPosition;
	readonly slot: Height;
	/** Undefined: the entry writes nothing. */
	readonly write: ((draft: StateDraft) => StateWrite) | undefined;
}

export class Assembly {
	readonly generation: Generation;
	readonly state: StateDraft;
	readonly held = new HeldSources();
	readonly puts = new Puts();
	readonly links: LinkGraph;
	/** Told of every memory that an agent's operation, or what the writer does itself, has written. */
	onWrite: (key: MemoryKey, slot: Height) => void = () => undefined;
	readonly #base: ChainState;
	readonly #log: LogDraft;
	readonly #blocks: BlockHeader[] = [];
	readonly #steps: { readonly changes: readonly LeafChange[]; readonly sealed: Sealed }[] = [];
	readonly #settled: bigint[] = [];
	readonly #derivations: Derivation[] = [];
	#head: BlockHeader | undefined;

	constructor(base: ChainState, generation: Generation = base.generation) {
		this.#base = base;
		this.generation = generation;
		this.state = new StateDraft(base, generation);
		this.#log = new LogDraft(base.logPosition, generation);
		this.#head = base.head;
		this.links = new LinkGraph((key, slot) =>
			this.state.editor.isLoaded(key) ? this.state.editor.visible(key, slot) : undefined,
		);
	}

	get chainId(): ChainId {
		return this.#base.chainId;
	}

	/** Time of the last block that is sealed, in seconds; below every block's before the first. */
	get headTime(): bigint {
		return this.#head?.timestamp ?? -1n;
	}

	/** What the operation rests on, as far as this commit has come. */
	ground(stored: Pick<StoredOperation, "anchors" | "sources">): Ground {
		return groundOf(stored, (source) => this.held.get(source));
	}

	/**
	 * What the operation would do in that slot, on top of `current`, without doing it. A memory that
	 * would have ended already is refused here; at a replay it only ends what was there. `look` answers
	 * what is visible of another memory.
	 */
	preview(
		stored: StoredOperation,
		slot: Height,
		current: Version | undefined,
		look: (key: MemoryKey) => Version | undefined,
	): Preview {
		const { operation } = stored;
		const unjoined = operation.kind === "link" && this.links.problem(operation, slot, look);
		if (unjoined) return unjoined;
		const evaluation = evaluate(operation, current);
		if (evaluation.type !== "put") return evaluation;
		const { expiresAtBlock, expiresAtTime } = evaluation.body;
		if (expiresAtBlock !== undefined && expiresAtBlock <= slot) {
			return expired(`it expires at ${expiresAtBlock}, which is not above its slot ${slot}`, {
				expiresAtBlock: expiresAtBlock.toString(),
				slot: slot.toString(),
			});
		}
		const now = this.#head?.timestamp;
		if (expiresAtTime !== undefined && now !== undefined && expiresAtTime <= now) {
			return expired(`it expires at ${expiresAtTime}, which is not after the head's time ${now}`, {
				expiresAtTime: expiresAtTime.toString(),
				headTime: now.toString(),
			});
		}
		return evaluation;
	}

	/** Applies a new agent's operation, which gets the next position. */
	admit(stored: StoredOperation, slot: Height): Admission {
		const { ifVersion } = stored.operation;
		const namesVersion = ifVersion !== undefined && ifVersion !== 0n;
		const conditionPosition = namesVersion ? this.#visible(stored, slot)?.position : undefined;
		const ground = this.ground(stored);
		if (ground.type === "absent") {
			const code = ground.reason === "source_absent" ? "source_unknown" : "anchor_not_canonical";
			return { type: "failed", code, message: ground.lost.map(nameOfLost).join(", ") };
		}
		const position = this.#log.position + 1n;
		const applied = this.#apply(stored, slot, { position }, ground);
		if (applied.type === "failed") return applied;
		const { versionId, rests, isMarked } = applied;
		this.#log.admitted(stored, slot, { versionId, conditionPosition, rests, isMarked });
		const key = keyOf(stored);
		this.#derived(key, stored.sources, position, depthOf(ground));
		this.onWrite(key, slot);
		const marked = isMarked && openFrom(stored, slot, { position, conditionPosition });
		return { type: "applied", marked: marked || undefined };
	}

	/** Logs an operation that is never applied, with the reason. */
	refuse(stored: StoredOperation, slot: Height, reason: OperationReason): void {
		this.#log.refused(stored, slot, reason);
	}

	/**
	 * Applies an operation that was acknowledged before, in the slot that was found for it. What it rests
	 * on, as it was judged, may be gone: then it is suspect, if that is its policy.
	 */
	reapply(
		stored: StoredOperation,
		slot: Height,
		original: OriginalPlace,
		{ verdict, ground }: Judged,
	): Outcome {
		const outcome = this.#reapply(stored, slot, original, ground);
		const lost = ground.type === "absent" ? ground.lost : [];
		if (outcome.type === "applied") {
			const { versionId, rests, isMarked, isEnded } = outcome;
			const to = { verdict, status: "applied", slot, versionId, reason: undefined } as const;
			this.#log.judged(stored, slot, original, { ...to, rests, isMarked, isEnded, lost });
			this.onWrite(keyOf(stored), slot);
		} else {
			const reason = { code: outcome.code, message: outcome.message };
			this.#log.judged(stored, slot, original, { ...WITHDRAWN, status: "recanted", reason, lost });
		}
		return outcome;
	}

	/**
	 * What a suspect operation rests on is there again: what the memory says is said once more, suspect no
	 * longer, where `isLast` says that it was suspect for this operation's sake alone.
	 */
	clear(
		stored: StoredOperation,
		slot: Height,
		original: OriginalPlace & { readonly effectiveSlot: Height | undefined },
		{ ground, isLast }: { readonly ground: Ground; readonly isLast: (present: Version) => boolean },
	): void {
		const present = this.#visible(stored, slot);
		const own = restsOf(ground, stored);
		const marked = present !== undefined && isLast(present) ? present : undefined;
		const isAlone = marked?.position === original.position && stored.operation.kind !== "patch";
		const grounds = isAlone ? own.grounds : highest(own.grounds, marked?.grounds);
		const rests = { ...own, grounds };
		const versionId = marked && this.#writeAgain(marked, slot, rests, depthOf(ground));
		const { effectiveSlot } = original;
		const to = { slot, effectiveSlot, rests, isMarked: own.suspect, reason: undefined } as const;
		if (versionId === undefined) {
			this.#log.stands(stored, slot, original, { ...to, versionId, status: "applied" });
			return;
		}
		const verdict = { verdict: "cleared", status: "applied", versionId, lost: [] } as const;
		this.#log.judged(stored, slot, original, { ...to, ...verdict });
		this.onWrite(keyOf(stored), slot);
	}

	/** Withdraws an operation until what it rests on comes back. */
	suspend(
		stored: StoredOperation,
		judgedSlot: Height,
		original: OriginalPlace,
		absent: Extract<Ground, { readonly type: "absent" }>,
	): void {
		const { lost } = absent;
		const reason = { code: absent.reason, message: lost.map(nameOfLost).join(", ") };
		const verdict = { verdict: "suspended", status: "suspended", reason, lost } as const;
		this.#log.judged(stored, judgedSlot, original, { ...WITHDRAWN, ...verdict });
	}

	/** Where the anchors of an operation stand now that waits on, and that nothing else is said about. */
	moved(
		stored: StoredOperation,
		judgedSlot: Height,
		original: OriginalPlace,
		absent: Extract<Ground, { readonly type: "absent" }>,
	): void {
		const reason = { code: absent.reason, message: absent.lost.map(nameOfLost).join(", ") };
		this.#log.stands(stored, judgedSlot, original, {
			status: "suspended",
			slot: undefined,
			versionId: undefined,
			reason,
			isMarked: false,
		});
	}

	/** An operation that stands, and of which what it rests on is not there still, or again. */
	stillSuspect(
		stored: StoredOperation,
		judgedSlot: Height,
		original: OriginalPlace & { readonly effectiveSlot: Height | undefined },
	): void {
		this.#log.stands(stored, judgedSlot, original, {
			status: "applied",
			slot: original.effectiveSlot,
			versionId: undefined,
			reason: undefined,
			isMarked: true,
		});
	}

	/** Applies what a handler derived. `logged: false` inside a group that has one entry for all. */
	derive(operation: HandlerOperation, slot: Height, logged: boolean): void {
		const { kind, namespace, id } = operation;
		const body = kind === "put" ? operation.body : undefined;
		const key = memoryKey(namespace, id);
		if (kind === "put") requireAppend(this.state.editor.visible(key, slot), operation, slot);
		const versionId = this.#write(
			{
				slot,
				namespace,
				id,
				owner: "handler",
				position: this.#log.position + 1n,
				body,
				copyOf: undefined,
				suspect: false,
				grounds: slot,
			},
			0,
		).toString();
		if (!logged) return;
		this.#log.append("operation", slot, {
			memoryKey: key,
			body: { owner: "handler", versionId, kind, namespace, id, ...(body && bodyForLog(body)) },
		});
	}

	/** Ends a memory that is visible, without anybody asking for it; it keeps its place in the order of writing. */
	end(ended: Version, slot: Height, reason: EndReason): void {
		const { namespace, id, owner, position, memoryKey: key } = ended;
		const versionId = this.#write(
			{
				slot,
				namespace,
				id,
				owner,
				position,
				body: undefined,
				copyOf: undefined,
				...RESTS_ON_NOTHING,
			},
			0,
		).toString();
		this.#log.append("operation", slot, {
			memoryKey: key,
			body: { owner: "system", versionId, kind: "expire", namespace, id, reason },
		});
		this.onWrite(key, slot);
	}

	/** Writes what a rule of consolidation made. */
	consolidate(put: ConsolidatedPut, slot: Height): void {
		const { namespace, id, body, sources } = put;
		const key = memoryKey(namespace, id);
		this.held.watch(sources);
		const member = (source: SourceRef): Held | undefined => {
			const version = this.#loaded(sourceKey(source), slot);
			return version?.contentHash === source.contentHash
				? { slot, grounds: version.grounds, suspect: version.suspect, depth: 0 }
				: this.held.get(source);
		};
		const ground = groundOf({ anchors: { mode: "all", anchors: [] }, sources }, member);
		const members = sources.flat().map(member);
		const rests = restsOfConsolidated(ground, members, this.#loaded(key, slot));
		const depth = Math.max(1, depthOf(ground));
		const position = this.#log.position + 1n;
		const write = { slot, namespace, id, owner: "agent", position, body } as const;
		const versionId = this.#write({ ...write, copyOf: undefined, ...rests }, depth);
		this.#log.append("operation", slot, {
			memoryKey: key,
			body: {
				owner: "system",
				versionId: versionId.toString(),
				kind: "put",
				namespace,
				id,
				...bodyForLog(body),
				derivedFrom: sources.map((set) => set.map((source) => ({ ...source }))),
				...(rests.grounds === undefined ? {} : { grounds: rests.grounds.toString() }),
				...(rests.suspect ? { suspect: true } : {}),
			},
		});
		this.#derived(key, sources, position, depth);
		this.onWrite(key, slot);
	}

	/** Makes a write once more as the log has it. */
	repeat({ entry, write }: RecordedWrite): void {
		this.#log.skipTo(entry - 1n);
		if (write !== undefined) this.#write(write(this.state), 0);
		this.#log.skipTo(entry);
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
			derivations: this.#derivations,
			settledEntries: this.#settled,
		};
	}

	#reapply(
		stored: StoredOperation,
		slot: Height,
		original: OriginalPlace,
		ground: Ground,
	): Applied {
		const key = keyOf(stored);
		const latest = this.state.editor.latest(key);
		if (latest !== undefined && isLater(latest, original)) {
			// The agent has written this memory again since; the older belief stays overwritten.
			const message = `a later operation (position ${latest.position}) wrote this memory`;
			return { type: "failed", code: "overwritten_later", message };
		}
		const closed = stored.operation.kind === "link" && this.links.circle(stored.operation, slot);
		if (closed) return { type: "failed", code: closed.code, message: closed.message };
		return this.#apply(stored, slot, original, ground);
	}

	/** `conditionPosition` undefined: a version is named by its id, as agents do. */
	#apply(
		stored: StoredOperation,
		slot: Height,
		as: { readonly position: LogPosition; readonly conditionPosition?: LogPosition | undefined },
		ground: Ground,
	): Applied {
		const { namespace, id } = stored.operation;
		const { position, conditionPosition } = as;
		const key = keyOf(stored);
		const present = this.state.editor.visible(key, slot);
		const evaluation = evaluate(stored.operation, present, (named, version) =>
			conditionPosition === undefined
				? named === version.versionId
				: conditionPosition === version.position,
		);
		if (evaluation.type === "fail") {
			return { type: "failed", code: evaluation.code, message: evaluation.message };
		}
		const own = restsOf(ground, stored);
		if (evaluation.type === "consolidate") {
			const isMarked = own.suspect;
			return { type: "applied", versionId: undefined, rests: own, isMarked, isEnded: false };
		}
		const isEnded = evaluation.type === "put" && this.#isOver(evaluation.body);
		const put = evaluation.type === "put" && !isEnded ? evaluation : undefined;
		const rests = stored.operation.kind === "patch" ? restsOnBoth(own, present) : own;
		const write = { slot, namespace, id, owner: "agent", position } as const;
		const versionId = this.#write(
			{ ...write, body: put?.body, copyOf: put?.keepVectorOf, ...rests },
			depthOf(ground),
		);
		if (stored.operation.kind === "link") this.links.add(stored.operation);
		if (put !== undefined && stored.operation.kind !== "patch") this.puts.add(key, position);
		return { type: "applied", versionId, rests, isMarked: own.suspect, isEnded };
	}

	/** Its time had come before its slot: it ends what was there, and leaves nothing. */
	#isOver({ expiresAtTime }: MemoryBody): boolean {
		const time = this.#head?.timestamp;
		return expiresAtTime !== undefined && time !== undefined && expiresAtTime <= time;
	}

	#writeAgain(version: Version, slot: Height, rests: Rests, depth: number): VersionId {
		const { namespace, id, owner, position, collection } = version;
		const body: MemoryBody = {
			layer: version.layer,
			content: version.content ?? {},
			text: version.text,
			vector: undefined,
			collection,
			importance: version.importance,
			confidence: version.confidence,
			expiresAtBlock: version.expiresBlock,
			expiresAtTime: version.expiresTime,
		};
		const copyOf = collection === undefined ? undefined : version.versionId;
		return this.#write({ slot, namespace, id, owner, position, body, copyOf, ...rests }, depth);
	}

	/** Every version is written here. */
	#write(write: StateWrite, depth: number): VersionId {
		const versionId = this.state.write(write);
		// Mostly nobody asks, and a key costs a hash.
		if (!this.held.watchesAny) return versionId;
		const key = memoryKey(write.namespace, write.id);
		if (this.held.watches(key)) {
			const { slot } = write;
			this.held.wrote(key, this.state.editor.visible(key, slot), { slot, depth });
		}
		return versionId;
	}

	#derived(memory: MemoryKey, sources: Sources, position: LogPosition, depth: number): void {
		for (const [setNo, set] of sources.entries()) {
			for (const [sourceNo, source] of set.entries()) {
				this.#derivations.push({ position, setNo, sourceNo, memoryKey: memory, source, depth });
			}
		}
	}

	/** Undefined also where the memory was not looked up. */
	#loaded(key: MemoryKey, slot: Height): Version | undefined {
		const { editor } = this.state;
		return editor.isLoaded(key) ? editor.visible(key, slot) : undefined;
	}

	#visible(stored: StoredOperation, slot: Height): Version | undefined {
		return this.state.editor.visible(keyOf(stored), slot);
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

/** How an operation was judged before it is applied again. */
interface Judged {
	readonly verdict: "replayed" | "reinstated";
	readonly ground: Ground;
}

type Applied =
	| {
			readonly type: "applied";
			readonly versionId: VersionId | undefined;
			readonly rests: Rests;
			/** See Verdict. */
			readonly isMarked: boolean;
			readonly isEnded: boolean;
	  }
	| Extract<Outcome, { readonly type: "failed" }>;

const WITHDRAWN = {
	verdict: "recanted",
	slot: undefined,
	versionId: undefined,
	rests: RESTS_ON_NOTHING,
	isMarked: false,
} as const;

/** An episode is not changed once it is written; the same said again is nothing new. */
function requireAppend(
	present: Version | undefined,
	operation: Extract<HandlerOperation, { readonly kind: "put" }>,
	slot: Height,
): void {
	if (present?.layer !== "episodic") return;
	const { namespace, id, body } = operation;
	if (bodyHash({ namespace, id }, body, "handler") === present.contentHash) return;
	throw new FatalError("handler_failed", {
		message: `a handler changed the episode "${id}" of namespace "${namespace}" at block ${slot}`,
		hint: "give every event an id of its own, for example its transaction's hash and log index",
		fields: { namespace, id, height: slot.toString() },
	});
}

/**
 * Positions of what consolidation makes are new on every branch; of these the slots tell. Agents only delete it.
 */
function isLater({ id, fromBlock, position }: Version, original: OriginalPlace): boolean {
	if (isConsolidatedId(id)) return fromBlock > original.originalSlot;
	return position > original.position;
}

/** What is kept as it is does not become suspect by itself. */
function restsOf(ground: Ground, { policy }: StoredOperation): Rests {
	// What is kept as it is rests on what no block will ever bring back by itself: it is never final.
	if (ground.type === "absent") {
		return { grounds: policy === "keep" ? FOREVER : undefined, suspect: policy === "flag" };
	}
	return { grounds: ground.grounds, suspect: ground.suspect };
}

/** A suspect operation that was admitted in that slot. */
function openFrom(
	stored: StoredOperation,
	slot: Height,
	place: Pick<OpenOperation, "conditionPosition" | "position">,
): OpenOperation {
	const slots = { originalSlot: slot, effectiveSlot: slot, judgedSlot: slot };
	return { stored, ...place, ...slots, status: "applied", suspect: true };
}

/** What is patched goes on from what it was. */
function restsOnBoth(own: Rests, present: Version | undefined): Rests {
	return {
		grounds: highest(own.grounds, present?.grounds),
		suspect: own.suspect || present?.suspect === true,
	};
}

function depthOf(ground: Ground): number {
	return ground.type === "holds" ? ground.depth : 0;
}

function nameOfLost(lost: Lost): string {
	if (lost.kind !== "source") return `${lost.kind} ${lost.hash} is not on the chain`;
	return `"${lost.id}" of namespace "${lost.namespace}" has not said ${lost.contentHash} on this branch`;
}

function keyOf({ operation }: StoredOperation): MemoryKey {
	return memoryKey(operation.namespace, operation.id);
}

function expired(message: string, fields: Expired["fields"]): Expired {
	return { type: "fail", code: "expired", message, fields };
}

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
