/**
 * Whether a request can be admitted: every operation is evaluated on top of the ones before it, and
 * nothing is applied. One that fails refuses the whole request, so no request is ever half done.
 */
import type { HeaderWindow } from "../chain/header-window.ts";
import type { Height, Hex, MemoryKey } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Version } from "../domain/memory.ts";
import type { AnchorSet, OperationReason } from "../domain/operation.ts";
import type { SourceRef } from "../domain/provenance.ts";
import { bodyHash } from "../memory/compensation.ts";
import {
	type Ground,
	groundOf,
	type Held,
	type HeldKey,
	heldKey,
	sourceKey,
} from "../memory/ground.ts";
import type { StepAllowance } from "../memory/json-schema.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { StoredOperation } from "../memory/operation-codec.ts";
import { PatchAllowance } from "../memory/patch-allowance.ts";
import type { Assembly, Preview } from "./assembly.ts";
import { countByNamespace } from "./open-operation.ts";
import type { ImaginedMembers } from "./short-term.ts";
import type { SystemWork, WriterSettings } from "./system-work.ts";
import type { InboxEntry } from "./writer-store.ts";

export interface Refusal {
	readonly reasonFor: (stored: StoredOperation) => OperationReason;
}

interface PreviewContext {
	readonly assembly: Assembly;
	readonly slot: Height;
	readonly window: HeaderWindow | undefined;
	/** Hashes of the committed chain below the window, where anchors stand and a header is kept. */
	readonly below: ReadonlyMap<Height, Hex>;
	readonly system: Pick<SystemWork, "imagine">;
	/** See WriterSettings. */
	readonly contentProblem: WriterSettings["contentProblem"];
}

/**
 * Undefined: all of it can be applied in that slot. Else every operation that cannot has its reason, and
 * those that come after one of them on the same memory have that of the first.
 */
export function previewEntry(entry: InboxEntry, context: PreviewContext): Refusal | undefined {
	const overlay = new Overlay(entry, context);
	const failed = new Map<StoredOperation, OperationReason>();
	/** What they would say is not known, so nothing is known of what comes after on top of it. */
	const unsaid = new Set<MemoryKey>();
	for (const stored of entry.operations) {
		if (unsaid.size > 0 && unsaid.has(keyOf(stored))) continue;
		const reason = anchorProblem(stored.anchors, context) ?? overlay.take(stored);
		if (reason === undefined) continue;
		failed.set(stored, reason);
		unsaid.add(keyOf(stored));
	}
	return failed.size === 0 ? undefined : refusal(entry, failed);
}

/** What the request's operations leave, one on top of the other, as long as none of them is applied. */
class Overlay {
	readonly #context: PreviewContext;
	readonly #versions = new Map<MemoryKey, Version | undefined>();
	/** What the last of them says of a memory; hashes are made for sources of this request alone. */
	readonly #said = new Map<MemoryKey, { readonly key: HeldKey; readonly held: Held }>();
	readonly #hasSources: boolean;
	/** Of namespaces that may become too full by the request. */
	readonly #members = new Map<string, ImaginedMembers | undefined>();
	readonly #allowance: StepAllowance = { steps: LIMITS.schemaSteps };
	readonly #patched = new PatchAllowance();

	constructor(entry: InboxEntry, context: PreviewContext) {
		this.#context = context;
		this.#hasSources = entry.operations.some(({ sources }) => sources.length > 0);
		// Nobody comes after the only one.
		if (entry.operations.length === 1) return;
		for (const [namespace, writes] of countByNamespace(entry.operations)) {
			this.#members.set(namespace, context.system.imagine(namespace, writes, context.slot));
		}
	}

	/** Takes the operation for applied; answers why it cannot be. */
	take(stored: StoredOperation): OperationReason | undefined {
		const { assembly, slot } = this.#context;
		const { namespace, id } = stored.operation;
		const key = keyOf(stored);
		if (stored.operation.kind === "patch" && this.#patched.isSpent) return this.#patched.take({});
		const ground = groundOf(stored, (source) => this.#held(source));
		const groundless = ground.type === "absent" ? groundProblem(ground) : depthProblem(ground);
		if (groundless !== undefined) return groundless;
		const current = this.#look(key);
		const preview = assembly.preview(stored, slot, current, (each) => this.#look(each));
		if (preview.type === "fail") {
			const { code, message, fields } = preview;
			return { code, message, fields };
		}
		if (stored.operation.kind === "patch" && preview.type === "put") {
			const excess = this.#patched.take(preview.body.content);
			if (excess !== undefined) return excess;
			const message = this.#context.contentProblem(namespace, preview.body, this.#allowance);
			if (message !== undefined) return { code: "schema_mismatch", message };
		}
		if (stored.operation.kind === "link") assembly.links.add(stored.operation);
		if (preview.type === "consolidate") return undefined;
		const version = imagined(preview, { key, namespace, id, slot, hashed: this.#hasSources });
		this.#versions.set(key, version);
		const isThere = version?.layer === "short_term";
		for (const ended of this.#members.get(namespace)?.changed(key, isThere) ?? []) {
			this.#versions.set(ended, undefined);
		}
		if (version !== undefined && this.#hasSources && ground.type === "holds") {
			const { grounds, suspect, depth } = ground;
			const held = { slot, grounds, suspect, depth };
			this.#said.set(key, { key: heldKey(key, version.contentHash), held });
		}
		return undefined;
	}

	#look(key: MemoryKey): Version | undefined {
		if (this.#versions.has(key)) return this.#versions.get(key);
		const { editor } = this.#context.assembly.state;
		return editor.isLoaded(key) ? editor.visible(key, this.#context.slot) : undefined;
	}

	/** What the slot said before the request wrote it over holds no more. */
	#held(source: SourceRef): Held | undefined {
		const { assembly, slot } = this.#context;
		const key = sourceKey(source);
		if (!this.#versions.has(key)) return assembly.held.get(source);
		const below = assembly.held.getBelow(source, slot);
		const said = this.#versions.get(key) && this.#said.get(key);
		const isSaid = said?.key === heldKey(key, source.contentHash);
		return isSaid && below?.suspect !== false ? said.held : below;
	}
}

function keyOf({ operation }: StoredOperation): MemoryKey {
	return memoryKey(operation.namespace, operation.id);
}

function groundProblem(ground: Extract<Ground, { readonly type: "absent" }>): OperationReason {
	const missing = ground.lost.flatMap((lost) => (lost.kind === "source" ? [lost] : []));
	const [first] = missing;
	if (first === undefined) {
		return {
			code: "anchor_not_canonical",
			message: "what the operation is anchored to is not on the committed chain",
		};
	}
	const named = missing.map(
		({ namespace, id, contentHash }) => `${namespace}/${id} ${contentHash}`,
	);
	return {
		code: "source_unknown",
		message: `no set of its sources holds; never said here: ${named.join(", ")}`,
		fields: {
			missing: missing.length,
			sourceNamespace: first.namespace,
			sourceId: first.id,
			contentHash: first.contentHash,
		},
	};
}

function depthProblem({ depth }: Extract<Ground, { readonly type: "holds" }>) {
	if (depth <= LIMITS.derivationDepth) return undefined;
	return {
		code: "limit_exceeded",
		message: `it would be derived ${depth} deep; the limit is ${LIMITS.derivationDepth}`,
		fields: { limit: "derivationDepth", max: LIMITS.derivationDepth, value: depth },
	};
}

/** The version as it would be, for what comes after it in the same request. */
function imagined(
	preview: Exclude<Preview, { readonly type: "fail" | "consolidate" }>,
	at: {
		/** Whether its content hash is asked for: it costs as much as all else here. */
		readonly hashed: boolean;
		readonly key: MemoryKey;
		readonly namespace: string;
		readonly id: string;
		readonly slot: Height;
	},
): Version | undefined {
	if (preview.type === "delete") return undefined;
	const { body } = preview;
	const name = { namespace: at.namespace, id: at.id };
	return {
		memoryKey: at.key,
		namespace: at.namespace,
		id: at.id,
		layer: body.layer,
		owner: "agent",
		content: body.content,
		text: body.text,
		collection: body.collection,
		importance: body.importance,
		confidence: body.confidence,
		vectorHash: undefined,
		expiresBlock: body.expiresAtBlock,
		expiresTime: body.expiresAtTime,
		versionId: -1n,
		contentHash: at.hashed ? bodyHash(name, body) : "0x",
		position: -1n,
		suspect: false,
		grounds: undefined,
		fromBlock: at.slot,
		toBlock: at.slot + 1n,
		fromGen: 0n,
		toGen: 1n,
	};
}

/**
 * The anchors were looked up when the request came in; the chain may have moved since, and finality with
 * it. Where no header is kept, what the node said holds.
 */
function anchorProblem(
	{ anchors }: AnchorSet,
	{ window, below }: Pick<PreviewContext, "window" | "below">,
): OperationReason | undefined {
	const tip = window?.tip.number ?? -1n;
	const places = anchors.flatMap(({ place }) => (place === undefined ? [] : [place]));
	const gone = places.find(({ height, blockHash }) => {
		const committed = window?.at(height)?.hash ?? below.get(height);
		return height > tip || (committed !== undefined && committed !== blockHash);
	});
	return (
		gone && {
			code: "anchor_not_canonical",
			message: `block ${gone.blockHash} at height ${gone.height} is not on the committed chain`,
		}
	);
}

function refusal(
	entry: InboxEntry,
	failed: ReadonlyMap<StoredOperation, OperationReason>,
): Refusal {
	const [[culprit, reason] = [undefined, undefined]] = failed;
	const index = culprit === undefined ? 0 : entry.operations.indexOf(culprit);
	const other = {
		code: reason?.code ?? "invalid_request",
		message: `operation ${index} of the same request failed: ${reason?.message}`,
	};
	return { reasonFor: (stored) => failed.get(stored) ?? other };
}
