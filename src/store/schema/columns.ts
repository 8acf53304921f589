/**
 * The tables, in the Postgres schema `recant`. Drizzle owns their definition and makes the migrations
 * in drizzle/; queries are written in SQL (see docs/ARCHITECTURE.md, Decisions).
 *
 * Heights, generations, positions and version ids are bigint; FOREVER is the largest bigint. Here are the
 * kinds of columns that the tables share.
 */
import { bigint, customType, pgSchema, timestamp } from "drizzle-orm/pg-core";

export const recant = pgSchema("recant");

export const bytea = customType<{ data: Uint8Array }>({ dataType: () => "bytea" });
export const big = (name: string) => bigint(name, { mode: "bigint" });
export const chainId = () => big("chain_id").notNull();
/** First 8 bytes of SHA-256 over the columns that never change, see row-checksum.ts. */
export const checksum = () => bytea("checksum").notNull();
export const at = (name: string) => timestamp(name, { withTimezone: true });
