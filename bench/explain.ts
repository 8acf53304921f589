/**
 * Explaining a memory, and the difference between two coordinates, over 100,000 memories whose derivations
 * are ten deep: each from the call of the service to its answer, HTTP and JSON aside.
 */
import { makeTempDir } from "../scripts/support/temp-dir.ts";
import { ToolError } from "../scripts/support/tool-error.ts";
import type { AtRequest } from "../src/domain/coordinate.ts";
import { Explain } from "../src/service/explaining/explain.ts";
import { diffPage } from "../src/service/reading/diff.ts";
import type { Database } from "../src/store/database.ts";
import { PostgresExplainStore } from "../src/store/reading/postgres-explain-store.ts";
import { PostgresStateStore } from "../src/store/reading/postgres-state-store.ts";
import { startEmbeddedDatabase } from "./embedded-database.ts";
import {
	ANCESTOR,
	CHAIN,
	ENDED_AT,
	fillExplained,
	HEAD,
	LAYERS,
	nameOf,
} from "./explained-rows.ts";
import { figure, percentile, type Row } from "./figures.ts";
import type { Measured, Section, SectionContext } from "./section.ts";

const DIFF_PAGE = 100;
const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };
const NOW = atHeight(HEAD, 1n);

export const explainSection: Section = {
	name: "explain",
	title: "explanations and differences over conclusions ten deep",
	run: async (context) => {
		const dir = makeTempDir("bench-explain");
		const { database, stop } = await startEmbeddedDatabase(`${dir.path}/postgres`);
		try {
			return await measure(database, context);
		} finally {
			await stop();
			dir.remove();
		}
	},
};

async function measure(database: Database, { quick, say }: SectionContext): Promise<Measured> {
	const memories = quick ? 10_000 : 100_000;
	const width = Math.floor(memories / (LAYERS + 1));
	const rounds = quick ? 20 : 300;
	say(`${memories} memories, each concluded from up to three of the layer below`);
	await fillExplained(database, width);
	const works = [...explanations(database, width), ...differences(database)];
	const rows: Row[] = [];
	for (const work of works) {
		say(work.what);
		rows.push(await timed(work, rounds));
	}
	return {
		settings: { memories: width * (LAYERS + 1), "derivations deep": LAYERS, rounds },
		tables: [{ title: "Median and 99th percentile", rows, notes: NOTES }],
	};
}

const NOTES = [
	"Each round names another memory. An explanation reads versions, operations, verdicts, blocks, rollbacks,",
	"and derivations up and down, a statement a step; it ends at 200 sources and 200 dependents.",
];

interface Work {
	readonly what: string;
	/** Answers how much it found. */
	readonly run: (round: number) => Promise<number>;
}

function explanations(database: Database, width: number): readonly Work[] {
	const explain = new Explain({
		store: new PostgresExplainStore(database),
		chainId: () => CHAIN,
	});
	const told = (layer: number, n: number, depth: number) =>
		explain.explain("bench", {
			namespace: layer === 0 ? "ledger" : "default",
			id: nameOf(layer, n),
			at: PENDING,
			depth,
		});
	const place = (round: number) => (round * 7_919) % width;
	return [
		{
			what: "a conclusion, 10 derivations down",
			run: async (round) => (await told(LAYERS, place(round), LAYERS)).sources.length,
		},
		{
			what: "the same, 3 derivations down",
			run: async (round) => (await told(LAYERS, place(round), 3)).sources.length,
		},
		{
			what: "one in the middle, both ways",
			run: async (round) => {
				const { sources, dependents } = await told(LAYERS / 2, place(round), LAYERS);
				return sources.length + dependents.length;
			},
		},
		{
			what: "one that a fork took back and gave back",
			run: async (round) => {
				const n = Math.floor(place(round) / 100) * 100 + 7;
				const { rollbacks, operations } = await told(LAYERS, n % width, LAYERS);
				return rollbacks.length + operations.length;
			},
		},
		{
			what: "a memory of the chain that all rests on",
			run: async (round) => (await told(0, place(round), LAYERS)).dependents.length,
		},
	];
}

function differences(database: Database): readonly Work[] {
	const state = new PostgresStateStore(database);
	const differing = async (from: AtRequest, to: AtRequest) => {
		const query = { from, to, namespace: undefined, limit: DIFF_PAGE, cursor: undefined };
		return (await diffPage(state, CHAIN, query)).items.length;
	};
	return [
		{
			what: `a page of ${DIFF_PAGE} between two heights`,
			run: async (round) => differing(atHeight(100 + (round % 800), 1n), NOW),
		},
		{
			what: `a page of ${DIFF_PAGE} between a block that was taken back and now`,
			run: async (round) => differing(atHeight(ANCESTOR + 3 + (round % 5), 0n), NOW),
		},
		{
			what: "between the ends of two generations",
			run: async () => differing(atHeight(ENDED_AT, 0n), atHeight(ENDED_AT, 1n)),
		},
	];
}

function atHeight(height: number, generation: bigint): AtRequest {
	return { at: { kind: "height", height: BigInt(height) }, generation };
}

async function timed({ what, run }: Work, rounds: number): Promise<Row> {
	const samples: number[] = [];
	let found = 0;
	for (let round = 0; round <= rounds; round += 1) {
		const start = performance.now();
		const items = await run(round);
		// The first warms up.
		if (round > 0) samples.push(performance.now() - start);
		found = Math.max(found, items);
	}
	if (found === 0) {
		throw new ToolError("measurement_failed", {
			message: `${what}: nothing was found in ${rounds} rounds`,
			hint: "the rows of this section do not fit the service's reads any more",
		});
	}
	const sorted = samples.toSorted((a, b) => a - b);
	return {
		what,
		time: figure("ms", samples),
		"p99 (ms)": percentile(sorted, 0.99),
		"most found": found,
	};
}
