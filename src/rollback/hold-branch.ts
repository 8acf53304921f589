/**
 * What the new branch's handlers say is known before any of it is applied: an operation that rests on it
 * waits for its block, and no longer.
 */

import { bodyHash } from "../memory/compensation.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import type { HeldSources } from "../writer/held-sources.ts";

export function holdBranch(held: HeldSources, blocks: readonly DerivedBlock[]): void {
	for (const { header, operations } of blocks) {
		const { number: slot } = header;
		for (const operation of operations) {
			const key = memoryKey(operation.namespace, operation.id);
			if (!held.watches(key)) continue;
			const contentHash = saidHash(operation, slot);
			const version = contentHash && { contentHash, grounds: slot, suspect: false };
			held.wrote(key, version, { slot, depth: 0 });
		}
	}
	// Nothing waits yet, so none of it is news.
	held.takeFresh();
}

/** Undefined: it leaves nothing. */
function saidHash(operation: HandlerOperation, slot: bigint) {
	if (operation.kind !== "put") return undefined;
	const { namespace, id, body } = operation;
	if (body.expiresAtBlock !== undefined && body.expiresAtBlock <= slot) return undefined;
	return bodyHash({ namespace, id }, body, "handler");
}
