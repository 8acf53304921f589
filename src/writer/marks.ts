/**
 * Operations that take effect although what they rest on is gone, by the memory that they wrote. A version
 * is suspect as long as one of those whose words it has is: the put that it began with, and the patches on it.
 */
import type { MemoryKey, OperationId } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { OpenOperation } from "./writer-store.ts";

export class Marks {
	readonly #byMemory = new Map<MemoryKey, Map<OperationId, OpenOperation>>();

	add(operation: OpenOperation): void {
		const key = keyOf(operation);
		const marks = this.#byMemory.get(key) ?? new Map<OperationId, OpenOperation>();
		marks.set(operation.stored.operationId, operation);
		this.#byMemory.set(key, marks);
	}

	delete(operation: OpenOperation): void {
		this.#byMemory.get(keyOf(operation))?.delete(operation.stored.operationId);
	}

	/**
	 * Whether the version has words of the operation, and none of another that is marked: then the operation's
	 * mark was the version's.
	 */
	isLast(operation: OpenOperation, present: Version): boolean {
		const { position } = operation;
		if (!present.suspect || position > present.position) return false;
		const others = [...(this.#byMemory.get(keyOf(operation))?.values() ?? [])].filter(
			(each) => each.position !== position && each.position <= present.position,
		);
		const later = others.filter((each) => each.position > position);
		if (later.length > 0) return false;
		return !isPatch(operation) || others.length === 0;
	}
}

/** All else begins anew. */
function isPatch({ stored }: OpenOperation): boolean {
	return stored.operation.kind === "patch";
}

function keyOf({ stored }: OpenOperation): MemoryKey {
	return memoryKey(stored.operation.namespace, stored.operation.id);
}
