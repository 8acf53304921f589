/** A small graph, two episodes and one story, for the HTTP and CLI tests. */
import type { AnsweredAt } from "../../src/domain/coordinate.ts";
import type { Hex, OperationId, RollbackId } from "../../src/domain/ids.ts";
import type { ExplainService, Explanation } from "../../src/service/explaining/explain-service.ts";
import type { GraphService, WalkView } from "../../src/service/graph/graph-service.ts";
import type { MemoryView, OperationView } from "../../src/service/recant-service.ts";

const BLOCK: Hex = `0x${"c".repeat(64)}`;

export interface ReadParts {
	readonly at: AnsweredAt;
	readonly memory: MemoryView;
	readonly operation: OperationView;
}

type Calls = { readonly method: string; readonly args: readonly unknown[] }[];

/** Every call is written to `calls`. */
export function fakeReads(
	calls: Calls,
	parts: ReadParts,
): { readonly graph: GraphService; readonly explain: ExplainService } {
	const { at, memory } = parts;
	const link = {
		id: "@link:1",
		from: { namespace: "default", id: "fact:1" },
		type: "isA",
		to: { namespace: "default", id: "fact:2" },
		weight: 0.5,
		properties: { by: "test" },
		since: 3n,
	};
	return {
		graph: {
			links: async (chain, query) => {
				calls.push({ method: "links", args: [chain, query] });
				return { at, items: [{ direction: "out", link, memory }], cursor: "next" };
			},
			walk: async (chain, walk, query) => {
				calls.push({ method: "walk", args: [chain, walk, query] });
				return walkOf(parts);
			},
			episodes: async (chain, query) => {
				calls.push({ method: "episodes", args: [chain, query] });
				const block = { hash: BLOCK, timestamp: 1_700_000_000n };
				return {
					at,
					items: [
						{ memory, block },
						{ memory, block: undefined },
					],
					cursor: undefined,
				};
			},
		},
		explain: {
			explain: async (chain, query) => {
				calls.push({ method: "explain", args: [chain, query] });
				return storyOf(parts);
			},
		},
	};
}

/** `animal` behind `cat`, and `pet` beside it. */
function walkOf({ at, memory }: ReadParts): WalkView {
	const step = (id: string) => ({ namespace: "default", id, type: "isA", weight: 1 });
	const reached = (...path: readonly string[]) => ({
		memory: { ...memory, id: path.at(-1) ?? "" },
		depth: path.length,
		path: path.map(step),
	});
	const items = [reached("cat"), reached("pet"), reached("cat", "animal")];
	return { at, items, truncated: true, truncatedBy: "depth" };
}

function storyOf({ at, memory, operation }: ReadParts): Explanation {
	const source = { namespace: "default", contentHash: memory.contentHash, depth: 1 };
	return {
		at,
		namespace: "default",
		id: "fact:1",
		memory,
		finality: "safe",
		grounds: 12n,
		operations: [
			{
				operation,
				verdicts: [
					{
						verdict: "suspended",
						position: 9n,
						generation: 1n,
						judgedAt: 12n,
						slot: undefined,
						reason: { code: "anchor_absent", message: "its block is gone" },
						recordedAt: new Date(0),
					},
				],
			},
		],
		blocks: [
			{
				height: 0n,
				hash: BLOCK,
				timestamp: 1_700_000_000n,
				canonical: false,
				generations: { from: 0n, to: 1n },
			},
		],
		derivedFrom: [[0, 1], [2]],
		sources: [
			{ ...source, id: "cause", state: "holds", memory, derivedFrom: [[1]] },
			{ ...source, id: "shared", state: "lost", memory, derivedFrom: [[2]] },
			{ ...source, id: "secret", state: "hidden", memory: undefined, derivedFrom: [] },
		],
		dependents: [
			{
				...{ namespace: "default", id: "guess", depth: 1, restsOn: undefined, state: "visible" },
				memory,
				operationId: undefined,
			},
			{
				...{ namespace: "default", id: "plan", depth: 2, restsOn: 0, state: "suspended" },
				memory: undefined,
				operationId: operation.operationId satisfies OperationId,
			},
		],
		history: [
			{
				memory,
				versionId: 3n,
				heights: { from: 0n, to: undefined },
				generations: { from: 1n, to: undefined },
				present: true,
			},
			{
				memory: undefined,
				versionId: 2n,
				heights: { from: 0n, to: 5n },
				generations: { from: 0n, to: 1n },
				present: false,
			},
		],
		rollbacks: [
			{
				rollbackId: "0b0e7a3a-64c5-4d3a-9df5-7f1f4d2b6c02" as RollbackId,
				generation: 1n,
				cause: "reorg",
				ancestor: 4n,
				from: 8n,
				finishedAt: new Date(0),
				effect: "back",
				before: undefined,
				after: memory.contentHash,
			},
		],
		truncated: ["history"],
	};
}
