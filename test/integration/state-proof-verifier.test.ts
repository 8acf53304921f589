/** The Solidity verifier against trees of every shape: what it accepts, what it refuses, what it costs. */

import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Anvil } from "../../scripts/support/anvil.ts";
import type { ExclusionProof, InclusionProof, StateProof } from "../../src/commitment/proof.ts";
import { buildProof } from "../../src/commitment/proof.ts";
import { stateRoot } from "../../src/commitment/state-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import { leafHash, nodeHash } from "../../src/commitment/tree-hash.ts";
import { verifyProof } from "../../src/commitment/verify-proof.ts";
import type { Hex, MemoryKey } from "../../src/domain/ids.ts";
import { LAYERS, type Layer } from "../../src/domain/layer.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { NOTHING_SAID } from "../../src/memory/nothing-said.ts";
import { startAnvil } from "../support/anvil.ts";
import {
	calldataOf,
	deployVerifier,
	keyBytes,
	layerCalldataOf,
	type ProofVerifier,
	pathOf,
	verifierPath,
} from "../support/proof-verifier.ts";

const BLOCK: Hex = `0x${"5a".repeat(32)}`;
const AT = { chainId: 31_337, height: 1_234_567n, blockHash: BLOCK, generation: 2n } as const;
const UUID_ONE = "00000000-0000-0000-0000-000000000001";
const GOAL_GAS = 100_000n;
const MILLION = 1_000_000;

let node: Anvil;
let verifier: ProofVerifier;

beforeAll(async () => {
	node = await startAnvil();
	verifier = await deployVerifier(node.rpcUrl);
});
afterAll(() => node.stop());

function fact(id: string, layer: Layer = "semantic") {
	return {
		namespace: "default",
		id,
		layer,
		owner: "agent",
		...NOTHING_SAID,
		content: { fact: id },
	} as const;
}

function add(tree: StateTree, memory: ReturnType<typeof fact>): void {
	const { layer, namespace, id } = memory;
	tree.set({ layer, memoryKey: memoryKey(namespace, id), contentHash: contentHash(memory) });
}

function treeOf(memories: readonly ReturnType<typeof fact>[]): StateTree {
	const tree = new StateTree();
	for (const memory of memories) add(tree, memory);
	return tree;
}

function included(tree: StateTree, memory: ReturnType<typeof fact>): InclusionProof {
	const proof = buildProof({ tree, mark: undefined, at: AT, ...memory, memory });
	if (proof.type !== "inclusion") throw new Error("no inclusion");
	return proof;
}

function excluded(tree: StateTree, id: string): ExclusionProof {
	const name = { namespace: "default", id };
	const proof = buildProof({ tree, mark: undefined, at: AT, ...name, memory: undefined });
	if (proof.type !== "exclusion") throw new Error("no exclusion");
	return proof;
}

/** The calldata with each byte changed in turn, to something else each time. */
function alteredBytes(calldata: Hex): readonly Hex[] {
	const bytes = Buffer.from(calldata.slice(2), "hex");
	// The first four name the function.
	return Array.from({ length: bytes.length - 4 }, (_, at): Hex => {
		const changed = Buffer.from(bytes);
		changed.writeUInt8((bytes.readUInt8(4 + at) ^ (1 + (at % 255))) & 0xff, 4 + at);
		return `0x${changed.toString("hex")}`;
	});
}

/** The proof with each byte of each hash in turn changed, `memoryKey` apart. */
function alteredHashes(proof: ExclusionProof): readonly ExclusionProof[] {
	const text = JSON.stringify(proof);
	const places = [...text.matchAll(/0x[0-9a-f]{64}/g)].flatMap(({ index }) =>
		Array.from({ length: 32 }, (_, byte) => index + 2 + 2 * byte),
	);
	return places.map((at) => {
		const byte = Number.parseInt(text.slice(at, at + 2), 16) ^ 0x21;
		const changed = byte.toString(16).padStart(2, "0");
		return JSON.parse(text.slice(0, at) + changed + text.slice(at + 2)) as ExclusionProof;
	});
}

const FACTS = Array.from({ length: 12 }, (_, n) => fact(`fact:${n}`, LAYERS[n % 3]));

describe("inclusion", () => {
	it("is accepted for every memory of trees of every size", async () => {
		for (const size of [1, 2, 5, 12]) {
			const tree = treeOf(FACTS.slice(0, size));
			const proofs = FACTS.slice(0, size).map((memory) => included(tree, memory));
			const accepted = await verifier.accepted(proofs.map(calldataOf));
			expect(accepted).toHaveLength(size);
		}
	});

	it("is refused with any byte of the calldata altered", async () => {
		const tree = treeOf(FACTS);
		const deepest = FACTS.map((memory) => included(tree, memory)).toSorted(
			(a, b) => pathOf(b).siblings.length - pathOf(a).siblings.length,
		)[0];
		if (deepest === undefined) throw new Error("no proof");
		expect(pathOf(deepest).siblings.length).toBeGreaterThan(0);
		const calldata = calldataOf(deepest);
		expect(await verifier.accepts(calldata)).toBe(true);
		expect(await verifier.accepted(alteredBytes(calldata))).toEqual([]);
	});

	it("is refused with more than 64 siblings, without an end, or as another layer's", async () => {
		const tree = treeOf(FACTS);
		const [memory] = FACTS;
		if (memory === undefined) throw new Error("no memory");
		const proof = included(tree, memory);
		const path = pathOf(proof);
		const [first] = path.siblings;
		const zero: Hex = `0x${"0".repeat(64)}`;
		const level = first ?? ([zero, zero, zero] as [Hex, Hex, Hex]);
		const withSiblings = (siblings: typeof path.siblings): InclusionProof => ({
			...proof,
			paths: { [memory.layer]: { ...path, siblings } },
		});
		const hostile = [
			withSiblings(Array.from({ length: 64 }, () => level)),
			withSiblings(Array.from({ length: 65 }, () => level)),
			withSiblings(Array.from({ length: 1_000 }, () => level)),
			withSiblings(path.siblings.slice(1)),
			withSiblings([...path.siblings, level]),
			...LAYERS.filter((layer) => layer !== memory.layer).map((layer) => ({
				...proof,
				memory: { ...proof.memory, layer },
				paths: { [layer]: path },
			})),
		];
		expect(await verifier.accepted(hostile.map(calldataOf))).toEqual([]);
	});

	it("takes the longest path that a tree can have", async () => {
		// Two keys that part in their last digit only.
		const memory = fact("twin");
		const key = memoryKey("default", "twin");
		const last = Number.parseInt(key.slice(-1), 16) ^ 1;
		const twin = `${key.slice(0, -1)}${last.toString(16)}` as MemoryKey;
		const tree = treeOf([memory]);
		tree.set({ layer: "semantic", memoryKey: twin, contentHash: BLOCK });
		const proof = included(tree, memory);
		expect(pathOf(proof).siblings).toHaveLength(64);
		expect(await verifier.accepts(calldataOf(proof))).toBe(true);
		const longer = {
			...pathOf(proof),
			siblings: [...pathOf(proof).siblings, [BLOCK, BLOCK, BLOCK]],
		};
		const altered = { ...proof, paths: { semantic: longer } } as InclusionProof;
		expect(await verifier.verdict(calldataOf(altered))).toBe("refused");
	});
});

describe("exclusion", () => {
	it("is accepted where nothing stands, and where another leaf does", async () => {
		const trees = [treeOf([]), treeOf(FACTS.slice(0, 1)), treeOf(FACTS)];
		for (const tree of trees) {
			const proofs = Array.from({ length: 20 }, (_, n) => excluded(tree, `absent:${n}`));
			expect(await verifier.accepted(proofs.map(calldataOf))).toHaveLength(20);
			const layers = proofs.flatMap((proof) => [0, 1, 2, 3].map((n) => layerCalldataOf(proof, n)));
			expect(await verifier.accepted(layers)).toHaveLength(80);
			const ends = new Set(proofs.map(({ paths }) => paths.short_term.terminal.type));
			if (tree === trees[2]) expect(ends).toEqual(new Set(["empty", "leaf"]));
		}
	});

	it("is refused for a memory that is there", async () => {
		const tree = treeOf(FACTS);
		const forged = FACTS.flatMap((memory): StateProof[] => {
			const proof = included(tree, memory);
			const absent = excluded(tree, "absent");
			const { memoryKey: key } = proof;
			const paths = Object.fromEntries(LAYERS.map((layer) => [layer, tree.path(layer, key)]));
			const empty = { ...pathOf(proof), terminal: { type: "empty" } };
			return [
				{ ...absent, memoryKey: key },
				{ ...absent, memoryKey: key, paths } as ExclusionProof,
				{ ...absent, memoryKey: key, paths: { ...paths, [memory.layer]: empty } } as ExclusionProof,
			];
		});
		expect(await verifier.accepted(forged.map(calldataOf))).toEqual([]);
	});

	it("is refused with any byte of any hash altered, with a terminal of another kind, and past 64 siblings", async () => {
		const tree = treeOf(FACTS);
		const all = Array.from({ length: 20 }, (_, n) => excluded(tree, `absent:${n}`));
		const proof = all.find(({ paths }) => paths.short_term.terminal.type === "leaf");
		if (proof === undefined) throw new Error("no proof ends in a leaf");
		const { short_term: path } = proof.paths;
		if (path.terminal.type !== "leaf") throw new Error("no leaf");
		const withPath = (changed: object): ExclusionProof => ({
			...proof,
			paths: { ...proof.paths, short_term: { ...path, ...changed } },
		});
		const [level] = path.siblings;
		const forged = [
			...alteredHashes(proof),
			withPath({ terminal: { type: "empty" } }),
			withPath({ terminal: { ...path.terminal, memoryKey: proof.memoryKey } }),
			withPath({ siblings: path.siblings.slice(1) }),
			withPath({ siblings: Array.from({ length: 65 }, () => level) }),
			{ ...proof, height: (BigInt(proof.height) + 1n).toString() },
			{ ...proof, chainId: proof.chainId + 1 },
		];
		expect(await verifier.accepts(calldataOf(proof))).toBe(true);
		expect(forged.length).toBeGreaterThan(300);
		expect(await verifier.accepted(forged.map(calldataOf))).toEqual([]);
		const tooLong = withPath({ siblings: Array.from({ length: 65 }, () => level) });
		expect(await verifier.verdict(calldataOf(tooLong))).toBe("refused");
		expect(await verifier.verdict(layerCalldataOf(tooLong, 0))).toBe("refused");
		// The verifier without a chain refuses them all too.
		for (const each of forged) expect(verifyProof(each).valid).toBe(false);
	});

	it("is refused where the leaf at the end does not stand on the way to the key, whatever the root", async () => {
		const stray = memoryKey("default", "stray");
		// The first digit of this key is another one, so it cannot stand below the stray's.
		const first = Number.parseInt(stray[0] ?? "", 16) ^ 0b0100;
		const elsewhere = `${first.toString(16)}${stray.slice(1)}` as MemoryKey;
		for (const [terminalKey, verdict] of [
			[elsewhere, "refused"],
			[`${stray.slice(0, -1)}${stray.endsWith("0") ? "1" : "0"}` as MemoryKey, "accepted"],
		] as const) {
			const proof = underMadeRoot("stray", leafHash(terminalKey, BLOCK), {
				type: "leaf",
				memoryKey: terminalKey,
				contentHash: BLOCK,
			});
			expect(await verifier.verdict(calldataOf(proof))).toBe(verdict);
			expect(verifyProof(proof).valid).toBe(verdict === "accepted");
		}
	});

	it("is refused where nothing stands at the end, and a leaf is named all the same", async () => {
		const proof = excluded(treeOf([]), "absent");
		const path = verifierPath(proof.paths.short_term);
		expect(await verifier.verdict(layerCalldataOf(proof, 0, path))).toBe("accepted");
		const named = [
			{ ...path, leafKey: keyBytes(UUID_ONE) },
			{ ...path, leafContentHash: BLOCK },
		].map((each) => layerCalldataOf(proof, 0, each));
		for (const calldata of named) expect(await verifier.verdict(calldata)).toBe("refused");
		expect(await verifier.verdict(layerCalldataOf(proof, 4, path))).toBe("refused");
	});

	/** A proof under roots that no tree has: one digit down the way to a key stands what is given. */
	function underMadeRoot(
		id: string,
		hash: Hex,
		terminal: ExclusionProof["paths"]["semantic"]["terminal"],
	): ExclusionProof {
		const empty = excluded(treeOf([]), id);
		const digit = Number.parseInt(empty.memoryKey[0] ?? "", 16) >> 2;
		const [a, b, c, d] = [0, 1, 2, 3].map((each) => (each === digit ? hash : BLOCK));
		if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error();
		const roots = { ...empty.roots, semantic: nodeHash([a, b, c, d]) };
		const semantic = { siblings: [[BLOCK, BLOCK, BLOCK]] as [Hex, Hex, Hex][], terminal };
		return {
			...empty,
			roots,
			stateRoot: stateRoot(roots, AT),
			paths: { ...empty.paths, semantic },
		};
	}
});

describe("gas", () => {
	const figures: Record<string, string>[] = [];
	afterAll(() => console.table(figures));

	async function measure(what: string, calls: readonly Hex[]): Promise<bigint> {
		const gas = await Promise.all(calls.map((calldata) => verifier.gas(calldata)));
		const most = gas.reduce((a, b) => (a > b ? a : b));
		const mean = gas.reduce((a, b) => a + b, 0n) / BigInt(gas.length);
		const bytes = Math.max(...calls.map((calldata) => calldata.length / 2 - 1));
		figures.push({ what, mean: `${mean}`, most: `${most}`, "calldata bytes": `${bytes}` });
		return most;
	}

	it("stays under 100,000 with ten memories", async () => {
		const tree = treeOf(FACTS.slice(0, 10));
		const inclusions = FACTS.slice(0, 10).map((memory) => included(tree, memory));
		const exclusions = Array.from({ length: 10 }, (_, n) => excluded(tree, `absent:${n}`));
		expect(await measure("inclusion, 10 memories", inclusions.map(calldataOf))).toBeLessThan(
			GOAL_GAS,
		);
		expect(
			await measure("exclusion (4 layers), 10 memories", exclusions.map(calldataOf)),
		).toBeLessThan(GOAL_GAS);
	});

	it("stays under 100,000 with a million memories", async () => {
		const tree = new StateTree();
		tree.addPacked("semantic", randomBytes(48 * MILLION));
		const own = Array.from({ length: 40 }, (_, n) => fact(`own:${n}`));
		for (const memory of own) add(tree, memory);
		const inclusions = own.map((memory) => included(tree, memory));
		expect(await verifier.accepted(inclusions.map(calldataOf))).toHaveLength(own.length);
		expect(await measure("inclusion, 1,000,000 memories", inclusions.map(calldataOf))).toBeLessThan(
			GOAL_GAS,
		);
		const exclusions = Array.from({ length: 40 }, (_, n) => excluded(tree, `absent:${n}`));
		expect(await verifier.accepted(exclusions.map(calldataOf))).toHaveLength(exclusions.length);
		const most = await measure(
			"exclusion (4 layers), 1,000,000 memories in one",
			exclusions.map(calldataOf),
		);
		expect(most).toBeLessThan(GOAL_GAS);
	});

	it("stays under 100,000 for each layer where all four are full", async () => {
		const tree = new StateTree();
		for (const layer of LAYERS) tree.addPacked(layer, randomBytes(12 * MILLION));
		const proofs = Array.from({ length: 20 }, (_, n) => excluded(tree, `absent:${n}`));
		expect(await verifier.accepted(proofs.map(calldataOf))).toHaveLength(proofs.length);
		await measure("exclusion (4 layers), 250,000 memories in each", proofs.map(calldataOf));
		const alone = proofs.flatMap((proof) => LAYERS.map((_, n) => layerCalldataOf(proof, n)));
		const most = await measure("exclusion (1 layer), 250,000 memories in each", alone);
		expect(most).toBeLessThan(GOAL_GAS);
	});
});
