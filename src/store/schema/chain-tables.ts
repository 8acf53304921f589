/** Which installation and which chains these are, and the blocks that they stand on. */
import { sql } from "drizzle-orm";
import { boolean, index, integer, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { at, big, chainId, checksum, recant } from "./columns.ts";

export const installation = recant.table("installation", {
	only: boolean("only").primaryKey().default(true),
	id: uuid("id").notNull(),
	createdAt: at("created_at").notNull().defaultNow(),
});

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
	/** Of the handlers that processes follow it with. */
	handlersHash: text("handlers_hash").notNull(),
	/** Of those that derived the present state; null: the same. Another: see rederive/. */
	derivedHash: text("derived_hash"),
	/** JSON array of their parts, see SpecPart; null: not known. */
	derivedParts: text("derived_parts"),
	/** Log position at which the state was derived anew last; 0: it never was. */
	derivedPosition: big("derived_position").notNull().default(sql`0`),
	/** Cap of the header window, and the lowest height that it may reach down to; see WindowSize. */
	windowBlocks: integer("window_blocks").notNull().default(1_024),
	windowFrom: big("window_from").notNull().default(sql`0`),
	/** Hash of block 0, as it was when the chain was first followed; null while no node has shown it. */
	genesisHash: text("genesis_hash"),
	/** JSON of why the chain is halted; null while it is not. */
	halt: text("halt"),
	/** Raised at every change of the lease's holder; every commit names it. */
	fence: big("fence").notNull().default(sql`0`),
	leaseHolder: text("lease_holder"),
	leaseUntil: at("lease_until"),
	/** JSON of where the holder of the lease stands, as of its last renewal; null while nobody has said. */
	followerStatus: text("follower_status"),
});

export const generations = recant.table(
	"generations",
	{
		chainId: chainId(),
		generation: big("generation").notNull(),
		/** Null for generation 0. */
		ancestorHeight: big("ancestor_height"),
		rollbackId: uuid("rollback_id"),
		/** Lowest height of those before it, where it was derived anew and says nothing of theirs; else null. */
		retainedBefore: big("retained_before"),
		/** The next three are null while the generation is the present one. */
		lastHeight: big("last_height"),
		lastVersionId: big("last_version_id"),
		/** JSON: collection → {tableVersion, versionId}, as it stood at the end. */
		pointers: text("pointers"),
		createdAt: at("created_at").notNull().defaultNow(),
	},
	(t) => [primaryKey({ columns: [t.chainId, t.generation] })],
);

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

/** Ranges of heights of which a backfill kept only some, see domain/thinned-range.ts. */
export const thinnedRanges = recant.table(
	"thinned_ranges",
	{
		chainId: chainId(),
		fromBlock: big("from_block").notNull(),
		/** Inclusive. */
		toBlock: big("to_block").notNull(),
		every: big("every").notNull(),
	},
	(t) => [primaryKey({ columns: [t.chainId, t.fromBlock] })],
);

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
