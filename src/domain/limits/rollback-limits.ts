/** Rollbacks, recoveries and the queue that hands them out; see ../limits.ts. */
export const ROLLBACK_LIMITS = {
	/** Span changes of one rollback. Above it the commit would hold readers' vacuum back for seconds. */
	rollbackChanges: 200_000,
	/** Items of each kind that a rollback's report lists; the counts are always whole. */
	reportItems: 1_000,
	/** Rollbacks superseded in a row before the follower waits for the chain to settle. */
	supersessions: 5,
	/**
	 * Failures of one rollback, in one process, before it is failed and shown to an operator; what the
	 * node, the database or the lease does is none.
	 */
	rollbackAttempts: 5,
	/**
	 * How often a rollback is claimed from a process that died or stood still with it, before it is failed: what
	 * ends whoever works on it must end itself, in whichever stage. Machines are restarted and replaced, so far
	 * more than failures; where a process is started again within seconds that is a minute or two.
	 */
	rollbackTakeovers: 20,
	/** Tasks that one preparation is split into: enough for dozens of processes, and rows of one statement. */
	rollbackTasks: 128,
	/** How often a task is taken before its attempt fails: one that ends whoever takes it must end itself. */
	rollbackTaskTakes: 5,
	/** Recoveries of one halt: what failed so often needs a person who finds out why, not another try. */
	recoveryAttempts: 5,
	/**
	 * Blocks of the new branch that one recovery takes at once: from a checkpoint below the window, and the
	 * window again; the follower goes on from there.
	 */
	recoveryBlocks: 2_048,
	/**
	 * Claims of a recovery's rollback before it is failed: what ends whoever works on it must end itself. Far more
	 * than rollbackAttempts, since a node that is away makes many.
	 */
	recoveryClaims: 25,
	/** Longest time that one provider may take to bear witness: some thirty requests, one after the other. */
	witnessMs: 30_000,
	/** Verified snapshots, the newest, that are offered to a chain that is halted: each is asked for at the node. */
	recoverySnapshots: 16,
	/** Rollbacks that one process works on at once: one a chain, and each keeps a core busy. */
	rollbackConcurrency: 4,
	/** Events that a queue keeps of itself: nobody reads them, so as many as one looks at by hand. */
	queueEvents: 1_000,
	/** Longest wait for the queue to take a job: a commit waits for nothing longer than a block's time. */
	queueRequestMs: 2_000,
	/** Shortest and longest wait before a job that was put off comes again: no spinning, no forgetting. */
	redeliveryMinMs: 50,
	redeliveryMaxMs: 60_000,
	/** Ended rollbacks of a chain whose records and reports are kept: weeks of an unruly chain. */
	rollbackHistory: 10_000,
	/** Longest time that an attempt may prepare, all stages but the commit, before it is tried again. */
	prepareMs: 300_000,
	/** The same where the ancestor's state is restored: the whole state is read and hashed, twice. */
	restoreMs: 6 * 3_600_000,
} as const;
