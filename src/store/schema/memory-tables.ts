/** What is believed, with its spans, its links and its vectors. */
import { sql } from "drizzle-orm";
import { index, integer, primaryKey, smallint, text, uuid } from "drizzle-orm/pg-core";
import { at, big, bytea, chainId, checksum, recant } from "./columns.ts";
import { versionColumns } from "./version-columns.ts";

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

export const versions = recant.table(
	"versions",
	{
		chainId: chainId(),
		memoryKey: uuid("memory_key").notNull(),
		fromBlock: big("from_block").notNull(),
		fromGen: big("from_gen").notNull(),
		toBlock: big("to_block").notNull(),
		toGen: big("to_gen").notNull(),
		...versionColumns(),
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
		/** Changes with rows of `vector_rows` that are not simply added at the end: who keeps them reads them anew. */
		rowsEpoch: uuid("rows_epoch").notNull().defaultRandom(),
	},
	(t) => [primaryKey({ columns: [t.chainId, t.name] })],
);

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
