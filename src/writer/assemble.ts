/**
 * Makes the assembly of one commit: loads what it touches, then applies in order.
 *
 * Within a block: the handlers first, then agents' operations whose ground is back, then what the writer
 * does itself. In the pending slot agents' operations come as they were written.
 */
import type { HeaderWindow } from "../chain/header-window.ts";
import type { ChainId, Height, Hex, MemoryKey } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { ACYCLIC_TYPES } from "../domain/link.ts";
import type { NamespaceSettings } from "../domain/namespace-settings.ts";
import type { LinkOperation } from "../domain/operation.ts";
import { sourceKey } from "../memory/ground.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { StoredOperation } from "../memory/operation-codec.ts";
import { Assembly } from "./assembly.ts";
import { type ChainState, pendingSlot } from "./chain-state.ts";
import type { RecordedWrite } from "./commit-draft.ts";
import type { DerivedBlock, DerivedGroup } from "./derived-blocks.ts";
import { learnPuts } from "./marks.ts";
import { countByNamespace, keysOf } from "./open-operation.ts";
import { previewEntry } from "./preview-entry.ts";
import type { ShortTermMembers } from "./short-term.ts";
import { type Consolidator, SystemWork, type WriterSettings } from "./system-work.ts";
import { thinHistory } from "./thin-history.ts";
import { WaitingOperations } from "./waiting-operations.ts";
import type { InboxEntry, OpenOperation, WriterStore } from "./writer-store.ts";

export interface AssembleContext {
	readonly store: WriterStore;
	/** Operations that wait for what they rest on. */
	readonly waiting: readonly OpenOperation[];
	readonly settings: ReadonlyMap<string, NamespaceSettings>;
	readonly consolidator: Consolidator;
	/** See SystemContext. */
	readonly shortTerm: Map<string, ShortTermMembers>;
}

/** Agents' operations of the inbox, in the pending slot; an entry is admitted whole or refused whole. */
export async function assembleInbox(
	state: ChainState,
	entries: readonly InboxEntry[],
	context: AssembleContext & {
		readonly window: HeaderWindow | undefined;
		readonly contentProblem: WriterSettings["contentProblem"];
	},
): Promise<Assembly> {
	const assembly = new Assembly(state);
	const slot = pendingSlot(state);
	const coming = entries.flatMap((entry) => entry.operations);
	const waiting = await prepareWaiting(assembly, context, {
		written: () => new Set(coming.map(ownKey)),
		height: slot,
		found: false,
		consolidates: coming.some(({ operation }) => operation.kind === "consolidate"),
	});
	await prepareOperations(assembly, [...coming, ...waiting.operations], context, slot);
	const system = new SystemWork(assembly, { ...context, chainId: state.chainId, height: slot });
	await system.prepare({
		writes: countByNamespace([...coming, ...waiting.operations]),
		heights: undefined,
		asked: coming.flatMap(({ operation }) => (operation.kind === "consolidate" ? [operation] : [])),
	});
	const below = await hashesBelow(context, state.chainId, coming);
	for (const entry of entries) {
		const refusal = previewEntry(entry, { ...context, assembly, slot, system, below });
		for (const stored of entry.operations) {
			if (refusal !== undefined) {
				assembly.refuse(stored, slot, refusal.reasonFor(stored));
				continue;
			}
			const outcome = assembly.admit(stored, slot);
			if (outcome.type === "failed") {
				// What the writer ended for an operation before it was foreseen by nobody.
				assembly.refuse(stored, slot, { code: outcome.code, message: outcome.message });
				continue;
			}
			if (outcome.marked !== undefined) waiting.queue.add(outcome.marked);
			const { operation } = stored;
			if (operation.kind === "consolidate") {
				await system.consolidate(operation.namespace, operation.rule, slot);
			}
		}
		waiting.queue.settle(assembly, slot);
		assembly.settle(entry.entryId);
	}
	return assembly;
}

/** A request may have waited while the block of its anchor was orphaned and finality passed it. */
async function hashesBelow(
	{ window, store }: { readonly window: HeaderWindow | undefined } & Pick<AssembleContext, "store">,
	chainId: ChainId,
	coming: readonly StoredOperation[],
): Promise<ReadonlyMap<Height, Hex>> {
	const floor = window?.oldest.number ?? 0n;
	const places = coming.flatMap(({ anchors }) =>
		anchors.anchors.flatMap(({ place }) => place ?? []),
	);
	const heights = new Set(places.map(({ height }) => height).filter((height) => height < floor));
	return heights.size === 0 ? new Map() : store.blockHashes(chainId, [...heights]);
}

/** Blocks on top of the head, with what was derived from them and what they give back. */
export async function assembleBlocks(
	state: ChainState,
	whole: DerivedGroup,
	context: AssembleContext,
): Promise<Assembly> {
	const group = thinHistory(whole);
	const assembly = new Assembly(state);
	const last = group.blocks.at(-1)?.header;
	const waiting = await prepareWaiting(assembly, context, {
		written: () => new Set(group.blocks.flatMap((block) => block.operations.map(handlerKey))),
		height: group.from,
		found: group.blocks.some(({ anchors }) => anchors.size > 0),
		consolidates: context.settings.size > 0,
	});
	const height = group.from - 1n;
	const to = last?.number ?? group.from;
	// At once: most blocks end nothing, and a block is waited for.
	const [expiring] = await Promise.all([
		context.store.expiring(state.chainId, {
			above: height,
			to,
			since: assembly.headTime,
			time: last?.timestamp ?? assembly.headTime,
		}),
		loadKeys(
			assembly,
			context.store,
			group.blocks.flatMap((block) => block.operations.map(handlerKey)),
		),
	]);
	await loadKeys(assembly, context.store, expiring);
	// With what agents wrote for the slot of the first block.
	await prepareOperations(assembly, waiting.operations, context, group.from);
	// What was written for the pending slot is there when the first block begins.
	const system = new SystemWork(assembly, {
		...context,
		chainId: state.chainId,
		height: pendingSlot(state),
	});
	await system.prepare({
		writes: countByNamespace(waiting.operations),
		heights: { from: group.from, to },
		asked: [],
	});
	let reached = height;
	for (const block of group.blocks) {
		const { number } = block.header;
		for (const due of system.dueBetween(reached, number)) {
			assembly.reach(due);
			await system.consolidateDue(due);
		}
		reached = number;
		assembly.reach(number);
		deriveBlock(assembly, block, group);
		waiting.queue.found(block.anchors);
		const returned = waiting.queue.settle(assembly, number).length;
		await system.endOfBlock(block.header);
		sealBlock(assembly, block, { group, returned });
	}
	noteGroup(assembly, state, group);
	return assembly;
}

/** A group once more, as it was committed: what its handlers derive, and the rest as the log has it. */
export async function assembleRecorded(
	state: ChainState,
	whole: DerivedGroup,
	context: {
		readonly store: Pick<WriterStore, "expiring" | "latestVersions">;
		readonly recorded: readonly RecordedWrite[];
		/** Memories that the recorded writes touch. */
		readonly keys: readonly MemoryKey[];
	},
): Promise<Assembly> {
	const group = thinHistory(whole);
	const assembly = new Assembly(state);
	const last = group.blocks.at(-1)?.header.number ?? group.from;
	await loadKeys(assembly, context.store, [
		...group.blocks.flatMap((block) => block.operations.map(handlerKey)),
		...context.keys,
		...(await context.store.expiring(state.chainId, {
			above: group.from - 1n,
			to: last,
			since: 0n,
			time: 0n,
		})),
	]);
	let next = 0;
	for (const block of group.blocks) {
		const { number } = block.header;
		const repeatBelow = (slot: Height) => {
			let each = context.recorded[next];
			for (; each !== undefined && each.slot < slot; each = context.recorded[next]) {
				assembly.reach(each.slot);
				assembly.repeat(each);
				next += 1;
			}
		};
		repeatBelow(number);
		assembly.reach(number);
		deriveBlock(assembly, block, group);
		const before = next;
		repeatBelow(number + 1n);
		sealBlock(assembly, block, { group, returned: next - before });
	}
	noteGroup(assembly, state, group);
	return assembly;
}

function deriveBlock(assembly: Assembly, block: DerivedBlock, { mode }: DerivedGroup): void {
	for (const operation of block.operations) {
		assembly.derive(operation, block.header.number, mode === "window");
	}
}

function sealBlock(
	assembly: Assembly,
	{ header, operations }: DerivedBlock,
	{ group, returned }: { readonly group: DerivedGroup; readonly returned: number },
): void {
	const inWindow = group.mode === "window";
	// The group's last block: the window begins there, so a fork may have it for its ancestor.
	const isLast = header.number === group.blocks.at(-1)?.header.number;
	assembly.seal(header, {
		checkpoint: inWindow || isLast || isAtInterval(header.number),
		logged: inWindow,
		operations: operations.length + returned,
		endsGroup: !inWindow && isLast,
	});
}

function noteGroup(assembly: Assembly, state: ChainState, group: DerivedGroup): void {
	if (group.mode !== "backfill") return;
	const last = group.blocks.at(-1)?.header.number ?? group.from;
	const { from, historyEvery: every } = group;
	if (every !== undefined) assembly.thin({ from, to: last, every });
	assembly.note("derived", last, {
		from: group.from.toString(),
		to: last.toString(),
		handlersHash: group.handlersHash,
		...(group.historyEvery === undefined ? {} : { every: group.historyEvery }),
		base: { position: state.logPosition.toString(), versionId: state.versionSeq.toString() },
		versionId: assembly.state.versionId.toString(),
		operations: group.blocks.reduce((sum, block) => sum + block.operations.length, 0),
		changes: assembly.changesHash(),
	});
}

interface Waiting {
	readonly queue: WaitingOperations;
	/** Those that may be given back by this commit. */
	readonly operations: readonly StoredOperation[];
}

/** Nothing is loaded for operations that wait for what this commit cannot bring. */
async function prepareWaiting(
	assembly: Assembly,
	{ store, waiting }: AssembleContext,
	coming: {
		/** Each key costs a hash, and mostly nobody waits. */
		readonly written: () => ReadonlySet<MemoryKey>;
		/** First slot that is written. */
		readonly height: Height;
		/** Anchors were found. */
		readonly found: boolean;
		/** More may be written than is known here. */
		readonly consolidates: boolean;
	},
): Promise<Waiting> {
	if (waiting.length === 0) return { queue: new WaitingOperations(), operations: [] };
	const written = coming.written();
	const awaited = waiting.flatMap(({ stored }) => stored.sources.flat());
	const brings =
		coming.found ||
		(awaited.length > 0 &&
			(coming.consolidates || awaited.some((source) => written.has(sourceKey(source)))));
	// What is suspect of memories that are written counts there all the same.
	const concerned = brings
		? waiting
		: waiting.filter(({ status, stored }) => status === "applied" && written.has(ownKey(stored)));
	const { chainId } = assembly;
	await learnPuts(assembly.puts, concerned, { store, chainId, upTo: coming.height });
	if (!brings) {
		const queue = new WaitingOperations();
		for (const each of concerned) queue.mark(each);
		return { queue, operations: [] };
	}
	for (const { stored } of waiting) assembly.held.watch(stored.sources);
	return {
		queue: new WaitingOperations(waiting),
		operations: waiting.map(({ stored }) => stored),
	};
}

/** Loads what operations write, join and rest on. */
export async function prepareOperations(
	assembly: Assembly,
	operations: readonly StoredOperation[],
	context: {
		readonly store: Pick<WriterStore, "heldSources" | "latestVersions" | "linksFrom">;
		readonly chainId?: number;
	},
	height: Height,
): Promise<void> {
	const { store } = context;
	const { chainId } = assembly;
	await loadKeys(assembly, store, operations.flatMap(keysOf));
	const sources = operations.flatMap(({ sources }) => sources.flat());
	if (sources.length > 0) {
		for (const each of operations) assembly.held.watch(each.sources);
		assembly.held.learn(await store.heldSources(chainId, sources, height));
	}
	for (const [namespace, links] of Map.groupBy(
		acyclicLinks(operations),
		(each) => each.namespace,
	)) {
		for (const [type, some] of Map.groupBy(links, ({ link }) => link.type)) {
			const keys = some.map(({ link }) => memoryKey(link.to.namespace, link.to.id));
			await prepareLinks(assembly, store, { namespace, type, keys });
		}
	}
}

/** Links stay in their namespace, so no namespace is refused anything for the links of another. */
async function prepareLinks(
	assembly: Assembly,
	store: Pick<WriterStore, "latestVersions" | "linksFrom">,
	way: {
		readonly namespace: string;
		readonly type: string;
		readonly keys: readonly MemoryKey[];
	},
): Promise<void> {
	const { namespace, type, keys } = way;
	const limit = LIMITS.linkWalk + 1;
	const edges = await store.linksFrom(assembly.chainId, { keys, type, limit });
	if (edges.length === limit) assembly.links.cut(namespace, type);
	assembly.links.learn(edges);
	await loadKeys(
		assembly,
		store,
		edges.map(({ linkKey }) => linkKey),
	);
}

function acyclicLinks(operations: readonly StoredOperation[]): readonly LinkOperation[] {
	return operations.flatMap(({ operation }) =>
		operation.kind === "link" && ACYCLIC_TYPES.includes(operation.link.type) ? [operation] : [],
	);
}

async function loadKeys(
	assembly: Assembly,
	store: Pick<WriterStore, "latestVersions">,
	wanted: readonly MemoryKey[],
): Promise<void> {
	const keys = [...new Set(wanted)].filter((key) => !assembly.state.editor.isLoaded(key));
	if (keys.length === 0) return;
	const found = await store.latestVersions(assembly.chainId, keys);
	for (const key of keys) assembly.state.load(key, found.get(key) ?? []);
}

function isAtInterval(height: Height): boolean {
	return height % BigInt(LIMITS.checkpointIntervalBlocks) === 0n;
}

function ownKey({ operation }: StoredOperation): MemoryKey {
	return memoryKey(operation.namespace, operation.id);
}

export function handlerKey(operation: {
	readonly namespace: string;
	readonly id: string;
}): MemoryKey {
	return memoryKey(operation.namespace, operation.id);
}
