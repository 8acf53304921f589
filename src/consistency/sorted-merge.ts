/**
 * Compares two streams that are sorted by one key, holding one item of each: for stores that keep
 * no tree to compare by.
 */
import { FatalError } from "../domain/errors.ts";

export type Merged<Left, Right> =
	| { readonly type: "both"; readonly left: Left; readonly right: Right }
	| { readonly type: "left"; readonly left: Left }
	| { readonly type: "right"; readonly right: Right };

export interface MergeOrder<Left, Right, Key> {
	readonly left: (item: Left) => Key;
	readonly right: (item: Right) => Key;
	/** Negative, zero or positive, as for `sort`. */
	readonly compare: (a: Key, b: Key) => number;
}

/**
 * Every item of either stream once, by rising key. Equal keys are paired one to one, so what stands
 * twice on one side comes a second time alone. Throws `FatalError("internal")` when a stream's keys fall.
 */
export async function* mergeSorted<Left, Right, Key>(
	left: AsyncIterable<Left>,
	right: AsyncIterable<Right>,
	order: MergeOrder<Left, Right, Key>,
): AsyncGenerator<Merged<Left, Right>, void> {
	const one = new Ahead(left, order.left, order.compare);
	const two = new Ahead(right, order.right, order.compare);
	try {
		await Promise.all([one.next(), two.next()]);
		for (;;) {
			const a = one.head;
			const b = two.head;
			if (a === undefined && b === undefined) return;
			const side = a === undefined ? 1 : b === undefined ? -1 : order.compare(a.key, b.key);
			if (side < 0 && a !== undefined) yield { type: "left", left: a.item };
			else if (side > 0 && b !== undefined) yield { type: "right", right: b.item };
			else if (a !== undefined && b !== undefined) {
				yield { type: "both", left: a.item, right: b.item };
			}
			if (side <= 0) await one.next();
			if (side >= 0) await two.next();
		}
	} finally {
		await Promise.all([one.close(), two.close()]);
	}
}

/** A stream with its next item at hand. */
class Ahead<Item, Key> {
	head: { readonly item: Item; readonly key: Key } | undefined;
	readonly #items: AsyncIterator<Item>;
	readonly #keyOf: (item: Item) => Key;
	readonly #compare: (a: Key, b: Key) => number;

	constructor(
		items: AsyncIterable<Item>,
		keyOf: (item: Item) => Key,
		compare: (a: Key, b: Key) => number,
	) {
		this.#items = items[Symbol.asyncIterator]();
		this.#keyOf = keyOf;
		this.#compare = compare;
	}

	async next(): Promise<void> {
		const step = await this.#items.next();
		const head =
			step.done === true ? undefined : { item: step.value, key: this.#keyOf(step.value) };
		if (head !== undefined && this.head !== undefined) {
			if (this.#compare(this.head.key, head.key) > 0) throw unsorted(this.head.key, head.key);
		}
		this.head = head;
	}

	async close(): Promise<void> {
		await this.#items.return?.();
	}
}

/** Items of pages, one by one. */
export async function* eachOf<Item>(
	pages: AsyncIterable<readonly Item[]>,
): AsyncGenerator<Item, void> {
	for await (const page of pages) yield* page;
}

function unsorted(before: unknown, after: unknown): FatalError {
	return new FatalError("internal", {
		message: `a stream to be compared is not sorted: ${String(after)} comes after ${String(before)}`,
		hint: "this is a defect of Recant; please report it with the log",
	});
}
