/**
 * Operations that take effect although what they rest on is gone, by the memory that they wrote. A version
 * is suspect as long as one of those whose words it has is: the put that it began with, and the patches on it.
 */
import type { ChainId, Height, LogPosition, MemoryKey, OperationId } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { OpenOperation, WriterStore } from "./writer-store.ts";

/**
 * Which puts stand in the way between an operation and what its memory says now: all that was applied in one
 * commit, and what the store has above the operations that are marked.
 */
export class Puts {
	readonly #positions = new Map<MemoryKey, Set<LogPosition>>();

	/** The memory began anew with the operation of that position. */
	add(key: MemoryKey, position: LogPosition): void {
		const positions = this.#positions.get(key) ?? new Set();
		this.#positions.set(key, positions.add(position));
	}

	/** Whether the memory began anew above the one, and not above the other. */
	isBetween(key: MemoryKey, above: LogPosition, upTo: LogPosition): boolean {
		const positions = this.#positions.get(key) ?? new Set();
		return [...positions].some((position) => position > above && position <= upTo);
	}
}

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
	isLast(operation: OpenOperation, present: Version, puts: Puts): boolean {
		if (!present.suspect || !hasWords(present, operation, puts)) return false;
		const others = this.#byMemory.get(keyOf(operation))?.values() ?? [];
		return ![...others].some(
			(each) => each.position !== operation.position && hasWords(present, each, puts),
		);
	}
}

/** Learns which puts came above the marked ones of these operations, as the rows have it up to a height. */
export async function learnPuts(
	puts: Puts,
	open: readonly OpenOperation[],
	from: {
		readonly store: Pick<WriterStore, "nextPuts">;
		readonly chainId: ChainId;
		readonly upTo: Height;
	},
): Promise<void> {
	const { store, chainId, upTo } = from;
	const marked = open.filter(({ status }) => status === "applied");
	if (marked.length === 0) return;
	const above = marked.map(({ stored, position }) => {
		const { namespace, id } = stored.operation;
		return { namespace, id, position };
	});
	for (const { namespace, id, position } of await store.nextPuts(chainId, above, upTo)) {
		puts.add(memoryKey(namespace, id), position);
	}
}

/** Of the put that the version began with, and of patches on it. */
function hasWords(version: Version, operation: OpenOperation, puts: Puts): boolean {
	const { position } = operation;
	if (position > version.position) return false;
	return !puts.isBetween(version.memoryKey, position, version.position);
}

function keyOf({ stored }: OpenOperation): MemoryKey {
	return memoryKey(stored.operation.namespace, stored.operation.id);
}
