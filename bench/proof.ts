/** Proofs of single memories: how long one takes, offline too, and how large it is by the memory's size. */

import { hash } from "node:crypto";
import { ToolError } from "../scripts/support/tool-error.ts";
import { buildProof, type StateProof, type VisibleMemory } from "../src/commitment/proof.ts";
import { StateTree } from "../src/commitment/state-tree.ts";
import { verifyProof } from "../src/commitment/verify-proof.ts";
import type { Hex } from "../src/domain/ids.ts";
import { contentHash } from "../src/memory/canonical.ts";
import { memoryKey } from "../src/memory/memory-key.ts";
import { NOTHING_SAID } from "../src/memory/nothing-said.ts";
import { type BenchService, CHAIN, factId, startBenchService } from "./bench-service.ts";
import { figure, median, type Row, type Table } from "./figures.ts";
import type { Section } from "./section.ts";

const POLL_INTERVAL_MS = 50;
const LAYER = "semantic" as const;
const RECORD_BYTES = 48;
const HASH_BYTES = 32;
/** Sibling hashes at each level of a path. */
const SIBLINGS = 3;
const SUBJECTS = 200;
/** Heights below the window that are asked for, far enough apart to differ. */
const BELOW = [8n, 12n, 16n, 20n, 24n];

export const proofSection: Section = {
	name: "proof",
	title: "proofs of single memories",
	run: async ({ quick, say }) => {
		const memories = quick ? 2_000 : 100_000;
		const requests = quick ? 50 : 500;
		const service = await startBenchService({ pollIntervalMs: POLL_INTERVAL_MS });
		try {
			say(`writing ${memories} memories`);
			await service.fill(memories, { embedded: memories / 10 });
			say("proofs over HTTP");
			const latencies = await latencyTable(service, { memories, requests });
			const sizes = (quick ? [1_000, 10_000] : [10_000, 100_000, 1_000_000]).map((size) => {
				say(`proofs of a tree of ${size} memories`);
				return sizeRow(size);
			});
			return {
				settings: { memories, "requests of a kind": requests },
				tables: [latencies, sizeTable(sizes)],
			};
		} finally {
			await service.stop();
		}
	},
};

async function latencyTable(
	service: BenchService,
	{ memories, requests }: { readonly memories: number; readonly requests: number },
): Promise<Table> {
	const { head, finalized } = await service.client.chain(CHAIN);
	const present = BigInt(head?.height ?? "0");
	const below = BigInt(finalized ?? "0");
	const idOf = (nth: number) => factId((nth * 7_919) % memories);
	const prove = async (id: string, at: bigint) => {
		const query = { namespace: "default", at: at.toString() };
		requireKind((await service.client.proof(CHAIN, id, query)).proof, "inclusion");
	};
	await timed(50, (nth) => prove(idOf(nth), present));
	const rows: Row[] = [
		row("in the window, at the head", await timed(requests, (nth) => prove(idOf(nth), present))),
		row(
			"in the window, 32 blocks below",
			await timed(requests, (nth) => prove(idOf(nth), present - 32n)),
		),
		row("absent, at the head", await timed(requests, (nth) => absent(service, nth))),
		row(
			"below the window, the first: built from all rows",
			await timed(1, () => prove(idOf(0), below - 4n)),
		),
		row(
			"below the window, at another height: carried there",
			await timed(BELOW.length, (nth) => prove(idOf(nth), below - (BELOW[nth] ?? 0n))),
		),
		row(
			"below the window, at a height that was asked for",
			await timed(requests, (nth) => prove(idOf(nth), below - 24n)),
		),
	];
	return {
		title: `Proofs over HTTP, ${memories.toLocaleString("en-US")} memories`,
		rows,
		notes: [
			"One after the other. In the window the writer's own tree answers; below it a tree is built once and",
			"carried from height to height.",
		],
	};
}

async function absent({ client }: BenchService, nth: number): Promise<void> {
	const query = { namespace: "default" };
	requireKind((await client.proof(CHAIN, `nobody wrote ${nth}`, query)).proof, "exclusion");
}

async function timed(
	count: number,
	ask: (nth: number) => Promise<void>,
): Promise<readonly number[]> {
	const samples: number[] = [];
	for (let nth = 0; nth < count; nth += 1) {
		const start = performance.now();
		await ask(nth);
		samples.push(performance.now() - start);
	}
	return samples;
}

function row(what: string, samples: readonly number[]): Row {
	const sorted = samples.toSorted((a, b) => a - b);
	const p99 = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? Number.NaN;
	return { proof: what, time: figure("ms", samples), "p99 (ms)": p99 };
}

function sizeRow(memories: number): Row {
	const tree = treeOf(memories);
	const subjects = Array.from({ length: SUBJECTS }, (_, nth) =>
		Math.floor(((nth + 0.5) * memories) / SUBJECTS),
	);
	const inclusions = subjects.map((index) => prove(tree, index, memoryOf(index)));
	const exclusions = subjects.map((index) => prove(tree, memories + index, undefined));
	const size = (proofs: readonly StateProof[]) =>
		figure(
			"bytes",
			proofs.map((proof) => JSON.stringify(proof).length),
		);
	return {
		memories,
		"levels of a path": median(inclusions.map(levels)),
		"sibling hashes, bytes": median(inclusions.map((p) => levels(p) * SIBLINGS * HASH_BYTES)),
		"inclusion, JSON": size(inclusions),
		"exclusion, JSON": size(exclusions),
		"made in": figure("ms", subjects.map(makeMs(tree))),
		"inclusion verified in": figure("ms", inclusions.map(verifyMs)),
		"exclusion verified in": figure("ms", exclusions.map(verifyMs)),
	};
}

function sizeTable(rows: readonly Row[]): Table {
	return {
		title: "Size of a proof, and its verification without a service",
		rows,
		notes: [
			`${SUBJECTS} memories of one layer. Verification begins with the proof's text: it is parsed, checked`,
			"against its format, and every hash is made again. An exclusion has a path in each of the four layers.",
		],
	};
}

function levels({ paths }: StateProof): number {
	return Math.max(...Object.values(paths).map((path) => path.siblings.length));
}

function makeMs(tree: StateTree): (index: number) => number {
	return (index) => {
		const start = performance.now();
		prove(tree, index, memoryOf(index));
		return performance.now() - start;
	};
}

function verifyMs(proof: StateProof): number {
	const text = JSON.stringify(proof);
	const start = performance.now();
	const { valid } = verifyProof(JSON.parse(text));
	const tookMs = performance.now() - start;
	if (valid) return tookMs;
	throw new ToolError("measurement_failed", {
		message: `the proof of ${proof.id} does not verify`,
		hint: "this is a defect of the proof or of its verification",
	});
}

function prove(tree: StateTree, index: number, memory: VisibleMemory | undefined): StateProof {
	const blockHash: Hex = `0x${"11".repeat(HASH_BYTES)}`;
	return buildProof({
		tree,
		mark: undefined,
		at: { chainId: 31_337, height: 20_000_000n, blockHash },
		namespace: "bench",
		id: idOf(index),
		memory,
	});
}

function treeOf(memories: number): StateTree {
	const records = Buffer.alloc(memories * RECORD_BYTES);
	for (let index = 0; index < memories; index += 1) {
		const at = index * RECORD_BYTES;
		records.write(memoryKey("bench", idOf(index)).replaceAll("-", ""), at, "hex");
		records.write(contentHash(memoryOf(index)).slice(2), at + 16, "hex");
	}
	const tree = new StateTree();
	tree.addPacked(LAYER, records);
	tree.roots();
	return tree;
}

function idOf(index: number): string {
	return `holder:0x5fbdb2315678afecb367f032d93f642f64180aa3:${hash("sha256", `${index}`).slice(0, 40)}`;
}

/** What the example chain's handler keeps of a holder. */
function memoryOf(index: number): VisibleMemory {
	return {
		namespace: "bench",
		id: idOf(index),
		layer: LAYER,
		owner: "handler",
		...NOTHING_SAID,
		content: { address: idOf(index), balance: `${index * 1_000_003}`, transfers: "7" },
	};
}

function requireKind(proof: StateProof, type: StateProof["type"]): void {
	if (proof.type === type) return;
	throw new ToolError("measurement_failed", {
		message: `the proof of ${proof.id} at height ${proof.height} is an ${proof.type}`,
		hint: "the benchmark asked for a height at which it is not so",
	});
}
