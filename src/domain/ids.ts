/**
 * Identifiers and the numbers that address state.
 *
 * Heights, generations, log positions and version ids are `bigint` in code and SQL and decimal
 * strings in JSON. None of them is ever tested by truthiness: block 0 exists.
 */

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** `0x`-prefixed lower-case hexadecimal. */
export type Hex = `0x${string}`;
/** EIP-155 chain id, a positive safe integer. */
export type ChainId = number;
/** A block number. Every bound says whether it is inclusive. */
export type Height = bigint;
/** How often Recant has changed its mind about a chain: 0 at first, +1 at each committed rollback. */
export type Generation = bigint;
/** Dense position in one chain's log; the first entry has position 1. */
export type LogPosition = bigint;
/** Number of one version of one memory, in commit order within a chain; the first is 1. */
export type VersionId = bigint;

/** UUID of one operation. */
export type OperationId = Branded<string, "OperationId">;
/** UUID of one rollback. */
export type RollbackId = Branded<string, "RollbackId">;
/** UUID made from a memory's namespace and id, see memory/memory-key.ts. */
export type MemoryKey = Branded<string, "MemoryKey">;

/** Open end of a span, in heights and in generations: the largest value of a Postgres bigint. */
export const FOREVER = 9_223_372_036_854_775_807n;
