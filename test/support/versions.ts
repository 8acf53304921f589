import { FOREVER, type Hex, type MemoryKey } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { NOTHING_SAID } from "../../src/memory/nothing-said.ts";
import type { NewVersion } from "../../src/memory/state-editor.ts";

/** Stands where a test does not look at hashes. */
const SOME_HASH: Hex = `0x${"11".repeat(32)}`;

export function keyOf(id: string): MemoryKey {
	return memoryKey("test", id);
}

/** A version of memory `id` in namespace `test`, whose content says its version id. */
export function newVersion(
	id: string,
	versionId: bigint,
	parts: Partial<NewVersion> = {},
): NewVersion {
	return {
		memoryKey: keyOf(id),
		versionId,
		contentHash: SOME_HASH,
		position: versionId,
		namespace: "test",
		id,
		layer: "semantic",
		owner: "agent",
		...NOTHING_SAID,
		content: { version: versionId.toString() },
		suspect: false,
		grounds: undefined,
		...parts,
	};
}

/** A row from height 0 and generation 0 on for ever, unless `parts` say otherwise. */
export function row(id: string, versionId: bigint, parts: Partial<Version> = {}): Version {
	return {
		...newVersion(id, versionId),
		fromBlock: 0n,
		toBlock: parts.expiresBlock ?? FOREVER,
		fromGen: 0n,
		toGen: FOREVER,
		...parts,
	};
}

/** A deletion: a version without content. */
export const TOMBSTONE = { content: undefined } as const;
