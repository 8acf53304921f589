/**
 * The straight run: a fresh instance that sees only the final chain, with agents' operations written in the
 * slots that the reference model gives. One writer on empty stores, without faults; production code above
 * the stores, as in the run that it judges.
 *
 * What the model decides is decided already: anchors, sources, conditions and capacity are left out, and
 * what was evicted is deleted where the model says so.
 */
import type { Clock } from "../../src/domain/clock.ts";
import type { Height, OperationId } from "../../src/domain/ids.ts";
import { isLinkId } from "../../src/domain/link.ts";
import { NO_ANCHORS, type Operation } from "../../src/domain/operation.ts";
import { NO_SOURCES } from "../../src/domain/provenance.ts";
import { BlockCache } from "../../src/follower/block-cache.ts";
import { headerOnly } from "../../src/follower/derive.ts";
import { HandlerCache } from "../../src/follower/handler-cache.ts";
import { WindowDeriver } from "../../src/follower/window-deriver.ts";
import type { Embedder } from "../../src/vectors/embedder.ts";
import { ChainWriter } from "../../src/writer/chain-writer.ts";
import { CollectionChecks } from "../../src/writer/collection-checks.ts";
import type { InboxStore } from "../../src/writer/inbox-store.ts";
import type { WriterStore } from "../../src/writer/writer-store.ts";
import { isOver, nameOf, visibleIn } from "../support/reference-history.ts";
import type { PlacedWrite, ReferenceModel } from "../support/reference-model.ts";
import { SILENT } from "../support/silent-log.ts";
import type { RunReads } from "./run-reads.ts";
import type { SimChain } from "./sim-chain.ts";
import { SIM_CHAIN_ID, SMALL, simSpec } from "./sim-ledger.ts";
import { SimSource } from "./sim-source.ts";

/** Empty stores of their own, with the chain registered. */
export interface FreshStores {
	readonly writer: WriterStore;
	readonly inbox: InboxStore;
	readonly reads: RunReads;
	close(): Promise<void>;
}

export interface StraightRun {
	/** Links without ends in their slot: one that was admitted is carried there all the same, a new one not. */
	readonly unlinked: ReadonlySet<string>;
}

const LEASE_MS = 3_600_000;
/** Operations that a slot takes at once. */
const CARRIED: ReadonlySet<string> = new Set([
	"link_end_missing",
	"link_invalid",
	"memory_not_found",
]);

export async function runStraight(run: {
	readonly chain: SimChain;
	readonly model: ReferenceModel;
	/** What an operation does, without what it rests on. */
	readonly operationOf: (operationId: string) => Operation;
	readonly stores: FreshStores;
	readonly embedder: Embedder;
}): Promise<StraightRun> {
	const straight = await Straight.begin(run);
	const bySlot = Map.groupBy(run.model.placed, ({ slot }) => slot);
	for (const slot of [...bySlot.keys()].sort((a, b) => (a < b ? -1 : 1))) {
		await straight.follow(slot - 1n);
		await straight.write(slot, bySlot.get(slot) ?? []);
	}
	await straight.follow(run.model.head.number);
	return { unlinked: straight.unlinked };
}

class Straight {
	readonly unlinked = new Set<string>();
	readonly #run: Parameters<typeof runStraight>[0];
	readonly #writer: ChainWriter;
	readonly #deriver: WindowDeriver;
	readonly #handlers: HandlerCache;
	#operations = 0;
	#head = -1n;

	private constructor(run: Parameters<typeof runStraight>[0], writer: ChainWriter) {
		const source = SimSource.calm(run.chain, STILL);
		this.#run = run;
		this.#writer = writer;
		const spec = simSpec(run.chain.depthBlocks);
		this.#deriver = new WindowDeriver(spec, source, new BlockCache(source));
		this.#handlers = new HandlerCache(run.stores.writer, SIM_CHAIN_ID);
	}

	static async begin(run: Parameters<typeof runStraight>[0]): Promise<Straight> {
		const { stores, embedder } = run;
		const lease = await stores.writer.acquireLease(SIM_CHAIN_ID, "straight", LEASE_MS);
		if (!("fence" in lease)) throw new Error("a fresh store has a lease already");
		const collections = new CollectionChecks(SIM_CHAIN_ID, stores.inbox, embedder);
		await collections.ensure("default");
		const writer = await ChainWriter.open({
			chainId: SIM_CHAIN_ID,
			fence: lease.fence,
			store: stores.writer,
			embedder,
			consolidator: { consolidate: async () => [] },
			settings: {
				refresh: async () => undefined,
				all: () => new Map(),
				contentProblem: () => undefined,
			},
			log: SILENT,
			collections,
			vectors: { room: async () => undefined, added: () => undefined },
			onCommit: () => undefined,
			onLeaseLost: () => undefined,
			clock: STILL,
		});
		return new Straight(run, writer);
	}

	/** Up to that block of the final chain. */
	async follow(height: Height): Promise<void> {
		const { chain, model } = this.#run;
		if (height <= this.#head) return;
		const blocks = chain
			.branch(model.head.hash as `0x${string}`)
			.slice(Number(this.#head) + 1, Number(height) + 1);
		const read = (key: Parameters<HandlerCache["read"]>[0]) => this.#handlers.read(key);
		const derived = await this.#deriver.derive(blocks.map(headerOnly), this.#writer.waiting, read);
		await this.#writer.commitBlocks({
			mode: "window",
			blocks: derived,
			from: this.#head + 1n,
			finality: { safe: 0n, finalized: 0n },
			handlersHash: this.#deriver.handlersHash,
		});
		this.#handlers.keep(derived);
		this.#head = height;
	}

	async write(slot: Height, writes: readonly PlacedWrite[]): Promise<void> {
		const operations = writes.flatMap((write) => this.#placed(write) ?? []);
		await this.#commit([...operations, ...this.#evicted(slot)]);
	}

	#placed({ operationId, effect }: PlacedWrite): Operation | undefined {
		if (effect === "nothing") return undefined;
		const operation = this.#run.operationOf(operationId);
		const bare = { ...operation, ifVersion: undefined };
		const { kind, namespace, id } = bare;
		const isEnding = effect === "ends" && (kind === "put" || kind === "action");
		return isEnding ? { kind: "delete", namespace, id, ifVersion: undefined } : bare;
	}

	/** What the model ended in that slot for capacity; what was not there anyway is nothing's loss. */
	#evicted(slot: Height): readonly Operation[] {
		const { history } = this.#run.model;
		const ended = history.filter(
			(each) =>
				each.slot === slot &&
				each.namespace === SMALL.namespace &&
				visibleIn(history, each, slot) === undefined &&
				!isOver(each.says, slot),
		);
		const names = new Map(ended.map((each) => [nameOf(each), each]));
		return [...names.values()].map(({ namespace, id }) => ({
			kind: "delete",
			namespace,
			id,
			ifVersion: undefined,
		}));
	}

	async #commit(operations: readonly Operation[]): Promise<void> {
		if (operations.length === 0) return;
		const { inbox } = this.#run.stores;
		const entries = operations.map((operation) => [
			{
				operationId: this.#nextId(),
				operation,
				anchors: NO_ANCHORS,
				sources: NO_SOURCES,
				policy: "recant",
			} as const,
		]);
		const { operationIds } = await inbox.submit({
			chainId: SIM_CHAIN_ID,
			entries,
			idempotency: undefined,
		});
		await this.#writer.drained();
		const records = await inbox.operations(SIM_CHAIN_ID, operationIds);
		for (const [index, { status, reason }] of records.entries()) {
			const operation = operations[index];
			if (status === "applied" || operation === undefined) continue;
			const isCarried =
				CARRIED.has(reason?.code ?? "") &&
				(isLinkId(operation.id) || operation.namespace === SMALL.namespace);
			if (!isCarried || status !== "refused") {
				throw new Error(
					`the straight run ${status} ${operation.kind} of ${nameOf(operation)}: ${reason?.message}`,
				);
			}
			if (isLinkId(operation.id)) this.unlinked.add(operation.id);
		}
	}

	#nextId(): OperationId {
		this.#operations += 1;
		const digits = this.#operations.toString(16).padStart(12, "0");
		return `00000000-0000-4000-8000-${digits}` as string as OperationId;
	}
}

/** Nothing waits in a straight run. */
const STILL: Clock = {
	now: () => 0,
	wallMs: () => 0,
	sleep: async () => undefined,
	after: () => () => undefined,
	every: () => () => undefined,
	random: () => 0.5,
};
