/** Recant's memory where much is kept: 100,000 vectors, and 1,000,000 events from first to last. */
import { setTimeout as sleep } from "node:timers/promises";
import { figure, type Row } from "./figures.ts";
import { CHAIN_ID } from "./peers-backfill.ts";
import { type StartedNode, startMadeNode } from "./peers-made-node.ts";
import { residentBytes } from "./peers-process.ts";
import { recant } from "./peers-recant.ts";
import type { Side } from "./peers-side.ts";
import { type Part, SampleList } from "./peers-table.ts";
import { type Ground, startTrial, type Trial } from "./peers-trial.ts";
import type { SectionContext } from "./section.ts";

export const EVENTS_PER_BLOCK = 4;
const MEBIBYTE = 2 ** 20;
const LOOK_MS = 200;
const LIMIT_MS = 3_600_000;
/** Looks that make one figure: RSS goes up and down with what is not collected yet. */
const LOOKS_AVERAGED = 10;

export interface Course {
	/** Mean of the last looks before a tenth of the blocks was there. */
	readonly atTenthMiB: number;
	/** Mean of the last looks before the end. */
	readonly atEndMiB: number;
	readonly mostMiB: number;
	readonly tookMs: number;
}

export async function measureMany(
	server: Ground["server"],
	{ quick, say }: SectionContext,
): Promise<Part> {
	const repetitions = quick ? 1 : 5;
	const vectors = new SampleList();
	const growth = new SampleList();
	const rows: Row[] = [];
	const runs = [
		{ events: quick ? 5_000 : 100_000, kept: "embeddedEvents", list: vectors },
		{ events: quick ? 20_000 : 1_000_000, kept: "events", list: growth },
	] as const;
	for (const { events, kept, list } of runs) {
		const head = events / EVENTS_PER_BLOCK;
		say(`making a chain of ${head} blocks`);
		const node = await startMadeNode({ chainId: CHAIN_ID, head, eventsPerBlock: EVENTS_PER_BLOCK });
		const courses: Course[] = [];
		try {
			for (let round = 0; round < repetitions; round += 1) {
				say(`${events} events, ${kept}, ${round + 1} of ${repetitions}`);
				const course = await courseOf(server, { node, side: recant(kept), head });
				if (typeof course === "string") list.failures.push(course);
				else courses.push(course);
			}
		} finally {
			await node.stop();
		}
		list.values.push(
			...courses.map(({ mostMiB, atEndMiB, atTenthMiB }) =>
				kept === "events" ? atEndMiB / atTenthMiB : mostMiB,
			),
		);
		rows.push(rowOf(events, kept, head, courses));
	}
	return {
		comparisons: [
			{
				what: `RSS of the service, backfill with ${runs[0].events} vectors`,
				unit: "MiB",
				recant: vectors,
				peer: undefined,
				target: { atMost: 1_024 },
			},
			{
				what: `RSS at the end of ${runs[1].events} events over RSS at a tenth`,
				unit: "×",
				recant: growth,
				peer: undefined,
				target: { atMost: 1.2 },
			},
		],
		tables: [{ title: "Long backfills from a made node", rows, notes: NOTES }],
	};
}

const NOTES = [
	"The node makes its blocks as they are asked for, in a process of its own on the same cores. RSS: means",
	`of ${LOOKS_AVERAGED} looks, ${LOOK_MS} ms apart.`,
];

/** Or why it failed. The node has EVENTS_PER_BLOCK. */
export async function courseOf(
	server: Ground["server"],
	run: { readonly node: StartedNode; readonly side: Side; readonly head: number },
): Promise<Course | string> {
	const { node, side, head } = run;
	const ground = { server, rpcUrl: node.rpcUrl, chainId: CHAIN_ID, token: node.token };
	const trial = await startTrial(ground, side);
	try {
		return await watched(trial, head, node.hash);
	} finally {
		await trial.stop();
	}
}

async function watched(
	{ running, proxy }: Trial,
	head: number,
	hash: StartedNode["hash"],
): Promise<Course | string> {
	const { pid } = running.process;
	const looks: number[] = [];
	let atTenthMiB = Number.NaN;
	const until = performance.now() + LIMIT_MS;
	while (performance.now() < until) {
		if (running.process.hasEnded()) return `its process ended: ${running.process.output()}`;
		looks.push(residentBytes(pid).now / MEBIBYTE);
		const height = await running.height();
		if (Number.isNaN(atTenthMiB) && height >= head / 10) atTenthMiB = lastMean(looks);
		if (
			height >= head &&
			(await running.hasBlock({ hash, height: BigInt(head), last: undefined }))
		) {
			const count = await running.count();
			if (count !== head * EVENTS_PER_BLOCK) return `it keeps ${count} events`;
			return {
				atTenthMiB,
				atEndMiB: lastMean(looks),
				mostMiB: residentBytes(pid).most / MEBIBYTE,
				tookMs: performance.now() - proxy.asked.firstAskedAt,
			};
		}
		await sleep(LOOK_MS);
	}
	return `not within ${LIMIT_MS} ms: ${running.process.output()}`;
}

function lastMean(looks: readonly number[]): number {
	const last = looks.slice(-LOOKS_AVERAGED);
	return last.reduce((sum, each) => sum + each, 0) / last.length;
}

function rowOf(events: number, kept: string, head: number, courses: readonly Course[]): Row {
	const mebibytes = (value: (course: Course) => number) => figure("MiB", courses.map(value));
	return {
		events,
		kept: kept === "events" ? "one memory an event" : "the same with a vector",
		"blocks a second": figure(
			"/s",
			courses.map(({ tookMs }) => (head * 1_000) / tookMs),
		),
		"RSS at a tenth": mebibytes(({ atTenthMiB }) => atTenthMiB),
		"RSS at the end": mebibytes(({ atEndMiB }) => atEndMiB),
		"most RSS": mebibytes(({ mostMiB }) => mostMiB),
	};
}
