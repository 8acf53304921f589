/** What provenance costs a rollback: conclusions that rest on others, beside ones that rest on nothing. */
import type { AtRequest } from "../src/domain/coordinate.ts";
import { LIMITS } from "../src/domain/limits.ts";
import type { SourceRef } from "../src/domain/provenance.ts";
import { type BenchService, CHAIN, SETTLING_BLOCKS, startBenchService } from "./bench-service.ts";
import { CHAIN_DEPTH, conclusions, FAN_WIDTH, ONE_IN } from "./derived-conclusions.ts";
import { figure, median, type Row, ratios, type Table } from "./figures.ts";
import { watchMemory } from "./memory-watch.ts";
import type { Section, SectionContext } from "./section.ts";

const POLL_INTERVAL_MS = 20;
/** Blocks that the fork replaces; a fifth of the operations comes after each. */
const DEPTH = 5;
/** Agents' memories that are final, for conclusions to rest on beside the handlers'. */
const FACTS = 1_000;
const PAGE = 500;
const STAGES = ["plan", "rewind", "replay", "verify", "commit"] as const;
const KINDS = ["plain", "derived"] as const;
type Kind = (typeof KINDS)[number];
type Part = "whole" | (typeof STAGES)[number];

interface Sample {
	readonly ms: Readonly<Record<Part, number>>;
	readonly heapGrownBytes: number;
	/** Writing them all, in requests of 1,000. */
	readonly writtenMs: number;
}

type Samples = Readonly<Record<Kind, Sample[]>>;

export const derivationsSection: Section = {
	name: "derivations",
	title: "a rollback that judges derived operations",
	run: async (context) => {
		const operations = context.quick ? 2_000 : 10_000;
		const repetitions = context.quick ? 1 : 5;
		const service = await startBenchService({ pollIntervalMs: POLL_INTERVAL_MS });
		const samples: Samples = { plain: [], derived: [] };
		try {
			await service.fill(FACTS, { embedded: 1 });
			const standing = await standingSources(service);
			for (let round = 0; round <= repetitions; round += 1) {
				for (const kind of round % 2 === 0 ? KINDS : KINDS.toReversed()) {
					const sample = await oneRollback(service, { kind, round, operations, standing }, context);
					// The first warms up.
					if (round > 0) samples[kind].push(sample);
				}
			}
		} finally {
			await service.stop();
		}
		return {
			settings: { operations, depth: DEPTH, repetitions, "agents' memories": FACTS },
			tables: [stagesTable(samples), besidesTable(samples, operations)],
		};
	},
};

interface Round {
	readonly kind: Kind;
	readonly round: number;
	readonly operations: number;
	readonly standing: readonly SourceRef[];
}

/** Writes the operations above an ancestor, forks below them, and makes what is left final. */
async function oneRollback(
	service: BenchService,
	{ kind, round, operations, standing }: Round,
	{ say }: SectionContext,
): Promise<Sample> {
	say(`${kind}, round ${round}`);
	const { node, gate, watch } = service;
	await node.mine(1);
	await service.caughtUp();
	const orphaned = await orphanedSources(service);
	const sourced = kind === "derived" ? { standing, orphaned } : undefined;
	const requests = conclusions(operations, `${kind}-${round}`, sourced);
	const writtenMs = await written(service, requests);
	await gate.shut();
	const head = await (await node.readyFork(DEPTH))();
	const { result: atMs, heapGrownBytes } = await watchMemory(async () => {
		gate.open();
		return (await watch.committed(head)).atMs;
	});
	const wholeMs = atMs - gate.firstAfterOpening;
	await service.caughtUp();
	await gate.shut();
	gate.open();
	await requireVerdicts(service, { kind, operations });
	const stages = STAGES.map((stage) => [stage, watch.stageMs[stage] ?? Number.NaN] as const);
	const ms = { whole: wholeMs, ...Object.fromEntries(stages) } as Record<Part, number>;
	await node.mineEmpty(SETTLING_BLOCKS);
	await service.caughtUp();
	return { ms, heapGrownBytes, writtenMs };
}

/** A request of 1,000 at a time, spread over the blocks that will be orphaned. Milliseconds of writing. */
async function written(
	service: BenchService,
	requests: ReturnType<typeof conclusions>,
): Promise<number> {
	const perBlock = Math.ceil(requests.length / DEPTH);
	let tookMs = 0;
	for (let start = 0; start < requests.length; start += perBlock) {
		if (start > 0) {
			await service.node.mine(1);
			await service.caughtUp();
		}
		const ofBlock = requests.slice(start, start + perBlock);
		const began = performance.now();
		for (let from = 0; from < ofBlock.length; from += LIMITS.batchOperations) {
			const operations = ofBlock.slice(from, from + LIMITS.batchOperations);
			const deadlineMs = LIMITS.writeDeadlineMs;
			await service.service.write(CHAIN, { operations, idempotencyKey: undefined, deadlineMs });
		}
		tookMs += performance.now() - began;
	}
	return tookMs;
}

/** What no fork reaches: as many of the handlers' as of the agents'. */
async function standingSources(service: BenchService): Promise<readonly SourceRef[]> {
	const handlers = await sources(service, { namespace: "ledger", layer: "episodic" });
	const agents = await sources(service, { namespace: "default", layer: "semantic" });
	const each = Math.min(handlers.length, agents.length);
	return Array.from({ length: each }, (_, n) => [handlers[n], agents[n]])
		.flat()
		.filter((source) => source !== undefined);
}

/** Transfers of the newest block, which the fork will not have. */
async function orphanedSources(service: BenchService): Promise<readonly SourceRef[]> {
	const { head } = await service.service.chain(CHAIN);
	return sources(service, { namespace: "ledger", layer: "episodic", since: head?.height });
}

async function sources(
	{ service }: BenchService,
	{
		since,
		...query
	}: {
		readonly namespace: string;
		readonly layer: "episodic" | "semantic";
		readonly since?: bigint | undefined;
	},
): Promise<readonly SourceRef[]> {
	const found: SourceRef[] = [];
	let cursor: string | undefined;
	do {
		const page = await service.memories(CHAIN, { at: PENDING, ...query, limit: PAGE, cursor });
		for (const { namespace, id, contentHash, since: from } of page.items) {
			if (since === undefined || from === since) found.push({ namespace, id, contentHash });
		}
		cursor = page.cursor;
	} while (cursor !== undefined);
	return found;
}

const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };

/** A tenth is suspended where operations rest on something, and the rest is carried over. */
async function requireVerdicts(
	{ service }: BenchService,
	{ kind, operations }: { readonly kind: Kind; readonly operations: number },
): Promise<void> {
	const { items } = await service.rollbacks(CHAIN, { limit: 1, cursor: undefined });
	const { suspended = 0, replayed = 0 } = items[0]?.counts ?? {};
	const lost = kind === "derived" ? operations / ONE_IN : 0;
	if (suspended === lost && replayed === operations - lost) return;
	throw new RangeError(`${kind}: ${suspended} were suspended and ${replayed} replayed`);
}

function stagesTable(samples: Samples): Table {
	const parts: readonly Part[] = ["whole", ...STAGES];
	return {
		title: "Rollback by stage",
		rows: parts.map((part) => {
			const of = (kind: Kind) => samples[kind].map(({ ms }) => ms[part]);
			return { part, ...compared("ms", of("plain"), of("derived")) };
		}),
		notes: [
			"whole: from the first request that can see the branch to an event client hearing of the commit.",
			`Half of the derived ones are in chains of ${CHAIN_DEPTH}, half in fans of ${FAN_WIDTH}; a tenth rests on transfers that the fork has not.`,
		],
	};
}

function besidesTable(samples: Samples, operations: number): Table {
	const of = (kind: Kind, value: (sample: Sample) => number) => samples[kind].map(value);
	const heap = ({ heapGrownBytes }: Sample) => heapGrownBytes / 2 ** 20;
	const micros = ({ writtenMs }: Sample) => (writtenMs * 1_000) / operations;
	return {
		title: "Beside time",
		rows: [
			{
				part: "heap at its most, in the rollback",
				...compared("MiB", of("plain", heap), of("derived", heap)),
			},
			{
				part: "writing one, in requests of 1,000",
				...compared("µs", of("plain", micros), of("derived", micros)),
			},
		],
		notes: [
			"heap: with garbage that was not collected yet; of the service's process, without Postgres.",
		],
	};
}

function compared(
	unit: "ms" | "µs" | "MiB",
	plain: readonly number[],
	derived: readonly number[],
): Row {
	return {
		plain: figure(unit, plain),
		derived: figure(unit, derived),
		"ratio of medians": median(derived) / median(plain),
		"ratio pair by pair": figure("×", ratios(derived, plain)),
	};
}
