/**
 * Makes the assembly of one commit: loads what it touches, then applies in order.
 */
import type { HeaderWindow } from "../chain/header-window.ts";
import type { ChainId, Height, MemoryKey } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { StoredOperation } from "../memory/operation-codec.ts";
import { Assembly } from "./assembly.ts";
import { type ChainState, pendingSlot } from "./chain-state.ts";
import type { DerivedBlock, DerivedGroup, FoundAnchor } from "./derived-blocks.ts";
import { previewEntry } from "./preview-entry.ts";
import type { InboxEntry, OpenOperation, WriterStore } from "./writer-store.ts";

/** Agents' operations of the inbox, in the pending slot; an entry is admitted whole or refused whole. */
export async function assembleInbox(
	state: ChainState,
	entries: readonly InboxEntry[],
	context: { readonly store: WriterStore; readonly window: HeaderWindow | undefined },
): Promise<Assembly> {
	const assembly = new Assembly(state);
	const slot = pendingSlot(state);
	await load(assembly, context.store, {
		chainId: state.chainId,
		keys: entries.flatMap((entry) => entry.operations.map(keyOf)),
	});
	for (const entry of entries) {
		const refusal = previewEntry(entry, { assembly, slot, window: context.window });
		for (const stored of entry.operations) {
			if (refusal === undefined) assembly.admit(stored, slot);
			else assembly.refuse(stored, slot, refusal.reasonFor(stored));
		}
		assembly.settle(entry.entryId);
	}
	return assembly;
}

/** Blocks on top of the head, with what was derived from them and what they reinstate. */
export async function assembleBlocks(
	state: ChainState,
	group: DerivedGroup,
	context: {
		readonly store: Pick<WriterStore, "expiring" | "latestVersions">;
		readonly suspended: readonly OpenOperation[];
	},
): Promise<Assembly> {
	const assembly = new Assembly(state);
	const returning = reinstatements(group, context.suspended);
	const last = group.blocks.at(-1)?.header.number ?? group.from;
	const expiring = await context.store.expiring(state.chainId, {
		above: group.from - 1n,
		to: last,
	});
	await load(assembly, context.store, {
		chainId: state.chainId,
		keys: [
			...group.blocks.flatMap((block) => block.operations.map(handlerKey)),
			...[...returning.values()].flatMap((each) => each.map(({ stored }) => keyOf(stored))),
			...expiring,
		],
	});
	for (const block of group.blocks) {
		applyBlock(assembly, block, {
			mode: group.mode,
			last: block.header.number === last,
			returning: returning.get(block.header.number) ?? [],
		});
	}
	if (group.mode === "backfill") {
		assembly.note("derived", last, {
			from: group.from.toString(),
			to: last.toString(),
			handlersHash: group.handlersHash,
			base: { position: state.logPosition.toString(), versionId: state.versionSeq.toString() },
			versionId: assembly.state.versionId.toString(),
			operations: group.blocks.reduce((sum, block) => sum + block.operations.length, 0),
			changes: assembly.changesHash(),
		});
	}
	return assembly;
}

function applyBlock(
	assembly: Assembly,
	block: DerivedBlock,
	how: {
		readonly mode: DerivedGroup["mode"];
		/** The group's last block: the window begins there, so a fork may have it for its ancestor. */
		readonly last: boolean;
		readonly returning: readonly OpenOperation[];
	},
): void {
	const { header } = block;
	const inWindow = how.mode === "window";
	assembly.reach(header.number);
	for (const each of how.returning) {
		const anchored = { ...each.stored, anchor: movedAnchor(each, block.anchors) };
		assembly.reapply(anchored, header.number, originalOf(each), "reinstated");
	}
	for (const operation of block.operations) assembly.derive(operation, header.number, inWindow);
	assembly.seal(header, {
		checkpoint: inWindow || how.last || isAtInterval(header.number),
		logged: inWindow,
		operations: block.operations.length + how.returning.length,
	});
}

function isAtInterval(height: Height): boolean {
	return height % BigInt(LIMITS.checkpointIntervalBlocks) === 0n;
}

/** The stored anchor, at the place where it was found. */
export function movedAnchor(
	operation: OpenOperation,
	found: ReadonlyMap<string, FoundAnchor>,
): StoredOperation["anchor"] {
	const { anchor, operationId } = operation.stored;
	const place = found.get(operationId);
	return anchor.kind === "none" || place === undefined ? anchor : { ...anchor, ...place };
}

export function originalOf(operation: OpenOperation) {
	return {
		position: operation.judged.position,
		originalSlot: operation.judged.originalSlot,
		conditionPosition: operation.conditionPosition,
	};
}

export function keyOf(stored: StoredOperation): MemoryKey {
	return memoryKey(stored.operation.namespace, stored.operation.id);
}

export function handlerKey(operation: {
	readonly namespace: string;
	readonly id: string;
}): MemoryKey {
	return memoryKey(operation.namespace, operation.id);
}

function reinstatements(
	group: DerivedGroup,
	suspended: readonly OpenOperation[],
): ReadonlyMap<Height, readonly OpenOperation[]> {
	const byHeight = new Map<Height, OpenOperation[]>();
	for (const block of group.blocks) {
		const here = suspended.filter((each) => block.anchors.has(each.stored.operationId));
		if (here.length > 0) byHeight.set(block.header.number, here);
	}
	return byHeight;
}

async function load(
	assembly: Assembly,
	store: Pick<WriterStore, "latestVersions">,
	wanted: { readonly chainId: ChainId; readonly keys: readonly MemoryKey[] },
): Promise<void> {
	const keys = [...new Set(wanted.keys)];
	const found = await store.latestVersions(wanted.chainId, keys);
	for (const key of keys) assembly.state.load(key, found.get(key) ?? []);
}
