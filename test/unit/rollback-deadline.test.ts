/** A preparation that takes longer than it may: what of it goes on does not work beside the next attempt. */
import { expect, test } from "vitest";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import type { Clock } from "../../src/domain/clock.ts";
import type { Hex } from "../../src/domain/ids.ts";
import type { BranchDeriver } from "../../src/rollback/branch-deriver.ts";
import { type CoordinatorOptions, RollbackCoordinator } from "../../src/rollback/coordinator.ts";
import { rollbackRecord } from "../support/rollback-record.ts";
import { SILENT } from "../support/silent-log.ts";

const HASH: Hex = `0x${"11".repeat(32)}`;
const HEAD = { number: 5n, hash: HASH, parentHash: HASH, timestamp: 5n };
const ROLLBACK = rollbackRecord({ cause: "reorg", ancestor: { height: 5n, hash: HASH } });
test("ends at its next step, with nothing written", async () => {
	const deadlines: (() => void)[] = [];
	const written: string[] = [];
	const rows = Promise.withResolvers<ReadonlyMap<string, never>>();
	const rewinding = Promise.withResolvers<void>();
	const store = {
		claim: async () => ROLLBACK,
		load: async () => ROLLBACK,
		begin: async (_id: string, _attempt: number, { stage }: { readonly stage: string }) => {
			written.push(stage);
			return true;
		},
		checkpoint: async () => ({ height: 5n, roots: EMPTY_ROOTS, pointers: {} }),
		touched: async () => [],
		planned: async () => undefined,
		versionsAround: () => {
			rewinding.resolve();
			return rows.promise;
		},
		prepared: async () => void written.push("prepared"),
		release: async () => void written.push("released"),
	};
	const coordinator = new RollbackCoordinator({
		store,
		writerStore: {
			loadChain: async () => ({
				state: { chainId: 1, generation: 0n, head: HEAD, finalized: 0n, pointers: {} },
				window: [HEAD],
			}),
			openOperations: async () => [],
		},
		collections: () => ({}),
		settings: () => ({ refresh: async () => undefined, all: () => new Map() }),
		changesLimit: 10,
		holder: "here",
		log: SILENT,
		onProgress: () => undefined,
		beforeStage: async () => undefined,
		clock: {
			now: () => 0,
			every: () => () => undefined,
			after: (_ms: number, work: () => void) => {
				deadlines.push(work);
				return () => undefined;
			},
		} as unknown as Clock,
	} as unknown as CoordinatorOptions);
	const derived: unknown[] = [];
	const deriver = {
		derive: async (blocks: unknown) => {
			derived.push(blocks);
			return [];
		},
	} as unknown as BranchDeriver;

	const running = coordinator.run(ROLLBACK.rollbackId, deriver, undefined);
	await rewinding.promise;
	deadlines.at(-1)?.();
	expect(await running).toMatchObject({
		type: "retry",
		error: { code: "rollback_interrupted", message: expect.stringContaining("took more than") },
	});
	expect(written).toEqual(["plan", "rewind", "released"]);

	// The database answers after all.
	rows.resolve(new Map<string, never>());
	await new Promise((resolve) => setTimeout(resolve, 20));
	expect(written).toEqual(["plan", "rewind", "released"]);
	expect(derived).toEqual([]);
});
