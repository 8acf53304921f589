/** Where a chain stands, whichever process follows it: what every process reads of it in Postgres. */
import type { ChainId, Height, Hex, OperationId } from "../domain/ids.ts";
import type { FollowerStatus } from "../follower/follower.ts";
import type { Problem } from "../writer/writer-store.ts";

export interface ChainStatus extends FollowerStatus {
	/** Name of the process that holds the chain's lease; undefined: none does. */
	readonly followedBy: string | undefined;
}

/** A chain's row. */
export interface ChainStanding {
	/** Holder of the lease, while it has not lapsed. */
	readonly followedBy: string | undefined;
	/** As the holder said at its last renewal; undefined: it has not said anything yet. */
	readonly status: FollowerStatus | undefined;
	readonly halt: Problem | undefined;
	/** Committed head. */
	readonly head: Height | undefined;
}

/** What a process asks about a chain that another one writes. */
export interface ChainElsewhereStore {
	standing(chainId: ChainId): Promise<ChainStanding>;
	/** Hash of the committed block at a height; undefined: none is kept there. */
	blockHash(chainId: ChainId, height: Height): Promise<Hex | undefined>;
	/** Those that have no outcome yet. What is not there has none to wait for. */
	stillQueued(
		chainId: ChainId,
		operationIds: readonly OperationId[],
	): Promise<readonly OperationId[]>;
	/** Embedded versions that LanceDB does not have yet, of the fullest collection. */
	tailRows(chainId: ChainId): Promise<number>;
}

export function statusOf(name: string, standing: ChainStanding): ChainStatus {
	const { followedBy, status, halt } = standing;
	const nodeHead = status?.nodeHead;
	if (halt !== undefined) return { state: "halted", problem: halt, nodeHead, followedBy };
	if (followedBy === undefined) {
		return { state: "waiting", problem: notFollowed(name), nodeHead: undefined, followedBy };
	}
	return { ...(status ?? STARTING), followedBy };
}

const STARTING: FollowerStatus = { state: "starting", problem: undefined, nodeHead: undefined };

export function notFollowed(name: string): Problem {
	return {
		code: "not_followed",
		message: `no process follows chain "${name}"`,
		hint: "start one with --role follower; what is written meanwhile is durable, and is taken in then",
	};
}
