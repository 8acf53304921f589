/** Agents' puts as the inbox holds them, for sections that measure the writer by itself. */
import { randomUUID } from "node:crypto";
import type { OperationId } from "../src/domain/ids.ts";
import type { Layer } from "../src/domain/layer.ts";
import { type JsonObject, NO_ANCHORS, type Operation } from "../src/domain/operation.ts";
import { NO_SOURCES } from "../src/domain/provenance.ts";
import type { StoredOperation } from "../src/memory/operation-codec.ts";
import { RIG_CHAIN, type WriterRig } from "./writer-rig.ts";

/** One request, which may be more operations than HTTP takes: the inbox does not count. */
export async function submit(rig: WriterRig, operations: readonly StoredOperation[]) {
	await rig.inbox.submit({ chainId: RIG_CHAIN, entries: [operations], idempotency: undefined });
}

/** Without text, so that no embedder has a part in it. */
export function storedPut(put: {
	readonly namespace: string;
	readonly id: string;
	readonly layer: Layer;
	readonly content: JsonObject;
}): StoredOperation {
	const { namespace, id, layer, content } = put;
	const none = { text: undefined, vector: undefined, collection: undefined };
	const ends = { expiresAtBlock: undefined, expiresAtTime: undefined };
	const body = { layer, content, importance: 0.5, confidence: undefined, ...none, ...ends };
	return storedOperation({ kind: "put", namespace, id, ifVersion: undefined, body });
}

export function storedOperation(operation: Operation): StoredOperation {
	const operationId = randomUUID() as string as OperationId;
	return {
		operationId,
		anchors: NO_ANCHORS,
		sources: NO_SOURCES,
		policy: "recant",
		operation,
	};
}
