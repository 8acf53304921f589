/** Rollbacks, and the change sets that are prepared for them. */
import { sql } from "drizzle-orm";
import { index, integer, jsonb, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
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
