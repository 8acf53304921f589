/**
 * Collections that operations name: made at first use, one model and one dimension each, checked
 * before anything is durable.
 */
import { FatalError, RetryableError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Operation } from "../domain/operation.ts";
import type { Embedder } from "../vectors/embedder.ts";
import type { CollectionShape, InboxStore } from "./inbox-store.ts";

/** Model of a collection whose vectors come from outside only. */
export const EXTERNAL_MODEL = "external";

export class CollectionChecks {
	readonly #chainId: ChainId;
	readonly #inbox: InboxStore;
	readonly #embedder: Embedder;
	readonly #known = new Map<string, CollectionShape>();

	constructor(chainId: ChainId, inbox: InboxStore, embedder: Embedder) {
		this.#chainId = chainId;
		this.#inbox = inbox;
		this.#embedder = embedder;
	}

	/** Throws `dimension_mismatch`, `invalid_request`, and `tail_full` while LanceDB is too far behind. */
	async check(operations: readonly Operation[]): Promise<void> {
		let embeds = false;
		for (const operation of operations) {
			if (operation.kind !== "put" || operation.body.collection === undefined) continue;
			embeds = true;
			await this.#checkOne(operation.body.collection, operation.body.vector);
		}
		if (embeds) await this.#checkTail();
	}

	/** For handlers: the collection that their texts go into. */
	async ensure(name: string): Promise<void> {
		await this.#shape(name, undefined);
	}

	async #checkOne(name: string, vector: readonly number[] | undefined): Promise<void> {
		const shape = await this.#shape(name, vector);
		if (vector === undefined) {
			if (shape.model === this.#embedder.model) return;
			throw new FatalError("invalid_request", {
				message: `collection "${name}" holds vectors of model "${shape.model}"; texts are embedded with "${this.#embedder.model}"`,
				hint: "give a vector with the memory, or another collection",
				fields: { collection: name, model: shape.model },
			});
		}
		if (vector.length === shape.dimensions) return;
		throw new FatalError("dimension_mismatch", {
			message: `a vector for collection "${name}" has ${vector.length} dimensions; it needs ${shape.dimensions}`,
			hint: "give a vector of the collection's model",
			fields: { collection: name, given: vector.length, needed: shape.dimensions },
		});
	}

	async #shape(name: string, vector: readonly number[] | undefined): Promise<CollectionShape> {
		const known = this.#known.get(name);
		if (known !== undefined) return known;
		const fresh =
			vector === undefined || vector.length === this.#embedder.dimensions
				? { name, model: this.#embedder.model, dimensions: this.#embedder.dimensions }
				: { name, model: EXTERNAL_MODEL, dimensions: vector.length };
		const shape = await this.#inbox.ensureCollection(this.#chainId, fresh);
		this.#known.set(name, shape);
		return shape;
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
}
