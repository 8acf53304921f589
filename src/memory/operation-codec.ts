/**
 * Operations as JSON for the inbox and the log. Bigints become decimal strings. The bytes are stable:
 * what an older version of Recant wrote is read by a newer one.
 */
import type { Hex, OperationId } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import {
	type Anchor,
	type JsonObject,
	type MemoryBody,
	NO_ANCHOR,
	type Operation,
} from "../domain/operation.ts";

/** One operation as it waits in the inbox and stands in the log. */
export interface StoredOperation {
	readonly operationId: OperationId;
	readonly operation: Operation;
	readonly anchor: Anchor;
}

interface WireBody {
	readonly layer: Layer;
	readonly content: JsonObject;
	readonly text?: string;
	readonly vector?: readonly number[];
	readonly collection?: string;
	readonly importance?: number;
	readonly confidence?: number;
	readonly expiresAtBlock?: string;
	readonly expiresAtTime?: string;
}

interface WireOperation {
	readonly operationId: string;
	readonly kind: Operation["kind"];
	readonly namespace: string;
	readonly id: string;
	readonly ifVersion?: string;
	readonly body?: WireBody;
	readonly patch?: Pick<WireBody, "content" | "text" | "importance" | "confidence">;
	readonly anchor?: {
		readonly kind: "block" | "transaction";
		readonly blockHash: Hex;
		readonly height: string;
		readonly transactionHash?: Hex;
		readonly effectsHash?: Hex;
	};
}

/** JSON-safe form; undefined fields are left out when it is printed. */
export function toWire(stored: StoredOperation): JsonObject {
	const { operation } = stored;
	return {
		operationId: stored.operationId,
		kind: operation.kind,
		namespace: operation.namespace,
		id: operation.id,
		...optional("ifVersion", operation.ifVersion?.toString()),
		...(operation.kind === "put" ? { body: bodyToWire(operation.body) } : {}),
		...(operation.kind === "patch"
			? {
					patch: {
						content: operation.content,
						...optional("text", operation.text),
						...optional("importance", operation.importance),
						...optional("confidence", operation.confidence),
					},
				}
			: {}),
		...optional("anchor", anchorToWire(stored.anchor)),
	};
}

/** Reads what `toWire` wrote; the input comes from our own tables. */
export function fromWire(json: unknown): StoredOperation {
	const wire = json as WireOperation;
	return {
		operationId: wire.operationId as OperationId,
		operation: operationFromWire(wire),
		anchor: anchorFromWire(wire.anchor),
	};
}

function operationFromWire(wire: WireOperation): Operation {
	const target = {
		namespace: wire.namespace,
		id: wire.id,
		ifVersion: wire.ifVersion === undefined ? undefined : BigInt(wire.ifVersion),
	};
	if (wire.body !== undefined) return { kind: "put", ...target, body: bodyFromWire(wire.body) };
	if (wire.patch !== undefined) {
		return {
			kind: "patch",
			...target,
			content: wire.patch.content,
			text: wire.patch.text,
			importance: wire.patch.importance,
			confidence: wire.patch.confidence,
		};
	}
	return { kind: "delete", ...target };
}

function bodyToWire(body: MemoryBody): JsonObject {
	return {
		layer: body.layer,
		content: body.content,
		...optional("text", body.text),
		...optional("vector", body.vector),
		...optional("collection", body.collection),
		...optional("importance", body.importance),
		...optional("confidence", body.confidence),
		...optional("expiresAtBlock", body.expiresAtBlock?.toString()),
		...optional("expiresAtTime", body.expiresAtTime?.toString()),
	};
}

function bodyFromWire(wire: WireBody): MemoryBody {
	return {
		layer: wire.layer,
		content: wire.content,
		text: wire.text,
		vector: wire.vector,
		collection: wire.collection,
		importance: wire.importance,
		confidence: wire.confidence,
		expiresAtBlock: bigintOrUndefined(wire.expiresAtBlock),
		expiresAtTime: bigintOrUndefined(wire.expiresAtTime),
	};
}

function anchorToWire(anchor: Anchor): JsonObject | undefined {
	switch (anchor.kind) {
		case "none":
			return undefined;
		case "block":
			return { kind: "block", blockHash: anchor.blockHash, height: anchor.height.toString() };
		case "transaction":
			return {
				kind: "transaction",
				transactionHash: anchor.transactionHash,
				effectsHash: anchor.effectsHash,
				blockHash: anchor.blockHash,
				height: anchor.height.toString(),
			};
	}
}

function anchorFromWire(wire: WireOperation["anchor"]): Anchor {
	if (wire === undefined) return NO_ANCHOR;
	const where = { blockHash: wire.blockHash, height: BigInt(wire.height) };
	if (wire.transactionHash === undefined || wire.effectsHash === undefined) {
		return { kind: "block", ...where };
	}
	return {
		kind: "transaction",
		...where,
		transactionHash: wire.transactionHash,
		effectsHash: wire.effectsHash,
	};
}

function bigintOrUndefined(value: string | undefined): bigint | undefined {
	return value === undefined ? undefined : BigInt(value);
}

function optional<Key extends string, Value>(
	key: Key,
	value: Value | undefined,
): { readonly [K in Key]?: Value } {
	return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]: Value });
}
