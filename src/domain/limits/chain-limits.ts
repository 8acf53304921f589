/** Following a chain, its nodes and its handlers; see ../limits.ts. */
export const CHAIN_LIMITS = {
	/**
	 * Least cap of a chain's header window where finality stalls, and so the floor of retention: 3.4 hours of
	 * 12-second blocks. The cap is the deepest fork that is rolled back without an operator.
	 */
	windowBlocks: 1_024,
	/**
	 * The time that the cap covers on chains of faster blocks: finality that comes from Ethereum lags by some
	 * 15 to 25 minutes.
	 */
	windowMs: 1_800_000,
	/**
	 * Most of it: half an hour of 220 ms blocks. A window of so many headers is 2 MB, one that is read again
	 * 8,193 rows, each a checkpoint beside it, and a walk back through all of it 8,192 headers.
	 */
	windowMostBlocks: 8_192,
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
	orphanRetentionBlocks: 8_192,
	/** Blocks between checkpoints below the window. */
	checkpointIntervalBlocks: 1_000,
	/** Of `history.every`: what is above is kept at the checkpoints alone, whatever it says. */
	historyEveryBlocks: 1_000_000,
	/** Blocks of one backfill group: past 500 a larger transaction gains nothing (measured). */
	groupBlocks: 500,
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
	/** Handler-owned memories kept at hand for handlers, most recently used first: some 110,000 small ones. */
	handlerCacheBytes: 67_108_864,
	/**
	 * Reads of a group's handlers from which on those of the next are foreseen by running them twice: below it that
	 * costs more than reading one by one.
	 */
	rehearsedFromReads: 32,
	/** Memories that are read at once for a group: more are left to be read one by one, as all were before. */
	rehearsedKeys: 16_384,
	/** Longest rehearsal: handlers wait for nothing in it, and one that hangs does so again when it counts. */
	rehearsalMs: 2_000,
	/** Longest run of one handler for one event; beyond it the handler hangs, and its chain stops. */
	handlerMs: 30_000,
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
} as const;
