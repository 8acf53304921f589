/** Vectors, models and what they answered, and searches; see ../limits.ts. */
export const SEARCH_LIMITS = {
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
	 * Vectors of a collection up to which all of it is searched in memory: 2,730 of 384 floats, some 2 ms with
	 * their words, a third of what asking LanceDB takes (measured). The first search reads them, 75 ms.
	 */
	wholeCollectionBytes: 4_194_304,
	/** Collections kept so; with rows and texts one takes up to twice its vectors. */
	wholeCollections: 16,
	/**
	 * Longest wait of a search for its text's vector, after which it goes on with the words alone: enough for an
	 * endpoint that has to be asked twice, and with LanceDB's time below it less than clients commonly wait.
	 */
	queryEmbedMs: 3_000,
	/** Longest wait of a search for LanceDB, after which it goes on without: fifty times a usual one. */
	vectorRequestMs: 5_000,
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
	/** Keys that one search's `where` compares: each is a look-up into the content of a candidate. */
	whereKeys: 16,
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
} as const;
