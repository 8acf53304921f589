/** A tail that is longer than may be held, as after an import: all of it waits for LanceDB. */
import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import type { CollectionView, StateView, TailRow } from "../../src/service/reading/state-store.ts";
import { TailCache } from "../../src/service/searching/tail-cache.ts";
import { keyOf } from "../support/versions.ts";

const MOST = 64 * LIMITS.tailRows;
const ROWS = MOST + 10_000;

/** Versions 1 to ROWS, each embedded. */
function imported() {
	const asked: number[] = [];
	const view = {
		at: { chainId: 1, generation: 0n },
		tail: async (_name: string, { above, to, limit }: Parameters<StateView["tail"]>[1]) => {
			const count = Math.min(Number(to - above), limit);
			asked.push(count);
			return Array.from({ length: count }, (_, index) => rowOf(above + BigInt(index + 1)));
		},
	} as unknown as StateView;
	const cache = new TailCache();
	return {
		asked,
		tailAbove: (versionId: bigint) => cache.tail(view, "default", collectionAt(versionId)),
	};
}

const KEY = keyOf("any");

function rowOf(versionId: bigint): TailRow {
	const vector = new Float32Array([1]);
	return {
		versionId,
		memoryKey: KEY,
		namespace: "test",
		layer: "semantic",
		fromBlock: 0n,
		vector,
	};
}

function collectionAt(versionId: bigint): CollectionView {
	return {
		model: "any",
		dimensions: 1,
		table: "any",
		pointer: { tableVersion: 0n, versionId, at: 0 },
		lastVersionId: BigInt(ROWS),
	};
}

test("is read in pages up to the bound, and only once", async () => {
	const { asked, tailAbove } = imported();
	await expect(tailAbove(0n)).rejects.toMatchObject({ code: "tail_full" });
	const page = Math.max(...asked);
	expect(page).toBeLessThanOrEqual(4 * LIMITS.tailRows);
	expect(asked.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(MOST + page);

	asked.length = 0;
	await expect(tailAbove(0n)).rejects.toMatchObject({ code: "tail_full" });
	expect(asked).toEqual([page]);
});

test("is whole as soon as what is left of it fits", async () => {
	const { asked, tailAbove } = imported();
	await expect(tailAbove(0n)).rejects.toMatchObject({ code: "tail_full" });
	const flushed = 20_000n;
	expect((await tailAbove(flushed)).scan.size).toBe(ROWS - Number(flushed));
	asked.length = 0;
	expect((await tailAbove(BigInt(ROWS - 5))).scan.size).toBe(5);
	expect(asked).toEqual([]);
});
