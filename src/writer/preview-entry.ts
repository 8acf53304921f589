/**
 * Whether a request can be admitted: every operation is evaluated on top of the ones before it, and
 * nothing is applied. One that fails refuses the whole request, so no request is ever half done.
 */
import type { HeaderWindow } from "../chain/header-window.ts";
import type { Height, Hex, MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { Anchor, OperationReason } from "../domain/operation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { StoredOperation } from "../memory/operation-codec.ts";
import type { Assembly, Preview } from "./assembly.ts";
import type { InboxEntry } from "./writer-store.ts";

export interface Refusal {
	readonly reasonFor: (stored: StoredOperation) => OperationReason;
}

/** Undefined: all of it can be applied in that slot. */
export function previewEntry(
	entry: InboxEntry,
	context: {
		readonly assembly: Assembly;
		readonly slot: Height;
		readonly window: HeaderWindow | undefined;
	},
): Refusal | undefined {
	const overlay = new Map<MemoryKey, Version | undefined>();
	for (const [index, stored] of entry.operations.entries()) {
		const failed =
			anchorProblem(stored.anchor, context.window) ?? evaluated(stored, context, overlay);
		if (failed !== undefined) return refusal(stored, failed, index);
	}
	return undefined;
}

function evaluated(
	stored: StoredOperation,
	{ assembly, slot }: { readonly assembly: Assembly; readonly slot: Height },
	overlay: Map<MemoryKey, Version | undefined>,
): OperationReason | undefined {
	const { namespace, id } = stored.operation;
	const key = memoryKey(namespace, id);
	const current = overlay.has(key) ? overlay.get(key) : assembly.state.editor.visible(key, slot);
	const preview = assembly.preview(stored, slot, current);
	if (preview.type === "fail") {
		const { code, message, fields } = preview;
		return { code, message, fields };
	}
	overlay.set(key, imagined(preview, { key, namespace, id, slot }));
	return undefined;
}

/** The version as it would be, for what comes after it in the same request. */
function imagined(
	preview: Exclude<Preview, { readonly type: "fail" }>,
	at: {
		readonly key: MemoryKey;
		readonly namespace: string;
		readonly id: string;
		readonly slot: Height;
	},
): Version | undefined {
	if (preview.type === "delete") return undefined;
	const { body } = preview;
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
		contentHash: "0x" as Hex,
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
 * The anchor was looked up when the request came in; the chain may have moved since. Below the window
 * blocks are final, and what the node said of them holds.
 */
function anchorProblem(
	anchor: Anchor,
	window: HeaderWindow | undefined,
): OperationReason | undefined {
	if (anchor.kind === "none") return undefined;
	const tip = window?.tip.number ?? -1n;
	const committed = window?.at(anchor.height);
	if (anchor.height <= tip && (committed === undefined || committed.hash === anchor.blockHash)) {
		return undefined;
	}
	return {
		code: "anchor_not_canonical",
		message: `block ${anchor.blockHash} at height ${anchor.height} is not on the committed chain`,
	};
}

function refusal(culprit: StoredOperation, reason: OperationReason, index: number): Refusal {
	return {
		reasonFor: (stored) =>
			stored === culprit
				? reason
				: {
						code: reason.code,
						message: `operation ${index} of the same request failed: ${reason.message}`,
					},
	};
}
