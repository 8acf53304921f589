/**
 * A small model of what becomes of agents' operations when the chain forks, written from the design's
 * words and sharing no code with Recant:
 *
 * - An operation takes effect in the slot above the committed head.
 * - A rollback puts the operations of the orphaned range in question, and the suspended ones. No
 *   anchor: it holds. A block: it holds if that block is canonical. A transaction: it holds if it is
 *   included with the same effects, at whatever height.
 * - Its slot is max(min(original slot, new head + 1), height of the anchor, ancestor + 1), then a
 *   running maximum in log order.
 * - What has lost its anchor is suspended. A later block that holds the anchor reinstates it there.
 * - Conditions, patches and layers are evaluated again in the slot; what fails is recanted, and is in
 *   question again when that slot is orphaned. A memory that a later operation has written stays
 *   written.
 *
 * The only thing that it takes from the system is the order in which things were committed.
 */
import type { Hex } from "../../src/domain/ids.ts";
import type { ChainRecord, RecordedBlock } from "./chain-record.ts";

/** An agent's operation as far as its fate depends on it. */
export interface ModelOperation {
	readonly operationId: string;
	readonly kind: "put" | "patch" | "delete";
	readonly memory: string;
	/** Of a put. */
	readonly layer: string | undefined;
	/** Of a put. */
	readonly expiresAtBlock: bigint | undefined;
	readonly condition:
		| undefined
		| { readonly type: "absent" }
		/** The version that this operation wrote, in whatever generation. */
		| { readonly type: "written_by"; readonly operationId: string };
	readonly anchor: undefined | { readonly block: Hex } | { readonly transaction: Hex };
}

/** What was committed, in the order of the log. */
export type Committed =
	| { readonly type: "block"; readonly hash: Hex }
	| { readonly type: "operation"; readonly operation: ModelOperation }
	| {
			readonly type: "rollback";
			readonly cause: string;
			readonly ancestor: Hex;
			/** Head of the new branch. */
			readonly to: Hex;
	  };

export interface Fate {
	readonly status: "applied" | "suspended" | "recanted";
	readonly slot: bigint | undefined;
}

/** One write of the straight run. */
export interface PlacedWrite {
	readonly operationId: string;
	readonly slot: bigint;
	/** ends: it has expired before its slot, and only ends what was there. nothing: nor was there. */
	readonly effect: "writes" | "ends" | "nothing";
}

export interface StraightRun {
	readonly head: RecordedBlock;
	/** In the order in which they are to be written; slots never fall. */
	readonly writes: readonly PlacedWrite[];
	readonly fates: ReadonlyMap<string, Fate>;
}

/** Thrown when what was committed cannot have been right, whatever came of it. */
class ImpossibleHistory extends Error {
	override readonly name = "ImpossibleHistory";
}

export function straightRun(committed: readonly Committed[], record: ChainRecord): StraightRun {
	const model = new Model(record);
	for (const entry of committed) model.take(entry);
	return model.result();
}

interface Entry {
	readonly operation: ModelOperation;
	/** Index in the log's order. */
	readonly order: number;
	readonly originalSlot: bigint;
	/** Effects of the anchor's transaction when the operation was written. */
	readonly effects: string | undefined;
	status: Fate["status"];
	/** Where it is applied, or was last found wanting. */
	slot: bigint;
}

interface Write {
	readonly entry: Entry;
	readonly slot: bigint;
	/** What is there from now on; undefined: nothing. */
	readonly leaves:
		| undefined
		| { readonly layer: string; readonly expiresAtBlock: bigint | undefined };
	readonly effect: PlacedWrite["effect"];
}

class Model {
	readonly #record: ChainRecord;
	/** Canonical blocks by height. */
	#chain: readonly RecordedBlock[] = [];
	readonly #entries: Entry[] = [];
	#writes: Write[] = [];

	constructor(record: ChainRecord) {
		this.#record = record;
	}

	take(committed: Committed): void {
		if (committed.type === "block") this.#block(committed.hash);
		else if (committed.type === "operation") this.#operation(committed.operation);
		else this.#rollback(committed);
	}

	result(): StraightRun {
		const head = this.#chain.at(-1);
		if (head === undefined) throw new ImpossibleHistory("nothing was committed");
		return {
			head,
			writes: this.#writes.map(({ entry, slot, effect }) => ({
				operationId: entry.operation.operationId,
				slot,
				effect,
			})),
			fates: new Map(
				this.#entries.map(({ operation, status, slot }) => [
					operation.operationId,
					{ status, slot: status === "applied" ? slot : undefined },
				]),
			),
		};
	}

	#block(hash: Hex): void {
		// The blocks of a rollback's branch are logged one by one after it.
		if (this.#chain.some((block) => block.hash === hash)) return;
		const branch = this.#record.branch(hash);
		const before = this.#chain.at(-1);
		if (before !== undefined && branch[this.#chain.length - 1]?.hash !== before.hash) {
			throw new ImpossibleHistory(`block ${hash} does not stand on the committed head`);
		}
		if (before !== undefined && branch.length !== this.#chain.length + 1) {
			throw new ImpossibleHistory(`block ${hash} leaves out a block`);
		}
		this.#chain = branch;
		const slot = BigInt(branch.length - 1);
		for (const entry of this.#entries) {
			if (entry.status === "suspended" && this.#anchorHeight(entry) === slot) {
				this.#apply(entry, slot);
			}
		}
	}

	#operation(operation: ModelOperation): void {
		const slot = BigInt(this.#chain.length);
		const effects = this.#effectsNow(operation);
		const order = this.#entries.length;
		const entry: Entry = {
			operation,
			order,
			originalSlot: slot,
			effects,
			status: "recanted",
			slot,
		};
		this.#entries.push(entry);
		this.#apply(entry, slot);
		if (entry.status !== "applied") {
			throw new ImpossibleHistory(`operation ${operation.operationId} should have been refused`);
		}
	}

	#rollback(rollback: Extract<Committed, { readonly type: "rollback" }>): void {
		const ancestor = this.#record.block(rollback.ancestor).number;
		const branch = this.#record.branch(rollback.to);
		const shared = branch.findLast(
			(block) => this.#chain[Number(block.number)]?.hash === block.hash,
		);
		if (shared?.hash !== rollback.ancestor) {
			throw new ImpossibleHistory(
				`the ancestor of a ${rollback.cause} rollback is ${shared?.number}, not ${ancestor}`,
			);
		}
		this.#chain = branch;
		this.#writes = this.#writes.filter((write) => write.slot <= ancestor);
		const questioned = this.#entries.filter(
			(entry) => entry.status === "suspended" || entry.slot > ancestor,
		);
		const pending = BigInt(branch.length);
		let running = ancestor + 1n;
		for (const entry of questioned) {
			const anchor = this.#anchorHeight(entry);
			if (anchor === undefined) {
				entry.status = "suspended";
				continue;
			}
			const own = entry.originalSlot < pending ? entry.originalSlot : pending;
			for (const bound of [own, anchor]) if (bound > running) running = bound;
			this.#apply(entry, running);
		}
	}

	/** Height at which the anchor holds on the present chain; 0 without one. */
	#anchorHeight({ operation: { anchor }, effects }: Entry): bigint | undefined {
		if (anchor === undefined) return 0n;
		const found = this.#chain.find((block) =>
			"block" in anchor
				? block.hash === anchor.block
				: effects !== undefined && block.effects.get(anchor.transaction) === effects,
		);
		return found?.number;
	}

	#effectsNow({ operationId, anchor }: ModelOperation): string | undefined {
		if (anchor === undefined) return undefined;
		const holder = this.#chain.find((block) =>
			"block" in anchor ? block.hash === anchor.block : block.effects.has(anchor.transaction),
		);
		if (holder === undefined) {
			throw new ImpossibleHistory(`operation ${operationId} was taken without its anchor`);
		}
		return "block" in anchor ? undefined : holder.effects.get(anchor.transaction);
	}

	#apply(entry: Entry, slot: bigint): void {
		entry.slot = slot;
		const write = this.#evaluate(entry, slot);
		entry.status = write === undefined ? "recanted" : "applied";
		if (write !== undefined) this.#writes.push(write);
	}

	/** Undefined: it fails there. */
	#evaluate(entry: Entry, slot: bigint): Write | undefined {
		const { kind, memory, condition } = entry.operation;
		const last = this.#writes.findLast((write) => write.entry.operation.memory === memory);
		if (last !== undefined && last.entry.order > entry.order) return undefined;
		const present = last?.leaves !== undefined && isThere(last.leaves, slot) ? last : undefined;
		if (condition?.type === "absent" && present !== undefined) return undefined;
		if (
			condition?.type === "written_by" &&
			present?.entry.operation.operationId !== condition.operationId
		) {
			return undefined;
		}
		if (kind === "put") return putAt(entry, slot, present);
		if (present === undefined) return undefined;
		const leaves = kind === "patch" ? present.leaves : undefined;
		return { entry, slot, leaves, effect: "writes" };
	}
}

function putAt(entry: Entry, slot: bigint, present: Write | undefined): Write | undefined {
	const { layer = "", expiresAtBlock } = entry.operation;
	if (present?.leaves !== undefined && present.leaves.layer !== layer) return undefined;
	const leaves = { layer, expiresAtBlock };
	if (isThere(leaves, slot)) return { entry, slot, leaves, effect: "writes" };
	return { entry, slot, leaves: undefined, effect: present === undefined ? "nothing" : "ends" };
}

function isThere(version: { readonly expiresAtBlock: bigint | undefined }, slot: bigint): boolean {
	return version.expiresAtBlock === undefined || version.expiresAtBlock > slot;
}
