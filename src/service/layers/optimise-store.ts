/** What optimising asks of Postgres. The adapter is store/layers/postgres-optimise-store.ts. */
import type { AnsweredAt } from "../../domain/coordinate.ts";
import type { ChainId } from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import type { DropReason } from "./optimise-service.ts";

/** A memory of agents that is visible in the pending slot. */
export interface Droppable
	extends Pick<
		Version,
		| "memoryKey"
		| "versionId"
		| "namespace"
		| "id"
		| "layer"
		| "confidence"
		| "fromBlock"
		| "content"
	> {
	/** What the store tells by itself; undefined: it may be low in confidence. */
	readonly reason: Exclude<DropReason, "low_confidence"> | undefined;
	/** Of content and text. */
	readonly sizeBytes: number;
	readonly hasVector: boolean;
}

export interface DroppableQuery {
	readonly namespace: string;
	/** Seconds since the epoch up to which what ends by time has ended; undefined: not looked for. */
	readonly expiredBy: bigint | undefined;
	/** Those whose confidence may be below it, faded or not; undefined: not looked for. */
	readonly belowConfidence: number | undefined;
	readonly unreachable: boolean;
	/** Of each kind. */
	readonly limit: number;
}

export interface OptimiseStore {
	/**
	 * In one snapshot at `pending`. `content` holds only what confidence fades by. A memory may come more than
	 * once, for different reasons.
	 */
	droppable(
		chainId: ChainId,
		query: DroppableQuery,
	): Promise<{ readonly at: AnsweredAt; readonly found: readonly Droppable[] }>;
}
