/** A memory that is written at the very height at which it would have ended by itself. */

import { expect, test } from "vitest";
import { LEAST_WINDOW } from "../../src/chain/window-size.ts";
import { applyChanges } from "../../src/commitment/leaf-changes.ts";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import type { Height } from "../../src/domain/ids.ts";
import type { Layer } from "../../src/domain/layer.ts";
import type { HandlerOperation } from "../../src/memory/handler-operation.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { Assembly } from "../../src/writer/assembly.ts";
import type { UnrootedBatch } from "../../src/writer/commit-batch.ts";

const KEY = memoryKey("n", "m");
const START = {
	chainId: 1,
	generation: 0n,
	fence: 1n,
	logPosition: 0n,
	versionSeq: 0n,
	roots: EMPTY_ROOTS,
	head: undefined,
	startBlock: 0n,
	safe: undefined,
	finalized: undefined,
	...LEAST_WINDOW,
	pointers: {},
};

function put(layer: Layer, expiresAtBlock: Height | undefined): HandlerOperation {
	const content = { until: String(expiresAtBlock) };
	const none = { text: undefined, vector: undefined, collection: undefined };
	const weights = { importance: undefined, confidence: undefined };
	const ends = { expiresAtBlock, expiresAtTime: undefined };
	const body = { layer, content, ...ends, ...none, ...weights };
	return { kind: "put", namespace: "n", id: "m", body };
}

/** Writes at `slot`, and seals that block when it is asked to. */
function write(
	before: UnrootedBatch | undefined,
	operation: HandlerOperation,
	at: { readonly slot: Height; readonly seal: boolean },
): UnrootedBatch {
	const { head, logPosition = 0n, versionSeq = 0n } = before ?? {};
	const assembly = new Assembly({ ...START, head, logPosition, versionSeq });
	assembly.state.load(KEY, before?.changes.insert ?? []);
	assembly.reach(at.slot);
	assembly.derive(operation, at.slot, true);
	if (at.seal) {
		const header = { number: at.slot, hash: "0x1", parentHash: "0x0", timestamp: 0n } as const;
		assembly.seal(header, { checkpoint: true, logged: true, operations: 1 });
	}
	return assembly.batch([], { safe: undefined, finalized: undefined });
}

test.each(["short_term", "semantic"] as const)("is what was written last, in layer %s", (layer) => {
	const tree = new StateTree();
	const first = write(undefined, put("short_term", 15n), { slot: 14n, seal: true });
	const second = write(first, put(layer, undefined), { slot: 15n, seal: true });
	for (const { changes } of [...first.steps, ...second.steps]) applyChanges(tree, changes);
	const row = second.changes.insert.at(-1);
	expect(row).toMatchObject({ layer, fromBlock: 15n });
	expect([...tree.memories("short_term"), ...tree.memories("semantic")]).toEqual([
		{ layer, memoryKey: KEY, contentHash: row?.contentHash },
	]);
});
