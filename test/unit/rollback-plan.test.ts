/** What the plan of a rollback looks at: a plain fork costs what it changed, not what the log holds. */
import { expect, test } from "vitest";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import type { Hex, RollbackId } from "../../src/domain/ids.ts";
import { makePlan, type PlanContext } from "../../src/rollback/plan.ts";
import type { RollbackRecord, Strategy } from "../../src/rollback/rollback-record.ts";
import { keyOf } from "../support/versions.ts";

const HASH: Hex = `0x${"11".repeat(32)}`;
const HEAD = { number: 5n, hash: HASH, parentHash: HASH, timestamp: 5n };

/** A fork back to the head itself, of a chain with one snapshot; `touched`: memories that changed. */
async function plan(touched: number, wantedStrategy?: Strategy) {
	const asked: string[] = [];
	const context = {
		store: {
			checkpoint: async () => ({ height: 5n, roots: EMPTY_ROOTS, pointers: {} }),
			touched: async () => Array.from({ length: touched }, (_, at) => keyOf(`${at}`)),
			planned: async () => undefined,
		},
		writerStore: {
			loadChain: async () => ({
				state: { chainId: 1, generation: 0n, head: HEAD, finalized: 0n, pointers: {} },
				window: [HEAD],
			}),
			openOperations: async () => [],
		},
		restorer: {
			snapshots: {},
			log: {
				rollbacks: async () => {
					asked.push("rollbacks of the log");
					return [];
				},
				cutTo: async () => 0n,
			},
		},
		states: {
			snapshots: async () => {
				asked.push("snapshots");
				return [{ snapshotId: "one", manifest: HASH, height: 4n, logPosition: 4n }];
			},
		},
		changesLimit: 10,
	} as unknown as PlanContext;
	const rollback = {
		rollbackId: "one" as RollbackId,
		chainId: 1,
		fromGeneration: 0n,
		ancestor: { height: 5n, hash: HASH },
		branch: [],
		attempt: 1,
		wantedStrategy,
		strategy: undefined,
	} as unknown as RollbackRecord;
	const { strategy, snapshot } = await makePlan(rollback, context);
	return { strategy, from: snapshot?.height, asked };
}

test("a rewind asks for nothing that a restore would begin from", async () => {
	const rewind = { strategy: "rewind", from: undefined, asked: [] };
	expect(await plan(10)).toEqual(rewind);
	expect(await plan(10, "rewind")).toEqual(rewind);
});

test("else the snapshots are looked at, and the forks since", async () => {
	const asked = ["snapshots", "rollbacks of the log"];
	expect(await plan(11)).toEqual({ strategy: "snapshot", from: 4n, asked });
	expect(await plan(1, "snapshot")).toEqual({ strategy: "snapshot", from: 4n, asked });
	expect(await plan(1, "rebuild")).toEqual({ strategy: "rebuild", from: undefined, asked });
});
