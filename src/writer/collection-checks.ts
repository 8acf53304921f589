/**
 * Collections that operations name: made at first use, one model and one dimension each, checked
 * before anything is durable. A request that is refused makes none.
 */
import { FatalError, RetryableError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Operation } from "../domain/operation.ts";
import type { Embedder } from "../vectors/embedder.ts";
import type { VectorCollections } from "./embed-vectors.ts";
import type { CollectionShape, InboxStore } from "./inbox-store.ts";

/** Model of a collection whose vectors come from outside only. */
const EXTERNAL_MODEL = "external";

export class CollectionChecks implements VectorCollections {
	readonly #chainId: ChainId;
	readonly #inbox: InboxStore;
	readonly #embedder: Embedder;
	/** Collections that are there; what they are never changes. */
	readonly #known = new Map<string, CollectionShape>();

	constructor(chainId: ChainId, inbox: InboxStore, embedder: Embedder) {
		this.#chainId = chainId;
		this.#inbox = inbox;
		this.#embedder = embedder;
	}

	/** The chain's state was replaced: what is there is read again. */
	forget(): void {
		this.#known.clear();
	}

	/**
	 * Answers the collections that the request needs and that `make` has to make. Throws
	 * `dimension_mismatch`, `invalid_request`, and `tail_full` while LanceDB is too far behind.
	 */
	async check(operations: readonly Operation[]): Promise<readonly CollectionShape[]> {
		const fresh = new Map<string, CollectionShape>();
		let embeds = false;
		for (const operation of operations) {
			if (operation.kind !== "put" || operation.body.collection === undefined) continue;
			embeds = true;
			const { collection: name, vector } = operation.body;
			const shape = (await this.#find(name)) ?? fresh.get(name) ?? this.#freshShape(name, vector);
			if (!this.#known.has(name)) fresh.set(name, shape);
			this.#checkOne(shape, vector);
		}
		if (embeds) await this.#checkTail();
		return [...fresh.values()];
	}

	/** Throws when another request made one of them otherwise meanwhile, and `limit_exceeded`. */
	async make(shapes: readonly CollectionShape[]): Promise<void> {
		for (const shape of shapes) {
			const { model, dimensions } = await this.#make(shape);
			if (dimensions !== shape.dimensions) {
				throw dimensionMismatch(shape.name, { given: shape.dimensions, needed: dimensions });
			}
			if (model !== shape.model) throw this.#otherModel(shape.name, model);
		}
	}

	async ensure(name: string): Promise<{ readonly takesTexts: boolean }> {
		const shape = (await this.#find(name)) ?? (await this.#make(this.#freshShape(name, undefined)));
		return { takesTexts: shape.model === this.#embedder.model };
	}

	#checkOne(shape: CollectionShape, vector: readonly number[] | undefined): void {
		if (vector === undefined) {
			if (shape.model !== this.#embedder.model) throw this.#otherModel(shape.name, shape.model);
		} else if (vector.length !== shape.dimensions) {
			const sizes = { given: vector.length, needed: shape.dimensions };
			throw dimensionMismatch(shape.name, sizes);
		}
	}

	async #find(name: string): Promise<CollectionShape | undefined> {
		const known = this.#known.get(name) ?? (await this.#inbox.collection(this.#chainId, name));
		if (known !== undefined) this.#known.set(name, known);
		return known;
	}

	#freshShape(name: string, vector: readonly number[] | undefined): CollectionShape {
		const { model, dimensions } = this.#embedder;
		return vector === undefined || vector.length === dimensions
			? { name, model, dimensions }
			: { name, model: EXTERNAL_MODEL, dimensions: vector.length };
	}

	async #make(shape: CollectionShape): Promise<CollectionShape> {
		const stands = await this.#inbox.ensureCollection(this.#chainId, shape);
		this.#known.set(shape.name, stands);
		return stands;
	}

	async #checkTail(): Promise<void> {
		const tail = await this.#inbox.tailRows(this.#chainId);
		if (tail < LIMITS.tailRows) return;
		throw new RetryableError("tail_full", {
			message: `${tail} embedded memories wait for LanceDB; the limit is ${LIMITS.tailRows}`,
			hint: "try again later; check LanceDB's directory if this goes on",
			fields: { tail, limit: LIMITS.tailRows },
		});
	}

	#otherModel(name: string, model: string): FatalError {
		return new FatalError("invalid_request", {
			message: `collection "${name}" holds vectors of model "${model}"; texts are embedded with "${this.#embedder.model}"`,
			hint: "give a vector with the memory, or another collection",
			fields: { collection: name, model },
		});
	}
}

function dimensionMismatch(
	collection: string,
	{ given, needed }: { readonly given: number; readonly needed: number },
): FatalError {
	return new FatalError("dimension_mismatch", {
		message: `a vector for collection "${collection}" has ${given} dimensions; it needs ${needed}`,
		hint: "give a vector of the collection's model",
		fields: { collection, given, needed },
	});
}
