/** What a namespace's capacity for short-term memories costs a put: each pushes out the oldest. */
import { LIMITS } from "../src/domain/limits.ts";
import { NO_SETTINGS } from "../src/domain/namespace-settings.ts";
import { PostgresNamespaceStore } from "../src/store/layers/postgres-namespace-store.ts";
import { figure, median, percentile, type Row, ratios } from "./figures.ts";
import type { Section, SectionContext } from "./section.ts";
import { storedPut, submit } from "./stored-puts.ts";
import { RIG_CHAIN, startWriterRig, type WriterRig } from "./writer-rig.ts";

const CAPACITY = 1_000;
const BOUNDED = "bounded";
const OPEN = "open";
const NAMESPACES = [OPEN, BOUNDED] as const;
const GROUPS = [1, 10, 100, 1_000] as const;
const WARM_UP = 3;

const PUTS_PER_SECOND = 1_000;
/** Of the steady writes: so many commits at most a second. */
const TICK_MS = 50;

type Namespace = (typeof NAMESPACES)[number];

export const capacitySection: Section = {
	name: "capacity",
	title: `short-term memories with a capacity of ${CAPACITY} beside ones without`,
	run: async (context) => {
		const repetitions = context.quick ? 3 : 15;
		const seconds = context.quick ? 1 : 10;
		const rig = await startWriterRig();
		try {
			await rig.commitBlocks(1, 0);
			await register(rig);
			for (const namespace of NAMESPACES) await put(rig, namespace, CAPACITY);
			const groups: Row[] = [];
			for (const size of GROUPS) groups.push(await byTurns(rig, size, repetitions, context));
			const steady: Row[] = [];
			for (const namespace of NAMESPACES) {
				context.say(`${PUTS_PER_SECOND} puts a second, ${namespace}`);
				steady.push(await steadily(rig, namespace, seconds));
			}
			await requireFull(rig);
			return {
				settings: { capacity: CAPACITY, repetitions, "steady, seconds": seconds },
				tables: [
					{ title: "A put, by the size of its group", rows: groups, notes: GROUP_NOTES },
					{ title: `${PUTS_PER_SECOND} puts a second`, rows: steady, notes: STEADY_NOTES },
				],
			};
		} finally {
			await rig.stop();
		}
	},
};

const GROUP_NOTES = [
	"The whole writer: reading the inbox and what it touches, evaluating, committing; by turns. Every put is a",
	"new memory, so in the full namespace each makes two versions and two log entries: its own, and an end.",
];
const STEADY_NOTES = [
	`${(PUTS_PER_SECOND * TICK_MS) / 1_000} puts every ${TICK_MS} ms; from their being handed in to their commit. busy: share of the time`,
	"in which some waited.",
];

async function register({ database }: WriterRig): Promise<void> {
	const settings = { ...NO_SETTINGS, shortTermCapacity: CAPACITY };
	await new PostgresNamespaceStore(database).register(RIG_CHAIN, BOUNDED, settings);
	await pause(LIMITS.settingsStalenessMs);
}

async function byTurns(
	rig: WriterRig,
	size: number,
	repetitions: number,
	{ say }: SectionContext,
): Promise<Row> {
	say(`groups of ${size}`);
	const samples: Record<Namespace, number[]> = { [OPEN]: [], [BOUNDED]: [] };
	for (let round = -WARM_UP; round < repetitions; round += 1) {
		for (const namespace of round % 2 === 0 ? NAMESPACES : NAMESPACES.toReversed()) {
			const tookMs = await put(rig, namespace, size);
			if (round >= 0) samples[namespace].push((tookMs * 1_000) / size);
		}
	}
	return {
		group: size,
		"without, µs a put": figure("µs", samples[OPEN]),
		"with, µs a put": figure("µs", samples[BOUNDED]),
		"ratio of medians": median(samples[BOUNDED]) / median(samples[OPEN]),
		"ratio pair by pair": figure("×", ratios(samples[BOUNDED], samples[OPEN])),
	};
}

let written = 0;

/** Milliseconds that the writer took. */
async function put(rig: WriterRig, namespace: Namespace, count: number): Promise<number> {
	await handIn(rig, namespace, count);
	const start = performance.now();
	await rig.writer.drained();
	return performance.now() - start;
}

async function handIn(rig: WriterRig, namespace: Namespace, count: number): Promise<void> {
	const operations = Array.from({ length: count }, () => {
		written += 1;
		const content = { step: written, doing: `looks at report ${written % 97}` };
		return storedPut({ namespace, id: `step:${written}`, layer: "short_term", content });
	});
	await submit(rig, operations);
}

async function steadily(rig: WriterRig, namespace: Namespace, seconds: number): Promise<Row> {
	const ticks = (seconds * 1_000) / TICK_MS;
	const each = (PUTS_PER_SECOND * TICK_MS) / 1_000;
	const latencies: number[] = [];
	let waited = 0;
	const start = performance.now();
	for (let tick = 0; tick < ticks; tick += 1) {
		const due = start + tick * TICK_MS;
		await pause(due - performance.now());
		const began = performance.now();
		await handIn(rig, namespace, each);
		await rig.writer.drained();
		const ended = performance.now();
		// What came while an earlier group was written has waited since it was due.
		latencies.push(ended - due);
		waited += ended - began;
	}
	const tookMs = performance.now() - start;
	const sorted = latencies.toSorted((a, b) => a - b);
	return {
		namespace: namespace === OPEN ? "without" : "with a capacity",
		"puts/s": Math.round((ticks * each * 1_000) / tookMs),
		"p50 (ms)": percentile(sorted, 0.5),
		"p99 (ms)": percentile(sorted, 0.99),
		"busy (%)": (waited * 100) / tookMs,
		"busy, µs a put": (waited * 1_000) / (ticks * each),
	};
}

async function requireFull({ database }: WriterRig): Promise<void> {
	const [row] = await database.run(
		(sql) => sql<{ visible: bigint }[]>`
			select count(*) as visible from versions where namespace = ${BOUNDED}
				and content is not null and to_gen = 9223372036854775807 and to_block = 9223372036854775807`,
	);
	if (Number(row?.visible) === CAPACITY) return;
	throw new RangeError(`${row?.visible} memories are visible, and the capacity is ${CAPACITY}`);
}

async function pause(ms: number): Promise<void> {
	if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}
