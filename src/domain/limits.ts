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
	/**
	 * Of them, those of one API key: a quarter, so that the others find room whatever one of them does.
	 * Root keys, and whoever needs none, may fill it: they are the operator's own.
	 */
	inboxOperationsOfKey: 2_500,
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
	/**
	 * Rows of a collection up to which its vectors are searched exactly and without an index: some 30 ms of
	 * 384 floats, less than an agent's question takes to be embedded by a model. An index pays beyond it.
	 */
	exactRows: 65_536,
	/**
	 * Rows that a collection's indexes may not know before they are refreshed: those are looked at one by
	 * one, which takes 1 ms for 1,000 texts, and a refresh at 100,000 rows takes 0.8 s (measured).
	 */
	refreshRows: 8_192,
	/** Share of what an exact search finds below which the index of vectors is trained anew. */
	leastRecall: 0.9,
	/** Distinct words that one search looks for, those that say most: each is a list of the index. */
	searchWords: 64,
	/** Namespaces that one search names: each is compared with every row. */
	searchNamespaces: 64,
	/** Values of one `in` of a search's `where`. */
	whereValues: 256,
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
	/**
	 * Where the tail ends for agents' writes while flushes succeed but do not keep up: a scan of it takes
	 * some 15 ms by then.
	 */
	tailMostRows: 16_384,
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
	/** Looks in a row that a chain's file may ask for before a fork is followed: a minute at one a second. */
	forkPolls: 64,
	/**
	 * For how long a branch that was left lately has to be seen again before the chain goes back to it, where
	 * no quorum says so; doubled at each return. Nodes behind one URL that disagree do so for seconds; a true
	 * return waits for this once.
	 */
	forkReturnMs: 2_000,
	/** Doublings of it, and of the looks in a row: 16 s and eightfold at most, so that no wait is for good. */
	forkDoublings: 3,
	/** How long a branch that was left is remembered for that, and how many of them. */
	forkMemoryMs: 300_000,
	forksRemembered: 64,
	/** Between two looks at a fork that waits to be confirmed, unless the chain is polled more often. */
	forkLookMs: 500,
	/** How long a provider may be alone with a branch before it is put aside: others hear of it seconds later. */
	forkDeniedMs: 5_000,
	/** How long the providers are waited for when they are asked who has a block: a fork waits for the slowest. */
	supportMs: 2_000,
	/** Orphaned branches that stay readable, counted in blocks below the finalized one. */
	orphanRetentionBlocks: 4_096,
	/** Blocks between checkpoints below the window. */
	checkpointIntervalBlocks: 1_000,
	/** Of `history.every`: what is above is kept at the checkpoints alone, whatever it says. */
	historyEveryBlocks: 1_000_000,
	/** Blocks of one backfill group: past 500 a larger transaction gains nothing (measured). */
	groupBlocks: 500,
	/** Span changes of one rollback. Above it the commit would hold readers' vacuum back for seconds. */
	rollbackChanges: 200_000,
	/** Anchors of one operation: each is looked up at the node when it is written, and watched. */
	anchors: 16,
	/** Alternatives of what one operation was derived from, and sources in all of them together. */
	sourceSets: 16,
	sources: 64,
	/**
	 * Versions of one memory, the newest, among which a source is looked for: a tenth of a second of reading.
	 * What a memory said before that is no source any more.
	 */
	sourceVersions: 65_536,
	/** How deep conclusions rest on conclusions: what a rollback takes back cascades so far, no further. */
	derivationDepth: 64,
	/** Contents that the patches of one request leave behind, together: each patch is a whole version. */
	patchedBytes: 8_388_608,
	/** Type of a link: it is part of the link's name. */
	linkTypeLength: 64,
	/** Links that are followed to see whether a new one closes a circle: about 10 ms of reading. */
	linkWalk: 10_000,
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
	/**
	 * Short-term memories of one chain that are kept at hand, and their bytes: more than an agent works
	 * with at a time, and little beside the service's own memory.
	 */
	workingMemoryEntries: 50_000,
	workingMemoryBytes: 67_108_864,
	/** Longest wait for Redis by a read that Postgres can answer too: a hundred times what either takes. */
	redisRequestMs: 250,
	/**
	 * Longest wait of a search for its text's vector, after which it goes on with the words alone: enough for an
	 * endpoint that has to be asked twice, and with LanceDB's time below it less than clients commonly wait.
	 */
	queryEmbedMs: 3_000,
	/** Longest wait of a search for LanceDB, after which it goes on without: fifty times a usual one. */
	vectorRequestMs: 5_000,
	/** Longest wait of /readyz for Postgres; one that is slower serves no traffic well. */
	databaseProbeMs: 2_000,
	/** Longest look whether LanceDB is there; /readyz waits for it. */
	vectorProbeMs: 1_000,
	/** Searches at once: half the connections to Postgres, each of which a search holds until its end. */
	searches: 6,
	/** Searches that wait for their turn: what 1,000 searches a second leave behind in a quarter of one. */
	searchesWaiting: 256,
	/**
	 * Vectors that one search reads from Postgres while LanceDB is away: 43,690 of 384 floats, which take
	 * 1.1 to 1.7 s (measured on a busy machine). What is older is left out, and the answer says so.
	 */
	scanBytes: 67_108_864,
	/** Such scans at once: each keeps a core of Postgres and one of this process busy. */
	scans: 2,
	/** Shortest and longest wait before a job that was put off comes again: no spinning, no forgetting. */
	redeliveryMinMs: 50,
	redeliveryMaxMs: 60_000,
	/** Ended rollbacks of a chain whose records and reports are kept: weeks of an unruly chain. */
	rollbackHistory: 10_000,
	/** Longest time that an attempt may prepare, all stages but the commit, before it is tried again. */
	prepareMs: 300_000,
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
	/** The same where the ancestor's state is restored: the whole state is read and hashed, twice. */
	restoreMs: 6 * 3_600_000,
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
	/** Differences that one diff lists on a page. */
	diffPage: 500,
	/** Clients of the event stream: each holds a socket and a cursor. */
	eventClients: 256,
	/** Of them, those of one API key: a quarter, as of the inbox. */
	eventClientsOfKey: 64,
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
	/** Keys in the database that are not revoked: all of them are held by every process. */
	storedKeys: 10_000,
	/** Name of a key: a line of a list. */
	keyNameLength: 128,
	/** Namespaces of one key: each is compared with every row of a list. */
	keyNamespaces: 64,
	/**
	 * Age at which the keys that a process knows are read again: a key that is revoked, by whichever process,
	 * opens nothing later than this.
	 */
	keyStalenessMs: 1_000,
	/** Most that one key is given a minute: far above what one process answers. */
	keyRequestsPerMinute: 1_000_000,
	/** What a key without a rate of its own has: about half of what one process answers to small reads. */
	defaultRequestsPerMinute: 60_000,
	/** Log entries read for one event client at a time: the client's backlog stays in Postgres. */
	eventBatch: 500,
	/** Contracts that the factories of one contract made: each is a memory, and a look-up for each of its logs. */
	factoryChildren: 1_000_000,
	/** Of them as many are asked for by address; more are asked for by topics alone. Nodes limit addresses too. */
	factoryListedChildren: 256,
	/** Answers of contracts kept for handlers that ask again at the same block, and the bytes of one. */
	callCacheEntries: 20_000,
	callBytes: 1_048_576,
	/** Bytes of all of them: mostly words of 32, so the entries are the bound. */
	callCacheBytes: 33_554_432,
	/** Addresses that one contract of a chain's file lists, and its handlers of blocks and events. */
	contractAddresses: 1_000,
	chainHandlers: 1_000,
	/** Filters of one event of a contract: each is a request of its own for a range. */
	eventFilterAlternatives: 16,
	/** Handler-owned memories kept at hand for handlers, most recently used first. */
	handlerCacheEntries: 100_000,
	/** Longest run of one handler for one event; beyond it the handler hangs, and its chain stops. */
	handlerMs: 30_000,
	/**
	 * Rows of versions that a repair makes again in memory: those of the damaged memories, and where groups
	 * are derived again, those of handlers. About 1 KiB each.
	 */
	repairVersions: 200_000,
	/** Rows that a repair changes in one transaction: tens of milliseconds between two commits. */
	repairRows: 500,
	/** Ended repairs of a chain that are kept with what they did. */
	repairHistory: 200,
	/** Log entries of a history answer. */
	historyVersions: 200,
	/** Links that a walk through the graph follows one after another: as deep as derivations may be. */
	graphDepth: 64,
	/** Memories that one walk finds: contents of 64 KiB at most, each with the way to it. */
	graphNodes: 500,
	/** Links that one step of a walk looks at: each is a look-up of the link and of its other end. */
	graphLinks: 5_000,
	/** Types of links that one request names. */
	graphTypes: 16,
	/** Derivations that an explanation follows one after another, up and down: as deep as they may be. */
	explainDepth: 64,
	/** Sources, and dependents, that an explanation tells of. */
	explainNodes: 200,
	/** Operations on one memory that an explanation tells of, the newest ones. */
	explainOperations: 100,
	/** Verdicts on them, the newest ones. */
	explainVerdicts: 500,
	/** Rollbacks that an explanation tells of, the newest ones. */
	explainRollbacks: 100,
	/** Namespaces of a chain that have settings of their own: all of them are held by its writer. */
	settingsNamespaces: 10_000,
	/** Age at which a writer looks whether another process registered settings. */
	settingsStalenessMs: 1_000,
	/** Times of ending that one backfilled group looks for: each takes some ten headers of the node. */
	expiryTimes: 1_000,
	/** Short-term memories that a namespace may be told to keep: as many as a chain has at hand. */
	shortTermCapacity: 50_000,
	/** JSON Schema of one layer: a page of fields with their bounds. */
	schemaBytes: 16_384,
	/**
	 * Subschemas of one schema, each counted as often as a `$ref` leads to it. A content of the largest size
	 * has some 32,000 values, and each is met by each at most once: 8 million steps, half a second where most
	 * of them find something wrong (measured).
	 */
	schemaNodes: 256,
	/**
	 * Steps of checking the contents of one request, values times subschemas: one content of the largest size
	 * against the largest schema, since a request of small patches could ask for a thousand of these.
	 */
	schemaSteps: 8_388_608,
	/** Schemas within schemas: as deep as the content that they describe. */
	schemaDepth: 32,
	/** Items of a list that may be asked to differ: each is compared with each. */
	uniqueItems: 256,
	/** Compiled schemas that are kept, the most recently used: some 50 KB each. */
	compiledSchemas: 512,
	/**
	 * Values of a content times subschemas up to which every problem is looked for; past it the first one is
	 * all that is told, since each would be an object of its own.
	 */
	schemaProblemSteps: 100_000,
	/** Consolidation rules of one namespace: each looks through its members when it is due. */
	consolidationRules: 16,
	/** Members that one rule looks at, the newest: what a namespace's short-term memory holds, and more. */
	consolidationMembers: 60_000,
	/** Long-term memories that one run of a rule writes; what is left waits for the next. One commit. */
	consolidationPuts: 500,
	/** Patterns that a chain's consolidation function answers: more is no summary. */
	consolidationPatterns: 1_000,
	/**
	 * What a chain's consolidation function may take for one answer, since other commits wait for it; one that
	 * asks a slow model records its answers as they come, and finds them at its next turn.
	 */
	consolidationMs: 5_000,
	/** Memories that one optimisation looks at, and drops: the same as a partial restore. */
	optimisedMemories: 5_000,
	optimisedScanned: 200_000,
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
	/** How long a provider is not trusted after an untrue answer; doubled at each further one, up to the most. */
	rpcDistrustMs: 30_000,
	rpcDistrustMostMs: 600_000,
	/** Requests to one provider at once, whatever it seems to bear: sockets of one host, and room for others. */
	rpcRequests: 128,
	/** Requests that wait for one provider's turn: more than a group of blocks and the anchors of one ever ask. */
	rpcWaitingRequests: 10_000,
	/** How often providers that are not asked are looked at, to know their heads; only where there are several. */
	rpcProbeMs: 15_000,
	/** Texts, and their bytes, of one request to an embedder: what common endpoints take by default. */
	embedderBatchTexts: 32,
	embedderBatchBytes: 262_144,
	/** Requests to an embedder at once: more only meets its rate limit sooner. */
	embedderRequests: 4,
	/** Requests that wait for their turn; a call has as many as run at once, so 64 calls. */
	embedderRequestsWaiting: 256,
	/** One request to an embedder: a full batch of long texts on a busy one takes seconds. */
	embedderRequestMs: 15_000,
	/** Tries of one request, and the longest Retry-After that is waited for: a caller's deadline is 5 s. */
	embedderAttempts: 3,
	embedderRetryAfterMs: 2_000,
	/** An embedder's answer: a full batch of the largest vectors, at 24 characters a number. */
	embedderAnswerBytes: 8_388_608,
	/** Embeddings in the process: some 20,000 of 384 floats, what a long rollback writes again. */
	embeddingCacheBytes: 33_554_432,
	/** Embeddings kept in Postgres, of all models: 1.5 GB at 1,536 floats. The longest unused go first. */
	embeddingRows: 250_000,
	/** Time without use after which an embedding goes: longer than any fork, import or repair looks back. */
	embeddingRetentionMs: 90 * 24 * 3_600_000,
	/** Name of a model: a repository's name with its revision fits. */
	modelLength: 256,
	/** A recorded result, as canonical JSON: what a model answers at most, in some 60,000 tokens. */
	resultBytes: 262_144,
	/** Results kept of one chain, and the time without use after which one goes. The longest unused go first. */
	resultRows: 100_000,
	resultRetentionMs: 90 * 24 * 3_600_000,
	/** Between two looks for rows that may go, and rows that one statement deletes. */
	sweepMs: 3_600_000,
	sweepRows: 1_000,
	/** Statements of one look at one table: a tenth of a million rows, the rest next time. */
	sweepSteps: 100,
	/** Receivers of a webhook, and secrets that sign at once: the old and the new while one is changed. */
	webhookUrls: 8,
	webhookSecrets: 4,
	/** Body of a webhook: receivers commonly take 64 KiB to 1 MiB. The report itself is whole. */
	webhookBytes: 65_536,
	/** One delivery, and what is read of its answer: enough to say what was wrong. */
	webhookMs: 10_000,
	webhookAnswerBytes: 4_096,
	/** Tries of a delivery; waits double from 5 s, so the last is some six hours after the first. */
	webhookAttempts: 13,
	/** Ended deliveries that are kept, by their age. */
	deliveryRetentionMs: 30 * 24 * 3_600_000,
	/** Deliveries that one look at the outbox takes, and waiting ones looked up again at a start. */
	deliveryBatch: 1_000,
	/** Age of a signed message at which a receiver refuses it, if it says nothing else. */
	webhookToleranceS: 300,
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
		why: "a tail that is behind must hold what one that may not grow holds, and the inbox on top",
		holds: LIMITS.tailMostRows > LIMITS.tailRows + LIMITS.inboxOperations,
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
		why: "one request of a key must fit its share of the inbox, and several keys the whole",
		holds:
			LIMITS.batchOperations <= LIMITS.inboxOperationsOfKey &&
			4 * LIMITS.inboxOperationsOfKey <= LIMITS.inboxOperations,
	},
	{
		why: "a partial restore must fit the inbox: a memory that changes its layer is deleted and put",
		holds: 2 * LIMITS.partialMemories <= LIMITS.inboxOperations,
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
		why: "several keys can read events at once",
		holds: 4 * LIMITS.eventClientsOfKey <= LIMITS.eventClients,
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
