/** What is kept beside the memories: settings, recorded results, keys, deliveries. */
import { index, integer, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { at, bytea, chainId, recant } from "./columns.ts";

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

export const deliveries = recant.table(
	"deliveries",
	{
		deliveryId: uuid("delivery_id").primaryKey(),
		chainId: chainId(),
		/** What it tells of; a name of webhooks/delivery.ts. */
		kind: text("kind").notNull().default("rollback.committed"),
		/** Null: it tells of no rollback. */
		rollbackId: uuid("rollback_id"),
		/** JSON of what it says, where no other row keeps that. */
		data: text("data"),
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
