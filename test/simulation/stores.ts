/** The stores of a run as the simulation needs them, whether they are fakes or real. */
import type { RollbackQueue } from "../../src/rollback/rollback-queue.ts";
import type { StoreName } from "./durable-steps.ts";
import type { RunReads } from "./run-reads.ts";
import type { SharedPorts } from "./sim-process.ts";
import type { FreshStores } from "./straight-run.ts";

/** What the end of a run is judged by. */
export interface StandingChain {
	readonly generation: bigint;
	readonly fence: bigint;
	readonly logPosition: bigint;
	readonly head: { readonly height: bigint; readonly hash: string } | undefined;
	readonly halt: string | undefined;
	readonly leaseHolder: string | undefined;
	/** Operations that wait for the writer. */
	readonly inbox: number;
	readonly outbox: number;
	/** The newest first. */
	readonly rollbacks: readonly StandingRollback[];
}

export interface StandingRollback {
	readonly rollbackId: string;
	readonly state: string;
	readonly cause: string;
	readonly paused: boolean;
}

export interface Stores {
	readonly ports: SharedPorts;
	/** Carries a call of a port out. */
	call(store: StoreName, invoke: () => unknown): Promise<unknown>;
	queue(process: string): RollbackQueue;
	/** SIGKILL, SIGSTOP and SIGCONT as the queue's server notices them. */
	queueHears(process: string, what: "goes on" | "is gone" | "is stopped"): void;
	/** FLUSHALL. */
	flushQueue(): void;
	readonly reads: RunReads;
	standing(): Promise<StandingChain>;
	/** Throws when something is broken that must hold at every moment; looks at a coordinate by chance. */
	look(): Promise<void>;
	/** Empty stores beside these, for a straight run. */
	openFresh(): Promise<FreshStores>;
	close(): Promise<void>;
}
