/** What is measured side by side: a program that follows a chain and keeps something of each event. */
import postgres, { type Sql } from "postgres";
import type { Hex } from "viem";
import type { NodeProxy } from "./peers-node-proxy.ts";
import type { PeerProcess } from "./peers-process.ts";

/** Both are given the same. Below 100 ms Ponder refuses to poll. */
export const POLL_INTERVAL_MS = 100;

/** An event as both keep it: which one, and of which branch. */
export interface KeptEvent {
	readonly id: string;
	readonly blockHash: Hex;
}

/** A block that is to be seen, with all that the chain has above some height. */
export interface Wanted {
	readonly hash: Hex;
	readonly height: bigint;
	/** The block's last event, by which it is looked for; undefined: it has none. */
	readonly last: KeptEvent | undefined;
	/** Heights above this one are compared. */
	readonly above: bigint;
	readonly events: readonly KeptEvent[];
	/** Whether a fork is to be seen, with its report, where a side has such. */
	readonly isFork: boolean;
}

export interface SideStart {
	readonly proxy: NodeProxy;
	/** Polls alone if false. */
	readonly webSocket: boolean;
	readonly databaseUrl: string;
	readonly chainId: number;
	readonly token: Hex;
	/** Empty, for files of its own. */
	readonly folder: string;
}

export interface RunningSide {
	readonly process: PeerProcess;
	/** Whether what was committed to its database reaches up to that block: cheap, to be asked often. */
	hasBlock(wanted: Pick<Wanted, "hash" | "height" | "last">): Promise<boolean>;
	/** All that it keeps of events above a height, from its database. */
	events(above: bigint): Promise<readonly KeptEvent[]>;
	/** Of its committed head; -1: none is. */
	height(): Promise<number>;
	/** How many events it keeps. */
	count(): Promise<number>;
	/**
	 * Whether its HTTP API gives the block's events, by one question, and what else belongs to a fork. A side that
	 * keeps vectors has to find a block's events by them.
	 */
	answers(wanted: Wanted): Promise<boolean>;
	stop(): Promise<void>;
}

export interface Side {
	readonly name: string;
	/** Starts the process and does not wait for it. */
	start(options: SideStart): Promise<RunningSide>;
}

/** One connection, of the harness alone: what others do to its tables it sees when they committed. */
export function lookInto(databaseUrl: string): Sql {
	return postgres(databaseUrl, { max: 1, onnotice: () => undefined, idle_timeout: 0 });
}

/** Postgres's code for a table or a schema that is not there: the side has not made it yet. */
function isNotThereYet(error: unknown): boolean {
	const code = error instanceof postgres.PostgresError ? error.code : undefined;
	return code === "42P01" || code === "3F000" || code === "42703";
}

export async function orIfNotThere<Result>(
	work: () => Promise<Result>,
	otherwise: Result,
): Promise<Result> {
	try {
		return await work();
	} catch (error) {
		if (isNotThereYet(error)) return otherwise;
		throw error;
	}
}
