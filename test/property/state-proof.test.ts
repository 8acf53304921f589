/** Proofs of random states: every one verifies, and altered in any place none does. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { StateProof, VisibleMemory } from "../../src/commitment/proof.ts";
import type { StateTree } from "../../src/commitment/state-tree.ts";
import { type ProofFault, verifyProof } from "../../src/commitment/verify-proof.ts";
import { LAYERS } from "../../src/domain/layer.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import { alterations } from "../support/altered-json.ts";
import { fullMemory, NAMESPACE, proofOf, treeOf, visibleMemory } from "../support/proved-state.ts";
import { announcedSeed } from "../support/seed.ts";
import { hashOf } from "../support/tree-model.ts";

const STATES = 2_000;
const SEED = announcedSeed("test/property/state-proof.test.ts");

const wellFormed = fc.string({ unit: "grapheme", maxLength: 12 });
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const memory: fc.Arbitrary<VisibleMemory> = fc
	.record({
		namespace: fc.constantFrom(NAMESPACE, "ledger"),
		id: wellFormed,
		layer: fc.constantFrom(...LAYERS),
		owner: fc.constantFrom("agent" as const, "handler" as const),
		content: fc.dictionary(wellFormed, fc.jsonValue({ stringUnit: "grapheme" }), { maxKeys: 4 }),
		text: optional(wellFormed),
		collection: optional(fc.constant("facts")),
		importance: optional(fc.double({ min: 0, max: 1, noNaN: true })),
		confidence: optional(fc.double({ min: 0, max: 1, noNaN: true })),
		vectorHash: optional(fc.nat().map(hashOf)),
		ends: fc.record({
			expiresBlock: optional(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
			expiresTime: optional(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
		}),
	})
	.map(({ ends: { expiresBlock, expiresTime }, ...parts }) => ({
		...parts,
		content: parts.content as JsonObject,
		expiresBlock,
		expiresTime: expiresBlock === undefined ? expiresTime : undefined,
	}));
/** A memory is in one layer. */
const memories = fc.uniqueArray(memory, {
	selector: ({ namespace, id }) => `${namespace}/${id}`,
	maxLength: 30,
});

test("every memory of a state is proved in it, and every other id is proved not to be", () => {
	const ends: Record<string, number> = {};
	fc.assert(
		fc.property(memories, fc.array(wellFormed, { maxLength: 5 }), (state, ids) => {
			const tree = treeOf(state);
			for (const each of state) expectValid(tree, each, "inclusion");
			const written = new Set(state.map(({ namespace, id }) => `${namespace}/${id}`));
			for (const id of ids.filter((each) => !written.has(`${NAMESPACE}/${each}`))) {
				const { paths } = expectValid(tree, id, "exclusion");
				for (const { terminal } of Object.values(paths)) {
					ends[terminal.type] = (ends[terminal.type] ?? 0) + 1;
				}
			}
		}),
		{ seed: SEED, numRuns: STATES },
	);
	console.log(`exclusions ended at: ${JSON.stringify(ends)}`);
	expect(ends["leaf"]).toBeGreaterThan(STATES / 2);
	expect(ends["empty"]).toBeGreaterThan(STATES / 2);
});

function expectValid(
	tree: StateTree,
	subject: VisibleMemory | string,
	type: StateProof["type"],
): StateProof {
	const proof = proofOf(tree, subject);
	expect(verifyProof(proof)).toEqual({ valid: true, proof });
	expect(proof.type).toBe(type);
	return proof;
}

/** What altered proofs came to; none may pass. */
function judgeAlterations(proof: StateProof): Readonly<Partial<Record<ProofFault, number>>> {
	const faults: Partial<Record<ProofFault, number>> = {};
	for (const { path, what, altered } of alterations(proof)) {
		const verdict = verifyProof(altered);
		expect(verdict.valid, `${path.join(".")} ${what}`).toBe(false);
		if (!verdict.valid) faults[verdict.fault] = (faults[verdict.fault] ?? 0) + 1;
	}
	return faults;
}

test("no proof that was altered anywhere verifies", () => {
	const faults = new Map<string, number>();
	const ids = fc.uniqueArray(fc.nat({ max: 10_000 }), { minLength: 1, maxLength: 40 });
	fc.assert(
		fc.property(ids, fc.constantFrom(...LAYERS), (numbers, layer) => {
			const state = numbers.map((number, index) => {
				const small = visibleMemory(`fact ${number}`, { layer: LAYERS[index % 4] ?? layer });
				return index === 0 ? fullMemory(`fact ${number}`, layer) : small;
			});
			const tree = treeOf(state);
			for (const subject of [...state.slice(0, 2), "never written"]) {
				for (const [fault, count] of Object.entries(judgeAlterations(proofOf(tree, subject)))) {
					faults.set(fault, (faults.get(fault) ?? 0) + count);
				}
			}
		}),
		{ seed: SEED, numRuns: 25 },
	);
	console.log(`altered proofs refused for: ${JSON.stringify(Object.fromEntries(faults))}`);
	const seen = ["malformed", "key", "content", "layers", "terminal", "layer_root", "state_root"];
	expect([...faults.keys()].sort()).toEqual(seen.sort());
});
