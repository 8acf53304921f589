import { describe, expect, test } from "vitest";
import {
	type CommittedMemory,
	DigestAccumulator,
	EMPTY_DIGEST,
	stateHash,
} from "../../src/commitment/state-digest.ts";
import type { Hex, MemoryKey } from "../../src/domain/ids.ts";
import { LAYERS } from "../../src/domain/layer.ts";

const AT = { chainId: 31_337, height: 7n, blockHash: `0x${"cc".repeat(32)}` } as const;

function memory(number: number, parts: Partial<CommittedMemory> = {}): CommittedMemory {
	const contentHash: Hex = `0x${"11".repeat(32)}`;
	return {
		memoryKey: `00000000-0000-0000-0000-${`${number}`.padStart(12, "0")}` as MemoryKey,
		layer: "semantic",
		contentHash,
		...parts,
	};
}

function digestOf(...memories: readonly CommittedMemory[]) {
	const accumulator = new DigestAccumulator();
	for (const each of memories) accumulator.add(each);
	return accumulator.toDigest();
}

describe("the digest", () => {
	/** Made with another language from the documented bytes; this sum passes 2^256. */
	test("has the documented bytes", () => {
		const digest = digestOf(memory(1), memory(2));
		expect(digest).toEqual({
			...EMPTY_DIGEST,
			semantic: "0x9805c9155a81bb66d1a4383245984fcef78fc054caa0fba29a2af116c67ac536",
		});
		expect(stateHash(digest, AT)).toBe(
			"0xb6446ab7569ac656014bf9fbf34f854d43bdebf1887aa15a5493e60bc07ac0a7",
		);
	});

	test("does not depend on order or history", () => {
		const straight = digestOf(memory(1), memory(2), memory(3));
		const accumulator = new DigestAccumulator(digestOf(memory(3), memory(4)));
		accumulator.remove(memory(4));
		accumulator.add(memory(2));
		accumulator.add(memory(1));
		expect(accumulator.toDigest()).toEqual(straight);
	});

	test("comes back to nothing, also by way of more removed than added", () => {
		const accumulator = new DigestAccumulator();
		for (const layer of LAYERS) accumulator.remove(memory(1, { layer }));
		expect(accumulator.toDigest()).not.toEqual(EMPTY_DIGEST);
		for (const layer of LAYERS) accumulator.add(memory(1, { layer }));
		expect(accumulator.toDigest()).toEqual(EMPTY_DIGEST);
	});

	test("tells memory, content, layer and number apart", () => {
		const contentHash: Hex = `0x${"12".repeat(32)}`;
		const states = [
			digestOf(),
			digestOf(memory(1)),
			digestOf(memory(2)),
			digestOf(memory(1, { contentHash })),
			digestOf(memory(1, { layer: "episodic" })),
			digestOf(memory(1), memory(1)),
		];
		expect(new Set(states.map((state) => JSON.stringify(state))).size).toBe(states.length);
	});

	test("a copy goes its own way", () => {
		const accumulator = new DigestAccumulator(digestOf(memory(1)));
		accumulator.copy().add(memory(2));
		expect(accumulator.toDigest()).toEqual(digestOf(memory(1)));
	});

	test.each(["0x", "0xAB", `0x${"AB".repeat(32)}`] as const)(
		"refuses %s for a digest",
		(damaged) => {
			const damage = () => new DigestAccumulator({ ...EMPTY_DIGEST, long_term: damaged });
			expect(damage).toThrow(expect.objectContaining({ code: "verification_failed" }));
		},
	);
});

test("the state hash binds every layer, chain, height and block", () => {
	const other: Hex = `0x${"01".repeat(32)}`;
	const hashes = [
		stateHash(EMPTY_DIGEST, AT),
		...LAYERS.map((layer) => stateHash({ ...EMPTY_DIGEST, [layer]: other }, AT)),
		stateHash(EMPTY_DIGEST, { ...AT, chainId: 1 }),
		stateHash(EMPTY_DIGEST, { ...AT, height: 8n }),
		stateHash(EMPTY_DIGEST, { ...AT, blockHash: other }),
	];
	expect(new Set(hashes).size).toBe(hashes.length);
});
