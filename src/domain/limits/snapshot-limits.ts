/** Snapshots, restores and merges; see ../limits.ts. */
export const SNAPSHOT_LIMITS = {
	/**
	 * Records of one chunk of a snapshot, uncompressed, and bytes of one chunk as it travels: what is in
	 * memory at a time, and small enough that a broken transfer repeats little.
	 */
	chunkBytes: 4_194_304,
	/** Chunks that travel over HTTP at once, and that wait: each is held twice, packed and unpacked. */
	chunkTransfers: 8,
	chunkTransfersWaiting: 128,
	/** Chunks of one snapshot: 64 GiB of records, named by a manifest that still fits into one request. */
	snapshotChunks: 16_384,
	/** Snapshots between an increment and its full one: all of them are read to restore it. */
	snapshotParents: 32,
	/** Snapshots of a chain that are looked through for those past their keeping: years of daily ones. */
	snapshotHistory: 1_000,
	/** Memories that a snapshot reads at a time: some 10 ms of encoding, in which nothing else runs. */
	snapshotPage: 500,
	/** Changed memories of one increment; its keys are held at a time, and a full one costs no more. */
	snapshotChanges: 200_000,
	/**
	 * Memories that one partial restore or merge changes. Their operations, two each at most, are taken into the
	 * inbox in one transaction, so that a request that is killed was taken in whole or not at all.
	 */
	partialMemories: 5_000,
	/** Their operations as JSON: what is held at a time, sixteen full requests. */
	partialBytes: 67_108_864,
	/** Memories that one of them compares, in one snapshot of the database: some seconds. */
	partialCompared: 50_000,
	/** Memories and operations that its answer lists, of each kind; the counts are always whole. */
	partialItems: 200,
	/** Namespaces, collections or fields that one of them names: each is compared with every memory. */
	partialNames: 64,
	/** Of them at once, and waiting: each holds a connection to Postgres and up to the bytes above. */
	partialRunning: 2,
	partialWaiting: 16,
	/** What a chain's merge function may take for all memories of one merge; nothing else runs meanwhile. */
	mergeMs: 10_000,
	/** Log entries that a restore takes at a time: some megabytes of ordinary operations. */
	restoreEntries: 1_000,
} as const;
