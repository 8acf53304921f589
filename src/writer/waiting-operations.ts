/**
 * Operations that wait for what they rest on: suspended ones, to take effect again, and suspect ones, to
 * be suspect no longer.
 *
 * Of those whose ground holds the one with the lowest position comes first, again and again until none is
 * left: what one gives back may be what another waits for. An operation is looked at only when an anchor of
 * it was found or a source of it came to hold, so the cost follows what changed.
 */
import type { Height, OperationId } from "../domain/ids.ts";
import { type FoundAnchor, withFound } from "../memory/anchors.ts";
import { type HeldKey, heldKey, sourceKey } from "../memory/ground.ts";
import type { Assembly, Outcome } from "./assembly.ts";
import { originalOf } from "./open-operation.ts";
import type { OpenOperation } from "./writer-store.ts";

export type Settled =
	| { readonly type: "reinstated"; readonly operation: OpenOperation; readonly outcome: Outcome }
	| { readonly type: "cleared"; readonly operation: OpenOperation };

export class WaitingOperations {
	readonly #waiting = new Map<OperationId, OpenOperation>();
	readonly #bySource = new Map<HeldKey, OperationId[]>();
	/** To be looked at, by rising position; each once. */
	#due: OpenOperation[] = [];

	constructor(operations: readonly OpenOperation[] = []) {
		for (const operation of operations) this.add(operation);
	}

	add(operation: OpenOperation): void {
		const { operationId, sources } = operation.stored;
		this.#waiting.set(operationId, operation);
		for (const source of sources.flat()) {
			const key = heldKey(sourceKey(source), source.contentHash);
			const ids = this.#bySource.get(key) ?? [];
			ids.push(operationId);
			this.#bySource.set(key, ids);
		}
	}

	/** Anchors that a block holds. */
	found(anchors: ReadonlyMap<OperationId, readonly FoundAnchor[]>): void {
		for (const [operationId, found] of anchors) {
			const waiting = this.#waiting.get(operationId);
			if (waiting === undefined) continue;
			const stored = { ...waiting.stored, anchors: withFound(waiting.stored.anchors, found) };
			this.#waiting.set(operationId, { ...waiting, stored });
			this.#lookAt(operationId);
		}
	}

	/** Applies, in that slot, what waits no longer. */
	settle(assembly: Assembly, slot: Height): readonly Settled[] {
		const settled: Settled[] = [];
		for (;;) {
			this.#noteFresh(assembly);
			const next = this.#next(assembly, slot);
			if (next === undefined) return settled;
			settled.push(this.#settleOne(assembly, next, slot));
		}
	}

	#noteFresh(assembly: Assembly): void {
		for (const key of assembly.held.takeFresh()) {
			for (const operationId of this.#bySource.get(key) ?? []) this.#lookAt(operationId);
		}
	}

	#lookAt(operationId: OperationId): void {
		const operation = this.#waiting.get(operationId);
		if (operation === undefined) return;
		const place = this.#due.findLastIndex(({ position }) => position <= operation.position);
		const there = this.#due[place]?.position === operation.position;
		this.#due.splice(there ? place : place + 1, there ? 1 : 0, operation);
	}

	/** The first whose ground holds; those before it are looked at again when something changes. */
	#next(assembly: Assembly, slot: Height): OpenOperation | undefined {
		for (let first = this.#due.shift(); first !== undefined; first = this.#due.shift()) {
			const ground = assembly.ground(first.stored);
			const isSuspended = first.status === "suspended";
			if (ground.type === "holds" && (isSuspended || !ground.suspect)) return first;
			if (isSuspended) assembly.moved(first.stored, slot, originalOf(first));
		}
		return undefined;
	}

	#settleOne(assembly: Assembly, operation: OpenOperation, slot: Height): Settled {
		const { stored, effectiveSlot } = operation;
		this.#waiting.delete(stored.operationId);
		if (operation.status !== "suspended") {
			assembly.clear(stored, slot, { ...originalOf(operation), effectiveSlot });
			return { type: "cleared", operation };
		}
		const ground = assembly.ground(stored);
		const outcome = assembly.reapply(stored, slot, originalOf(operation), "reinstated");
		const suspect = ground.type === "holds" && ground.suspect;
		if (outcome.type === "applied" && suspect) {
			this.add({ ...operation, status: "applied", suspect, effectiveSlot: slot });
		}
		return { type: "reinstated", operation, outcome };
	}
}
