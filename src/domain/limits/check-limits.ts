/** Proofs, comparisons, consistency checks and repairs; see ../limits.ts. */
export const CHECK_LIMITS = {
	/**
	 * State trees of one chain that are kept for proofs beside the writer's own, 120 MB each for a million
	 * memories: one near the head, and one for whoever looks far below.
	 */
	proofTrees: 2,
	/** States that one of these trees holds beside its present one, the most recently used ones. */
	proofStates: 64,
	/**
	 * Memories that a tree is taken through from one state to another, about a second; past it the state
	 * is built from all rows.
	 */
	proofCarriedMemories: 50_000,
	/** States of one chain that wait to be read: each takes up to a build, seconds at a million memories. */
	proofsWaiting: 64,
	/** Silence after which the trees of a chain are given up: nobody is comparing or proving any more. */
	proofIdleMs: 600_000,
	/** Paths, or keys, of one request about a state tree: 8 KB of address at most, 64 KB of answer. */
	treePaths: 128,
	/** Memories in which two replicas differ that one comparison lists: more than a person reads. */
	comparedDifferences: 10_000,
	/** Findings of one consistency run that are kept one by one; the counts are always whole. */
	findingsKept: 10_000,
	/** Ended consistency runs of a chain and level that are kept: eight hours of a run every minute. */
	consistencyRuns: 500,
	/** Consistency runs of a chain that wait for the one under way: more is a loop gone wrong. */
	consistencyWaiting: 16,
	/**
	 * Records a second that a consistency check may read at most: what Postgres reads beside its users
	 * without their noticing was measured at a tenth of it.
	 */
	readRowsPerSecond: 1_000_000,
	/** Consistency rules that a chain's file adds: each is called for every page of a check. */
	ownRules: 64,
	/** Memories of one sample: beyond it, reading everything in the order of keys is faster. */
	sampleMemories: 100_000,
	/** Rows of versions up to which a basic check counts them: some 100 ms. */
	basicCountVersions: 200_000,
	/** Entries at the log's end that a basic check counts. */
	basicLogEntries: 10_000,
	/** Fragments of a LanceDB table: compaction comes every 64 versions, and may be late once. */
	tableFragments: 160,
	/** Rows that an index of a LanceDB table may not know yet: as many as an exact scan bears. */
	unindexedRows: 65_536,
	/** One table of Postgres with its indexes: the largest that Recant was thought out for. */
	tableBytes: 274_877_906_944,
	/**
	 * Rows of versions that a repair makes again in memory: those of the damaged memories, and where groups
	 * are derived again, those of handlers. About 1 KiB each.
	 */
	repairVersions: 200_000,
	/** Rows that a repair changes in one transaction: tens of milliseconds between two commits. */
	repairRows: 500,
	/** Ended repairs of a chain that are kept with what they did. */
	repairHistory: 200,
} as const;
