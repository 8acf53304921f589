/**
 * Operations as JSON for the inbox and the log. Bigints become decimal strings. The bytes are stable:
 * what an older version of Recant wrote is read by a newer one.
 */
import type { Hex, OperationId } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { LinkName } from "../domain/link-name.ts";
import {
	type Anchor,
	type AnchorSet,
	type JsonObject,
	type MemoryBody,
	NO_ANCHORS,
	type Operation,
	type OperationKind,
} from "../domain/operation.ts";
import { type LossPolicy, NO_SOURCES, type Sources } from "../domain/provenance.ts";

/** One operation as it waits in the inbox and stands in the log. */
export interface StoredOperation {
	readonly operationId: OperationId;
	readonly operation: Operation;
	/** Where each anchor stands as far as is known: in the log where it stood at first. */
	readonly anchors: AnchorSet;
	readonly sources: Sources;
	readonly policy: LossPolicy;
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
	readonly kind: OperationKind;
	readonly namespace: string;
	readonly id: string;
	readonly ifVersion?: string;
	readonly body?: WireBody;
	readonly patch?: Pick<WireBody, "content" | "text" | "importance" | "confidence">;
	readonly link?: LinkName;
	readonly weight?: number;
	readonly properties?: JsonObject;
	readonly rule?: string;
	/** One anchor, as it was written before there could be several. */
	readonly anchor?: {
		readonly kind: "block" | "transaction";
		readonly blockHash: Hex;
		readonly height: string;
		readonly transactionHash?: Hex;
		readonly effectsHash?: Hex;
	};
	readonly anchors?: WireAnchors;
	readonly derivedFrom?: Sources;
	readonly onLoss?: LossPolicy;
}

interface WireAnchors {
	readonly mode: AnchorSet["mode"];
	readonly anchors: readonly WireAnchor[];
}

interface WireAnchor {
	readonly kind: "block" | "transaction";
	/** Of a block. */
	readonly blockHash?: Hex;
	readonly transactionHash?: Hex;
	readonly effectsHash?: Hex;
	readonly place?: { readonly blockHash: Hex; readonly height: string };
}

/** JSON-safe form; undefined fields are left out when it is printed. */
export function toWire(stored: StoredOperation): JsonObject {
	const { operation, anchors, sources, policy } = stored;
	return {
		operationId: stored.operationId,
		kind: operation.kind,
		namespace: operation.namespace,
		id: operation.id,
		...optional("ifVersion", operation.ifVersion?.toString()),
		...whatToWire(operation),
		...optional("anchors", anchors.anchors.length === 0 ? undefined : anchorsToWire(anchors)),
		...optional("derivedFrom", sources.length === 0 ? undefined : sources.map(sourcesToWire)),
		...optional("onLoss", policy === "recant" ? undefined : policy),
	};
}

/** Reads what `toWire` wrote; the input comes from our own tables. */
export function fromWire(json: unknown): StoredOperation {
	const wire = json as WireOperation;
	return {
		operationId: wire.operationId as OperationId,
		operation: operationFromWire(wire),
		anchors: wire.anchors === undefined ? oneAnchor(wire.anchor) : anchorsFromWire(wire.anchors),
		sources: wire.derivedFrom ?? NO_SOURCES,
		policy: wire.onLoss ?? "recant",
	};
}

/** Anchors by themselves, as the table of operations has them; null: none. */
export function anchorsToText(anchors: AnchorSet): string | null {
	return anchors.anchors.length === 0 ? null : JSON.stringify(anchorsToWire(anchors));
}

export function anchorsFromText(text: string | null): AnchorSet {
	return text === null ? NO_ANCHORS : anchorsFromWire(JSON.parse(text) as WireAnchors);
}

function whatToWire(operation: Operation): JsonObject {
	switch (operation.kind) {
		case "put":
		case "action":
			return { body: bodyToWire(operation.body) };
		case "patch":
			return {
				patch: {
					content: operation.content,
					...optional("text", operation.text),
					...optional("importance", operation.importance),
					...optional("confidence", operation.confidence),
				},
			};
		case "link":
			return {
				link: linkToWire(operation.link),
				weight: operation.weight,
				...optional("properties", operation.properties),
			};
		case "unlink":
			return { link: linkToWire(operation.link) };
		case "consolidate":
			return { ...optional("rule", operation.rule) };
		case "delete":
			return {};
	}
}

function operationFromWire(wire: WireOperation): Operation {
	const target = {
		namespace: wire.namespace,
		id: wire.id,
		ifVersion: wire.ifVersion === undefined ? undefined : BigInt(wire.ifVersion),
	};
	const { kind, link } = wire;
	if (wire.body !== undefined) {
		const body = bodyFromWire(wire.body);
		return { kind: kind === "action" ? kind : "put", ...target, body };
	}
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
	if (link !== undefined) {
		if (kind === "unlink") return { kind, ...target, link };
		const { weight = 1, properties } = wire;
		return { kind: "link", ...target, link, weight, properties };
	}
	if (kind === "consolidate") return { kind, ...target, rule: wire.rule };
	return { kind: "delete", ...target };
}

function linkToWire({ from, type, to }: LinkName): JsonObject {
	return { from: { ...from }, type, to: { ...to } };
}

function sourcesToWire(set: Sources[number]) {
	return set.map(({ namespace, id, contentHash }) => ({ namespace, id, contentHash }));
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

function anchorsToWire({ mode, anchors }: AnchorSet) {
	return { mode, anchors: anchors.map(anchorToWire) };
}

function anchorToWire({ place, ...target }: Anchor) {
	const at = place && { blockHash: place.blockHash, height: place.height.toString() };
	return { ...target, ...optional("place", at) };
}

function anchorsFromWire({ mode, anchors }: WireAnchors): AnchorSet {
	return { mode, anchors: anchors.map(anchorFromWire) };
}

function anchorFromWire(wire: WireAnchor): Anchor {
	const { blockHash, transactionHash, effectsHash, place: at } = wire;
	const place = at && { blockHash: at.blockHash, height: BigInt(at.height) };
	if (transactionHash !== undefined && effectsHash !== undefined) {
		return { kind: "transaction", transactionHash, effectsHash, place };
	}
	return { kind: "block", blockHash: blockHash ?? "0x", place };
}

function oneAnchor(wire: WireOperation["anchor"]): AnchorSet {
	if (wire === undefined) return NO_ANCHORS;
	const { blockHash, transactionHash, effectsHash } = wire;
	const place = { blockHash, height: BigInt(wire.height) };
	const anchor: Anchor =
		transactionHash === undefined || effectsHash === undefined
			? { kind: "block", blockHash, place }
			: { kind: "transaction", transactionHash, effectsHash, place };
	return { mode: "all", anchors: [anchor] };
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
