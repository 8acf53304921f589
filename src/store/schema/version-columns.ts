/** What a version says and what it rests on: the same where it is believed and where it is restored. */
import { boolean, doublePrecision, smallint, text } from "drizzle-orm/pg-core";
import { big, bytea, checksum } from "./columns.ts";

export const versionColumns = () => ({
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
});
