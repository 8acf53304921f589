/** Checks, what they found, and what was repaired. */
import {
	doublePrecision,
	index,
	integer,
	jsonb,
	primaryKey,
	text,
	uuid,
} from "drizzle-orm/pg-core";
import { at, big, chainId, recant } from "./columns.ts";

export const consistencyRuns = recant.table(
	"consistency_runs",
	{
		runId: uuid("run_id").primaryKey(),
		chainId: chainId(),
		level: text("level").notNull(),
		/** running, done or failed. */
		state: text("state").notNull(),
		/** operator, schedule or start. */
		cause: text("cause").notNull(),
		/** What was compared: null until it is known. */
		generation: big("generation"),
		height: big("height"),
		logPosition: big("log_position"),
		/** In [0, 1]; null until it is done. */
		score: doublePrecision("score"),
		/** JSON: rule → {checked, found, ms, sampled}. */
		rules: text("rules").notNull().default("{}"),
		/** JSON: severity → count; the list of findings may be cut, these are whole. */
		counts: text("counts").notNull().default("{}"),
		error: jsonb("error"),
		startedAt: at("started_at").notNull().defaultNow(),
		finishedAt: at("finished_at"),
	},
	(t) => [index("consistency_runs_by_chain").on(t.chainId, t.startedAt)],
);

export const findings = recant.table(
	"findings",
	{
		runId: uuid("run_id").notNull(),
		seq: integer("seq").notNull(),
		class: text("class").notNull(),
		severity: text("severity").notNull(),
		/** JSON of the finding. */
		body: text("body").notNull(),
	},
	(t) => [primaryKey({ columns: [t.runId, t.seq] })],
);

export const repairs = recant.table(
	"repairs",
	{
		repairId: uuid("repair_id").primaryKey(),
		chainId: chainId(),
		runId: uuid("run_id").notNull(),
		/** running, done or failed. */
		state: text("state").notNull(),
		/** JSON: outcome → count. */
		counts: text("counts").notNull().default("{}"),
		/** JSON array: what was done for each finding, or why it was not. */
		outcomes: text("outcomes").notNull().default("[]"),
		error: jsonb("error"),
		startedAt: at("started_at").notNull().defaultNow(),
		finishedAt: at("finished_at"),
	},
	(t) => [index("repairs_by_chain").on(t.chainId, t.startedAt)],
);
