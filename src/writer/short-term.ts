/** The visible short-term memories of one namespace in the order of their writing, for its capacity. */
import type { Height, LogPosition, MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { WrittenMemory } from "./writer-store.ts";

interface Member {
	readonly key: MemoryKey;
	readonly position: LogPosition;
	/** First height at which it is gone by itself. */
	readonly expiresBlock: Height | undefined;
}

export class ShortTermMembers {
	readonly #members = new Map<MemoryKey, Member>();
	/** By rising position; may hold members that have left, and former places of those that moved. */
	#order: Member[] = [];
	#prunedAt: Height | undefined;

	/** False: there are more that were written later. */
	readonly isWhole: boolean;

	constructor(versions: readonly WrittenMemory[], isWhole = true) {
		this.isWhole = isWhole;
		for (const version of versions) this.#add(version);
	}

	/** With those that have ended by themselves in the slot that comes next. */
	get size(): number {
		return this.#members.size;
	}

	/** What is visible of a memory now, in any layer; undefined: nothing. */
	changed(key: MemoryKey, version: Version | undefined): void {
		this.#members.delete(key);
		if (version?.layer === "short_term") this.#add(version);
	}

	/** The one that was written first, while there are more than `capacity` in that slot. */
	excess(capacity: number, slot: Height): MemoryKey | undefined {
		if (this.#members.size <= capacity) return undefined;
		this.#prune(slot);
		if (this.#members.size <= capacity) return undefined;
		return this.first(1)[0];
	}

	/**
	 * What so many writes in that slot would push out, without anything being done; undefined: nothing.
	 * `isLoaded`: others are not ended in this commit.
	 */
	imagine(of: {
		readonly capacity: number;
		readonly slot: Height;
		readonly writes: number;
		readonly isLoaded: (key: MemoryKey) => boolean;
	}): ImaginedMembers | undefined {
		const { capacity, slot, writes, isLoaded } = of;
		if (this.#members.size + writes <= capacity) return undefined;
		this.#prune(slot);
		const order = this.first(this.#members.size).filter(isLoaded);
		return new ImaginedMembers(order, { capacity, size: this.#members.size });
	}

	/** At most so many, those that were written first. */
	first(count: number): readonly MemoryKey[] {
		this.#order = this.#order.filter((member) => this.#members.get(member.key) === member);
		return this.#order.slice(0, count).map(({ key }) => key);
	}

	#add({ memoryKey: key, position, expiresBlock }: WrittenMemory): void {
		const member = { key, position, expiresBlock };
		this.#members.set(key, member);
		const place = this.#order.findLastIndex((each) => each.position <= position);
		this.#order.splice(place + 1, 0, member);
	}

	/** What has ended by itself leaves; within a slot nothing does. */
	#prune(slot: Height): void {
		if (this.#prunedAt === slot) return;
		this.#prunedAt = slot;
		for (const { key, expiresBlock } of this.#members.values()) {
			if (expiresBlock !== undefined && expiresBlock <= slot) this.#members.delete(key);
		}
	}
}

/** Members of a namespace as they would be after writes that are only looked at. */
export class ImaginedMembers {
	readonly #order: Set<MemoryKey>;
	readonly #capacity: number;
	#size: number;

	/** `order`: those that may be ended, by rising position. */
	constructor(
		order: readonly MemoryKey[],
		{ capacity, size }: { readonly capacity: number; readonly size: number },
	) {
		this.#order = new Set(order);
		this.#capacity = capacity;
		this.#size = size;
	}

	/** The memory was written, or is gone: answers those that end by it. */
	changed(key: MemoryKey, isThere: boolean): readonly MemoryKey[] {
		if (this.#order.delete(key)) this.#size -= 1;
		if (!isThere) return [];
		this.#order.add(key);
		this.#size += 1;
		const ended = [...this.#order].slice(0, Math.max(0, this.#size - this.#capacity));
		for (const each of ended) this.#order.delete(each);
		this.#size -= ended.length;
		return ended;
	}
}
