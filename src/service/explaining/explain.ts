/**
 * A memory's whole story, read in one snapshot: what it says at the coordinate and whether it can still
 * change, who wrote it, what forks did to it, what it was concluded from and what rests on it.
 *
 * Every part has a limit; `truncated` names the parts that reached theirs.
 */
import { type ChainId, FOREVER, type Generation, type Height, type Hex } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Version } from "../../domain/memory.ts";
import { finalityOf } from "../../memory/grounds.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import type { OperationRecord } from "../../writer/inbox-store.ts";
import { isSeen } from "../graph/held-links.ts";
import type { StoredBlock } from "../reading/state-store.ts";
import { memoryNotFound } from "../reading/unknown-memory.ts";
import { historyEntry, memoryView, operationView } from "../views.ts";
import { dependentsOf } from "./explain-dependents.ts";
import {
	type Judgement,
	judgedBy,
	rollbackEffect,
	touchingGenerations,
} from "./explain-rollbacks.ts";
import type {
	ExplainedBlock,
	ExplainedOperation,
	ExplainedPart,
	ExplainQuery,
	ExplainService,
	Explanation,
	VerdictView,
} from "./explain-service.ts";
import { sourceTree } from "./explain-sources.ts";
import type { ExplainStore, ExplainView, StoredVerdict } from "./explain-store.ts";

export interface ExplainOptions {
	readonly store: ExplainStore;
	/** Id of a chain that is served. Throws `unknown_chain`. */
	readonly chainId: (chain: string) => ChainId;
}

export class Explain implements ExplainService {
	readonly #options: ExplainOptions;

	constructor(options: ExplainOptions) {
		this.#options = options;
	}

	async explain(chain: string, query: ExplainQuery): Promise<Explanation> {
		const { store, chainId } = this.#options;
		const depth = Math.min(query.depth, LIMITS.explainDepth);
		return store.read(chainId(chain), query.at, (view) => explanation(view, { ...query, depth }));
	}
}

async function explanation(view: ExplainView, query: ExplainQuery): Promise<Explanation> {
	const { namespace, id } = query;
	const key = memoryKey(namespace, id);
	// One more than each limit tells that there are more.
	const [visible, all, records] = await Promise.all([
		view.memories([key]),
		view.history(key, LIMITS.historyVersions + 1),
		view.operations({ namespace, id }, LIMITS.explainOperations + 1),
	]);
	if (!isSeen(query, namespace) || (all.length === 0 && records.length === 0)) {
		throw memoryNotFound(query, view.at.height);
	}
	const version = visible.get(key);
	const history = all.slice(0, LIMITS.historyVersions);
	const told = version ?? lastSaid(history);
	const operations = await operationsOf(view, records.slice(0, LIMITS.explainOperations));
	const [rollbacks, blocks, behind, ahead] = await Promise.all([
		rollbacksOf(view, history, operations.items),
		blocksOf(view, history, records),
		told === undefined ? NOTHING_BEHIND : sourceTree(view, told, query),
		told === undefined ? NOTHING_AHEAD : dependentsOf(view, told, query),
	]);
	const truncated: Readonly<Record<ExplainedPart, boolean>> = {
		operations: records.length > LIMITS.explainOperations,
		verdicts: operations.cut,
		history: all.length > LIMITS.historyVersions,
		sources: behind.truncated,
		dependents: ahead.truncated,
		rollbacks: rollbacks.cut,
	};
	return {
		at: view.at,
		...{ namespace, id },
		memory: version && memoryView(version, view.at.height, view.marks),
		finality: version && finalityOf(version, view.marks),
		grounds: version?.grounds,
		operations: operations.items,
		blocks,
		derivedFrom: behind.derivedFrom,
		sources: behind.sources,
		dependents: ahead.dependents,
		history: history.map(historyEntry),
		rollbacks: rollbacks.items,
		truncated: EXPLAINED_ORDER.filter((part) => truncated[part]),
	};
}

const NOTHING_BEHIND = { derivedFrom: [], sources: [], truncated: false };
const NOTHING_AHEAD = { dependents: [], truncated: false };
const EXPLAINED_ORDER = [
	"operations",
	"verdicts",
	"history",
	"sources",
	"dependents",
	"rollbacks",
] as const;

/** What a memory said that says nothing any more: the present generation's last word, else the newest. */
function lastSaid(history: readonly Version[]): Version | undefined {
	return history.find(({ content }) => content !== undefined);
}

interface Operations {
	readonly items: readonly ExplainedOperation[];
	readonly cut: boolean;
}

async function operationsOf(
	view: ExplainView,
	records: readonly OperationRecord[],
): Promise<Operations> {
	const ids = records.map(({ operationId }) => operationId);
	const found = await view.verdicts(ids, LIMITS.explainVerdicts + 1);
	const verdicts = found.slice(0, LIMITS.explainVerdicts);
	const byOperation = Map.groupBy(verdicts, ({ operationId }) => operationId);
	return {
		items: records.map((record) => ({
			operation: operationView(record),
			verdicts: (byOperation.get(record.operationId) ?? []).map(verdictView),
		})),
		cut: found.length > LIMITS.explainVerdicts,
	};
}

/** A verdict's body as writer/log-draft.ts writes it. */
interface VerdictBody {
	readonly verdict: string;
	readonly slot?: string;
	readonly reason?: { readonly code: string; readonly message: string };
}

function verdictView(stored: StoredVerdict): VerdictView {
	const { verdict, slot, reason } = JSON.parse(stored.body) as VerdictBody;
	return {
		verdict,
		position: stored.position,
		generation: stored.generation,
		judgedAt: stored.height,
		slot: slot === undefined ? undefined : BigInt(slot),
		reason: reason && { code: reason.code, message: reason.message },
		recordedAt: stored.recordedAt,
	};
}

async function rollbacksOf(
	view: ExplainView,
	history: readonly Version[],
	operations: readonly ExplainedOperation[],
) {
	const judged = judgements(operations);
	const numbers = touchingGenerations(history, [...judged.keys()]);
	const limit = LIMITS.explainRollbacks;
	const found = await view.generations(numbers, limit + 1);
	const items = found
		.slice(0, limit)
		.flatMap(
			(began) =>
				rollbackEffect(began, history, judgedBy(began, judged.get(began.generation) ?? [])) ?? [],
		);
	return { items, cut: found.length > limit };
}

/** By generation. */
function judgements(
	operations: readonly ExplainedOperation[],
): ReadonlyMap<Generation, readonly Judgement[]> {
	const all = operations.flatMap(({ operation: { position }, verdicts }) =>
		verdicts.map(({ generation, slot, recordedAt }) => ({
			generation,
			position: slot === undefined ? undefined : position,
			recordedAt,
		})),
	);
	return Map.groupBy(all, ({ generation }) => generation);
}

async function blocksOf(
	view: ExplainView,
	history: readonly Version[],
	records: readonly OperationRecord[],
): Promise<readonly ExplainedBlock[]> {
	const heights = new Set<Height>(history.map(({ fromBlock }) => fromBlock));
	const hashes = new Set<Hex>();
	for (const record of records.slice(0, LIMITS.explainOperations)) {
		if (record.effectiveSlot !== undefined) heights.add(record.effectiveSlot);
		if (record.originalSlot !== undefined) heights.add(record.originalSlot);
		for (const { place } of record.anchors.anchors)
			if (place !== undefined) hashes.add(place.blockHash);
	}
	return (await view.blocks({ heights: [...heights], hashes: [...hashes] })).map(explainedBlock);
}

function explainedBlock({ number, hash, timestamp, fromGen, toGen }: StoredBlock): ExplainedBlock {
	const canonical = toGen === FOREVER;
	return {
		height: number,
		hash,
		timestamp,
		canonical,
		generations: { from: fromGen, to: canonical ? undefined : toGen },
	};
}
