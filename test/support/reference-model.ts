/**
 * A small model of what an agent's memory is worth after forks, written from the design's words and
 * sharing no code with Recant. It is slow: the history is one list, and each question searches it.
 *
 * - An operation takes effect in the slot above the committed head.
 * - Its ground holds when its anchors do (all of them, or any) and a set of its sources does. A source
 *   holds once the memory has said so in the history that is believed, whatever it says by now.
 * - A rollback puts the operations of the orphaned range in question, those that were judged in it, and
 *   the suspended ones, in log order. One whose ground is gone is suspended, or kept and marked, or kept,
 *   as its policy says. Of the others the slot is max(min(original slot, new head + 1), ground), never
 *   below that of the one before.
 * - Conditions, patches, layers and links are evaluated again in the slot; what fails is recanted.
 * - What was suspended comes back with its ground, in a later block or by a later write; a mark is
 *   taken away then. What is derived from what is marked is marked.
 * - In a slot: the block's handlers, agents' operations, what ends by the block's time.
 * - Expiry by time and eviction by capacity follow from the rest, and are done anew on each branch.
 *
 * All that it takes from the system is the order in which things were committed.
 */
import { type ModelChange, outcomeOf } from "./reference-evaluation.ts";
import {
	type Ground,
	type GroundBlock,
	groundOf,
	LOST,
	type ModelSource,
	type RestsOn,
} from "./reference-ground.ts";
import {
	allVisibleIn,
	type Happening,
	type History,
	hashOf,
	higherGrounds,
	type MemoryName,
	nameOf,
	type Says,
	visibleIn,
} from "./reference-history.ts";

/** A block with what the chain's handlers made of it, on the branch that it ends. */
export interface ModelBlock extends GroundBlock {
	/** Seconds. */
	readonly timestamp: bigint;
	/** In order; `says` undefined: deleted. */
	readonly writes: readonly (MemoryName & { readonly says: Says | undefined })[];
}

export interface ModelChain {
	/** From the genesis block to that one, ascending. */
	branch(head: string): readonly ModelBlock[];
}

/** An agent's operation as far as its fate depends on it. */
export interface ModelOperation extends Omit<ModelChange, "condition"> {
	readonly operationId: string;
	readonly condition:
		| undefined
		| { readonly type: "absent" }
		/** The version that this operation wrote, in whatever generation. */
		| { readonly type: "written_by"; readonly operationId: string };
	readonly mode: "all" | "any";
	readonly anchors: readonly ({ readonly block: string } | { readonly transaction: string })[];
	readonly sources: readonly (readonly ModelSource[])[];
	readonly onLoss: "recant" | "flag" | "keep";
	readonly isAction: boolean;
}

/** What was committed, in the order of the log. */
export type Committed =
	| { readonly type: "block"; readonly hash: string }
	/** Of one request. */
	| { readonly type: "operations"; readonly operations: readonly ModelOperation[] }
	| {
			readonly type: "rollback";
			/** It was an operator who let it go below finality. */
			readonly isRecovery?: boolean;
			readonly cause: string;
			readonly ancestor: string;
			/** Head of the new branch. */
			readonly to: string;
	  };

export interface Fate {
	readonly status: "applied" | "suspended" | "recanted";
	readonly slot: bigint | undefined;
	readonly suspect: boolean;
}

/** What the report of a rollback must say: operations by id, memories by name. */
export interface ModelReport {
	/** What the orphaned range had said, and nobody says any more. */
	readonly recanted: readonly string[];
	readonly suspended: readonly string[];
	readonly reinstated: readonly string[];
	readonly replayed: readonly string[];
	readonly withdrawn: readonly string[];
	readonly flagged: readonly string[];
	readonly cleared: readonly string[];
	readonly actions: readonly string[];
	/** Believed before, and over by now whatever forks: may be called recanted or not. */
	readonly over: readonly string[];
}

/** One write of the straight run. */
export interface PlacedWrite {
	readonly operationId: string;
	readonly slot: bigint;
	/** ends: it has expired before its slot, and only ends what was there. nothing: nor was there. */
	readonly effect: "writes" | "ends" | "nothing";
}

/** Thrown when what was committed cannot have been right, whatever came of it. */
export class ImpossibleHistory extends Error {
	override readonly name = "ImpossibleHistory";
}

interface Entry {
	readonly operation: ModelOperation;
	/** Index in the log's order. */
	readonly order: number;
	readonly originalSlot: bigint;
	readonly rests: RestsOn;
	status: Fate["status"];
	/** Where it is applied, or was last found wanting. */
	slot: bigint;
	suspect: boolean;
	/** It was applied once. */
	admitted: boolean;
	/** Where its mark was taken away, above the slot where it was applied. */
	clearedAt: bigint | undefined;
}

type Standing = Pick<Entry, "status" | "suspect" | "slot">;

interface Pass {
	readonly ancestor: bigint;
	readonly pending: bigint;
	readonly believed: readonly (Happening & { readonly says: Says })[];
	readonly before: ReadonlyMap<Entry, Standing>;
	readonly withdrawn: Entry[];
	readonly actions: Entry[];
	/** Slot that has been reached; what comes is never below it. */
	floor: bigint;
}

export class ReferenceModel {
	readonly #record: ModelChain;
	/** Of each namespace: short-term memories that it keeps. */
	readonly #capacities: ReadonlyMap<string, number>;
	/** Canonical blocks by height. */
	#chain: readonly ModelBlock[] = [];
	#history: Happening[] = [];
	#placed: (PlacedWrite & { readonly entry: Entry })[] = [];
	readonly #entries: Entry[] = [];
	/** What was believed in each generation that has ended, and its head. */
	readonly ended: { readonly history: History; readonly head: ModelBlock }[] = [];
	readonly reports: ModelReport[] = [];

	constructor(record: ModelChain, capacities: ReadonlyMap<string, number> = new Map()) {
		this.#record = record;
		this.#capacities = capacities;
	}

	take(committed: Committed): void {
		if (committed.type === "block") this.#block(committed.hash);
		else if (committed.type === "operations") this.#request(committed.operations);
		else this.#rollback(committed);
	}

	get head(): ModelBlock {
		const head = this.#chain.at(-1);
		if (head === undefined) throw new ImpossibleHistory("nothing was committed");
		return head;
	}

	/** Slot over the head. */
	get pending(): bigint {
		return BigInt(this.#chain.length);
	}

	get history(): History {
		return this.#history;
	}

	get chain(): readonly ModelBlock[] {
		return this.#chain;
	}

	/** In the order in which they are to be written; slots never fall. */
	get placed(): readonly PlacedWrite[] {
		return this.#placed.map(({ entry: _entry, ...write }) => write);
	}

	get fates(): ReadonlyMap<string, Fate> {
		return new Map(
			this.#entries.map(({ operation, status, slot, suspect }) => [
				operation.operationId,
				{ status, slot: status === "applied" ? slot : undefined, suspect },
			]),
		);
	}

	/** Who wrote what has that order; undefined: a handler. */
	operationOf(order: number): string | undefined {
		return this.#entries[order]?.operation.operationId;
	}

	/** Whether a request would be admitted now. */
	admits(operations: readonly ModelOperation[]): boolean {
		const copy = new ReferenceModel(this.#record, this.#capacities);
		copy.#chain = this.#chain;
		copy.#history = [...this.#history];
		copy.#entries.push(...this.#entries.map((entry) => ({ ...entry })));
		try {
			copy.#request(operations);
			return true;
		} catch (error) {
			if (error instanceof ImpossibleHistory) return false;
			throw error;
		}
	}

	#block(hash: string): void {
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
		// The first may stand on blocks that were there before anything was followed.
		const first = this.#chain.length;
		this.#chain = branch;
		for (const block of branch.slice(first)) {
			this.#handlers(block);
			this.#settle(this.#unsettled(), block.number, undefined);
			this.#endByTime(block);
		}
	}

	#request(operations: readonly ModelOperation[]): void {
		const slot = this.pending;
		for (const operation of operations) {
			const entry = this.#admit(operation, slot);
			const ground = this.#ground(entry, undefined);
			if (ground === undefined) {
				throw new ImpossibleHistory(`operation ${operation.operationId} has no ground`);
			}
			this.#entries.push(entry);
			this.#apply(entry, slot, ground);
			if (entry.status !== "applied") {
				throw new ImpossibleHistory(`operation ${operation.operationId} should have been refused`);
			}
		}
		this.#settle(this.#unsettled(), slot, undefined);
	}

	#admit(operation: ModelOperation, slot: bigint): Entry {
		return {
			operation,
			order: this.#entries.length,
			originalSlot: slot,
			rests: {
				mode: operation.mode,
				anchors: operation.anchors.map((anchor) =>
					"block" in anchor ? anchor : { ...anchor, effects: this.#effectsOf(anchor.transaction) },
				),
				sources: operation.sources,
			},
			status: "recanted",
			slot,
			suspect: false,
			admitted: false,
			clearedAt: undefined,
		};
	}

	#effectsOf(transaction: string): string {
		const holder = this.#chain.find((block) => block.effects.has(transaction));
		const effects = holder?.effects.get(transaction);
		if (effects === undefined) throw new ImpossibleHistory(`${transaction} is not on the chain`);
		return effects;
	}

	#rollback(rollback: Extract<Committed, { readonly type: "rollback" }>): void {
		const branch = this.#record.branch(rollback.to);
		const ancestor = this.#sharedBlock(rollback, branch);
		const pass: Pass = {
			ancestor,
			pending: BigInt(branch.length),
			believed: allVisibleIn(this.#history, this.pending),
			before: new Map(
				this.#entries.map((entry) => [
					entry,
					{ status: entry.status, suspect: entry.suspect, slot: entry.slot },
				]),
			),
			withdrawn: [],
			actions: [],
			floor: ancestor,
		};
		this.ended.push({ history: this.#history, head: this.head });
		this.#chain = branch;
		this.#history = this.#history.filter((each) => each.slot <= ancestor);
		this.#placed = this.#placed.filter((each) => each.slot <= ancestor);
		for (const entry of this.#entries) takeBackClearing(entry, ancestor);
		this.#judge(pass);
		this.#reach(pass, this.pending);
		this.reports.push(this.#report(pass));
	}

	#sharedBlock(
		{ cause, ancestor, to, isRecovery }: Extract<Committed, { readonly type: "rollback" }>,
		branch: readonly ModelBlock[],
	): bigint {
		const shared = branch.findLast(
			({ number, hash }) => this.#chain[Number(number)]?.hash === hash,
		);
		// By hand the chain may go back to a block that it stands on.
		if (shared?.hash === ancestor) return shared.number;
		// A recovery may begin lower: at a checkpoint, or with everything.
		const lower = branch.find(({ hash }) => hash === ancestor);
		const isBelow = lower !== undefined && shared !== undefined && lower.number < shared.number;
		if (isRecovery === true && isBelow) return lower.number;
		throw new ImpossibleHistory(
			`the ancestor of a ${cause} rollback to ${to} is ${shared?.hash}, not ${ancestor}`,
		);
	}

	#judge(pass: Pass): void {
		const questioned = this.#entries.filter(
			({ status, slot, suspect }) => status === "suspended" || slot > pass.ancestor || suspect,
		);
		// Marked at or below the ancestor: it stands, and may lose its mark.
		const standing = questioned.filter(
			({ status, slot }) => status === "applied" && slot <= pass.ancestor,
		);
		// Until its turn comes, an operation is nowhere.
		for (const entry of questioned) if (!standing.includes(entry)) entry.status = "suspended";
		const waiting = new Set<Entry>();
		this.#reach(pass, pass.ancestor + 1n);
		for (const entry of questioned) {
			const isJudged = standing.includes(entry) || this.#judgeOne(entry, pass);
			if (!isJudged || entry.suspect) waiting.add(entry);
			if (entry.status === "applied") this.#settle(waiting, pass.floor, pass);
		}
	}

	/** False: it waits. */
	#judgeOne(entry: Entry, pass: Pass): boolean {
		const ground = this.#ground(entry, pass);
		const { onLoss, isAction } = entry.operation;
		if (ground === undefined && isAction) pass.actions.push(entry);
		if (ground === undefined && onLoss === "recant") {
			// What says nothing has no mark.
			entry.suspect = false;
			entry.clearedAt = undefined;
			return false;
		}
		const own = entry.originalSlot < pass.pending ? entry.originalSlot : pass.pending;
		this.#reach(pass, highest(own, ground?.height ?? 0n, pass.floor));
		this.#apply(entry, pass.floor, ground ?? { ...LOST, suspect: onLoss === "flag" });
		if (entry.status === "recanted") pass.withdrawn.push(entry);
		return true;
	}

	/** Goes up to a slot: ends the blocks below it, and begins those up to it. */
	#reach(pass: Pass, slot: bigint): void {
		while (pass.floor < slot) {
			const left = this.#chain[Number(pass.floor)];
			if (left !== undefined && pass.floor > pass.ancestor) this.#endByTime(left);
			pass.floor += 1n;
			const next = this.#chain[Number(pass.floor)];
			if (next !== undefined) this.#handlers(next);
		}
	}

	/** What may come back, or lose its mark. */
	#unsettled(): Set<Entry> {
		return new Set(
			this.#entries.filter(({ status, suspect }) => status === "suspended" || suspect),
		);
	}

	/** Brings back what has its ground again: in log order, over and over, until there is no more. */
	#settle(waiting: Set<Entry>, slot: bigint, pass: Pass | undefined): void {
		let isMoving = true;
		while (isMoving) {
			isMoving = false;
			for (const entry of [...waiting].sort((a, b) => a.order - b.order)) {
				if (this.#comesBack(entry, slot, pass)) {
					if (!entry.suspect) waiting.delete(entry);
					isMoving = true;
				}
			}
		}
	}

	#comesBack(entry: Entry, slot: bigint, pass: Pass | undefined): boolean {
		const ground = this.#ground(entry, pass);
		if (ground === undefined) return false;
		if (entry.status === "applied" && ground.suspect) return false;
		if (pass !== undefined) this.#reach(pass, highest(pass.floor, ground.height));
		const at = pass?.floor ?? slot;
		if (entry.status === "applied") this.#clear(entry, at, ground);
		else this.#apply(entry, at, ground);
		if (entry.status === "recanted") pass?.withdrawn.push(entry);
		return true;
	}

	/** In a rollback what the handlers make of the blocks to come is known as well. */
	#ground({ rests }: Entry, pass: Pass | undefined): Ground | undefined {
		const above = pass === undefined ? [] : this.#chain.slice(Number(pass.floor) + 1);
		const known = [...this.#history, ...above.flatMap(happeningsOf)];
		return groundOf(rests, this.#chain, known);
	}

	#handlers(block: ModelBlock): void {
		this.#history.push(...happeningsOf(block));
	}

	#endByTime({ number, timestamp }: ModelBlock): void {
		for (const each of allVisibleIn(this.#history, number)) {
			const { expiresAtTime } = each.says;
			if (expiresAtTime !== undefined && expiresAtTime <= timestamp) this.#end(each, number);
		}
	}

	#apply(entry: Entry, slot: bigint, ground: Omit<Ground, "height">): void {
		const { operation, order } = entry;
		const condition = this.#conditionOf(operation);
		const outcome = outcomeOf({ ...operation, condition }, entry, this.#history, {
			slot,
			time: this.#chain[Number(slot) - 1]?.timestamp ?? 0n,
		});
		entry.slot = slot;
		entry.clearedAt = undefined;
		entry.status = outcome.type === "fails" ? "recanted" : "applied";
		entry.suspect = ground.suspect && entry.status === "applied";
		if (outcome.type === "fails") return;
		entry.admitted = true;
		const isEnd = outcome.type === "writes" && outcome.says === undefined;
		const effect = outcome.type === "nothing" ? "nothing" : isEnd ? "ends" : "writes";
		const { operationId, namespace, id } = operation;
		this.#placed.push({ entry, operationId, slot, effect });
		// What comes too late leaves nothing, and is the last word on it all the same.
		const says = outcome.type === "nothing" ? undefined : outcome.says;
		// A patch rests on what it patches as well.
		const present = visibleIn(this.#history, operation, slot);
		const patched = operation.kind === "patch" ? present : undefined;
		const grounds = higherGrounds(ground.grounds, patched?.grounds ?? "none");
		const by = [...(patched?.by ?? []), order];
		const suspect = this.#isMarked(by);
		this.#history.push({ namespace, id, slot, owner: "agent", says, suspect, grounds, order, by });
		if (operation.kind === "put" && says?.layer === "short_term") this.#evict(namespace, slot);
	}

	/** Of the namespace's short-term memories the first written goes first. */
	#evict(namespace: string, slot: bigint): void {
		const capacity = this.#capacities.get(namespace);
		if (capacity === undefined) return;
		const held = allVisibleIn(this.#history, slot)
			.filter((each) => each.namespace === namespace && each.says.layer === "short_term")
			.sort((a, b) => a.order - b.order);
		for (const each of held.slice(0, Math.max(0, held.length - capacity))) this.#end(each, slot);
	}

	/** Who comes later in the log may write it again: nobody asked for its end. */
	#end({ namespace, id, owner, order }: Happening, slot: bigint): void {
		const gone = { says: undefined, suspect: false, grounds: "none", by: [order] } as const;
		this.#history.push({ namespace, id, slot, owner, order, ...gone });
	}

	/** The same is said again without the mark, as long as it is said still. */
	#clear(entry: Entry, slot: bigint, { grounds }: Ground): void {
		entry.suspect = false;
		entry.clearedAt = slot;
		const said = visibleIn(this.#history, entry.operation, slot);
		if (said === undefined || !said.by.includes(entry.order) || this.#isMarked(said.by)) return;
		const both = said.by.length === 1 ? grounds : higherGrounds(grounds, "lost");
		this.#history.push({ ...said, slot, suspect: false, grounds: both });
	}

	#isMarked(by: readonly number[]): boolean {
		return by.some((order) => this.#entries[order]?.suspect);
	}

	#conditionOf({ condition }: ModelOperation): ModelChange["condition"] {
		if (condition?.type !== "written_by") return condition;
		const { operationId } = condition;
		const writer = this.#entries.find((each) => each.operation.operationId === operationId);
		if (writer === undefined) throw new ImpossibleHistory(`nobody is operation ${operationId}`);
		return { type: "written_by", order: writer.order };
	}

	#report({ ancestor, before, believed, withdrawn, actions, pending }: Pass): ModelReport {
		const ids = (keep: (now: Entry, was: Standing) => boolean) =>
			[...before].filter(([now, was]) => keep(now, was)).map(([now]) => idOf(now));
		const isApplied = ({ status }: Standing) => status === "applied";
		const orphaned = believed.filter(({ slot }) => slot > ancestor);
		return {
			over: believed.filter(({ says }) => this.#isOverByItself(says)).map(nameOf),
			recanted: orphaned
				.filter(({ says }) => !this.#isOverByItself(says))
				.filter((each) => !saysTheSame(each, visibleIn(this.#history, each, pending)))
				.map(nameOf),
			suspended: ids((now, was) => now.status === "suspended" && was.status !== "suspended"),
			reinstated: ids((now, was) => isApplied(now) && !isApplied(was)),
			replayed: ids((now, was) => isApplied(now) && isApplied(was) && was.slot > ancestor),
			withdrawn: withdrawn.map(idOf),
			flagged: ids((now, was) => now.suspect && !was.suspect),
			cleared: ids((now, was) => isApplied(now) && !now.suspect && was.suspect),
			actions: actions.map(idOf),
		};
	}

	/** Whether it would be gone in the pending slot, whatever forks. */
	#isOverByItself({ expiresAtBlock, expiresAtTime }: Says): boolean {
		const byHeight = expiresAtBlock !== undefined && expiresAtBlock <= this.pending;
		return byHeight || (expiresAtTime !== undefined && expiresAtTime <= this.head.timestamp);
	}
}

function happeningsOf({ number: slot, writes }: ModelBlock): readonly Happening[] {
	const how = { slot, owner: "handler", suspect: false, grounds: slot, order: -1, by: [] } as const;
	return writes.map((write) => ({ ...write, ...how }));
}

/** It was taken away in a block that is gone. */
function takeBackClearing(entry: Entry, ancestor: bigint): void {
	if (entry.clearedAt === undefined || entry.clearedAt <= ancestor) return;
	entry.clearedAt = undefined;
	entry.suspect = true;
}

function saysTheSame(before: Happening, now: Happening | undefined): boolean {
	if (before.says === undefined || now?.says === undefined) return false;
	return hashOf(before, before.owner, before.says) === hashOf(now, now.owner, now.says);
}

function idOf({ operation }: Entry): string {
	return operation.operationId;
}

function highest(...heights: readonly bigint[]): bigint {
	return heights.reduce((a, b) => (a > b ? a : b));
}
