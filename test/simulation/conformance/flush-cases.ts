/** Where LanceDB stands: rows to flush, and pointers that move under a fence (INV-8). */
import { expect } from "vitest";
import { NO_COUNTS } from "../../../src/rollback/rollback-record.ts";
import { CHAIN, rollbackId, Scribe } from "./scribe.ts";
import type { ConformanceCase, StoresUnderTest } from "./stores-under-test.ts";

const NOTES = { name: "notes", model: "m", dimensions: 2 };
const AT_MS = 1_767_225_600_123;

export const FLUSH_CASES: readonly ConformanceCase[] = [
	{
		name: "a new collection points at nothing, and has all of its rows before it",
		run: async (stores) => {
			const { targets } = await withRows(stores);
			expect(await targets()).toMatchObject([
				{ name: "notes", dimensions: 2, table: `chain_${CHAIN}_notes`, tail: 3 },
				{ name: "other", tail: 0 },
			]);
			expect((await targets())[0]?.pointer).toMatchObject({ tableVersion: 0n, versionId: 0n });
		},
	},
	{
		name: "rows come by rising version, as many as are asked for",
		run: async (stores) => {
			await withRows(stores);
			const { flush } = stores.ports;
			const first = await flush.rows(CHAIN, { collection: "notes", above: 0n, limit: 2 });
			expect(first).toMatchObject({ upTo: 2n, looked: 2 });
			expect(first.rows).toMatchObject([
				{ versionId: 1n, text: "a's text", vector: Float32Array.of(1, 0) },
				{ versionId: 2n },
			]);
			const rest = await flush.rows(CHAIN, { collection: "notes", above: 2n, limit: 2 });
			expect(rest).toMatchObject({ upTo: 3n, looked: 1 });
			const none = await flush.rows(CHAIN, { collection: "notes", above: 3n, limit: 2 });
			expect(none).toEqual({ rows: [], upTo: 3n, looked: 0 });
		},
	},
	{
		name: "rows that only an orphaned branch holds are looked at and left out",
		run: async (stores) => {
			const { scribe } = await withRows(stores);
			const [ancestor] = (await scribe.commit({ seals: 1 })).blocks;
			if (ancestor === undefined) throw new RangeError("no block");
			const puts = [{ id: "late", collection: "notes", text: "late" }];
			await scribe.commit({ puts, vectors: { late: [0, 1] }, seals: 1 });
			await rolledBack(scribe, ancestor);
			const found = await stores.ports.flush.rows(CHAIN, {
				collection: "notes",
				above: 2n,
				limit: 9,
			});
			expect(found).toMatchObject({ upTo: 4n, looked: 2 });
			expect(found.rows.map(({ versionId }) => versionId)).toEqual([3n]);
		},
	},
	{
		name: "a pointer moves, and the tail is what is above it",
		run: async (stores) => {
			const { move, targets } = await withRows(stores);
			expect(await move(0n, 0n, { tableVersion: 4n, versionId: 2n })).toBe(true);
			expect(await targets()).toMatchObject([
				{ tail: 1, pointer: { tableVersion: 4n, versionId: 2n, at: AT_MS } },
				{},
			]);
			expect((await stores.ports.writer.loadChain(CHAIN)).state.pointers["notes"]).toEqual({
				tableVersion: 4n,
				versionId: 2n,
				at: AT_MS,
			});
			expect(await stores.ports.inbox.tailRows(CHAIN)).toBe(1);
		},
	},
	{
		name: "a pointer that is not where it was believed to be does not move",
		run: async (stores) => {
			const { move } = await withRows(stores);
			expect(await move(1n, 0n, { tableVersion: 4n, versionId: 2n })).toBe(false);
			expect(await move(0n, 1n, { tableVersion: 4n, versionId: 2n })).toBe(false);
			expect(await move(0n, 0n, { tableVersion: 4n, versionId: 2n })).toBe(true);
			expect(await move(0n, 0n, { tableVersion: 9n, versionId: 3n })).toBe(false);
		},
	},
	{
		name: "a pointer moves with the newest fence alone",
		run: async (stores) => {
			const { scribe, move } = await withRows(stores);
			scribe.fence -= 1n;
			expect(await move(0n, 0n, { tableVersion: 4n, versionId: 2n })).toBe(false);
			scribe.fence += 1n;
			await stores.pass(60_000);
			await scribe.lease("scribe");
			scribe.fence -= 1n;
			expect(await move(0n, 0n, { tableVersion: 4n, versionId: 2n })).toBe(false);
		},
	},
	{
		name: "a pointer of another generation does not move",
		run: async (stores) => {
			const { scribe, move } = await withRows(stores);
			const [ancestor] = (await scribe.commit({ seals: 1 })).blocks;
			if (ancestor === undefined) throw new RangeError("no block");
			await rolledBack(scribe, ancestor);
			expect(await move(0n, 0n, { tableVersion: 4n, versionId: 2n })).toBe(true);
			scribe.generation = 0n;
			expect(await move(4n, 2n, { tableVersion: 5n, versionId: 3n })).toBe(false);
		},
	},
	{
		name: "a rollback moves pointers back in its own commit, and keeps where they were",
		run: async (stores) => {
			const { scribe, move, targets } = await withRows(stores);
			const [ancestor] = (await scribe.commit({ seals: 1 })).blocks;
			if (ancestor === undefined) throw new RangeError("no block");
			await move(0n, 0n, { tableVersion: 4n, versionId: 2n });
			scribe.pointers = { notes: { tableVersion: 4n, versionId: 2n, at: AT_MS } };
			await scribe.commit({ seals: 2 });
			const back = { notes: { tableVersion: 1n, versionId: 1n, at: AT_MS - 500 } };
			await rolledBack(scribe, ancestor, back);
			expect((await targets())[0]).toMatchObject({ pointer: back.notes, tail: 2 });
			const { generations = [] } = await stores.dump();
			const ended = generations.find((row) => row["generation"] === "0");
			expect(ended?.["pointers"]).toContain('"tableVersion":"4"');
		},
	},
	{
		name: "the oldest version that is named is that of a checkpoint, or of a generation that ended",
		run: async (stores) => {
			const { scribe } = await withRows(stores);
			const oldest = async () => (await stores.ports.flush.oldestNamed(CHAIN, "notes")).getTime();
			const named = (tableVersion: bigint, at: number) => ({
				notes: { tableVersion, versionId: 1n, at },
			});
			scribe.pointers = named(0n, AT_MS - 9_000);
			const [ancestor] = (await scribe.commit({ seals: 1 })).blocks;
			if (ancestor === undefined) throw new RangeError("no block");
			scribe.pointers = named(2n, AT_MS - 5_000);
			await scribe.commit({ seals: 1 });
			expect(await oldest()).toBe(AT_MS - 5_000);
			scribe.pointers = named(3n, AT_MS - 1_000);
			await scribe.commit({ seals: 1, finality: { safe: 2n, finalized: 2n } });
			expect(await oldest()).toBe(AT_MS - 5_000);
			await scribe.commit({ seals: 1, finality: { safe: 3n, finalized: 3n } });
			expect(await oldest()).toBe(AT_MS - 1_000);
			scribe.pointers = named(1n, AT_MS - 8_000);
			await rolledBack(scribe, ancestor);
			expect(await oldest()).toBe(AT_MS - 8_000);
		},
	},
	{
		name: "where nothing is named, nothing that is there now is older",
		run: async (stores) => {
			await withRows(stores);
			const oldest = await stores.ports.flush.oldestNamed(CHAIN, "notes");
			expect(oldest.getTime()).toBeGreaterThan(1_700_000_000_000);
		},
	},
	{
		name: "a vector above the last version given out is damage, and not looked at",
		run: async (stores) => {
			const { scribe, targets } = await withRows(stores);
			const batch = await scribe.batch({
				puts: [{ id: "x", collection: "notes" }],
				vectors: { x: [1, 1] },
			});
			const stray = { ...batch, vectors: batch.vectors.map((row) => ({ ...row, versionId: 99n })) };
			await stores.ports.writer.commit(stray, scribe.expected);
			expect((await targets())[0]?.tail).toBe(3);
			const found = await stores.ports.flush.rows(CHAIN, {
				collection: "notes",
				above: 0n,
				limit: 9,
			});
			expect(found).toMatchObject({ upTo: 3n, looked: 3 });
		},
	},
];

async function withRows(stores: StoresUnderTest) {
	const scribe = await Scribe.open(stores);
	const { inbox, flush } = stores.ports;
	await inbox.ensureCollection(CHAIN, { ...NOTES, name: "other" });
	await inbox.ensureCollection(CHAIN, NOTES);
	const puts = ["a", "b", "c"].map((id) => ({ id, collection: "notes", text: `${id}'s text` }));
	await scribe.commit({ puts, vectors: { a: [1, 0], b: [0, 1], c: [1, 1] }, seals: 1 });
	return {
		scribe,
		targets: () => flush.targets(CHAIN),
		move: (
			tableVersion: bigint,
			versionId: bigint,
			to: { readonly tableVersion: bigint; readonly versionId: bigint },
		) =>
			flush.movePointer({
				chainId: CHAIN,
				...scribe.expected,
				collection: "notes",
				from: { tableVersion, versionId, at: 0 },
				to: { ...to, at: AT_MS },
			}),
	};
}

async function rolledBack(
	scribe: Scribe,
	ancestor: Parameters<Scribe["newRollback"]>[1],
	pointers: Scribe["pointers"] = {},
): Promise<void> {
	const { rollbacks } = scribe.stores.ports;
	const id = rollbackId(1);
	await rollbacks.record(scribe.newRollback(id, ancestor), undefined);
	await rollbacks.claim(id, "one", 10_000);
	await rollbacks.prepared(id, 1, { parts: [], counts: NO_COUNTS });
	const commit = await scribe.rollbackCommit({ rollbackId: id, attempt: 1 }, { ancestor });
	await rollbacks.commit({ ...commit, pointers });
	scribe.took(commit.batch);
}
