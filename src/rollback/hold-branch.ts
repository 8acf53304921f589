/**
 * What the new branch's handlers say is known before any of it is applied: an operation that rests on it
 * waits for its block, and no longer.
 */
import type { Version } from "../domain/memory.ts";
import { bodyHash } from "../memory/compensation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import type { HeldSources } from "../writer/held-sources.ts";

export function holdBranch(held: HeldSources, blocks: readonly DerivedBlock[]): void {
	for (const { header, operations } of blocks) {
		for (const operation of operations) {
			const { namespace, id } = operation;
			const key = memoryKey(namespace, id);
			if (operation.kind !== "put" || !held.watches(key)) continue;
			const version: Pick<
				Version,
				"content" | "contentHash" | "grounds" | "memoryKey" | "suspect"
			> = {
				memoryKey: key,
				content: operation.body.content,
				contentHash: bodyHash({ namespace, id }, operation.body, "handler"),
				grounds: header.number,
				suspect: false,
			};
			held.wrote(version, header.number, 0);
		}
	}
	// Nothing waits yet, so none of it is news.
	held.takeFresh();
}
