/** What is at the pointers and in the tail together is what is visible and embedded, each once. */
import { isDeepStrictEqual } from "node:util";
import type { Embedder } from "../../src/vectors/embedder.ts";
import { nameOf } from "../support/reference-history.ts";
import { visible } from "./held-rows.ts";
import { require } from "./oracle-failure.ts";
import type { HeldRun, HeldVector } from "./run-reads.ts";

export async function requireVectors(held: HeldRun, embedder: Embedder): Promise<void> {
	const found = new Map<string, HeldVector>();
	for (const vector of [...held.tables, ...held.tail]) {
		const key = `${vector.collection}/${vector.versionId}`;
		require("vectors", !found.has(key), () => `version ${key} is in the table and in the tail`);
		found.set(key, vector);
	}
	const { generation, head } = held;
	const heights = [head.height, head.height + 1n];
	const seen = heights.flatMap((height) => visible(held.versions, { height, generation }));
	for (const { collection, versionId, text, memoryKey, ...version } of seen) {
		if (collection === undefined || text === undefined) continue;
		const name = `${nameOf(version)} (version ${versionId})`;
		const vector = found.get(`${collection}/${versionId}`);
		require("vectors", vector !== undefined, () => `${name} is in no table and not in the tail`);
		const isOwn = vector?.memoryKey === memoryKey;
		require("vectors", isOwn, () => `${name} has the vector of ${vector?.memoryKey}`);
		const [embedded] = await embedder.embed([text]);
		const isSame = isDeepStrictEqual(rounded(vector?.vector), rounded(embedded));
		require("vectors", isSame, () => `${name} has another vector than its text`);
	}
}

/** Halves of a millionth are the store's affair. */
function rounded(vector: Float32Array | undefined): readonly number[] {
	return [...(vector ?? [])].map((each) => Math.round(each * 1e5));
}
