import type postgres from "postgres";

/** A connection of postgres.js that gives int8 as bigint. */
export type Sql = postgres.Sql<{ bigint: bigint }>;
/** A connection inside a transaction. */
export type Tx = Sql;
/** Either: a query that can run alone or inside a transaction. */
export type Queryable = Sql;
/** A part of a query, to stand in another. */
export type Fragment = postgres.PendingQuery<postgres.Row[]>;
