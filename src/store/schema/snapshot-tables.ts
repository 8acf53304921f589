/** Snapshots, and states that are being built beside the present one. */
import { sql } from "drizzle-orm";
import { boolean, index, integer, jsonb, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { at, big, bytea, chainId, recant } from "./columns.ts";
import { versionColumns } from "./version-columns.ts";

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

export const shadows = recant.table("shadows", {
	shadowId: uuid("shadow_id").primaryKey(),
	chainId: chainId(),
	/** rollback, import, check, repair or handlers. */
	purpose: text("purpose").notNull(),
	/** Rollback, import or run that it is for. */
	ownerId: uuid("owner_id").notNull(),
	height: big("height").notNull(),
	/** JSON of how far it is, for one that goes on after a kill. */
	progress: text("progress"),
	createdAt: at("created_at").notNull().defaultNow(),
});

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
		...versionColumns(),
		/** Float32, little-endian; null: none, or embedded from the text again. */
		vector: bytea("vector"),
	},
	(t) => [primaryKey({ columns: [t.shadowId, t.memoryKey] })],
);
