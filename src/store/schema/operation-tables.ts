/** What agents asked for and what came of it: inbox, log, operations and what they rest on. */
import { sql } from "drizzle-orm";
import {
	bigserial,
	boolean,
	index,
	integer,
	primaryKey,
	smallint,
	text,
	uuid,
} from "drizzle-orm/pg-core";
import { at, big, bytea, chainId, checksum, recant } from "./columns.ts";

export const inbox = recant.table(
	"inbox",
	{
		chainId: chainId(),
		entryId: bigserial("entry_id", { mode: "bigint" }).notNull(),
		operationCount: integer("operation_count").notNull(),
		/** Id of the API key that sent it; empty: none was needed. */
		caller: text("caller").notNull().default(""),
		/** JSON array of {operationId, operation, anchor}. */
		body: text("body").notNull(),
		receivedAt: at("received_at").notNull().defaultNow(),
	},
	(t) => [primaryKey({ columns: [t.chainId, t.entryId] })],
);

export const idempotencyKeys = recant.table(
	"idempotency_keys",
	{
		chainId: chainId(),
		/** Id of the API key that sent it; empty: none was needed. */
		caller: text("caller").notNull().default(""),
		key: text("key").notNull(),
		bodyHash: bytea("body_hash").notNull(),
		operationIds: uuid("operation_ids").array().notNull(),
		createdAt: at("created_at").notNull().defaultNow(),
	},
	(t) => [
		primaryKey({ columns: [t.chainId, t.caller, t.key] }),
		index("idempotency_by_age").on(t.createdAt),
	],
);

export const log = recant.table(
	"log",
	{
		chainId: chainId(),
		position: big("position").notNull(),
		generation: big("generation").notNull(),
		/** Slot that the entry is about; for a rollback the ancestor. */
		height: big("height").notNull(),
		kind: text("kind").notNull(),
		operationId: uuid("operation_id"),
		memoryKey: uuid("memory_key"),
		body: text("body").notNull(),
		checksum: checksum(),
		recordedAt: at("recorded_at").notNull().defaultNow(),
	},
	(t) => [
		primaryKey({ columns: [t.chainId, t.position] }),
		index("log_verdicts").on(t.chainId, t.operationId).where(sql`kind = 'verdict'`),
	],
);

export const operations = recant.table(
	"operations",
	{
		chainId: chainId(),
		operationId: uuid("operation_id").notNull(),
		kind: text("kind").notNull(),
		namespace: text("namespace").notNull(),
		id: text("id").notNull(),
		status: text("status").notNull(),
		/** JSON {code, message}; null while nothing is wrong. */
		reason: text("reason"),
		position: big("position"),
		originalSlot: big("original_slot"),
		effectiveSlot: big("effective_slot"),
		/** Slot at which it was last judged: what a fork below it puts in question. */
		judgedSlot: big("judged_slot"),
		versionId: big("version_id"),
		/** JSON of the anchors and where each stands now, see memory/operation-codec.ts; null: none. */
		anchors: text("anchors"),
		/** Highest block that an anchor was ever in; null: no anchor. */
		anchorHeight: big("anchor_height"),
		/** JSON: alternatives of sets of sources; null: derived from nothing. */
		sources: text("sources"),
		/** What becomes of it when what it rests on is gone: recant, flag or keep. */
		policy: text("policy").notNull().default("recant"),
		/** True: applied although what it rests on is gone. */
		suspect: boolean("suspect").notNull().default(false),
		final: boolean("final").notNull().default(false),
	},
	(t) => [
		primaryKey({ columns: [t.chainId, t.operationId] }),
		index("operations_open").on(t.chainId, t.position).where(sql`not final`),
		index("operations_by_memory").on(t.chainId, t.namespace, t.id, t.position),
	],
);

export const derivations = recant.table(
	"derivations",
	{
		chainId: chainId(),
		/** Of the operation that was derived, see versions.position. */
		position: big("position").notNull(),
		setNo: smallint("set_no").notNull(),
		sourceNo: smallint("source_no").notNull(),
		/** The memory that was derived. */
		memoryKey: uuid("memory_key").notNull(),
		sourceKey: uuid("source_key").notNull(),
		sourceNamespace: text("source_namespace").notNull(),
		sourceId: text("source_id").notNull(),
		/** Content hash that the source had. */
		sourceHash: bytea("source_hash").notNull(),
		/** 1: derived from what is not derived itself. */
		depth: smallint("depth").notNull(),
	},
	(t) => [
		primaryKey({ columns: [t.chainId, t.position, t.setNo, t.sourceNo] }),
		index("derivations_by_source").on(t.chainId, t.sourceKey, t.sourceHash),
	],
);

export const outbox = recant.table("outbox", {
	outboxId: bigserial("outbox_id", { mode: "bigint" }).primaryKey(),
	topic: text("topic").notNull(),
	payload: text("payload").notNull(),
	createdAt: at("created_at").notNull().defaultNow(),
});
