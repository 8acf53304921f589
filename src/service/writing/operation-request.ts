/** An agent's request, and the operations that it becomes. */
import { randomUUID } from "node:crypto";
import type { Height, VersionId } from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import { CAUSE_TYPE, linkId } from "../../domain/link.ts";
import type { LinkEnd, LinkName } from "../../domain/link-name.ts";
import {
	DEFAULT_COLLECTION,
	type JsonObject,
	type LinkOperation,
	type MemoryBody,
	type Operation,
} from "../../domain/operation.ts";
import type { LossPolicy, Sources } from "../../domain/provenance.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import type { AgentWrite } from "./agent-writes.ts";
import type { AnchorsRequest } from "./anchor-lookup.ts";

const DEFAULT_NAMESPACE = "default";

/** What a put states, as it is asked for. */
export interface PutRequest {
	/** Undefined: Recant makes one. */
	readonly id: string | undefined;
	readonly content: JsonObject;
	readonly text: string | undefined;
	readonly vector: readonly number[] | undefined;
	readonly collection: string | undefined;
	readonly importance: number | undefined;
	readonly confidence: number | undefined;
	readonly expiresAtBlock: Height | undefined;
	/** Seconds since the epoch; at most one of this and `expiresAtBlock`. */
	readonly expiresAtTime: bigint | undefined;
	/** Of an episode: what caused it; it is linked to each with `causedBy`. */
	readonly causedBy: readonly LinkEnd[];
}

/** An agent's operation as it comes in; anchors name only what they depend on. */
export type OperationRequest = {
	readonly namespace: string | undefined;
	readonly anchors: AnchorsRequest;
	readonly derivedFrom: Sources;
	/** Undefined: as the namespace has it. */
	readonly onLoss: LossPolicy | undefined;
	readonly ifVersion: VersionId | undefined;
} & (
	| ({ readonly kind: "put"; readonly layer: Layer } & PutRequest)
	| ({ readonly kind: "action" } & PutRequest)
	| {
			readonly kind: "patch";
			readonly id: string;
			readonly content: JsonObject;
			readonly text: string | undefined;
			readonly importance: number | undefined;
			readonly confidence: number | undefined;
	  }
	| { readonly kind: "delete"; readonly id: string }
	| {
			readonly kind: "link";
			readonly link: LinkName;
			readonly weight: number;
			readonly properties: JsonObject | undefined;
	  }
	| { readonly kind: "unlink"; readonly link: LinkName }
	/** `rule` undefined: all of the namespace's. */
	| { readonly kind: "consolidate"; readonly rule: string | undefined }
);

/** The writes that a request asks for, in order: an episode is followed by the links to its causes. */
export function writesOf(
	request: OperationRequest,
	made: {
		/** A repeated request gets the same ids; undefined: each gets a new one. */
		readonly idempotencyKey: string | undefined;
		/** Place of the operation in its request. */
		readonly index: number;
		/** Policy of a namespace. */
		readonly policy: (namespace: string) => LossPolicy;
	},
): readonly AgentWrite[] {
	const operation = operationOf(request, made.idempotencyKey, made.index);
	const kept = request.kind === "action" ? "keep" : request.onLoss;
	const { anchors, derivedFrom: sources } = request;
	const policy = kept ?? made.policy(operation.namespace);
	const causes = "causedBy" in request ? request.causedBy : [];
	const path = `operations[${made.index}]`;
	const rests = { anchors, sources, policy, askedPolicy: kept };
	return [
		{ operation, ...rests, path },
		// A cause goes and comes back with its episode.
		...causes.map((to, place) => ({
			operation: causeLink(operation, to),
			...rests,
			path: `${path}.causedBy[${place}]`,
		})),
	];
}

function operationOf(
	request: OperationRequest,
	idempotencyKey: string | undefined,
	index: number,
): Operation {
	const { namespace = DEFAULT_NAMESPACE, ifVersion } = request;
	const target = { namespace, ifVersion };
	switch (request.kind) {
		case "put":
		case "action": {
			const made =
				idempotencyKey === undefined ? randomUUID() : memoryKey(idempotencyKey, `${index}`);
			const { kind } = request;
			return { kind, ...target, id: request.id ?? `memory:${made}`, body: bodyOf(request) };
		}
		case "patch":
			return {
				kind: "patch",
				...target,
				id: request.id,
				content: request.content,
				text: request.text,
				importance: request.importance,
				confidence: request.confidence,
			};
		case "delete":
			return { kind: "delete", ...target, id: request.id };
		case "link":
		case "unlink": {
			const { link } = request;
			const named = { namespace: link.from.namespace, id: linkId(link), ifVersion, link };
			if (request.kind === "unlink") return { kind: "unlink", ...named };
			return { kind: "link", ...named, weight: request.weight, properties: request.properties };
		}
		case "consolidate": {
			const { rule } = request;
			return { kind: "consolidate", ...target, id: `@consolidation:${rule ?? "*"}`, rule };
		}
	}
}

function bodyOf(request: Extract<OperationRequest, PutRequest>): MemoryBody {
	const { text, vector, content } = request;
	const embedded = text !== undefined || vector !== undefined;
	return {
		layer: request.kind === "action" ? "episodic" : request.layer,
		content: request.kind === "action" ? { ...content, kind: "action" } : content,
		text,
		vector,
		collection: embedded ? (request.collection ?? DEFAULT_COLLECTION) : undefined,
		importance: request.importance,
		confidence: request.confidence,
		expiresAtBlock: request.expiresAtBlock,
		expiresAtTime: request.expiresAtTime,
	};
}

function causeLink({ namespace, id }: Operation, to: LinkEnd): LinkOperation {
	const link = { from: { namespace, id }, type: CAUSE_TYPE, to };
	return {
		kind: "link",
		namespace,
		id: linkId(link),
		ifVersion: undefined,
		link,
		weight: 1,
		properties: undefined,
	};
}
