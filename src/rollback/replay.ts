/**
 * Replay: carries state forward on the new branch. Handlers ran again on its blocks; agents'
 * operations of the orphaned range are judged one after the other and applied in their effective slots.
 */
import type { Height, MemoryKey, OperationId } from "../domain/ids.ts";
import type { NamespaceSettings } from "../domain/namespace-settings.ts";
import type { FoundAnchor } from "../memory/anchors.ts";
import { handlerKey, prepareOperations } from "../writer/assemble.ts";
import type { Assembly } from "../writer/assembly.ts";
import type { ChainState } from "../writer/chain-state.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import { learnPuts } from "../writer/marks.ts";
import { countByNamespace } from "../writer/open-operation.ts";
import { type Consolidator, SystemWork } from "../writer/system-work.ts";
import type { OpenOperation, WriterStore } from "../writer/writer-store.ts";
import { AgentReplay } from "./agent-replay.ts";
import { BranchBlocks } from "./branch-blocks.ts";
import type { BranchDeriver, HandlerVersion } from "./branch-deriver.ts";
import { holdBranch } from "./hold-branch.ts";
import type { ReadKnown } from "./known-memories.ts";
import type { ReportBuilder } from "./report.ts";
import { type RollbackRecord, targetOf } from "./rollback-record.ts";
import type { StageClock } from "./stage-clock.ts";

/** What a replay reads beside the rows that the rewind loaded. */
export type ReplayStore = Pick<
	WriterStore,
	| "expiring"
	| "heldSources"
	| "latestVersions"
	| "linksFrom"
	| "nextPuts"
	| "population"
	| "writingOrder"
>;

interface ReplayContext {
	readonly state: ChainState;
	readonly open: readonly OpenOperation[];
	/** State at the ancestor of memories that are not loaded. */
	readonly writerStore: ReplayStore;
	readonly settings: ReadonlyMap<string, NamespaceSettings>;
	readonly consolidator: Consolidator;
	readonly deriver: Pick<BranchDeriver, "derive">;
	readonly clock: Pick<StageClock, "advance">;
	readonly report: ReportBuilder;
	/** Of memories that the fork did not touch; undefined: all are read. */
	readonly known?: ReadKnown | undefined;
}

/** Whether a fork at that ancestor puts the operation in question. */
export function openAgain(operation: OpenOperation, ancestor: Height): boolean {
	const { status, effectiveSlot } = operation;
	switch (status) {
		case "applied":
			return (
				operation.suspect ||
				operation.judgedSlot > ancestor ||
				(effectiveSlot !== undefined && effectiveSlot > ancestor)
			);
		case "suspended":
			return true;
		case "recanted":
			return operation.judgedSlot > ancestor;
	}
}

export async function replay(
	assembly: Assembly,
	rollback: RollbackRecord,
	context: ReplayContext,
): Promise<void> {
	const anchored = context.open.filter(({ stored }) => stored.anchors.anchors.length > 0);
	const blocks = await context.deriver.derive(
		rollback.branch,
		anchored,
		(key) => atAncestor(assembly, key, rollback, context),
		(done) => context.clock.advance(done),
	);
	const system = await loadAll(assembly, rollback, context, blocks);
	assembly.note("rollback", rollback.ancestor.height, {
		rollbackId: rollback.rollbackId,
		cause: rollback.cause,
		...(rollback.recoveryId === undefined ? {} : { recoveryId: rollback.recoveryId }),
		ancestor: { height: rollback.ancestor.height.toString(), hash: rollback.ancestor.hash },
		from: headOf(context.state, rollback),
		to: { height: targetOf(rollback).height.toString(), hash: targetOf(rollback).hash },
	});
	const branch = new BranchBlocks(assembly, {
		ancestor: rollback.ancestor.height,
		blocks,
		system,
		report: context.report,
	});
	const agents = new AgentReplay(assembly, {
		ancestor: rollback.ancestor.height,
		newHead: targetOf(rollback).height,
		found: foundAnchors(blocks),
		branch,
		system,
		report: context.report,
	});
	const derived = rollback.branch.length;
	await agents.run(context.open, (judged) => context.clock.advance(derived + judged));
	await branch.finish();
	await agents.finish();
}

/** The head that is left: it may have moved since the record. */
function headOf({ head }: ChainState, { from }: RollbackRecord) {
	return { height: (head?.number ?? from.height).toString(), hash: head?.hash ?? from.hash };
}

/** Handler-owned state at the ancestor: what was rewound, or else what stands. */
async function atAncestor(
	assembly: Assembly,
	key: MemoryKey,
	rollback: RollbackRecord,
	{ known, writerStore }: Pick<ReplayContext, "known" | "writerStore">,
): Promise<HandlerVersion | undefined> {
	if (!assembly.state.editor.isLoaded(key)) {
		// Everything that changed above the ancestor is loaded: what is not stands there as it does now.
		const standing = known?.(key);
		if (standing !== undefined) return standing.version;
		const found = await writerStore.latestVersions(rollback.chainId, [key]);
		assembly.state.load(key, found.get(key) ?? []);
	}
	return assembly.state.editor.visible(key, rollback.ancestor.height);
}

async function loadAll(
	assembly: Assembly,
	rollback: RollbackRecord,
	context: ReplayContext,
	blocks: readonly DerivedBlock[],
): Promise<SystemWork> {
	const { chainId } = rollback;
	const { height } = rollback.ancestor;
	const { open, writerStore: store, settings, consolidator } = context;
	const last = blocks.at(-1)?.header;
	const load = async (keys: readonly MemoryKey[]) => {
		const missing = [...new Set(keys)].filter((key) => !assembly.state.editor.isLoaded(key));
		const found = await store.latestVersions(chainId, missing);
		for (const key of missing) assembly.state.load(key, found.get(key) ?? []);
	};
	const [ending] = await Promise.all([
		last === undefined
			? []
			: store.expiring(chainId, {
					above: height,
					to: last.number,
					since: assembly.headTime,
					time: last.timestamp,
				}),
		load(blocks.flatMap((block) => block.operations.map(handlerKey))),
	]);
	await load(ending);
	const operations = open.map(({ stored }) => stored);
	await prepareOperations(assembly, operations, { store }, height);
	await learnPuts(assembly.puts, standing(open, height), { store, chainId, upTo: height });
	holdBranch(assembly.held, blocks);
	const system = new SystemWork(assembly, {
		chainId,
		store,
		settings,
		consolidator,
		height,
		shortTerm: new Map(),
	});
	await system.prepare({
		writes: countByNamespace(operations),
		heights: last && { from: height + 1n, to: last.number },
		asked: operations.flatMap(({ operation }) =>
			operation.kind === "consolidate" ? [operation] : [],
		),
	});
	return system;
}

/** What takes effect at or below the ancestor, and is in question all the same: it is suspect there. */
function standing(open: readonly OpenOperation[], ancestor: Height): readonly OpenOperation[] {
	return open.filter(
		({ effectiveSlot }) => effectiveSlot !== undefined && effectiveSlot <= ancestor,
	);
}

function foundAnchors(
	blocks: readonly DerivedBlock[],
): ReadonlyMap<OperationId, readonly FoundAnchor[]> {
	const found = new Map<OperationId, FoundAnchor[]>();
	for (const [operationId, anchors] of blocks.flatMap((block) => [...block.anchors])) {
		found.set(operationId, [...(found.get(operationId) ?? []), ...anchors]);
	}
	return found;
}
