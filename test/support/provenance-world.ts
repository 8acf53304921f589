/**
 * The writer's and the rollback's own code over stores and a node in memory, beside the reference model:
 * both get the same, and are compared after every step.
 */
import { expect } from "vitest";
import { StateTree } from "../../src/commitment/state-tree.ts";
import type { Hex, MemoryKey, OperationId } from "../../src/domain/ids.ts";
import type { Layer } from "../../src/domain/layer.ts";
import type { Version } from "../../src/domain/memory.ts";
import { NO_SETTINGS } from "../../src/domain/namespace-settings.ts";
import type { Anchor, JsonObject, MemoryBody, Operation } from "../../src/domain/operation.ts";
import type { Sources } from "../../src/domain/provenance.ts";
import { BlockCache } from "../../src/follower/block-cache.ts";
import { headerOnly } from "../../src/follower/derive.ts";
import { WindowDeriver } from "../../src/follower/window-deriver.ts";
import { effectsHash } from "../../src/memory/effects-hash.ts";
import type { StoredOperation } from "../../src/memory/operation-codec.ts";
import { RollbackCoordinator } from "../../src/rollback/coordinator.ts";
import { ChainWriter } from "../../src/writer/chain-writer.ts";
import type { Consolidator, WriterSettings } from "../../src/writer/system-work.ts";
import { MemoryNode, type NodeBlock, type NodeTransaction, nodeSpec } from "./memory-node.ts";
import { MemoryWriterStore } from "./memory-writer-store.ts";
import { SMALL } from "./random-operations.ts";
import {
	allVisibleIn,
	type Happening,
	type History,
	hashOf,
	nameOf,
	type Says,
} from "./reference-history.ts";
import { type ModelOperation, ReferenceModel } from "./reference-model.ts";
import { expectReport } from "./rollback-report.ts";
import { SILENT } from "./silent-log.ts";

const CHAIN = 1;
/** Beyond it a memory is set back by a restore, of which this has no part. */
const CHANGES_LIMIT = 10_000;

const NO_EMBEDDER = {
	model: "none",
	dimensions: 1,
	embed: async (texts: readonly string[]) => texts.map(() => Float32Array.of(1)),
};
/** Rules are tested elsewhere: here none is given. */
const CONSOLIDATOR: Consolidator = { consolidate: async () => [] };
const SETTINGS: WriterSettings = {
	refresh: async () => undefined,
	all: () => new Map([[SMALL.namespace, { ...NO_SETTINGS, shortTermCapacity: SMALL.capacity }]]),
	contentProblem: () => undefined,
};
const CAPACITIES = new Map([[SMALL.namespace, SMALL.capacity]]);
const COLLECTIONS = { ensure: async () => ({ takesTexts: true }) };

export class ProvenanceWorld {
	readonly node = new MemoryNode();
	readonly store = new MemoryWriterStore({ chainId: CHAIN, startBlock: 0n });
	readonly model: ReferenceModel;
	readonly #source = this.node.source(() => this.head);
	readonly #deriver = new WindowDeriver(nodeSpec(), this.#source, new BlockCache(this.#source));
	readonly #coordinator: RollbackCoordinator;
	#writer: ChainWriter | undefined;
	head: NodeBlock;
	#operations = 0;

	private constructor() {
		this.head = this.node.mine(undefined, [], 0);
		this.model = new ReferenceModel(this.node.model, CAPACITIES);
		this.#coordinator = new RollbackCoordinator({
			store: this.store.rollbacks,
			writerStore: this.store.writer,
			restorer: {} as never,
			states: {} as never,
			changesLimit: CHANGES_LIMIT,
			embedder: NO_EMBEDDER,
			collections: () => COLLECTIONS,
			settings: () => SETTINGS,
			consolidator: CONSOLIDATOR,
			holder: "test",
			log: SILENT,
			onProgress: () => undefined,
			beforeStage: async () => undefined,
		});
	}

	/** Follows a genesis block. */
	static async create(): Promise<ProvenanceWorld> {
		const world = new ProvenanceWorld();
		await world.reopen();
		await world.#follow(world.head);
		return world;
	}

	/** Another writer, which knows what the store has. */
	async reopen(): Promise<void> {
		this.#writer = await ChainWriter.open({
			chainId: CHAIN,
			fence: 1n,
			store: this.store.writer,
			embedder: NO_EMBEDDER,
			log: SILENT,
			collections: COLLECTIONS,
			settings: SETTINGS,
			consolidator: CONSOLIDATOR,
			vectors: { room: async () => undefined, added: () => undefined },
			onCommit: () => undefined,
			onLeaseLost: () => undefined,
		});
		expect(this.store.halted, "rows give the recorded roots").toBeUndefined();
	}

	get writer(): ChainWriter {
		if (this.#writer === undefined) throw new RangeError("the world is not open");
		return this.#writer;
	}

	/** A name for the next operation. */
	nextId(): string {
		this.#operations += 1;
		return `operation-${this.#operations}`;
	}

	/** One block on top. */
	async extend(content: readonly NodeTransaction[], secondsLater: number): Promise<void> {
		this.head = this.node.mine(this.head, content, secondsLater);
		await this.#follow(this.head);
	}

	/** Leaves the blocks above `ancestor` for the branch of `head`; both the same: as by hand. */
	async rollBack(ancestor: NodeBlock, head: NodeBlock): Promise<void> {
		const { state } = this.writer;
		const branch = this.node.branch(head.hash).filter(({ number }) => number > ancestor.number);
		const from = this.head;
		this.head = head;
		const cause = branch.length === 0 ? "manual" : "reorg";
		const id = await this.#coordinator.record({
			chainId: CHAIN,
			cause,
			fromGeneration: state.generation,
			ancestor: { height: ancestor.number, hash: ancestor.hash },
			from: { height: from.number, hash: from.hash },
			branch: branch.map(headerOnly),
			supersessions: 0,
			wantedStrategy: undefined,
		});
		const outcome = await this.#coordinator.run(id, this.#deriver, {
			stillWanted: async () => true,
			exclusive: (work) => this.writer.exclusive(work),
		});
		if ("error" in outcome) throw outcome.error;
		expect(outcome.type).toBe("committed");
		this.model.take({ type: "rollback", cause, ancestor: ancestor.hash, to: head.hash });
		this.#compareReports();
	}

	/** Requests of one commit; whether each was admitted, which model and writer must agree on. */
	async write(...requests: readonly (readonly ModelOperation[])[]): Promise<readonly boolean[]> {
		const admitted = requests.map((operations) => {
			this.store.queue(operations.map((each) => this.#stored(each)));
			const isAdmitted = this.model.admits(operations);
			if (isAdmitted) this.model.take({ type: "operations", operations });
			return isAdmitted;
		});
		await this.writer.drained();
		for (const [index, isAdmitted] of admitted.entries()) {
			this.#compareAdmission(requests[index] ?? [], isAdmitted);
		}
		return admitted;
	}

	#compareAdmission(operations: readonly ModelOperation[], isAdmitted: boolean): void {
		for (const { operationId } of operations) {
			const { status, reason } = this.store.operations.get(operationId) ?? {};
			const expected = isAdmitted ? "applied" : "refused";
			expect({ operationId, status, reason: reason?.message }).toEqual({
				operationId,
				status: expected,
				reason: isAdmitted ? undefined : expect.anything(),
			});
		}
	}

	/** Everything that can be seen now, of both. */
	compare(): void {
		this.#compareFates();
		this.#compareMemories(this.model.pending);
		const { number } = this.model.head;
		const { roots } = this.store.checkpoint(number) ?? {};
		expect(roots, "roots of the head").toEqual(StateTree.build(this.store.visible(number)).roots());
	}

	/** Every height of every generation. */
	compareHistory(): void {
		const generations = [...this.model.ended, this.model];
		for (const [index, { history, head }] of generations.entries()) {
			for (let height = 0n; height <= head.number + 1n; height += 1n) {
				// The last pending slot of a generation that has ended is not sealed.
				if (index < generations.length - 1 && height > head.number) continue;
				const actual = seen(this.store.visible(height, BigInt(index)));
				expectSeen(actual, believed(history, height), `generation ${index}, height ${height}`);
			}
		}
	}

	async #follow(block: NodeBlock): Promise<void> {
		const blocks = await this.#deriver.derive(
			[headerOnly(block)],
			this.writer.waiting,
			async (key: MemoryKey) => this.store.rows.present(key).at(-1),
		);
		await this.writer.commitBlocks({
			mode: "window",
			blocks,
			from: block.number,
			finality: { safe: 0n, finalized: 0n },
			handlersHash: this.#deriver.handlersHash,
		});
		this.model.take({ type: "block", hash: block.hash });
	}

	#compareFates(): void {
		const expected = this.model.fates;
		for (const [id, { status, effectiveSlot, suspect }] of this.store.operations) {
			if (status === "refused") continue;
			const fate = expected.get(id);
			expect({ id, status, suspect, slot: effectiveSlot }, "an operation's fate").toEqual({
				id,
				status: fate?.status,
				suspect: fate?.suspect,
				slot: fate?.slot,
			});
		}
	}

	#compareMemories(slot: bigint): void {
		const expected = believed(this.model.history, slot);
		expectSeen(seen(this.store.visible(slot)), expected, `memories in slot ${slot}`);
	}

	#compareReports(): void {
		const expected = this.model.reports.at(-1);
		const said = this.store.reports.at(-1);
		if (expected === undefined || said === undefined) throw new RangeError("no report");
		expectReport(JSON.parse(said), expected, `report of rollback ${this.model.reports.length}`);
	}

	#stored(of: ModelOperation): StoredOperation {
		return {
			operationId: of.operationId as OperationId,
			operation: this.#operationOf(of),
			anchors: { mode: of.mode, anchors: of.anchors.map((anchor) => this.#anchorOf(anchor)) },
			sources: of.sources as Sources,
			policy: of.onLoss,
		};
	}

	#operationOf(of: ModelOperation): Operation {
		const { namespace, id, condition } = of;
		const present = this.store
			.visible(this.model.pending)
			.find((each) => each.namespace === namespace && each.id === id);
		const ifVersion =
			condition === undefined ? undefined : condition.type === "absent" ? 0n : present?.versionId;
		const target = { namespace, id, ifVersion };
		if (of.link !== undefined) {
			const weight = Number(of.says?.content["weight"]);
			return { kind: "link", ...target, link: of.link, weight, properties: undefined };
		}
		if (of.kind === "patch") {
			const { content = {}, text, importance, confidence } = of.patch ?? {};
			const merged = content as JsonObject;
			return { kind: "patch", ...target, content: merged, text, importance, confidence };
		}
		if (of.says === undefined) return { kind: "delete", ...target };
		return { kind: of.isAction ? "action" : "put", ...target, body: bodyOf(of.says) };
	}

	#anchorOf(anchor: ModelOperation["anchors"][number]): Anchor {
		const branch = this.node.branch(this.head.hash);
		const holder = branch.find((block) =>
			"block" in anchor
				? block.hash === anchor.block
				: block.transactions.includes(anchor.transaction as Hex),
		);
		if (holder === undefined) throw new RangeError("the anchor is not on the branch");
		const place = { blockHash: holder.hash, height: holder.number };
		if ("block" in anchor) return { kind: "block", blockHash: holder.hash, place };
		const transactionHash = anchor.transaction as Hex;
		const receipt = this.node.receiptIn(holder, transactionHash);
		return { kind: "transaction", transactionHash, effectsHash: effectsHash(receipt), place };
	}
}

function bodyOf(says: Says): MemoryBody {
	return {
		layer: says.layer as Layer,
		content: says.content as JsonObject,
		text: undefined,
		vector: undefined,
		collection: undefined,
		importance: says.importance,
		confidence: says.confidence,
		expiresAtBlock: says.expiresAtBlock,
		expiresAtTime: says.expiresAtTime,
	};
}

interface Seen {
	readonly hash: string;
	readonly since: bigint;
	readonly suspect: boolean;
	readonly grounds: Happening["grounds"];
}

/** By name. */
function seen(versions: readonly Version[]): Readonly<Record<string, Seen>> {
	return Object.fromEntries(
		versions.map((version) => {
			const { contentHash: hash, fromBlock: since, suspect, grounds = "none" } = version;
			return [nameOf(version), { hash, since, suspect, grounds }];
		}),
	);
}

function believed(history: History, slot: bigint): Readonly<Record<string, Seen>> {
	return Object.fromEntries(
		allVisibleIn(history, slot).map((each) => {
			const { slot: since, suspect, grounds } = each;
			return [nameOf(each), { hash: hashOf(each, each.owner, each.says), since, suspect, grounds }];
		}),
	);
}

function expectSeen(
	actual: Readonly<Record<string, Seen>>,
	expected: Readonly<Record<string, Seen>>,
	where: string,
): void {
	const unsaid = Object.entries(actual).map(([name, each]) => {
		const isLost = expected[name]?.grounds === "lost";
		return [name, isLost ? { ...each, grounds: "lost" } : each];
	});
	expect(Object.fromEntries(unsaid), where).toEqual(expected);
}
