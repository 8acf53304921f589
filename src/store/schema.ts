/**
 * The tables, in the Postgres schema `recant`. Drizzle owns their definition and makes the migrations
 * in drizzle/; queries are written in SQL (see docs/ARCHITECTURE.md, Decisions).
 *
 * Heights, generations, positions and version ids are bigint; FOREVER is the largest bigint.
 */
import { sql } from "drizzle-orm";
import {
	bigint,
	bigserial,
	boolean,
	customType,
	doublePrecision,
	index,
	integer,
	jsonb,
	pgSchema,
	primaryKey,
	smallint,
	text,
	timestamp,
	uniqueIndex,
	uuid,
} from "drizzle-orm/pg-core";

export const recant = pgSchema("recant");

const bytea = customType<{ data: Uint8Array }>({ dataType: () => "bytea" });
const big = (name: string) => bigint(name, { mode: "bigint" });
const chainId = () => big("chain_id").notNull();
/** First 8 bytes of SHA-256 over the columns that never change, see row-checksum.ts. */
const checksum = () => bytea("checksum").notNull();
const at = (name: string) => timestamp(name, { withTimezone: true });

/** One row: which installation this database belongs to. */
export const installation = recant.table("installation", {
	only: boolean("only").primaryKey().default(true),
	id: uuid("id").notNull(),
	createdAt: at("created_at").notNull().defaultNow(),
});

/** Where each chain stands, and who may write it. */
export const chains = recant.table("chains", {
	chainId: big("chain_id").primaryKey(),
	name: text("name").notNull(),
	startBlock: big("start_block").notNull(),
	generation: big("generation").notNull().default(sql`0`),
	/** Null before the first block is committed. */
	headHeight: big("head_height"),
	safeHeight: big("safe_height"),
	finalizedHeight: big("finalized_height"),
	/** Last position given out in the log. */
	logPosition: big("log_position").notNull().default(sql`0`),
	/** Last version id given out. */
	versionSeq: big("version_seq").notNull().default(sql`0`),
	/** JSON: layer → root of its state tree, pending slot included. */
	roots: text("roots").notNull(),
	retainedFrom: big("retained_from").notNull(),
	/** Log entries at or below this position were cut; 0: none was. */
	logCutTo: big("log_cut_to").notNull().default(sql`0`),
	handlersHash: text("handlers_hash").notNull(),
	/** JSON of why the chain is halted; null while it is not. */
	halt: text("halt"),
	/** Raised at every change of the lease's holder; every commit names it. */
	fence: big("fence").notNull().default(sql`0`),
	leaseHolder: text("lease_holder"),
	leaseUntil: at("lease_until"),
});

/** How each generation began and, once a later one is committed, how it ended. */
export const generations = recant.table(
	"generations",
	{
		chainId: chainId(),
		generation: big("generation").notNull(),
		/** Null for generation 0. */
		ancestorHeight: big("ancestor_height"),
		rollbackId: uuid("rollback_id"),
		/** The next three are null while the generation is the present one. */
		lastHeight: big("last_height"),
		lastVersionId: big("last_version_id"),
		/** JSON: collection → {tableVersion, versionId}, as it stood at the end. */
		pointers: text("pointers"),
		createdAt: at("created_at").notNull().defaultNow(),
	},
	(t) => [primaryKey({ columns: [t.chainId, t.generation] })],
);

/** Headers: the window, orphaned branches, and below the window those that were needed. */
export const blocks = recant.table(
	"blocks",
	{
		chainId: chainId(),
		height: big("height").notNull(),
		fromGen: big("from_gen").notNull(),
		toGen: big("to_gen").notNull(),
		hash: text("hash").notNull(),
		parentHash: text("parent_hash").notNull(),
		timestamp: big("timestamp").notNull(),
		checksum: checksum(),
	},
	(t) => [
		primaryKey({ columns: [t.chainId, t.height, t.fromGen] }),
		index("blocks_by_hash").on(t.chainId, t.hash),
	],
);

/** Names of memories, narrow, so that a page of names does not cross hot versions. */
export const memories = recant.table(
	"memories",
	{
		chainId: chainId(),
		namespace: text("namespace").notNull(),
		layer: smallint("layer").notNull(),
		id: text("id").notNull(),
		memoryKey: uuid("memory_key").notNull(),
	},
	(t) => [primaryKey({ columns: [t.chainId, t.namespace, t.layer, t.id] })],
);

/** Versions with their spans. What a version says never changes; only to_block and to_gen do. */
export const versions = recant.table(
	"versions",
	{
		chainId: chainId(),
		memoryKey: uuid("memory_key").notNull(),
		fromBlock: big("from_block").notNull(),
		fromGen: big("from_gen").notNull(),
		toBlock: big("to_block").notNull(),
		toGen: big("to_gen").notNull(),
		expiresBlock: big("expires_block"),
		/** Seconds since the epoch: gone from the first block that is not older; null: not by time. */
		expiresTime: big("expires_time"),
		/** True: kept although what it rests on is gone. */
		suspect: boolean("suspect").notNull().default(false),
		/** Highest block that it rests on; null: it rests on none. */
		groundsBlock: big("grounds_block"),
		versionId: big("version_id").notNull(),
		/** Order in which it was written, see domain/memory.ts. */
		position: big("position").notNull(),
		layer: smallint("layer").notNull(),
		owner: smallint("owner").notNull(),
		namespace: text("namespace").notNull(),
		id: text("id").notNull(),
		/** Canonical JSON; null in a tombstone. */
		content: text("content"),
		text: text("text"),
		collection: text("collection"),
		importance: doublePrecision("importance"),
		confidence: doublePrecision("confidence"),
		/** SHA-256 of a vector that came from outside; null where it is embedded from the text, or there is none. */
		vectorHash: bytea("vector_hash"),
		contentHash: bytea("content_hash").notNull(),
		checksum: checksum(),
	},
	(t) => [
		primaryKey({ columns: [t.chainId, t.memoryKey, t.fromBlock, t.fromGen] }),
		index("versions_by_layer").on(t.chainId, t.layer, t.fromBlock),
		index("versions_by_expiry").on(t.chainId, t.expiresBlock).where(sql`expires_block is not null`),
		index("versions_by_expiry_time")
			.on(t.chainId, t.expiresTime)
			.where(sql`expires_time is not null`),
	],
);

/** What waits for the writer; one row is one request, applied whole or not at all. */
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

/** The truth: dense positions, never changed. */
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

/** Agents' operations and where each stands now; its content is in the inbox, later in the log. */
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

/** What was concluded from what: a row for each source of each alternative. Never changed. */
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

/** Names of links, narrow, as `memories` has those of memories. Whether one holds, its versions say. */
export const links = recant.table(
	"links",
	{
		chainId: chainId(),
		/** Of the memory that the link is, see domain/link.ts. */
		linkKey: uuid("link_key").notNull(),
		namespace: text("namespace").notNull(),
		type: text("type").notNull(),
		fromKey: uuid("from_key").notNull(),
		toKey: uuid("to_key").notNull(),
	},
	(t) => [
		primaryKey({ columns: [t.chainId, t.linkKey] }),
		index("links_from").on(t.chainId, t.fromKey, t.type),
		index("links_to").on(t.chainId, t.toKey, t.type),
	],
);

/** What a namespace is told to do: capacity, schema, policy, consolidation. */
export const namespaceSettings = recant.table(
	"namespace_settings",
	{
		chainId: chainId(),
		namespace: text("namespace").notNull(),
		/** JSON, see domain/namespace-settings.ts. */
		settings: text("settings").notNull(),
		updatedAt: at("updated_at").notNull().defaultNow(),
	},
	(t) => [primaryKey({ columns: [t.chainId, t.namespace] })],
);

/** Recorded results of models: the same input is not paid for twice. */
export const results = recant.table(
	"results",
	{
		chainId: chainId(),
		namespace: text("namespace").notNull(),
		model: text("model").notNull(),
		/** SHA-256 of the input. */
		inputHash: bytea("input_hash").notNull(),
		/** JSON. */
		output: text("output").notNull(),
		createdAt: at("created_at").notNull().defaultNow(),
		usedAt: at("used_at").notNull().defaultNow(),
	},
	(t) => [
		primaryKey({ columns: [t.chainId, t.namespace, t.model, t.inputHash] }),
		index("results_by_use").on(t.usedAt),
	],
);

/** Embeddings by model and text, of embedders that cost something. */
export const embeddings = recant.table(
	"embeddings",
	{
		model: text("model").notNull(),
		/** SHA-256 of the text. */
		inputHash: bytea("input_hash").notNull(),
		/** Float32, little-endian, of unit length. */
		vector: bytea("vector").notNull(),
		usedAt: at("used_at").notNull().defaultNow(),
	},
	(t) => [primaryKey({ columns: [t.model, t.inputHash] }), index("embeddings_by_use").on(t.usedAt)],
);

export const apiKeys = recant.table("api_keys", {
	keyId: uuid("key_id").primaryKey(),
	name: text("name").notNull(),
	/** SHA-256 of the secret; the secret itself is shown once and kept nowhere. */
	hash: bytea("hash").notNull().unique(),
	/** read, write, operate. */
	scopes: text("scopes").array().notNull(),
	/** Null: all. */
	namespaces: text("namespaces").array(),
	/** Null: as the service has it. */
	requestsPerMinute: integer("requests_per_minute"),
	createdAt: at("created_at").notNull().defaultNow(),
	expiresAt: at("expires_at"),
	revokedAt: at("revoked_at"),
});

/** Reports of rollbacks on their way to a webhook. */
export const deliveries = recant.table(
	"deliveries",
	{
		deliveryId: uuid("delivery_id").primaryKey(),
		chainId: chainId(),
		rollbackId: uuid("rollback_id").notNull(),
		url: text("url").notNull(),
		/** waiting, delivered or failed. */
		state: text("state").notNull(),
		attempts: integer("attempts").notNull().default(0),
		error: text("error"),
		createdAt: at("created_at").notNull().defaultNow(),
		finishedAt: at("finished_at"),
	},
	(t) => [
		uniqueIndex("deliveries_once").on(t.rollbackId, t.url),
		index("deliveries_by_chain").on(t.chainId, t.createdAt),
	],
);

/** The consistent cut at a sealed block. */
export const checkpoints = recant.table(
	"checkpoints",
	{
		chainId: chainId(),
		height: big("height").notNull(),
		fromGen: big("from_gen").notNull(),
		toGen: big("to_gen").notNull(),
		blockHash: text("block_hash").notNull(),
		logPosition: big("log_position").notNull(),
		versionId: big("version_id").notNull(),
		/** JSON: layer → root of its state tree. */
		roots: text("roots").notNull(),
		/** JSON: collection → {tableVersion, versionId}. */
		pointers: text("pointers").notNull(),
		checksum: checksum(),
	},
	(t) => [primaryKey({ columns: [t.chainId, t.height, t.fromGen] })],
);

/** Vector collections and how far LanceDB has followed. A table version of 0: no table yet. */
export const collections = recant.table(
	"collections",
	{
		chainId: chainId(),
		name: text("name").notNull(),
		model: text("model").notNull(),
		dimensions: integer("dimensions").notNull(),
		tableName: text("table_name").notNull(),
		tableVersion: big("table_version").notNull(),
		/** Embedded versions up to this one are in the table at that version. */
		pointerVersionId: big("pointer_version_id").notNull(),
		/** When the pointed table version was made: cleaning stays behind the oldest that is named. */
		pointerAt: at("pointer_at").notNull().defaultNow(),
	},
	(t) => [primaryKey({ columns: [t.chainId, t.name] })],
);

/** Embedded versions: the tail, and what the window may need again. */
export const vectorRows = recant.table(
	"vector_rows",
	{
		chainId: chainId(),
		collection: text("collection").notNull(),
		versionId: big("version_id").notNull(),
		memoryKey: uuid("memory_key").notNull(),
		namespace: text("namespace").notNull(),
		layer: smallint("layer").notNull(),
		fromBlock: big("from_block").notNull(),
		/** Float32, little-endian. */
		vector: bytea("vector").notNull(),
		checksum: checksum(),
	},
	(t) => [primaryKey({ columns: [t.chainId, t.collection, t.versionId] })],
);

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

/** Change sets that stages prepared. Nobody reads them but the commit of the same attempt. */
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

/** What has to reach the queue; written in the transaction that made it necessary. */
export const outbox = recant.table("outbox", {
	outboxId: bigserial("outbox_id", { mode: "bigint" }).primaryKey(),
	topic: text("topic").notNull(),
	payload: text("payload").notNull(),
	createdAt: at("created_at").notNull().defaultNow(),
});

/** Snapshots that this installation made or imported, and how far one that is being made has come. */
export const snapshots = recant.table(
	"snapshots",
	{
		snapshotId: uuid("snapshot_id").primaryKey(),
		chainId: chainId(),
		/** creating, stored, verified, damaged, failed, cancelled. */
		state: text("state").notNull(),
		/** full or incremental. */
		kind: text("kind").notNull(),
		parentId: uuid("parent_id"),
		/** What asked for it: operator, blocks, time or import. */
		cause: text("cause").notNull(),
		height: big("height").notNull(),
		generation: big("generation").notNull(),
		blockHash: text("block_hash").notNull(),
		logPosition: big("log_position").notNull(),
		versionId: big("version_id").notNull(),
		/** JSON: layer → root. */
		roots: text("roots").notNull(),
		/** SHA-256 of the manifest's bytes; null until it is stored. */
		manifestHash: text("manifest_hash"),
		memories: big("memories").notNull().default(sql`0`),
		chunks: integer("chunks").notNull().default(0),
		rawBytes: big("raw_bytes").notNull().default(sql`0`),
		storedBytes: big("stored_bytes").notNull().default(sql`0`),
		/** JSON of what is written so far and where to go on; null when it is stored. */
		progress: text("progress"),
		error: jsonb("error"),
		createdAt: at("created_at").notNull().defaultNow(),
		storedAt: at("stored_at"),
		verifiedAt: at("verified_at"),
	},
	(t) => [index("snapshots_by_chain").on(t.chainId, t.height)],
);

/** States that are being built beside the present one. Nobody reads them but who builds them. */
export const shadows = recant.table("shadows", {
	shadowId: uuid("shadow_id").primaryKey(),
	chainId: chainId(),
	/** rollback, import, check or repair. */
	purpose: text("purpose").notNull(),
	/** Rollback, import or run that it is for. */
	ownerId: uuid("owner_id").notNull(),
	height: big("height").notNull(),
	/** JSON of how far it is, for one that goes on after a kill. */
	progress: text("progress"),
	createdAt: at("created_at").notNull().defaultNow(),
});

/** Visible versions of a shadow at its height, one a memory. */
export const shadowVersions = recant.table(
	"shadow_versions",
	{
		shadowId: uuid("shadow_id").notNull(),
		memoryKey: uuid("memory_key").notNull(),
		fromBlock: big("from_block").notNull(),
		/** Generation that the row has, or will have. */
		fromGen: big("from_gen").notNull(),
		/** True: the row stands in `versions` as it is here. */
		kept: boolean("kept").notNull().default(false),
		expiresBlock: big("expires_block"),
		/** Seconds since the epoch: gone from the first block that is not older; null: not by time. */
		expiresTime: big("expires_time"),
		/** True: kept although what it rests on is gone. */
		suspect: boolean("suspect").notNull().default(false),
		/** Highest block that it rests on; null: it rests on none. */
		groundsBlock: big("grounds_block"),
		versionId: big("version_id").notNull(),
		position: big("position").notNull(),
		layer: smallint("layer").notNull(),
		owner: smallint("owner").notNull(),
		namespace: text("namespace").notNull(),
		id: text("id").notNull(),
		/** Null: deleted. */
		content: text("content"),
		text: text("text"),
		collection: text("collection"),
		importance: doublePrecision("importance"),
		confidence: doublePrecision("confidence"),
		vectorHash: bytea("vector_hash"),
		contentHash: bytea("content_hash").notNull(),
		checksum: checksum(),
		/** Float32, little-endian; null: none, or embedded from the text again. */
		vector: bytea("vector"),
	},
	(t) => [primaryKey({ columns: [t.shadowId, t.memoryKey] })],
);

/** Consistency checks with their results; the trend is read from here. */
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
