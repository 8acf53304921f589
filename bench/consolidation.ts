/** One run of a rule of consolidation over many members, and one that finds nothing new. */

import { LIMITS } from "../src/domain/limits.ts";
import type { ConsolidationRule } from "../src/domain/namespace-settings.ts";
import { NO_SETTINGS } from "../src/domain/namespace-settings.ts";
import { PostgresNamespaceStore } from "../src/store/layers/postgres-namespace-store.ts";
import { type Call, coveredMs } from "./call-log.ts";
import { figure, type Row } from "./figures.ts";
import { type Watched, watchMemory } from "./memory-watch.ts";
import type { Section } from "./section.ts";
import { storedOperation, storedPut, submit } from "./stored-puts.ts";
import { RIG_CHAIN, startWriterRig, type WriterRig } from "./writer-rig.ts";

const GROUPS = 100;
/** Members after the first run, one for each group. */
const MORE = GROUPS;

const RULE: ConsolidationRule = {
	name: "topics",
	layers: ["short_term"],
	groupBy: "topic",
	take: { kind: "frequency", atLeast: 10 },
	everyBlocks: undefined,
	halfLifeBlocks: undefined,
};

interface Sample {
	readonly wholeMs: number;
	readonly readingMs: number;
	readonly commitMs: number;
	readonly heapGrownBytes: number;
}

const RUNS = ["first", "again, nothing new", `again, ${MORE} members more`] as const;

export const consolidationSection: Section = {
	name: "consolidation",
	title: "short-term memories to long-term ones, by frequency",
	run: async ({ quick, say }) => {
		const members = quick ? 1_000 : 10_000;
		const repetitions = quick ? 2 : 7;
		const rig = await startWriterRig();
		const samples = RUNS.map((): Sample[] => []);
		try {
			await rig.commitBlocks(1, 0);
			await register(rig, repetitions + 1);
			for (let round = 0; round <= repetitions; round += 1) {
				say(`namespace ${round}, ${members} members`);
				const measured = await oneNamespace(rig, namespaceOf(round), members);
				// The first warms up.
				if (round > 0) for (const [run, sample] of measured.entries()) samples[run]?.push(sample);
			}
			return {
				settings: { members, groups: GROUPS, repetitions },
				tables: [
					{
						title: "One operation that consolidates",
						rows: RUNS.map((run, index) => rowOf(run, samples[index] ?? [])),
						notes: NOTES,
					},
				],
			};
		} finally {
			await rig.stop();
		}
	},
};

const NOTES = [
	"whole: from its being in the inbox to its commit. reading: Postgres other than the commit. memory: of the heap",
	`at its most. The first run writes ${GROUPS} memories with ${LIMITS.sources} sources each; members have no text.`,
];

function namespaceOf(round: number): string {
	return `consolidated-${round}`;
}

async function register({ database }: WriterRig, namespaces: number): Promise<void> {
	const store = new PostgresNamespaceStore(database);
	for (let round = 0; round < namespaces; round += 1) {
		const settings = { ...NO_SETTINGS, consolidation: [RULE] };
		await store.register(RIG_CHAIN, namespaceOf(round), settings);
	}
	await new Promise((resolve) => setTimeout(resolve, LIMITS.settingsStalenessMs));
}

async function oneNamespace(rig: WriterRig, namespace: string, members: number) {
	await fill(rig, namespace, { from: 0, to: members });
	const first = await consolidated(rig, namespace);
	await requirePuts(rig, namespace, GROUPS);
	const again = await consolidated(rig, namespace);
	await requirePuts(rig, namespace, GROUPS);
	await fill(rig, namespace, { from: members, to: members + MORE });
	const more = await consolidated(rig, namespace);
	await requirePuts(rig, namespace, GROUPS);
	return [first, again, more];
}

async function fill(
	rig: WriterRig,
	namespace: string,
	{ from, to }: { readonly from: number; readonly to: number },
): Promise<void> {
	for (let start = from; start < to; start += LIMITS.batchOperations) {
		const count = Math.min(LIMITS.batchOperations, to - start);
		await submit(
			rig,
			Array.from({ length: count }, (_, nth) => seen(namespace, start + nth)),
		);
		await rig.writer.drained();
	}
}

function seen(namespace: string, index: number) {
	const content = { topic: `topic ${index % GROUPS}`, report: index % 97, kind: "sighting" };
	return storedPut({ namespace, id: `seen:${index}`, layer: "short_term", content });
}

async function consolidated(rig: WriterRig, namespace: string): Promise<Sample> {
	const id = `@consolidation:${RULE.name}`;
	const operation = { kind: "consolidate", namespace, id, ifVersion: undefined } as const;
	await submit(rig, [storedOperation({ ...operation, rule: RULE.name })]);
	rig.calls.take();
	const fromMs = performance.now();
	const watched = await watchMemory(() => rig.writer.drained());
	return sampleOf(watched, rig.calls.take(), { fromMs, toMs: performance.now() });
}

function sampleOf(
	{ tookMs, heapGrownBytes }: Watched<void>,
	calls: readonly Call[],
	within: { readonly fromMs: number; readonly toMs: number },
): Sample {
	const isCommit = ({ name }: Call) => name === "store.commit";
	const ofStore = calls.filter(({ name }) => name.startsWith("store."));
	return {
		wholeMs: tookMs,
		readingMs: coveredMs(
			ofStore.filter((call) => !isCommit(call)),
			within,
		),
		commitMs: coveredMs(ofStore.filter(isCommit), within),
		heapGrownBytes,
	};
}

async function requirePuts({ database }: WriterRig, namespace: string, wanted: number) {
	const [row] = await database.run(
		(sql) => sql<{ made: bigint }[]>`
			select count(*) as made from versions where namespace = ${namespace} and layer = 1
				and content is not null and to_gen = 9223372036854775807 and to_block = 9223372036854775807`,
	);
	if (Number(row?.made) === wanted) return;
	throw new RangeError(`${row?.made} long-term memories were made, and not ${wanted}`);
}

function rowOf(run: string, samples: readonly Sample[]): Row {
	const of = (part: keyof Sample) => samples.map((sample) => sample[part]);
	return {
		run,
		whole: figure("ms", of("wholeMs")),
		reading: figure("ms", of("readingMs")),
		commit: figure("ms", of("commitMs")),
		"memory, MiB": figure(
			"MiB",
			of("heapGrownBytes").map((bytes) => bytes / 2 ** 20),
		),
	};
}
