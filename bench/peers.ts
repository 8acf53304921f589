/**
 * Recant beside Ponder, which follows chains with the same stack and keeps the present alone: the table
 * of what Recant is to reach, each figure measured of both in this run.
 *
 * Both have the same Postgres server, with a database each; the same node, behind a proxy each; the same
 * contract, and the same interval of polling. Each is a process of its own as its users run it, and is
 * measured by turns. A repetition that does not come to the right rows in time counts as failed, and is
 * shown. Ponder 1.0.0 hears of no heads, so 0.17.7 stands beside Recant where heads are announced.
 */
import { startPostgres } from "../scripts/support/postgres-server.ts";
import { groupCommitSection } from "./group-commit.ts";
import { measureBackfills } from "./peers-backfill.ts";
import { measureFollowing } from "./peers-following.ts";
import { installPeers } from "./peers-install.ts";
import { measureMany } from "./peers-many.ts";
import { measureRecovery } from "./peers-recovery.ts";
import { POLL_INTERVAL_MS } from "./peers-side.ts";
import {
	type ComparedRow,
	compared,
	comparedAlone,
	failureNotes,
	inShort,
	type Part,
} from "./peers-table.ts";
import type { Ground } from "./peers-trial.ts";
import type { Measured, Section, SectionContext } from "./section.ts";

/** Operations. */
const GROUP = 1_000;
/** With few, what handlers read is at hand; with many, hardly any is read twice. */
const FEW_HOLDERS = 50;
const MANY_HOLDERS = 100_000;
type Measure = (server: Ground["server"], context: SectionContext) => Promise<Part>;
const PARTS: Readonly<Record<string, Measure>> = {
	backfill: (server, context) => measureBackfills(server, context, FEW_HOLDERS),
	holders: (server, context) => measureBackfills(server, context, MANY_HOLDERS),
	following: measureFollowing,
	many: measureMany,
	recovery: (_server, context) => measureRecovery(context),
};

export const peersSection: Section = {
	name: "peers",
	title: "beside Ponder: the same chain, the same Postgres, by turns",
	run: async (context) =>
		measured(
			await measuredParts(Object.values(PARTS), context),
			await groupCommits(context),
			context,
		),
};

/** The same in slices, for a machine that is quiet for minutes only. */
export const peersParts: readonly Section[] = Object.entries(PARTS).map(([name, measure]) => ({
	name: `peers-${name}`,
	title: `beside Ponder, ${name} alone`,
	run: async (context) => measured(await measuredParts([measure], context), [], context),
}));

async function measuredParts(
	measures: readonly Measure[],
	context: SectionContext,
): Promise<readonly Part[]> {
	installPeers(context.say);
	const server = await startPostgres();
	try {
		const parts: Part[] = [];
		for (const measure of measures) {
			const part = await measure(server, context);
			// Said as soon as it is known: what comes later takes long, and may fail.
			for (const { row } of part.comparisons.map(compared)) context.say(inShort(row));
			parts.push(part);
		}
		return parts;
	} finally {
		await server.stop();
	}
}

/** From their own section, which measures both sides by turns already. */
async function groupCommits(context: SectionContext): Promise<readonly ComparedRow[]> {
	const { tables } = await groupCommitSection.run(context);
	const rows = tables[0]?.rows.filter(({ group }) => group === GROUP) ?? [];
	return rows.flatMap((row) => {
		const ratio = row["COPY / commit"];
		if (typeof ratio !== "object") return [];
		const what = `group commit beside COPY of its rows, ${row["operations"]}, ${GROUP} in a group`;
		return [comparedAlone(what, ratio, { atLeast: 0.6 })];
	});
}

function measured(
	parts: readonly Part[],
	commits: readonly ComparedRow[],
	{ quick }: SectionContext,
): Measured {
	const rows = [...parts.flatMap(({ comparisons }) => comparisons.map(compared)), ...commits];
	return {
		settings: {
			"polling every ms": POLL_INTERVAL_MS,
			"events a block": 4,
			peers: "Ponder 1.0.0, by WebSocket Ponder 0.17.7",
			repetitions: quick ? "few: not to be quoted" : "at least 5",
		},
		tables: [
			{
				title: "Beside Ponder",
				rows: rows.map(({ row }) => row),
				notes: [
					`${rows.filter(({ met }) => met === true).length} targets met, ${rows.filter(({ met }) => met === false).length} not met`,
					"ratio: Recant's median over the peer's. Where there is no peer the target is one of Recant's own.",
					...failureNotes(parts.flatMap(({ comparisons }) => comparisons)),
				],
			},
			...parts.flatMap(({ tables }) => tables),
		],
	};
}
