/** Rollbacks, and the change sets that are prepared for them. */
import { sql } from "drizzle-orm";
import {
	boolean,
	index,
	integer,
	jsonb,
	primaryKey,
	text,
	uniqueIndex,
	uuid,
} from "drizzle-orm/pg-core";
import { at, big, chainId, recant } from "./columns.ts";

export const rollbacks = recant.table(
	"rollbacks",
	{
		rollbackId: uuid("rollback_id").primaryKey(),
		chainId: chainId(),
		cause: text("cause").notNull(),
		state: text("state").notNull(),
		stage: text("stage"),
		fromGeneration: big("from_generation").notNull(),
		ancestorHeight: big("ancestor_height").notNull(),
		ancestorHash: text("ancestor_hash").notNull(),
		fromHeight: big("from_height").notNull(),
		fromHash: text("from_hash").notNull(),
		toHeight: big("to_height").notNull(),
		toHash: text("to_hash").notNull(),
		/** JSON array of the new branch's headers, ascending. */
		branch: text("branch").notNull(),
		attempt: integer("attempt").notNull().default(0),
		/** How many rollbacks in a row were superseded before this one. */
		supersessions: integer("supersessions").notNull().default(0),
		claimHolder: text("claim_holder"),
		claimUntil: at("claim_until"),
		/** How often it was claimed from a holder that had not given it up, since the last retry. */
		takeovers: integer("takeovers").notNull().default(0),
		done: integer("done").notNull().default(0),
		total: integer("total").notNull().default(0),
		counts: jsonb("counts").notNull(),
		stageMs: jsonb("stage_ms").notNull(),
		error: jsonb("error"),
		report: text("report"),
		supersededBy: uuid("superseded_by"),
		/** rewind, snapshot or rebuild; null until it is planned. */
		strategy: text("strategy"),
		/** Why that strategy was taken. */
		strategyReason: text("strategy_reason"),
		/** Strategy that an operator named; null: the planner chooses. */
		wantedStrategy: text("wanted_strategy"),
		/** True: no stage begins until an operator lets it go on. */
		paused: boolean("paused").notNull().default(false),
		/** Stage at which it failed; null while it has not. */
		failedStage: text("failed_stage"),
		/** How often an operator had it tried again after it failed; part of its job's id. */
		retries: integer("retries").notNull().default(0),
		/** When the present stage began, for its rate. */
		stageStartedAt: at("stage_started_at"),
		/** Recovery that lets it go below finality; null: it may not. */
		recoveryId: uuid("recovery_id"),
		/** JSON of what its fork was followed on; null: it follows none that was seen. */
		evidence: text("evidence"),
		createdAt: at("created_at").notNull().defaultNow(),
		finishedAt: at("finished_at"),
	},
	(t) => [
		index("rollbacks_by_chain").on(t.chainId, t.createdAt),
		/** One rollback at a time for a chain. */
		uniqueIndex("rollbacks_active")
			.on(t.chainId)
			.where(sql`state in ('recorded', 'running', 'prepared')`),
	],
);

export const rollbackParts = recant.table(
	"rollback_parts",
	{
		rollbackId: uuid("rollback_id").notNull(),
		attempt: integer("attempt").notNull(),
		part: text("part").notNull(),
		seq: integer("seq").notNull(),
		body: text("body").notNull(),
	},
	(t) => [primaryKey({ columns: [t.rollbackId, t.attempt, t.part, t.seq] })],
);

/** Pieces of a preparation that any process may do. What they give are parts, or embeddings that are kept. */
export const rollbackTasks = recant.table(
	"rollback_tasks",
	{
		rollbackId: uuid("rollback_id").notNull(),
		attempt: integer("attempt").notNull(),
		task: integer("task").notNull(),
		/** JSON of what is to be done. */
		body: text("body").notNull(),
		/** waiting, running or done. */
		state: text("state").notNull().default("waiting"),
		claimHolder: text("claim_holder"),
		claimUntil: at("claim_until"),
		/** How often it was taken: past the limit the rollback's attempt fails. */
		takes: integer("takes").notNull().default(0),
	},
	(t) => [primaryKey({ columns: [t.rollbackId, t.attempt, t.task] })],
);

/** What operators did about a chain that cannot go on by itself. */
export const recoveries = recant.table(
	"recoveries",
	{
		recoveryId: uuid("recovery_id").primaryKey(),
		chainId: chainId(),
		/** accept, import or rebuild. */
		kind: text("kind").notNull(),
		/** running, done or failed. */
		state: text("state").notNull(),
		/** JSON of the halt that it answers. */
		problem: text("problem").notNull(),
		/** JSON of what each provider said, or of the snapshot. */
		evidence: text("evidence").notNull(),
		/** 1 for the first that answers this halt. */
		attempt: integer("attempt").notNull(),
		error: jsonb("error"),
		startedAt: at("started_at").notNull().defaultNow(),
		finishedAt: at("finished_at"),
	},
	(t) => [
		index("recoveries_by_chain").on(t.chainId, t.startedAt),
		/** One at a time for a chain. */
		uniqueIndex("recoveries_running").on(t.chainId).where(sql`state = 'running'`),
	],
);
