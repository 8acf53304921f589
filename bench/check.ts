/** Consistency checks of a large state, by level and by rule. */
import { LIMITS } from "../src/domain/limits.ts";
import { type BenchService, CHAIN, startBenchService } from "./bench-service.ts";
import { checkMs, requireClean, runCheck } from "./checked-state.ts";
import { figure, median, type Row, type Table } from "./figures.ts";
import { watchMemory } from "./memory-watch.ts";
import type { Section, SectionContext } from "./section.ts";

const POLL_INTERVAL_MS = 50;
/** No check of its own accord, and none that waits for its budget. */
const SETTINGS = { basicEveryMs: 0, readBudgetRowsPerSecond: LIMITS.readRowsPerSecond };
const MIB = 1_048_576;

type Input = Parameters<typeof runCheck>[1];

const KINDS: readonly { readonly name: string; readonly input: Input }[] = [
	{ name: "basic", input: { level: "basic" } },
	{ name: "full", input: { level: "full" } },
	{ name: "comprehensive", input: { level: "comprehensive" } },
	{
		name: "full, sampled for 99 % and 1 in 1,000",
		input: { level: "full", sample: { seed: "bench", confidence: 0.99, tolerance: 0.001 } },
	},
];

interface Sample {
	readonly wallMs: number;
	readonly grownBytes: number;
	readonly rules: Awaited<ReturnType<typeof runCheck>>["rules"];
}

export const checkSection: Section = {
	name: "check",
	title: "consistency checks of a large state",
	run: async (context) => {
		const [memories, embedded] = context.quick ? [5_000, 500] : [100_000, 10_000];
		const repetitions = context.quick ? 2 : 3;
		const service = await startBenchService({
			pollIntervalMs: POLL_INTERVAL_MS,
			consistency: SETTINGS,
		});
		try {
			context.say(`writing ${memories} memories, ${embedded} with text`);
			await service.fill(memories, { embedded });
			const samples = await measure(service, repetitions, context);
			const [collection] = (await service.client.chain(CHAIN)).collections;
			return {
				settings: {
					"agents' memories": memories,
					"with vectors": embedded,
					"of these in the tail": collection?.tail ?? 0,
					repetitions,
					"read budget": `${SETTINGS.readBudgetRowsPerSecond} rows/s`,
				},
				tables: [levels(samples, memories), rules(samples)],
			};
		} finally {
			await service.stop();
		}
	},
};

/** By turns; the first round warms up. */
async function measure(
	service: BenchService,
	repetitions: number,
	{ say }: SectionContext,
): Promise<ReadonlyMap<string, readonly Sample[]>> {
	const samples = new Map<string, Sample[]>(KINDS.map(({ name }) => [name, []]));
	for (let round = 0; round <= repetitions; round += 1) {
		for (const { name, input } of KINDS) {
			say(`round ${round}, ${name}`);
			const { result, grownBytes } = await watchMemory(() => runCheck(service, input));
			requireClean(result);
			if (round === 0) continue;
			const sample = { wallMs: checkMs(result), grownBytes, rules: result.rules };
			samples.get(name)?.push(sample);
		}
	}
	return samples;
}

function levels(samples: ReadonlyMap<string, readonly Sample[]>, memories: number): Table {
	const rows = [...samples].map(([check, of]): Row => {
		const wallMs = of.map((sample) => sample.wallMs);
		const read = median(of.map((sample) => recordsOf(sample)));
		return {
			check,
			whole: figure("ms", wallMs),
			"records read": read,
			"records a second": figure(
				"/s",
				wallMs.map((ms) => (read * 1_000) / ms),
			),
			"memories a second": Math.round((memories * 1_000) / median(wallMs)),
			"memory grows by": `${Math.round(median(of.map((sample) => sample.grownBytes)) / MIB)} MiB`,
		};
	});
	return {
		title: "Checks by level",
		rows,
		notes: [
			"From the request to the run's end, with its way through the queue. Nothing was found in any.",
			"Records are what rules looked at; memories that several rules look at are read once and count once each.",
			"Memory is this process's, with Postgres beside it and LanceDB in it.",
		],
	};
}

function recordsOf({ rules }: Sample): number {
	return rules.reduce((sum, { checked }) => sum + checked, 0);
}

function rules(samples: ReadonlyMap<string, readonly Sample[]>): Table {
	const of = samples.get("comprehensive") ?? [];
	const rows = (of[0]?.rules ?? []).map(({ name, checked }): Row => {
		const ms = of.map((sample) => sample.rules.find((rule) => rule.name === name)?.ms ?? 0);
		return { rule: name, records: checked, time: figure("ms", ms) };
	});
	const timed = rows.toSorted((a, b) => medianOf(b) - medianOf(a));
	return {
		title: "Rules of the comprehensive level, the dearest first",
		rows: timed,
		notes: [
			"Rules of memories share one pass over the versions, whose reading is not in their time.",
		],
	};
}

function medianOf({ time }: Row): number {
	return typeof time === "object" ? time.median : 0;
}
