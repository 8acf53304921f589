/** Backfill side by side: blocks a second, memory and processor time, on one chain after the other. */
import type { Row } from "./figures.ts";
import { figure, median } from "./figures.ts";
import { startLedgerNode } from "./ledger-node.ts";
import { ponder } from "./peers-ponder.ts";
import { processorMs, residentBytes } from "./peers-process.ts";
import { recant } from "./peers-recant.ts";
import type { Side, Wanted } from "./peers-side.ts";
import { type Comparison, type Part, SampleList } from "./peers-table.ts";
import { type Ground, outcomeOf, startTrial } from "./peers-trial.ts";
import { truthAbove } from "./peers-truth.ts";
import type { SectionContext } from "./section.ts";

/** Ponder's slowest backfill of platform measurements, several times over. */
const LIMIT_MS = 600_000;
/** Of a backfill that takes seconds. */
const LOOK_MS = 20;
const MEBIBYTE = 2 ** 20;
export const CHAIN_ID = 1;

export interface BackfillSample {
	/** From its first question for a block to its database having all. */
	readonly tookMs: number;
	/** The same from the start of its process. */
	readonly wholeMs: number;
	readonly residentMiB: number;
	/** Of its process, from that first question on. */
	readonly processorMs: number;
	/** Of the Postgres server meanwhile. */
	readonly postgresMs: number;
	readonly calls: number;
	readonly messages: number;
}

/** One side's backfills of one chain. */
class Backfills {
	readonly name: string;
	readonly side: Side;
	readonly samples: BackfillSample[] = [];
	readonly failures: string[] = [];

	constructor(name: string, side: Side) {
		this.name = name;
		this.side = side;
	}

	of(value: (sample: BackfillSample) => number): SampleList {
		const list = new SampleList();
		list.values.push(...this.samples.map(value));
		list.failures.push(...this.failures);
		return list;
	}
}

/** Repetitions of all of them by turns, whose order goes round. */
async function backfill(
	ground: Ground,
	wanted: Wanted,
	runs: readonly Backfills[],
	{ repetitions, say }: { readonly repetitions: number; readonly say: SectionContext["say"] },
): Promise<void> {
	for (let round = 0; round < repetitions; round += 1) {
		for (let turn = 0; turn < runs.length; turn += 1) {
			const run = runs[(turn + round) % runs.length];
			if (run === undefined || isRefused(run)) continue;
			say(`backfill of ${wanted.height} blocks, ${run.name}, ${round + 1} of ${repetitions}`);
			await once(ground, wanted, run);
		}
	}
}

/** What refuses to start, as with an option that it does not know, does so each time. */
function isRefused({ samples, failures }: Backfills): boolean {
	return samples.length === 0 && failures.some((why) => why.includes("its process ended"));
}

async function once(ground: Ground, wanted: Wanted, run: Backfills): Promise<void> {
	const trial = await startTrial(ground, run.side);
	let before = { own: 0, postgres: 0 };
	const spent = () => ({
		own: processorMs(trial.running.process.pid),
		postgres: processorMs(ground.server.pid),
	});
	trial.proxy.asked.onFirstAsked = () => {
		before = spent();
	};
	try {
		const outcome = await outcomeOf(trial, wanted, {
			limitMs: LIMIT_MS,
			ask: false,
			lookMs: LOOK_MS,
		});
		if (outcome.type === "wrong") {
			run.failures.push(outcome.why);
			return;
		}
		const after = spent();
		const { calls, messages } = trial.proxy.asked.counts();
		run.samples.push({
			tookMs: outcome.committedAt - trial.proxy.asked.firstAskedAt,
			wholeMs: outcome.committedAt - trial.startedAt,
			residentMiB: residentBytes(trial.running.process.pid).most / MEBIBYTE,
			processorMs: after.own - before.own,
			postgresMs: after.postgres - before.postgres,
			calls,
			messages,
		});
	} finally {
		await trial.stop();
	}
}

/** A chain of so many holders, backfilled by both sides. */
export async function measureBackfills(
	server: Ground["server"],
	{ quick, say }: SectionContext,
	holders: number,
): Promise<Part> {
	const blocks = quick ? 500 : 5_000;
	const repetitions = quick ? 2 : 5;
	say(`mining ${blocks} blocks over ${holders} holders`);
	const node = await startLedgerNode({ chainId: CHAIN_ID, holders });
	try {
		await node.mine(blocks);
		const ground = { server, rpcUrl: node.rpcUrl, chainId: CHAIN_ID, token: node.token };
		const wanted = await truthAbove(node.rpcUrl, node.token, { above: -1n, isFork: false });
		const runs = runsOver(holders);
		await backfill(ground, wanted, runs.all, { repetitions, say });
		const count = Number(wanted.height) + 1;
		const rows = runs.all.map((run) => rowOf(holders, count, run));
		const title = `Backfill, ${holders} holders`;
		return { comparisons: compare(holders, count, runs), tables: [{ title, rows, notes: NOTES }] };
	} finally {
		await node.stop();
	}
}

const NOTES = [
	"Blocks a second: from the side's first question for a block to its database having every event of the",
	"chain, the blocks that are not final included. CPU: of its process, and of Postgres meanwhile.",
];

interface Runs {
	readonly peer: Backfills;
	readonly events: Backfills | undefined;
	readonly thinned: Backfills | undefined;
	readonly ledgerWithoutTexts: Backfills;
	readonly ledger: Backfills;
	readonly all: readonly Backfills[];
}

/** What an event is kept as does not depend on the holders; what the ledger keeps does. */
function runsOver(holders: number): Runs {
	const few = holders < 1_000;
	const peer = new Backfills("Ponder, one row an event", ponder);
	const events = few ? new Backfills("one memory an event", recant("events")) : undefined;
	const thinned = few
		? new Backfills("one memory an event, history {every: 1000}", recant("thinnedEvents"))
		: undefined;
	const ledgerWithoutTexts = new Backfills(
		"the ledger without texts",
		recant("ledgerWithoutTexts"),
	);
	const ledger = new Backfills("the ledger, embedded", recant("ledger"));
	const all = [peer, events, thinned, ledgerWithoutTexts, ledger].filter(
		(run) => run !== undefined,
	);
	return { peer, events, thinned, ledgerWithoutTexts, ledger, all };
}

function compare(holders: number, blocks: number, runs: Runs): readonly Comparison[] {
	const perSecond = (sample: BackfillSample) => (blocks * 1_000) / sample.tookMs;
	const resident = (sample: BackfillSample) => sample.residentMiB;
	const peer = { name: runs.peer.side.name, samples: runs.peer.of(perSecond) };
	const of = (run: Backfills | undefined, what: string, atLeast: number | undefined) =>
		run === undefined
			? []
			: [
					{
						what: `backfill, ${what}`,
						unit: "/s" as const,
						recant: run.of(perSecond),
						peer,
						target: atLeast === undefined ? undefined : { atLeast },
					},
				];
	const memory: readonly Comparison[] =
		runs.events === undefined
			? []
			: [
					{
						what: "RSS of the service, backfill without vectors",
						unit: "MiB",
						recant: runs.events.of(resident),
						peer: { name: runs.peer.side.name, samples: runs.peer.of(resident) },
						target: { atMost: 0.6 },
					},
				];
	return [
		...of(runs.events, "one memory an event, every height", 1.5),
		...of(runs.thinned, "the same with history {every: 1000}", 2.5),
		...of(runs.ledgerWithoutTexts, `the ledger, ${holders} holders, without embedding`, 1),
		...of(runs.ledger, `the ledger, ${holders} holders, with embedding`, undefined),
		...memory,
	];
}

function rowOf(holders: number, blocks: number, run: Backfills): Row {
	const { samples } = run;
	const perBlock = (value: (sample: BackfillSample) => number) =>
		figure(
			"µs",
			samples.map((sample) => (value(sample) * 1_000) / blocks),
		);
	return {
		run: run.name,
		holders,
		"blocks a second": figure(
			"/s",
			samples.map(({ tookMs }) => (blocks * 1_000) / tookMs),
		),
		"the same from the process's start": figure(
			"/s",
			samples.map(({ wholeMs }) => (blocks * 1_000) / wholeMs),
		),
		"its CPU a block": perBlock((sample) => sample.processorMs),
		"Postgres's CPU a block": perBlock((sample) => sample.postgresMs),
		RSS: figure(
			"MiB",
			samples.map(({ residentMiB }) => residentMiB),
		),
		calls: median(samples.map(({ calls }) => calls)),
		messages: median(samples.map(({ messages }) => messages)),
		failed: run.failures.length,
	};
}
