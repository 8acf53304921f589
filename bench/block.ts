/** What a live block costs: the checkpoint's share, and where its time goes; a rollback's calls too. */
import { hash } from "node:crypto";
import { StateTree } from "../src/commitment/state-tree.ts";
import { memoryKey } from "../src/memory/memory-key.ts";
import type { CommitBatch } from "../src/writer/commit-batch.ts";
import { type Call, coveredMs } from "./call-log.ts";
import { type Profile, startChainRig } from "./chain-rig.ts";
import { figure, median, type Row, ratios, type Table } from "./figures.ts";
import type { Section } from "./section.ts";
import { startWriterRig } from "./writer-rig.ts";

const OPERATIONS_PER_BLOCK = 20;
const DEPTH = 5;
const WARM_UP = 20;
const TREE_MEMORIES = 10_000;
/** Before blocks are profiled: every holder has been written once, and finality has begun to move. */
const SETTLED_BLOCKS = 256;

export const blockSection: Section = {
	name: "block",
	title: "what a live block costs, and the checkpoint's share of it",
	run: async ({ quick, say }) => {
		const blocks = quick ? 20 : 200;
		const repetitions = quick ? 5 : 31;
		say(`${2 * blocks} made-up blocks with and without a checkpoint`);
		const share = await checkpointShare(blocks);
		say(`${repetitions} mined blocks and rollbacks of depth ${DEPTH}, every call watched`);
		return {
			settings: { "operations a block": OPERATIONS_PER_BLOCK, blocks, repetitions },
			tables: [share, ...(await profiles(repetitions))],
		};
	},
};

/** Blocks by turns with and without the checkpoint's row; the rest of the batch is the same. */
async function checkpointShare(blocks: number): Promise<Table> {
	const rig = await startWriterRig();
	try {
		const commit: { with: number[]; without: number[] } = { with: [], without: [] };
		const whole: typeof commit = { with: [], without: [] };
		for (let round = -WARM_UP; round < 2 * blocks; round += 1) {
			const kind = round % 2 === 0 ? "with" : "without";
			rig.alter(kind === "with" ? (batch) => batch : withoutCheckpoints);
			rig.calls.take();
			const start = performance.now();
			await rig.commitBlocks(1, OPERATIONS_PER_BLOCK);
			const wholeMs = performance.now() - start;
			if (round < 0) continue;
			whole[kind].push(wholeMs);
			commit[kind].push(totalMs(rig.calls.take(), "store.commit"));
		}
		const root = rootMs();
		const row = (name: string, samples: typeof commit): Row => ({
			part: name,
			"with checkpoint": figure("ms", samples.with),
			"without its row": figure("ms", samples.without),
			"row's share, medians": `${percent(1 - median(samples.without) / median(samples.with))}`,
			"pair by pair": figure("×", ratios(samples.with, samples.without)),
			"root's share": `${percent(median(root) / median(samples.with))}`,
		});
		return {
			title: "The checkpoint's share of a live block's commit",
			rows: [row("commit", commit), row("writer, commit included", whole)],
			notes: [
				"The state tree is in the writer's memory: " +
					`${median(root).toFixed(3)} ms for ${OPERATIONS_PER_BLOCK} changes at ${TREE_MEMORIES} memories.`,
			],
		};
	} finally {
		await rig.stop();
	}
}

function withoutCheckpoints(batch: CommitBatch): CommitBatch {
	return { ...batch, checkpoints: [] };
}

/** What a block of five operations a transfer costs the state tree, at ten thousand memories. */
function rootMs(): readonly number[] {
	const tree = new StateTree();
	for (let index = 0; index < TREE_MEMORIES; index += 1) tree.set(leafOf(index, 0));
	tree.roots();
	return Array.from({ length: 1_000 }, (_, block) => {
		const first = (block * OPERATIONS_PER_BLOCK) % TREE_MEMORIES;
		const changes = Array.from({ length: OPERATIONS_PER_BLOCK }, (_, index) =>
			leafOf(first + index, block + 1),
		);
		const start = performance.now();
		for (const change of changes) tree.set(change);
		tree.roots();
		return performance.now() - start;
	});
}

function leafOf(index: number, version: number) {
	return {
		memoryKey: memoryKey("bench", `memory-${index}`),
		layer: "semantic" as const,
		contentHash: `0x${hash("sha256", `${index}:${version}`)}` as const,
	};
}

async function profiles(repetitions: number): Promise<readonly Table[]> {
	const rig = await startChainRig();
	try {
		await rig.node.mine(SETTLED_BLOCKS);
		const blocks: Profile[] = [];
		const rollbacks: Profile[] = [];
		// Not by turns: a rollback empties the handlers' cache, and the next block fills it again.
		for (let round = -2; round < repetitions; round += 1) {
			const block = await rig.profile(await rig.node.readyBlock());
			if (round >= 0) blocks.push(block);
		}
		for (let round = -2; round < repetitions; round += 1) {
			const rollback = await rig.profile(await rig.node.readyFork(DEPTH));
			if (round >= 0) rollbacks.push(rollback);
		}
		const { blockFromNode, forkFromNode, durableRow, roundTrip } = await rig.floors(
			DEPTH,
			repetitions,
		);
		const ofBlock = { node: blockFromNode, commit: durableRow };
		const ofRollback = {
			node: forkFromNode,
			commit: durableRow,
			"other database calls": roundTrip,
		};
		return [
			phases(blocks, ofBlock, "A live block by phase"),
			callTable(blocks, "Calls of a live block"),
			phases(rollbacks, ofRollback, `A rollback of depth ${DEPTH} by phase`),
			callTable(rollbacks, `Calls of a rollback of depth ${DEPTH}`),
		];
	} finally {
		await rig.stop();
	}
}

const OWN = "deriving, assembling";
const PHASES: readonly { readonly name: string; readonly has: (call: Call) => boolean }[] = [
	{ name: "node", has: ({ name }) => name.startsWith("node.") },
	{ name: "embed", has: ({ name }) => name.startsWith("embedder.") },
	{ name: "commit", has: ({ name }) => name.endsWith("Store.commit") },
	{
		name: "other database calls",
		has: ({ name }) => /^\w+Store\./.test(name) && !name.endsWith(".commit"),
	},
];

/** By phase; where none is given it is nothing: the rest could all be held in memory. */
type PhaseFloors = Readonly<Record<string, readonly number[]>>;

function phases(profiles: readonly Profile[], floors: PhaseFloors, title: string): Table {
	const whole = profiles.map(({ fromMs, toMs }) => toMs - fromMs);
	const floorOf = (phase: string) => {
		const floor = floors[phase];
		return floor === undefined ? "0" : figure("ms", floor);
	};
	const rows = PHASES.map(({ name, has }): Row => {
		const spent = profiles.map((each) => coveredMs(each.calls.filter(has), each));
		return {
			phase: name,
			time: figure("ms", spent),
			share: shareOf(spent, whole),
			floor: floorOf(name),
		};
	});
	const own = profiles.map((each) => each.toMs - each.fromMs - coveredMs(each.calls, each));
	return {
		title,
		rows: [
			...rows,
			{ phase: OWN, time: figure("ms", own), share: shareOf(own, whole), floor: floorOf(OWN) },
			{ phase: "whole", time: figure("ms", whole), share: "100 %", floor: sumOf(floors) },
		],
		notes: [
			"From the first request that can see it to the writer's word. Calls of two phases may overlap.",
			"Floor: the node's bare answers to the fewest questions, one durable row, one read; nothing for the rest.",
		],
	};
}

function sumOf(floors: PhaseFloors): string {
	const sum = Object.values(floors).reduce((total, floor) => total + median(floor), 0);
	return `${sum.toFixed(2)} ms`;
}

function callTable(profiles: readonly Profile[], title: string): Table {
	const names = new Set(profiles.flatMap(({ calls }) => calls.map(({ name }) => name)));
	const rows = [...names].map((name): Row => {
		const within = profiles.map(({ calls, toMs }) => calls.filter(({ startMs }) => startMs < toMs));
		const counts = within.map((calls) => calls.filter((call) => call.name === name).length);
		const spent = within.map((calls) => totalMs(calls, name));
		return { call: name, times: median(counts), together: figure("ms", spent) };
	});
	return { title, rows: rows.filter((row) => row["times"] !== 0), notes: [] };
}

function totalMs(calls: readonly Call[], name: string): number {
	return calls
		.filter((call) => call.name === name)
		.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
}

function shareOf(part: readonly number[], whole: readonly number[]): string {
	return percent(median(part) / median(whole));
}

function percent(share: number): string {
	return `${(share * 100).toFixed(1)} %`;
}
