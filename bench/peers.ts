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
import { measureBackfills } from "./peers-backfill.ts";
import { measureFollowing } from "./peers-following.ts";
import { installPeers } from "./peers-install.ts";
import { measureMany } from "./peers-many.ts";
import { measureRecovery } from "./peers-recovery.ts";
import { POLL_INTERVAL_MS } from "./peers-side.ts";
import { compared, failureNotes, type Part } from "./peers-table.ts";
import type { Measured, Section, SectionContext } from "./section.ts";

export const peersSection: Section = {
	name: "peers",
	title: "beside Ponder: the same chain, the same Postgres, by turns",
	run: async (context) => {
		installPeers(context.say);
		const server = await startPostgres();
		try {
			const parts = [
				await measureBackfills(server, context),
				await measureFollowing(server, context),
				await measureMany(server, context),
				await measureRecovery(context),
			];
			return measured(parts, context);
		} finally {
			await server.stop();
		}
	},
};

function measured(parts: readonly Part[], { quick }: SectionContext): Measured {
	const rows = parts.flatMap(({ comparisons }) => comparisons.map(compared));
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
