/** What a memory is, what one writes of it, and what a namespace is told; see ../limits.ts. */
export const MEMORY_LIMITS = {
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
	/**
	 * Short-term memories of one chain that are kept at hand, and their bytes: more than an agent works
	 * with at a time, and little beside the service's own memory.
	 */
	workingMemoryEntries: 50_000,
	workingMemoryBytes: 67_108_864,
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
} as const;
