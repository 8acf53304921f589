/**
 * Every limit of Recant, with its reason. Going past one gives a typed error that names the limit
 * and the value; nothing is cut silently.
 */
export const LIMITS = {
	/** Canonical JSON of one memory's content. Larger documents belong in a store of their own. */
	contentBytes: 65_536,
	/** Text that is embedded; eight times the longest input of common embedding models. */
	textBytes: 32_768,
	/** A namespace: it is part of every key and of every index entry. */
	namespaceLength: 128,
	/** A memory's id: a transaction hash, an address and a readable prefix fit three times over. */
	idLength: 256,
	/** Nesting of a memory's content; JSON deeper than this is a mistake or an attack on the stack. */
	contentDepth: 32,
	/** Operations of one request: one commit stays below 100 ms at the measured 23,000 operations/s. */
	batchOperations: 1_000,
	/** Body of one HTTP request: a full batch of ordinary operations. */
	requestBytes: 4_194_304,
	/** Entries of one list or object in a request: as many as the largest content can hold. */
	jsonEntries: 32_768,
	/** Idempotency-Key: a UUID or a hash with a prefix. */
	idempotencyKeyLength: 255,
	/** How long a repeated Idempotency-Key is recognised. A client that retries for longer is asking anew. */
	idempotencyRetentionMs: 7 * 24 * 3_600_000,
	/** Operations that wait for one chain's writer: half a second of work; then 429. */
	inboxOperations: 10_000,
	/** Operations that one commit takes from the inbox: past 1,000 a group gains nothing (measured). */
	groupOperations: 1_000,
	/** How long a write waits for its commit before it is answered with 202. */
	writeDeadlineMs: 5_000,
	/** Memories on one page. */
	pageSize: 200,
	/** Results of one search. */
	searchK: 200,
	/**
	 * Rows that one search takes from LanceDB to find k that are visible and match: 25 MB of vectors of
	 * 384 floats, 268 MB of the largest.
	 */
	searchCandidates: 16_384,
	/** Dimensions of a vector: the largest common embedding model has 4,096. */
	vectorDimensions: 4_096,
	/** Collections of one chain: each is a LanceDB table, and every checkpoint names all of them. */
	collections: 64,
	/** Name of a collection: it becomes the name of a directory. */
	collectionNameLength: 64,
	/**
	 * Embedded versions above a collection's pointer. They are scanned exactly: about 1 ms at 1,024
	 * rows of 384 floats, as much as LanceDB's own overhead for a search.
	 */
	tailRows: 1_024,
	/** Tail rows at which a flush begins: half, so that writes go on while it runs. */
	tailFlushRows: 512,
	/**
	 * Cap of the header window when finality stalls, and so the floor of retention: 3.4 hours of
	 * 12-second blocks, and the deepest fork that is rolled back without an operator.
	 */
	windowBlocks: 1_024,
	/**
	 * Polls in a row, and milliseconds over them, that a node's head must stay the same block below the
	 * tip while it denies the tip, before the chain counts as rolled back. Load-balanced nodes lag by a
	 * block or two for less than that; a development chain that was rolled back stays so.
	 */
	shrinkPolls: 10,
	shrinkMs: 3_000,
	/** Orphaned branches that stay readable, counted in blocks below the finalized one. */
	orphanRetentionBlocks: 4_096,
	/** Blocks between checkpoints below the window. */
	checkpointIntervalBlocks: 1_000,
	/** Blocks of one backfill group: past 500 a larger transaction gains nothing (measured). */
	groupBlocks: 500,
	/** Span changes of one rollback. Above it the commit would hold readers' vacuum back for seconds. */
	rollbackChanges: 200_000,
	/** Items of each kind that a rollback's report lists; the counts are always whole. */
	reportItems: 1_000,
	/** Rollbacks superseded in a row before the follower waits for the chain to settle. */
	supersessions: 5,
	/** Attempts of one rollback before it is failed and shown to an operator. */
	rollbackAttempts: 5,
	/** Rollbacks that one process works on at once: one a chain, and each keeps a core busy. */
	rollbackConcurrency: 4,
	/** Finished queue jobs that are kept, so that an enqueue repeated after the end is still recognised. */
	queueFinishedJobs: 1_000,
	/** Longest wait for the queue to take a job: a commit waits for nothing longer than a block's time. */
	queueRequestMs: 2_000,
	/** Shortest and longest wait before a job that was put off comes again: no spinning, no forgetting. */
	redeliveryMinMs: 50,
	redeliveryMaxMs: 60_000,
	/** Ended rollbacks of a chain whose records and reports are kept: weeks of an unruly chain. */
	rollbackHistory: 10_000,
	/** Longest time that an attempt may prepare, all stages but the commit, before it is tried again. */
	prepareMs: 300_000,
	/** Differences that one diff lists on a page. */
	diffPage: 500,
	/** Clients of the event stream: each holds a socket and a cursor. */
	eventClients: 256,
	/** Silence after which an event client gets a comment: proxies close idle connections at 30 s to 60 s. */
	eventHeartbeatMs: 15_000,
	/** Filter values (types, chains) of one event client: each is compared with every entry. */
	eventFilters: 64,
	/** Connections to the HTTP port, event clients among them: half of the usual 1,024 open files. */
	connections: 512,
	/**
	 * A page's cursor as it comes back. The longest of ours names a memory: 384 characters of namespace
	 * and id, six bytes each where JSON escapes them, four characters for every three bytes.
	 */
	cursorLength: 4_096,
	/** Keys that one search's `where` compares: each is a look-up into the content of a candidate. */
	whereKeys: 16,
	/** Bearer keys that a request is compared with, every one of them, to take constant time. */
	apiKeys: 64,
	/** Log entries read for one event client at a time: the client's backlog stays in Postgres. */
	eventBatch: 500,
	/** Handler-owned memories kept at hand for handlers, most recently used first. */
	handlerCacheEntries: 100_000,
	/** Longest run of one handler for one event; beyond it the handler hangs, and its chain stops. */
	handlerMs: 30_000,
	/** Log entries of a history answer. */
	historyVersions: 200,
	/** JSON-RPC calls of one request to a node: what public providers take at most in one batch. */
	rpcBatchCalls: 100,
	/** Blocks of one eth_getLogs: what most providers take; less is learned from their refusals. */
	rpcLogRangeBlocks: 10_000,
	/** One answer of a node: a full batch of blocks with 5,000 transaction hashes each fits. */
	rpcAnswerBytes: 67_108_864,
	/** Longest time a failing provider is put aside: how late its recovery is noticed at worst. */
	rpcBackoffMs: 10_000,
	/** Longest Retry-After of a provider that is honoured; a longer one would look like a stand-still. */
	rpcRetryAfterMs: 60_000,
} as const;

/**
 * How the limits hang together. A test asserts each, so that changing one number cannot break
 * another quietly.
 */
export const LIMIT_RELATIONS: readonly { readonly why: string; readonly holds: boolean }[] = [
	{
		why: "a flush must begin before the tail is full, else every flush stops the writer",
		holds: LIMITS.tailFlushRows < LIMITS.tailRows,
	},
	{
		why: "a backfilled group must end at each height that gets a checkpoint",
		holds: LIMITS.checkpointIntervalBlocks % LIMITS.groupBlocks === 0,
	},
	{
		why: "one request must fit the inbox, else it could never be accepted",
		holds: LIMITS.batchOperations <= LIMITS.inboxOperations,
	},
	{
		why: "one request is one inbox entry and commits whole, so a group must hold it",
		holds: LIMITS.batchOperations <= LIMITS.groupOperations,
	},
	{
		why: "orphaned branches stay readable at least as long as the window can roll back to them",
		holds: LIMITS.orphanRetentionBlocks >= LIMITS.windowBlocks,
	},
	{
		why: "event clients leave connections for ordinary requests",
		holds: LIMITS.eventClients < LIMITS.connections,
	},
	{
		why: "a gap that is filled header by header must not push the block it stands on out of the window",
		holds: LIMITS.groupBlocks < LIMITS.windowBlocks,
	},
	{
		why: "the first round of a search, twice k, must be allowed",
		holds: 2 * LIMITS.searchK <= LIMITS.searchCandidates,
	},
	{
		why: "a memory of the largest content fits into one request",
		holds: LIMITS.contentBytes + LIMITS.textBytes < LIMITS.requestBytes,
	},
];
