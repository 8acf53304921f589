import { describe, expect, test } from "vitest";
import { buildProof, type StateProof } from "../../src/commitment/proof.ts";
import { stateRoot } from "../../src/commitment/state-root.ts";
import { leafHash, nodeHash, ZERO_HASH } from "../../src/commitment/tree-hash.ts";
import { verifyProof } from "../../src/commitment/verify-proof.ts";
import type { Hex, MemoryKey } from "../../src/domain/ids.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import {
	fullMemory,
	NAMESPACE,
	PLACE,
	proofOf,
	treeOf,
	visibleMemory,
} from "../support/proved-state.ts";
import { hashOf } from "../support/tree-model.ts";

const FULL = fullMemory("full");
const STATE = [FULL, ...Array.from({ length: 20 }, (_, number) => visibleMemory(`fact ${number}`))];
const tree = treeOf(STATE);
const inclusion = proofOf(tree, FULL);
const exclusion = proofOf(tree, "never written");

function faultOf(proof: unknown): string | undefined {
	const verdict = verifyProof(proof);
	return verdict.valid ? undefined : verdict.fault;
}

/** The proof with its state root made again, as someone who forges would. */
function rerooted(proof: StateProof): StateProof {
	return { ...proof, stateRoot: stateRoot(proof.roots, PLACE) };
}

describe("a proof", () => {
	test("says what it proves", () => {
		expect(inclusion).toMatchObject({
			format: "recant-proof-v1",
			type: "inclusion",
			chainId: PLACE.chainId,
			height: "1234",
			namespace: NAMESPACE,
			id: "full",
			memory: { content: FULL.content, expiresAtBlock: "9999", vectorHash: FULL.vectorHash },
		});
		expect(Object.keys(inclusion.paths)).toEqual(["semantic"]);
		expect(Object.keys(exclusion.paths)).toHaveLength(4);
	});

	test("leaves out what the memory does not have", () => {
		const proof = proofOf(tree, visibleMemory("fact 3"));
		if (proof.type !== "inclusion") throw new TypeError("it is there");
		expect(Object.keys(proof.memory)).toEqual(["namespace", "id", "layer", "owner", "content"]);
		expect(verifyProof(proof).valid).toBe(true);
	});

	test("of a mark stays good while the tree goes on", () => {
		const moving = treeOf(STATE);
		const mark = moving.mark();
		for (const each of STATE) moving.delete(each.layer, memoryKey(each.namespace, each.id));
		const subject = {
			tree: moving,
			mark,
			at: PLACE,
			namespace: NAMESPACE,
			id: "full",
			memory: FULL,
		};
		expect(buildProof(subject)).toEqual(inclusion);
	});

	test.each([
		["a memory that the tree does not hold", visibleMemory("never written")],
		["a memory that the tree holds differently", { ...FULL, text: "another" }],
		["a memory that the tree holds in another layer", { ...FULL, layer: "episodic" as const }],
	])("is not made of %s", (_, memory) => {
		expect(() => proofOf(tree, memory)).toThrow(
			expect.objectContaining({ code: "verification_failed" }),
		);
	});

	test("is not made of the absence of what the tree holds", () => {
		expect(() => proofOf(tree, "full")).toThrow(
			expect.objectContaining({ code: "verification_failed" }),
		);
	});
});

describe("checking says what failed", () => {
	const named = (parts: object) => ({ ...inclusion, ...parts });
	const of = (parts: object) =>
		named({ memory: { ...("memory" in inclusion ? inclusion.memory : {}), ...parts } });
	const path = inclusion.paths.semantic;
	const withPath = (parts: object) => named({ paths: { semantic: { ...path, ...parts } } });

	test.each([
		["malformed", "another format", named({ format: "recant-proof-v2" })],
		["malformed", "a field that nothing binds", named({ note: "trust me" })],
		["malformed", "no proof at all", null],
		["malformed", "text", "proof"],
		["malformed", "a height with a leading zero", named({ height: "01234" })],
		["malformed", "a height beyond 64 bits", named({ height: "18446744073709551616" })],
		["malformed", "more siblings than digits", withPath({ siblings: Array(65).fill(zeros()) })],
		["malformed", "a lone surrogate", of({ text: "\ud800" })],
		["key", "another id", named({ id: "fact 1" })],
		["key", "another key", named({ memoryKey: memoryKey(NAMESPACE, "fact 1") })],
		["key", "a memory of another id", of({ id: "fact 1" })],
		["key", "a memory of another namespace", of({ namespace: "ledger" })],
		["content", "another content", of({ content: {} })],
		["content", "another owner", of({ owner: "agent" })],
		["content", "another expiry", of({ expiresAtBlock: "10000" })],
		["content", "an expiry by time", of({ expiresAtBlock: undefined, expiresAtTime: "9999" })],
		["malformed", "a time beside the height", of({ expiresAtTime: "9999" })],
		["content", "a lost vector", of({ vectorHash: undefined })],
		["layers", "the path of another layer", named({ paths: { episodic: path } })],
		["layers", "a path too many", named({ paths: { semantic: path, episodic: path } })],
		["terminal", "an empty end", withPath({ terminal: { type: "empty" } })],
		["layer_root", "a sibling too few", withPath({ siblings: path?.siblings.slice(1) })],
		["state_root", "another block", named({ blockHash: hashOf("another block") })],
		["state_root", "another height", named({ height: "1235" })],
		["state_root", "another chain", named({ chainId: 1 })],
	])("%s: %s", (fault, _, proof) => {
		expect(faultOf(proof)).toBe(fault);
	});

	test("naming the layer, and the field of what is malformed", () => {
		expect(verifyProof(withPath({ terminal: { type: "empty" } }))).toMatchObject({
			layer: "semantic",
		});
		expect(verifyProof(named({ height: -1 }))).toMatchObject({
			message: expect.stringContaining("height"),
			layer: undefined,
		});
	});

	test("untrusted: a proof that holds, of another state than the reader trusts", () => {
		const trusts = { stateRoot: inclusion.stateRoot, blockHash: PLACE.blockHash };
		expect(verifyProof(inclusion, trusts).valid).toBe(true);
		const others = [
			{ ...trusts, stateRoot: hashOf("root") },
			{ stateRoot: undefined, blockHash: hashOf("another block") },
		];
		for (const other of others) {
			expect(verifyProof(inclusion, other)).toMatchObject({ valid: false, fault: "untrusted" });
		}
	});
});

describe("forgeries", () => {
	test("a memory of a state of one's own proves nothing about another state root", () => {
		const forged = proofOf(treeOf([fullMemory("full"), visibleMemory("forged")]), "never written");
		expect(verifyProof(forged).valid).toBe(true);
		const trusted = { stateRoot: exclusion.stateRoot, blockHash: undefined };
		expect(verifyProof(forged, trusted)).toMatchObject({ fault: "untrusted" });
	});

	test("a made-up body does not pass over the leaf of the true one", () => {
		const claimed = proofOf(treeOf([{ ...FULL, content: { made: "up" } }]), {
			...FULL,
			content: { made: "up" },
		});
		const forged = { ...claimed, ...shared(inclusion), paths: inclusion.paths };
		expect(verifyProof(forged)).toMatchObject({ fault: "terminal", layer: "semantic" });
	});

	test("a made-up memory does not pass over the leaf of another that stands on its way", () => {
		const ids = Array.from({ length: 40 }, (_, number) => `made up ${number}`);
		const onLeaf = ids.map((id) => ({ id, path: proofOf(tree, id).paths.semantic }));
		const found = onLeaf.find(({ path }) => path?.terminal.type === "leaf");
		if (found === undefined) throw new RangeError("no id whose way ends in a leaf");
		const memory = visibleMemory(found.id);
		const claimed = proofOf(treeOf([memory]), memory);
		const forged = { ...claimed, ...shared(inclusion), paths: { semantic: found.path } };
		expect(verifyProof(forged)).toMatchObject({ fault: "terminal", layer: "semantic" });
		const terminal = found.path?.terminal.type === "leaf" ? found.path.terminal : undefined;
		const lent = { ...forged, contentHash: terminal?.contentHash };
		expect(faultOf(lent)).toBe("content");
	});

	test("a leaf that holds the memory's content under another key does not include it", () => {
		const claimed = proofOf(treeOf([FULL]), FULL);
		if (claimed.type !== "inclusion") throw new TypeError("it is there");
		const { contentHash } = claimed;
		const elsewhere = memoryKey(NAMESPACE, "elsewhere");
		const semantic = leafHash(elsewhere, contentHash);
		const forged = rerooted({
			...claimed,
			roots: { ...claimed.roots, semantic },
			paths: {
				semantic: { siblings: [], terminal: { type: "leaf", memoryKey: elsewhere, contentHash } },
			},
		});
		expect(verifyProof(forged)).toMatchObject({ fault: "terminal", layer: "semantic" });
	});

	test("the leaf of the key itself does not show that it is absent", () => {
		if (inclusion.type !== "inclusion" || exclusion.type !== "exclusion")
			throw new TypeError("types");
		const { id, memoryKey: key } = inclusion;
		const own = tree.path("semantic", key);
		const absent = { ...exclusion, id, memoryKey: key };
		const paths = {
			short_term: tree.path("short_term", key),
			long_term: tree.path("long_term", key),
			episodic: tree.path("episodic", key),
			semantic: own,
		};
		expect(faultOf({ ...absent, paths })).toBe("terminal");
		const pretended = { ...own, terminal: { type: "empty" } };
		expect(faultOf({ ...absent, paths: { ...paths, semantic: pretended } })).toBe("layer_root");
	});

	test("a leaf that stands where its key does not lead proves no absence", () => {
		if (exclusion.type !== "exclusion") throw new TypeError("types");
		const { memoryKey: key } = exclusion;
		const first = Number.parseInt(key.slice(0, 1), 16);
		const elsewhere = `${((first + 4) % 16).toString(16)}${key.slice(1)}` as MemoryKey;
		const contentHash = hashOf("planted");
		const planted = leafHash(elsewhere, contentHash);
		const nothing: readonly [Hex, Hex, Hex] = [ZERO_HASH, ZERO_HASH, ZERO_HASH];
		const children = [0, 1, 2, 3].map((digit) => (digit === first >> 2 ? planted : ZERO_HASH));
		const [a, b, c, d] = children;
		const semantic = nodeHash([a ?? ZERO_HASH, b ?? ZERO_HASH, c ?? ZERO_HASH, d ?? ZERO_HASH]);
		const forged = rerooted({
			...exclusion,
			roots: { ...exclusion.roots, semantic },
			paths: {
				...exclusion.paths,
				semantic: {
					siblings: [[...nothing]],
					terminal: { type: "leaf", memoryKey: elsewhere, contentHash },
				},
			},
		});
		expect(verifyProof(forged)).toMatchObject({ fault: "terminal", layer: "semantic" });
	});
});

/** What every proof of one state says alike. */
function shared({ roots, stateRoot: root }: StateProof) {
	return { roots, stateRoot: root };
}

function zeros(): readonly Hex[] {
	return [ZERO_HASH, ZERO_HASH, ZERO_HASH];
}
