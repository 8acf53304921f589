/**
 * One commit as it is drafted in memory: blocks, versions, log entries, leaves and vectors, and what is derived
 * from what. What agents ask for is assembly.ts's; here it is written.
 */
import { changesHash, type LeafChange } from "../commitment/leaf-changes.ts";
import type { BlockHeader } from "../domain/block.ts";
import { FatalError } from "../domain/errors.ts";
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	LogPosition,
	MemoryKey,
	VersionId,
} from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { JsonObject, MemoryBody } from "../domain/operation.ts";
import type { SourceRef, Sources } from "../domain/provenance.ts";
import type { ThinnedRange } from "../domain/thinned-range.ts";
import { bodyHash } from "../memory/compensation.ts";
import { type Ground, groundOf, type Held, sourceKey } from "../memory/ground.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { StoredOperation } from "../memory/operation-codec.ts";
import type { ChainState } from "./chain-state.ts";
import type { CommitBatch, Derivation, LogKind, Sealed, UnrootedBatch } from "./commit-batch.ts";
import { restsOfConsolidated } from "./consolidated-rests.ts";
import { HeldSources } from "./held-sources.ts";
import { LinkGraph } from "./link-graph.ts";
import { LogDraft, RESTS_ON_NOTHING } from "./log-draft.ts";
import { Puts } from "./marks.ts";
import { depthOf } from "./rests.ts";
import { StateDraft, type StateWrite } from "./state-draft.ts";

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

export class CommitDraft {
	readonly generation: Generation;
	readonly state: StateDraft;
	readonly held = new HeldSources();
	readonly puts = new Puts();
	readonly links: LinkGraph;
	/** Told of every memory that an agent's operation, or what the writer does itself, has written. */
	onWrite: (key: MemoryKey, slot: Height) => void = () => undefined;
	protected readonly base: ChainState;
	protected readonly log: LogDraft;
	readonly #blocks: BlockHeader[] = [];
	readonly #steps: { readonly changes: readonly LeafChange[]; readonly sealed: Sealed }[] = [];
	readonly #settled: bigint[] = [];
	readonly #derivations: Derivation[] = [];
	protected head: BlockHeader | undefined;
	#thinned: ThinnedRange | undefined;

	constructor(base: ChainState, generation: Generation = base.generation) {
		this.base = base;
		this.generation = generation;
		this.state = new StateDraft(base, generation);
		this.log = new LogDraft(base.logPosition, generation);
		this.head = base.head;
		this.links = new LinkGraph((key, slot) =>
			this.state.editor.isLoaded(key) ? this.state.editor.visible(key, slot) : undefined,
		);
	}

	get chainId(): ChainId {
		return this.base.chainId;
	}

	/** Time of the last block that is sealed, in seconds; below every block's before the first. */
	get headTime(): bigint {
		return this.head?.timestamp ?? -1n;
	}

	/** What the operation rests on, as far as this commit has come. */
	ground(stored: Pick<StoredOperation, "anchors" | "sources">): Ground {
		return groundOf(stored, (source) => this.held.get(source));
	}

	/** Applies what a handler derived. `logged: false` inside a group that has one entry for all. */
	derive(operation: HandlerOperation, slot: Height, logged: boolean): void {
		const { kind, namespace, id } = operation;
		const body = kind === "put" ? operation.body : undefined;
		const key = memoryKey(namespace, id);
		if (kind === "put") requireAppend(this.state.editor.visible(key, slot), operation, slot);
		const versionId = this.write(
			{
				slot,
				namespace,
				id,
				owner: "handler",
				position: this.log.position + 1n,
				body,
				copyOf: undefined,
				suspect: false,
				grounds: slot,
			},
			0,
		).toString();
		if (!logged) return;
		this.log.append("operation", slot, {
			memoryKey: key,
			body: { owner: "handler", versionId, kind, namespace, id, ...(body && bodyForLog(body)) },
		});
	}

	/** Makes a write once more as the log has it. */
	repeat({ entry, write }: RecordedWrite): void {
		this.log.skipTo(entry - 1n);
		if (write !== undefined) this.write(write(this.state), 0);
		this.log.skipTo(entry);
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
			/** The next entry is that of the group that ends with it: what its handlers said stands there. */
			readonly endsGroup?: boolean | undefined;
		},
	): void {
		this.state.expireUpTo(block.number);
		this.#blocks.push(block);
		this.head = block;
		if (options.logged) {
			const { hash, parentHash } = block;
			const timestamp = block.timestamp.toString();
			const { operations } = options;
			this.note("block", block.number, { hash, parentHash, timestamp, operations });
		}
		if (options.checkpoint) {
			const logPosition = this.log.position + (options.endsGroup === true ? 1n : 0n);
			const sealed = this.#sealedAt(block, logPosition);
			this.#steps.push({ changes: this.state.leaves.take(), sealed });
		}
	}

	/** An entry of the chain's own: a block, a derived group, a rollback. */
	note(kind: LogKind, height: Height, body: JsonObject): void {
		this.log.append(kind, height, { body });
	}

	/** Says that not every height of these blocks stays readable. */
	thin(range: ThinnedRange): void {
		this.#thinned = range;
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
			chainId: this.base.chainId,
			generation: this.generation,
			basePosition: this.base.logPosition,
			logPosition: this.log.position,
			versionSeq: this.state.versionId,
			head: this.head,
			safe: finality.safe,
			finalized: finality.finalized,
			log: this.log.entries,
			changes: this.state.editor.changes(),
			vectors,
			blocks: this.#blocks,
			steps: [...this.#steps, { changes: this.state.leaves.take(), sealed: undefined }],
			operations: this.log.operations,
			derivations: this.#derivations,
			settledEntries: this.#settled,
			thinned: this.#thinned,
		};
	}

	/** Ends a memory that is visible, without anybody asking for it; it keeps its place in the order of writing. */
	end(ended: Version, slot: Height, reason: EndReason): void {
		const { namespace, id, owner, position, memoryKey: key } = ended;
		const versionId = this.write(
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
		this.log.append("operation", slot, {
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
			const version = this.loaded(sourceKey(source), slot);
			return version?.contentHash === source.contentHash
				? { slot, grounds: version.grounds, suspect: version.suspect, depth: 0 }
				: this.held.get(source);
		};
		const ground = groundOf({ anchors: { mode: "all", anchors: [] }, sources }, member);
		const members = sources.flat().map(member);
		const rests = restsOfConsolidated(ground, members, this.loaded(key, slot));
		const depth = Math.max(1, depthOf(ground));
		const position = this.log.position + 1n;
		const write = { slot, namespace, id, owner: "agent", position, body } as const;
		const versionId = this.write({ ...write, copyOf: undefined, ...rests }, depth);
		this.log.append("operation", slot, {
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
		this.derived(key, sources, position, depth);
		this.onWrite(key, slot);
	}

	/** Every version is written here. */
	protected write(write: StateWrite, depth: number): VersionId {
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

	/** Keeps what was derived from what. */
	protected derived(
		memory: MemoryKey,
		sources: Sources,
		position: LogPosition,
		depth: number,
	): void {
		for (const [setNo, set] of sources.entries()) {
			for (const [sourceNo, source] of set.entries()) {
				this.#derivations.push({ position, setNo, sourceNo, memoryKey: memory, source, depth });
			}
		}
	}

	/** Undefined also where the memory was not looked up. */
	protected loaded(key: MemoryKey, slot: Height): Version | undefined {
		const { editor } = this.state;
		return editor.isLoaded(key) ? editor.visible(key, slot) : undefined;
	}

	#sealedAt(block: BlockHeader, logPosition: LogPosition): Sealed {
		return {
			height: block.number,
			blockHash: block.hash,
			logPosition,
			versionId: this.state.versionId,
			pointers: this.base.pointers,
		};
	}
}

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
