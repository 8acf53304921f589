/** Requests, keys, answers, events and webhooks, and the servers that are asked; see ../limits.ts. */
export const SERVICE_LIMITS = {
	/** Body of one HTTP request: a full batch of ordinary operations. */
	requestBytes: 4_194_304,
	/** Entries of one list or object in a request: as many as the largest content can hold. */
	jsonEntries: 32_768,
	/** Memories on one page. */
	pageSize: 200,
	/** Longest wait for Redis by a read that Postgres can answer too: a hundred times what either takes. */
	redisRequestMs: 250,
	/** Longest wait of /readyz for Postgres; one that is slower serves no traffic well. */
	databaseProbeMs: 2_000,
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
