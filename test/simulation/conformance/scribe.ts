/**
 * Writes one chain in small through the ports, as a writer would: it knows its lease, its head and its
 * numbers, and leaves to the rules of memory/ how spans change.
 */
import { hash } from "node:crypto";
import { EMPTY_ROOTS } from "../../../src/commitment/state-root.ts";
import type { BlockHeader } from "../../../src/domain/block.ts";
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	MemoryKey,
	RollbackId,
} from "../../../src/domain/ids.ts";
import type { ThinnedRange } from "../../../src/domain/thinned-range.ts";
import { contentHash } from "../../../src/memory/canonical.ts";
import { memoryKey } from "../../../src/memory/memory-key.ts";
import {
	type NewVersion,
	type StateChanges,
	StateEditor,
} from "../../../src/memory/state-editor.ts";
import { type NewRollback, NO_COUNTS } from "../../../src/rollback/rollback-record.ts";
import type { RollbackCommit } from "../../../src/rollback/rollback-store.ts";
import type {
	CommitBatch,
	Derivation,
	EmbeddedVersion,
	LogEntry,
	OperationUpdate,
	VectorPointers,
} from "../../../src/writer/commit-batch.ts";
import type { StoresUnderTest } from "./stores-under-test.ts";

export const CHAIN: ChainId = 31_337;
export const NAMESPACE = "cases";
const LEASE_MS = 10_000;

/** What one commit says. */
export interface Said {
	/** Written in the pending slot; content undefined: deleted. */
	readonly puts?: readonly (Partial<NewVersion> & { readonly id: string })[];
	/** Blocks that are sealed after it. */
	readonly seals?: number;
	readonly operations?: readonly OperationUpdate[];
	readonly settles?: readonly bigint[];
	readonly thins?: ThinnedRange;
	readonly derivations?: readonly Derivation[];
	readonly finality?: { readonly safe: Height; readonly finalized: Height };
	/** Further entries of the log. */
	readonly log?: readonly Partial<LogEntry>[];
	/** By memory's id: vectors of what is put. */
	readonly vectors?: Readonly<Record<string, readonly number[]>>;
}

export class Scribe {
	readonly stores: StoresUnderTest;
	readonly chainId: ChainId;
	fence = 0n;
	generation: Generation = 0n;
	position = 0n;
	versionSeq = 0n;
	head: BlockHeader | undefined;
	finality: { readonly safe: Height; readonly finalized: Height } | undefined;
	/** Tells the blocks of one branch from those of another. */
	branch = "first";
	pointers: VectorPointers = {};

	private constructor(stores: StoresUnderTest, chainId: ChainId) {
		this.stores = stores;
		this.chainId = chainId;
	}

	/** Registers the chain, and takes its lease. */
	static async open(stores: StoresUnderTest, chainId: ChainId = CHAIN): Promise<Scribe> {
		const scribe = new Scribe(stores, chainId);
		await stores.registerChain(chainNamed(chainId));
		await scribe.lease("scribe");
		return scribe;
	}

	async lease(holder: string): Promise<void> {
		const taken = await this.stores.ports.writer.acquireLease(this.chainId, holder, LEASE_MS);
		if ("heldBy" in taken) throw new RangeError(`the lease is held by ${taken.heldBy}`);
		this.fence = taken.fence;
	}

	get pending(): Height {
		return this.head === undefined ? 0n : this.head.number + 1n;
	}

	get expected() {
		return { fence: this.fence, generation: this.generation };
	}

	async commit(said: Said): Promise<CommitBatch> {
		const batch = await this.batch(said);
		await this.stores.ports.writer.commit(batch, this.expected);
		this.took(batch);
		return batch;
	}

	/** It was committed. */
	took(batch: CommitBatch): void {
		this.generation = batch.generation;
		this.position = batch.logPosition;
		this.versionSeq = batch.versionSeq;
		this.head = batch.head;
		if (batch.safe !== undefined && batch.finalized !== undefined) {
			this.finality = { safe: batch.safe, finalized: batch.finalized };
		}
	}

	/** What would be committed now. */
	async batch(said: Said): Promise<CommitBatch> {
		const { puts = [] } = said;
		const keys = [...new Set(puts.map(({ id }) => keyOf(id)))];
		const loaded = await this.stores.ports.writer.latestVersions(this.chainId, keys);
		const editor = new StateEditor(this.generation);
		for (const key of keys) editor.load(key, loaded.get(key) ?? []);
		return this.#batch(said, { editor, generation: this.generation, head: this.head });
	}

	/** The batch with which a rollback to `ancestor` is committed, and blocks of another branch on it. */
	async rollbackCommit(
		rollback: { readonly rollbackId: RollbackId; readonly attempt: number },
		{ ancestor, said = {} }: { readonly ancestor: BlockHeader; readonly said?: Said },
	): Promise<RollbackCommit> {
		const generation = this.generation + 1n;
		const { rollbacks } = this.stores.ports;
		const touched = await rollbacks.touched(this.chainId, {
			ancestor: ancestor.number,
			to: this.pending,
			limit: 1_000,
		});
		const keys = [...new Set([...touched, ...(said.puts ?? []).map(({ id }) => keyOf(id))])].sort();
		const rows = await rollbacks.versionsAround(this.chainId, keys, ancestor.number);
		const editor = new StateEditor(generation);
		for (const key of keys) editor.load(key, rows.get(key) ?? []);
		editor.rewind(ancestor.number);
		const batch = this.#batch(said, { editor, generation, head: ancestor });
		const { head = ancestor } = this;
		return {
			...rollback,
			fence: this.fence,
			batch,
			fromGeneration: this.generation,
			ancestor: ancestor.number,
			counts: { ...NO_COUNTS, recanted: 1 },
			report: JSON.stringify({ ancestor: ancestor.hash }),
			ended: {
				height: head.number,
				hash: head.hash,
				versionId: this.versionSeq,
				pointers: this.pointers,
			},
			pointers: {},
			shadow: undefined,
			stageMs: { plan: 1, commit: 2 },
		};
	}

	/** A rollback of this chain as a follower would record it. */
	newRollback(rollbackId: RollbackId, ancestor: BlockHeader): NewRollback {
		const { head = ancestor } = this;
		return {
			rollbackId,
			chainId: this.chainId,
			cause: "reorg",
			fromGeneration: this.generation,
			ancestor: { height: ancestor.number, hash: ancestor.hash },
			from: { height: head.number, hash: head.hash },
			branch: [blockOn(ancestor, "other")],
			supersessions: 0,
			wantedStrategy: undefined,
		};
	}

	#batch(
		said: Said,
		from: {
			readonly editor: StateEditor;
			readonly generation: Generation;
			readonly head: BlockHeader | undefined;
		},
	): CommitBatch {
		const made = new Drafted(this, from);
		for (const put of said.puts ?? []) made.put(put);
		for (let count = 0; count < (said.seals ?? 0); count += 1) made.seal();
		for (const entry of said.log ?? []) made.log(entry);
		const { safe, finalized } = said.finality ?? this.finality ?? {};
		return {
			chainId: this.chainId,
			generation: from.generation,
			basePosition: this.position,
			roots: { ...EMPTY_ROOTS, semantic: hashOf(`root ${made.position}`) },
			safe,
			finalized,
			operations: said.operations ?? [],
			derivations: said.derivations ?? [],
			settledEntries: said.settles ?? [],
			thinned: said.thins,
			...made.result(said.vectors ?? {}),
		};
	}
}

/** A batch that is being written. */
class Drafted {
	readonly #scribe: Scribe;
	readonly #editor: StateEditor;
	readonly #generation: Generation;
	readonly #entries: LogEntry[] = [];
	readonly #blocks: BlockHeader[] = [];
	readonly #checkpoints: CommitBatch["checkpoints"][number][] = [];
	readonly #written: NewVersion[] = [];
	#head: BlockHeader | undefined;
	#versionSeq: bigint;

	constructor(
		scribe: Scribe,
		from: {
			readonly editor: StateEditor;
			readonly generation: Generation;
			readonly head: BlockHeader | undefined;
		},
	) {
		this.#scribe = scribe;
		this.#editor = from.editor;
		this.#generation = from.generation;
		this.#head = from.head;
		this.#versionSeq = scribe.versionSeq;
	}

	get position(): bigint {
		return this.#scribe.position + BigInt(this.#entries.length);
	}

	get #slot(): Height {
		return this.#head === undefined ? 0n : this.#head.number + 1n;
	}

	put(parts: Partial<NewVersion> & { readonly id: string }): void {
		this.log({ kind: "derived", memoryKey: keyOf(parts.id) });
		this.#versionSeq += 1n;
		const version = versionOf(parts, this.#versionSeq, this.position);
		this.#editor.put(version, this.#slot);
		this.#written.push(version);
	}

	seal(): void {
		const block = blockOn(this.#head, this.#scribe.branch);
		this.log({ kind: "block", height: block.number });
		this.#head = block;
		this.#blocks.push(block);
		this.#checkpoints.push({
			height: block.number,
			blockHash: block.hash,
			logPosition: this.position,
			versionId: this.#versionSeq,
			pointers: this.#scribe.pointers,
			roots: { ...EMPTY_ROOTS, episodic: hashOf(`root of ${block.hash}`) },
		});
	}

	log(entry: Partial<LogEntry>): void {
		this.#entries.push({
			position: this.position + 1n,
			generation: this.#generation,
			height: this.#slot,
			kind: "report",
			operationId: undefined,
			memoryKey: undefined,
			body: JSON.stringify({ said: `${this.position + 1n}` }),
			...entry,
		});
	}

	result(vectors: NonNullable<Said["vectors"]>) {
		const changes: StateChanges = this.#editor.changes();
		return {
			logPosition: this.position,
			versionSeq: this.#versionSeq,
			head: this.#head,
			log: this.#entries,
			changes,
			blocks: this.#blocks,
			checkpoints: this.#checkpoints,
			vectors: changes.insert.flatMap((row): EmbeddedVersion[] => {
				const isWritten = this.#written.some(({ versionId }) => versionId === row.versionId);
				const vector = vectors[row.id];
				if (!isWritten || vector === undefined || row.collection === undefined) return [];
				const { collection, versionId, memoryKey: key, namespace, layer, fromBlock } = row;
				const placed = { collection, versionId, memoryKey: key, namespace, layer, fromBlock };
				return [{ ...placed, vector: Float32Array.from(vector) }];
			}),
		};
	}
}

export function chainNamed(chainId: ChainId = CHAIN) {
	return { id: chainId, name: `chain-${chainId}`, startBlock: 0n, handlersHash: "0x01" as Hex };
}

export function keyOf(id: string): MemoryKey {
	return memoryKey(NAMESPACE, id);
}

export function hashOf(text: string): Hex {
	return `0x${hash("sha256", text)}`;
}

/** The block that stands on `parent` in a branch of that name. */
export function blockOn(parent: BlockHeader | undefined, branch: string): BlockHeader {
	const number = parent === undefined ? 0n : parent.number + 1n;
	return {
		number,
		hash: hashOf(`${branch} ${number} on ${parent?.hash}`),
		parentHash: parent?.hash ?? hashOf("nothing"),
		timestamp: 1_000n + number * 12n,
	};
}

export function uuid(number: number): string {
	return `00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;
}

export function rollbackId(number: number): RollbackId {
	return uuid(number) as RollbackId;
}

function versionOf(
	{ id, ...parts }: Partial<NewVersion> & { readonly id: string },
	versionId: bigint,
	position: bigint,
): NewVersion {
	const body = {
		namespace: NAMESPACE,
		id,
		layer: "semantic" as const,
		owner: "agent" as const,
		content: { of: id, version: `${versionId}` },
		text: undefined,
		collection: undefined,
		importance: undefined,
		confidence: undefined,
		vectorHash: undefined,
		expiresTime: undefined,
		expiresBlock: undefined,
		...parts,
	};
	return {
		...body,
		memoryKey: memoryKey(body.namespace, id),
		versionId,
		position: parts.position ?? position,
		contentHash: parts.contentHash ?? contentHash(body),
		suspect: parts.suspect ?? false,
		grounds: parts.grounds,
	};
}
