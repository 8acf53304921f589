/**
 * Handler-owned memory as handlers see it while blocks are derived: what earlier events of this run
 * wrote, over what was committed. Reads go through `read`, which answers the state on which the run
 * is based; for a rollback that is the ancestor.
 */

import { FatalError } from "../domain/errors.ts";
import type { Height, MemoryKey } from "../domain/ids.ts";
import { isLayer } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";
import { DEFAULT_COLLECTION, type MemoryBody } from "../domain/operation.ts";
import { canonicalJson, contentOf } from "../memory/canonical.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { HandlerMemory, HandlerMemoryAccess, HandlerPut } from "./define-chain.ts";

/** What a read of committed memory answers; undefined: no such memory. */
export interface CommittedMemory extends HandlerMemory {
	readonly expiresAtBlock: Height | undefined;
}

export type ReadCommitted = (
	key: MemoryKey,
	name: { readonly namespace: string; readonly id: string },
) => Promise<CommittedMemory | undefined>;

export class HandlerState {
	readonly #namespaces: readonly [string, ...string[]];
	readonly #read: ReadCommitted;
	readonly #written = new Map<MemoryKey, CommittedMemory | undefined>();
	#reads = 0;
	#failure: { readonly error: unknown } | undefined;

	constructor(namespaces: readonly [string, ...string[]], read: ReadCommitted) {
		this.#namespaces = namespaces;
		this.#read = read;
	}

	/** True while a handler waits for what was committed. */
	get isReading(): boolean {
		return this.#reads > 0;
	}

	/** What a read of committed memory failed with, whether or not the handler that asked let it through. */
	get failure(): { readonly error: unknown } | undefined {
		return this.#failure;
	}

	/**
	 * Access for handlers of one block to `namespaces`, by default all; what they write is appended to
	 * `operations`.
	 */
	at(
		height: Height,
		operations: HandlerOperation[],
		namespaces = this.#namespaces,
	): HandlerMemoryAccess {
		const named = (id: string, namespace: string | undefined) => nameIn(namespaces, id, namespace);
		return {
			get: async (id, options) => this.#get(named(id, options?.namespace), height),
			put: async (memory) => {
				const name = named(memory.id, memory.namespace);
				const body = bodyOf(memory, height);
				operations.push({ kind: "put", ...name, body });
				this.#written.set(memoryKey(name.namespace, name.id), { id: name.id, ...body });
			},
			delete: async (id, options) => {
				const name = named(id, options?.namespace);
				if ((await this.#get(name, height)) === undefined) return;
				operations.push({ kind: "delete", ...name });
				this.#written.set(memoryKey(name.namespace, name.id), undefined);
			},
		};
	}

	async #get(
		name: { readonly namespace: string; readonly id: string },
		height: Height,
	): Promise<HandlerMemory | undefined> {
		const key = memoryKey(name.namespace, name.id);
		if (!this.#written.has(key)) this.#written.set(key, await this.#committed(key, name));
		const found = this.#written.get(key);
		if (found === undefined) return undefined;
		if (found.expiresAtBlock !== undefined && found.expiresAtBlock <= height) return undefined;
		return { id: found.id, layer: found.layer, content: found.content };
	}

	async #committed(...asked: Parameters<ReadCommitted>): Promise<CommittedMemory | undefined> {
		this.#reads += 1;
		try {
			return await this.#read(...asked);
		} catch (error) {
			this.#failure ??= { error };
			throw error;
		} finally {
			this.#reads -= 1;
		}
	}
}

function nameIn(
	namespaces: readonly [string, ...string[]],
	id: string,
	namespace: string | undefined,
): { readonly namespace: string; readonly id: string } {
	const chosen = namespace ?? namespaces[0];
	if (!namespaces.includes(chosen)) {
		throw misuse(`namespace "${chosen}" is not one of the handler's own: ${namespaces.join(", ")}`);
	}
	if (typeof id !== "string" || id.length === 0 || id.length > LIMITS.idLength) {
		throw misuse(`a memory's id must have 1 to ${LIMITS.idLength} characters`);
	}
	requireStorable("a memory's id", id);
	return { namespace: chosen, id };
}

function bodyOf(memory: HandlerPut, height: Height): MemoryBody {
	if (!isLayer(memory.layer)) throw misuse(`"${String(memory.layer)}" is not a layer`);
	if (memory.expiresAtBlock !== undefined && memory.expiresAtBlock <= height) {
		throw misuse(`expiresAtBlock ${memory.expiresAtBlock} is not above the block ${height}`);
	}
	checkTime(memory);
	checkMeaning(memory);
	const content = canonicalJson(memory.content);
	const sizes = {
		contentBytes: Buffer.byteLength(content),
		textBytes: Buffer.byteLength(memory.text ?? ""),
	};
	for (const [limit, size] of Object.entries(sizes)) {
		const allowed = LIMITS[limit as keyof typeof sizes];
		if (size > allowed)
			throw misuse(`memory "${memory.id}": ${limit} is ${size}, limit ${allowed}`);
	}
	return {
		layer: memory.layer,
		// A copy, so that a handler that goes on changing its object changes nothing here.
		content: contentOf(content),
		text: memory.text,
		vector: undefined,
		collection: memory.text === undefined ? undefined : (memory.collection ?? DEFAULT_COLLECTION),
		importance: memory.importance,
		confidence: memory.confidence,
		expiresAtBlock: memory.expiresAtBlock,
		expiresAtTime: undefined,
	};
}

/** Block time ends agents' memories; a handler knows the heights that it works with. */
function checkTime(memory: HandlerPut): void {
	if (!("expiresAtTime" in memory) || memory.expiresAtTime === undefined) return;
	throw misuse(
		`memory "${memory.id}" has expiresAtTime; a handler's memory ends by expiresAtBlock`,
	);
}

const COLLECTION_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

function checkMeaning({ text, collection, importance, confidence }: HandlerPut): void {
	if (text !== undefined) requireStorable("a memory's text", text);
	if (
		collection !== undefined &&
		(!COLLECTION_NAME.test(collection) || collection.length > LIMITS.collectionNameLength)
	) {
		throw misuse(`${JSON.stringify(collection)} cannot be the name of a collection`);
	}
	for (const [name, value] of Object.entries({ importance, confidence })) {
		if (value === undefined || (value >= 0 && value <= 1)) continue;
		throw misuse(`${name} is ${value}, and must be from 0 to 1`);
	}
}

/** What comes from a contract may hold anything; Postgres keeps neither NUL nor half a character. */
function requireStorable(what: string, text: string): void {
	if (typeof text === "string" && !text.includes("\u0000") && text.isWellFormed()) return;
	throw misuse(
		`${what} must be text without the character U+0000 and without half surrogate pairs`,
	);
}

function misuse(message: string): FatalError {
	return new FatalError("handler_failed", {
		message,
		hint: "correct the handler in the chain's file",
	});
}
