/** What the limits of V8's heap cost, that bin/recant.js sets: the same backfill under several of them, by turns. */
import { startPostgres } from "../scripts/support/postgres-server.ts";
import { ToolError } from "../scripts/support/tool-error.ts";
import { figure, type Row } from "./figures.ts";
import { CHAIN_ID } from "./peers-backfill.ts";
import { type StartedNode, startMadeNode } from "./peers-made-node.ts";
import { type Course, courseOf, EVENTS_PER_BLOCK } from "./peers-many.ts";
import { type Kept, recant } from "./peers-recant.ts";
import type { Ground } from "./peers-trial.ts";
import type { Measured, Section, SectionContext } from "./section.ts";

const BLOCKS = 5_000;
const REPETITIONS = 5;
const KEPT = { events: "one memory an event", ledgerWithoutTexts: "the ledger" } as const;
/** With as much as 400 % and 16 MiB V8 does what it does by itself. */
const LIMITS_OF_V8: readonly (readonly [name: string, flags: readonly string[]])[] = [
	["V8's own", ["--heap-growing-percent=400", "--max-semi-space-size=16"]],
	["150 %, 8 MiB", ["--heap-growing-percent=150", "--max-semi-space-size=8"]],
	["those of `recant start`", []],
	["40 %, 8 MiB", ["--heap-growing-percent=40", "--max-semi-space-size=8"]],
];

export const heapSection: Section = {
	name: "heap",
	title: "a backfill under several limits of V8's heap",
	run: async (context) => {
		const server = await startPostgres();
		const head = context.quick ? BLOCKS / 10 : BLOCKS;
		const made = { chainId: CHAIN_ID, head, eventsPerBlock: EVENTS_PER_BLOCK };
		const node = await startMadeNode(made);
		try {
			return await measure(server, { node, head }, context);
		} finally {
			await node.stop();
			await server.stop();
		}
	},
};

async function measure(
	server: Ground["server"],
	chain: { readonly node: StartedNode; readonly head: number },
	{ quick, say }: SectionContext,
): Promise<Measured> {
	const rows: Row[] = [];
	for (const kept of Object.keys(KEPT) as readonly (keyof typeof KEPT & Kept)[]) {
		const courses = LIMITS_OF_V8.map(() => [] as Course[]);
		for (let round = 0; round < (quick ? 1 : REPETITIONS); round += 1) {
			for (const [index, [name, flags]] of LIMITS_OF_V8.entries()) {
				say(`${KEPT[kept]}, ${name}, ${round + 1}`);
				const course = await courseOf(server, { ...chain, side: recant(kept, flags) });
				if (typeof course === "string") throw failed(course);
				courses[index]?.push(course);
			}
		}
		rows.push(...courses.map((of, index) => rowOf(kept, index, chain.head, of)));
	}
	const notes = ["Growth before a collection, and each of the young generation's three spaces."];
	return {
		settings: { blocks: chain.head, "events a block": EVENTS_PER_BLOCK },
		tables: [{ title: "Limits of V8's heap", rows, notes }],
	};
}

function rowOf(
	kept: keyof typeof KEPT,
	index: number,
	head: number,
	courses: readonly Course[],
): Row {
	return {
		kept: KEPT[kept],
		limits: LIMITS_OF_V8[index]?.[0] ?? "",
		"most RSS": figure(
			"MiB",
			courses.map(({ mostMiB }) => mostMiB),
		),
		"blocks a second": figure(
			"/s",
			courses.map(({ tookMs }) => (head * 1_000) / tookMs),
		),
	};
}

function failed(why: string): ToolError {
	return new ToolError("measurement_failed", {
		message: `the backfill did not come to an end: ${why}`,
		hint: "see what the service says in the message",
	});
}
