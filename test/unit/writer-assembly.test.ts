import { expect, test } from "vitest";
import { EMPTY_DIGEST } from "../../src/commitment/state-digest.ts";
import type { Height, Hex } from "../../src/domain/ids.ts";
import type { HandlerOperation } from "../../src/memory/handler-operation.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { Assembly } from "../../src/writer/assembly.ts";

const NO_BLOCK_YET = {
	chainId: 1,
	generation: 0n,
	fence: 1n,
	logPosition: 0n,
	versionSeq: 0n,
	digest: EMPTY_DIGEST,
	head: undefined,
	startBlock: 0n,
	safe: undefined,
	finalized: undefined,
	pointers: {},
};

function put(id: string, expiresAtBlock: Height | undefined): HandlerOperation {
	const none = { text: undefined, vector: undefined, collection: undefined };
	const weights = { importance: undefined, confidence: undefined };
	const body = { layer: "short_term", content: { id }, ...none, ...weights } as const;
	return { kind: "put", namespace: "n", id, body: { ...body, expiresAtBlock } };
}

function hashOf(number: bigint): Hex {
	return `0x${number.toString(16).padStart(64, "0")}`;
}

/** Writes at 10 what ends at 15, writes it again at 18, and ends at 20; seals the heights given. */
function digestAfter(heights: readonly Height[]) {
	const assembly = new Assembly(NO_BLOCK_YET);
	for (const id of ["ends", "stays"]) assembly.state.load(memoryKey("n", id), []);
	for (const number of heights) {
		assembly.reach(number);
		if (number === 10n) {
			assembly.derive(put("ends", 15n), number, true);
			assembly.derive(put("stays", undefined), number, true);
		}
		if (number === 18n) assembly.derive(put("ends", undefined), number, true);
		const header = { number, hash: hashOf(number), parentHash: hashOf(number - 1n), timestamp: 0n };
		assembly.seal(header, { checkpoint: true, logged: true, operations: 0 });
	}
	return assembly.batch([], { safe: undefined, finalized: undefined }).digest;
}

test("a group that leaves out the height at which a memory ends has the digest of one that does not", () => {
	const all = Array.from({ length: 11 }, (_, index) => 10n + BigInt(index));
	expect(digestAfter([10n, 20n])).toEqual(digestAfter([10n, 15n, 20n]));
	expect(digestAfter([10n, 18n, 20n])).toEqual(digestAfter(all));
});

test("what has ended is no part of the digest, and what was written again is", () => {
	const ended = digestAfter([10n, 15n]);
	expect(ended).not.toEqual(digestAfter([10n, 14n]));
	expect(ended).not.toEqual(digestAfter([10n, 18n]));
});
