/** Time from the fork's head being available at the node to the commit of the rollback. */
import { type BenchService, startBenchService } from "./bench-service.ts";
import { type Figure, figure, median, type Row, ratios, type Table } from "./figures.ts";
import { TRANSFERS_PER_BLOCK } from "./ledger-node.ts";
import type { Measured, Section, SectionContext } from "./section.ts";

const POLL_INTERVAL_MS = 50;
const STAGES = ["plan", "rewind", "replay", "verify", "commit"] as const;
type Part = "detect" | (typeof STAGES)[number];

interface Sample {
	/** From the first request that can see the branch. */
	readonly wholeMs: number;
	readonly parts: Readonly<Record<Part, number>>;
	readonly requests: number;
}

interface Setup {
	/** How often each: shallow forks vary more for their size, and cost less to repeat. */
	readonly depths: readonly { readonly depth: number; readonly repetitions: number }[];
	readonly sizes: readonly [small: number, large: number];
}

const WHOLE: Setup = {
	depths: [
		{ depth: 1, repetitions: 15 },
		{ depth: 5, repetitions: 21 },
		{ depth: 20, repetitions: 9 },
		{ depth: 60, repetitions: 7 },
	],
	sizes: [10_000, 100_000],
};
const QUICK: Setup = {
	depths: [
		{ depth: 1, repetitions: 5 },
		{ depth: 5, repetitions: 5 },
	],
	sizes: [1_000, 10_000],
};

export const rollbackSection: Section = {
	name: "rollback",
	title: "from the fork's head being available to the commit",
	run: async (context) => {
		const setup = context.quick ? QUICK : WHOLE;
		const services: BenchService[] = [];
		try {
			for (const size of setup.sizes) {
				const service = await startBenchService({ pollIntervalMs: POLL_INTERVAL_MS });
				services.push(service);
				await fill(service, size, context);
			}
			return await measure(services, setup, context);
		} finally {
			for (const service of services) await service.stop();
		}
	},
};

async function fill(
	service: BenchService,
	memories: number,
	{ say }: SectionContext,
): Promise<void> {
	say(`writing ${memories} memories`);
	const start = performance.now();
	await service.fill(memories);
	say(`written and final after ${Math.round((performance.now() - start) / 1_000)} s`);
	await service.gate.shut();
}

async function measure(
	services: readonly BenchService[],
	setup: Setup,
	{ say }: SectionContext,
): Promise<Measured> {
	const byDepth: { depth: number; samples: Sample[][]; rawMs: number[][] }[] = [];
	for (const { depth, repetitions } of setup.depths) {
		say(`rollbacks of depth ${depth}`);
		const samples: Sample[][] = services.map(() => []);
		const rawMs: number[][] = services.map(() => []);
		// One more at first, which is not counted: plans, caches and compiled code.
		for (let round = 0; round <= repetitions; round += 1) {
			// First the one, then the other: whoever comes second finds the machine warm.
			const order = [...services.entries()];
			for (const [index, service] of round % 2 === 0 ? order : order.reverse()) {
				const sample = await behindGate(service, depth);
				const raw = await inTheOpen(service, depth);
				if (round === 0) continue;
				samples[index]?.push(sample);
				rawMs[index]?.push(raw);
			}
		}
		byDepth.push({ depth, samples, rawMs });
	}
	return {
		settings: {
			"polling every ms": POLL_INTERVAL_MS,
			"transfers a block": TRANSFERS_PER_BLOCK,
			"memories of agents": setup.sizes.join(" and "),
		},
		tables: [totals(byDepth, setup), ...setup.sizes.map((size, at) => stages(byDepth, size, at))],
	};
}

/** The branch shows itself whole, as on a real node; time counts from the request that sees it. */
export async function behindGate(service: BenchService, depth: number): Promise<Sample> {
	const { gate, node, watch } = service;
	await gate.shut();
	const fork = await node.readyFork(depth);
	const head = await fork();
	gate.open();
	const { atMs } = await watch.committed(head);
	const wholeMs = atMs - gate.firstAfterOpening;
	const { requests } = gate;
	await service.caughtUp();
	await rested(service);
	const stageMs = watch.stageMs;
	const staged = STAGES.reduce((sum, stage) => sum + (stageMs[stage] ?? 0), 0);
	const parts = Object.fromEntries(STAGES.map((stage) => [stage, stageMs[stage] ?? 0]));
	return {
		wholeMs,
		requests,
		parts: { ...(parts as Record<(typeof STAGES)[number], number>), detect: wholeMs - staged },
	};
}

/** As it comes: polls go on while Anvil builds the fork; time counts from the end of the call. */
async function inTheOpen({ gate, node, watch, ...service }: BenchService, depth: number) {
	const fork = await node.readyFork(depth);
	gate.open();
	const head = await fork();
	const start = performance.now();
	const { atMs } = await watch.committed(head);
	await service.caughtUp();
	await gate.shut();
	return atMs - start;
}

/** The round after a rollback looks at the node once more; it belongs to nobody's time. */
async function rested({ gate }: BenchService): Promise<void> {
	await new Promise((resolve) => setTimeout(resolve, 2 * POLL_INTERVAL_MS));
	await gate.shut();
}

interface DepthSamples {
	readonly depth: number;
	readonly samples: readonly (readonly Sample[])[];
	readonly rawMs: readonly (readonly number[])[];
}

function totals(byDepth: readonly DepthSamples[], { sizes }: Setup): Table {
	const rows = byDepth.map(({ depth, samples, rawMs }): Row => {
		const [small = [], large = []] = samples.map((each) => each.map(({ wholeMs }) => wholeMs));
		const [rawSmall = [], rawLarge = []] = rawMs;
		return {
			depth,
			[named(sizes[0])]: figure("ms", small),
			[named(sizes[1])]: figure("ms", large),
			"ratio of medians": median(large) / median(small),
			"ratio pair by pair": figure("×", ratios(large, small)),
			[`raw, ${named(sizes[0])}`]: figure("ms", rawSmall),
			[`raw, ${named(sizes[1])}`]: figure("ms", rawLarge),
		};
	});
	return {
		title: "Rollback, whole",
		rows,
		notes: [
			"From the first request that can see the whole branch to an event client hearing of the commit.",
			`raw: from the end of Anvil's call, polling every ${POLL_INTERVAL_MS} ms, which sees half-built forks as well.`,
		],
	};
}

function stages(byDepth: readonly DepthSamples[], size: number, at: number): Table {
	const parts: readonly Part[] = ["detect", ...STAGES];
	const rows = byDepth.map(({ depth, samples }): Row => {
		const here = samples[at] ?? [];
		const figures = parts.map((part): [string, Figure] => [
			part,
			figure(
				"ms",
				here.map((sample) => sample.parts[part]),
			),
		]);
		const requests = median(here.map((sample) => sample.requests));
		return { depth, ...Object.fromEntries(figures), "requests to the node": requests };
	});
	return {
		title: `By stage, ${named(size)}`,
		rows,
		notes: [
			"detect: the head, the walk back, the record with its outbox entry, the claim, the event.",
		],
	};
}

function named(memories: number): string {
	return `${memories.toLocaleString("en-US")} memories`;
}
