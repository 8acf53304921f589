/**
 * Operations that wait for what they rest on: suspended ones, to take effect again, and suspect ones, to
 * be suspect no longer.
 *
 * Of those whose ground holds the one with the lowest position comes first, again and again until none is
 * left: what one gives back may be what another waits for. After the first look an operation is looked at only
 * when an anchor of it was found or a source of it came to hold, so the cost follows what changed.
 */
import type { Height, OperationId } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import { type FoundAnchor, withFound } from "../memory/anchors.ts";
import { type Ground, type HeldKey, heldKey, sourceKey } from "../memory/ground.ts";
import type { Assembly, Outcome } from "./assembly.ts";
import { Marks } from "./marks.ts";
import { originalOf } from "./open-operation.ts";
import type { OpenOperation } from "./writer-store.ts";

export type Settled =
	| { readonly type: "reinstated"; readonly operation: OpenOperation; readonly outcome: Outcome }
	| { readonly type: "cleared"; readonly operation: OpenOperation };

/** One that waits no longer. */
export interface Ready {
	readonly operation: OpenOperation;
	/** What it rests on, which is there. */
	readonly ground: Extract<Ground, { readonly type: "holds" }>;
}

export class WaitingOperations {
	readonly #waiting = new Map<OperationId, OpenOperation>();
	readonly #bySource = new Map<HeldKey, OperationId[]>();
	/** Anchors of theirs were found, which is to be kept also where they wait on. */
	readonly #moved = new Set<OperationId>();
	readonly #marks = new Marks();
	/** To be looked at, by rising position; each once. */
	#due: OpenOperation[] = [];

	/** Each is looked at once: what came to hold after the commit that looked last is noticed so. */
	constructor(operations: readonly OpenOperation[] = []) {
		for (const operation of operations) this.add(operation);
		this.#due = [...operations];
	}

	add(operation: OpenOperation): void {
		const { operationId, sources } = operation.stored;
		this.#waiting.set(operationId, operation);
		if (operation.status === "applied") this.#marks.add(operation);
		for (const source of sources.flat()) {
			const key = heldKey(sourceKey(source), source.contentHash);
			const ids = this.#bySource.get(key) ?? [];
			ids.push(operationId);
			this.#bySource.set(key, ids);
		}
	}

	/** It is suspect, and is not to be looked at yet. */
	mark(operation: OpenOperation): void {
		this.#marks.add(operation);
	}

	/** Anchors that a block holds. */
	found(anchors: ReadonlyMap<OperationId, readonly FoundAnchor[]>): void {
		for (const [operationId, found] of anchors) {
			const waiting = this.#waiting.get(operationId);
			if (waiting === undefined) continue;
			const stored = { ...waiting.stored, anchors: withFound(waiting.stored.anchors, found) };
			this.#waiting.set(operationId, { ...waiting, stored });
			this.#moved.add(operationId);
			this.#lookAt(operationId);
		}
	}

	/** Applies, in that slot, what waits no longer. */
	settle(assembly: Assembly, slot: Height): readonly Settled[] {
		const settled: Settled[] = [];
		for (;;) {
			const ready = this.next(assembly, slot);
			if (ready === undefined) return settled;
			settled.push(this.settleOne(assembly, ready, slot));
		}
	}

	/**
	 * The first whose ground holds; those before it are looked at again when something changes. What is found
	 * of them on the way is judged in that slot.
	 */
	next(assembly: Assembly, slot: Height): Ready | undefined {
		for (const key of assembly.held.takeFresh()) {
			for (const operationId of this.#bySource.get(key) ?? []) this.#lookAt(operationId);
		}
		for (let first = this.#due.shift(); first !== undefined; first = this.#due.shift()) {
			const ground = assembly.ground(first.stored);
			const isSuspended = first.status === "suspended";
			if (ground.type === "holds" && (isSuspended || !ground.suspect)) {
				return { operation: first, ground };
			}
			if (this.#moved.delete(first.stored.operationId)) waitOn(assembly, first, ground, slot);
		}
		return undefined;
	}

	/** Applies it in that slot, which is not below its ground's. */
	settleOne(assembly: Assembly, { operation, ground }: Ready, slot: Height): Settled {
		const { stored } = operation;
		const { suspect } = ground;
		this.#waiting.delete(stored.operationId);
		if (operation.status !== "suspended") {
			this.clear(assembly, { operation, ground }, slot);
			return { type: "cleared", operation };
		}
		const outcome = assembly.reapply(stored, slot, originalOf(operation), {
			verdict: "reinstated",
			ground,
		});
		if (outcome.type === "applied" && suspect) {
			this.add({ ...operation, status: "applied", suspect, effectiveSlot: slot });
		}
		return { type: "reinstated", operation, outcome };
	}

	/** Takes its mark away. */
	clear(assembly: Assembly, { operation, ground }: Ready, slot: Height): void {
		const { stored, effectiveSlot } = operation;
		this.#marks.delete(operation);
		const isLast = (present: Version) => this.#marks.isLast(operation, present, assembly.puts);
		const original = { ...originalOf(operation), effectiveSlot };
		assembly.clear(stored, slot, original, { ground, isLast });
	}

	#lookAt(operationId: OperationId): void {
		const operation = this.#waiting.get(operationId);
		if (operation === undefined) return;
		const place = this.#due.findLastIndex(({ position }) => position <= operation.position);
		const there = this.#due[place]?.position === operation.position;
		this.#due.splice(there ? place : place + 1, there ? 1 : 0, operation);
	}
}

function waitOn(assembly: Assembly, operation: OpenOperation, ground: Ground, slot: Height): void {
	const { stored, effectiveSlot } = operation;
	const original = originalOf(operation);
	if (operation.status !== "suspended") {
		assembly.stillSuspect(stored, slot, { ...original, effectiveSlot });
	} else if (ground.type === "absent") {
		assembly.moved(stored, slot, original, ground);
	}
}
