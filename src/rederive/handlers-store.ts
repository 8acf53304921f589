/**
 * What deriving a chain's state anew asks of Postgres. The adapter is
 * store/rederiving/postgres-handlers-store.ts.
 */
import type { ChainId, Generation, Height, Hex, LogPosition, VersionId } from "../domain/ids.ts";
import type { Shadow, ShadowRow } from "../restore/shadow-store.ts";
import type { HandlerPart } from "./handler-changes.ts";

/** How far above the batch's base the rollback's own log entry stands: it is the first, and names what is new. */
export const FROM_ROLLBACK: LogPosition = 1n;

/** The handlers that derived the present state. */
export interface DerivedBy {
	readonly handlersHash: Hex;
	/** Undefined: not known. */
	readonly parts: readonly HandlerPart[] | undefined;
}

/** A state of handlers' memories that is derived beside the present one. */
export interface Rederivation {
	readonly shadowId: string;
	readonly handlersHash: Hex;
	readonly parts: readonly HandlerPart[];
	/** Block up to which it is derived, inclusive: it is final. */
	readonly target: { readonly height: Height; readonly hash: Hex };
	readonly from: Height;
	/** First height that is not derived yet. */
	readonly next: Height;
	/** Versions that were made so far; those of the shadow's rows are counted from 1. */
	readonly versions: VersionId;
	/** Namespaces of which nothing of the present state is taken over. */
	readonly namespaces: readonly string[];
	/** Parts that alone are derived: what handlers have in other namespaces is taken over. Undefined: all are. */
	readonly added: readonly string[] | undefined;
}

export interface HandlersStore {
	/** Undefined: the chain is not registered. */
	derivedBy(chainId: ChainId): Promise<DerivedBy | undefined>;
	current(chainId: ChainId): Promise<Rederivation | undefined>;
	/** Begins with an empty shadow, in the place of what was under way. */
	begin(chainId: ChainId, rederivation: Rederivation): Promise<void>;
	/**
	 * Adds what a group left and says how far it is, in one transaction. Throws
	 * `RetryableError("rollback_fenced")` and writes nothing when it is not where `before` says.
	 */
	advance(
		before: Rederivation,
		now: Pick<Rederivation, "next" | "versions">,
		rows: readonly ShadowRow[],
	): Promise<void>;
	/**
	 * Fills the shadow with what the present state has at its height and is not derived anew. What stands
	 * there as it does now is marked so; what was written over above begins in `fromGen`.
	 */
	takeOver(
		shadow: Shadow,
		what: {
			readonly rederivation: Pick<Rederivation, "added" | "namespaces">;
			readonly fromGen: Generation;
		},
	): Promise<void>;
}

export function isDerived({ next, target }: Pick<Rederivation, "next" | "target">): boolean {
	return next > target.height;
}
